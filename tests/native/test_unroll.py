"""The unroll pass: factors as metadata, alone and inside -O3; where it keeps silent; what the compiler then makes."""

import re
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.toolchain("clang", "opt", "mlir-opt", "mlir-translate")
TARGET = "x86-64/rocketlake"
LOOPS = """
int find(const unsigned char *b, long n) { for (long i = 0; i < n; i++) if (b[i] == 255) return (int)i; return -1; }
float sum(const float *b, long n) { float s = 0; for (long i = 0; i < n; i++) s += b[i]; return s; }
void pragma(float *a, long n) {
  _Pragma("clang loop unroll(disable) vectorize(disable)") for (long i = 0; i < n; i++) a[i] = a[i] * a[i] + 1;
}
int straight(int x) { return x + 1; }
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("unroll") / "loops.c"
    path.write_text(LOOPS, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def module(source) -> Path:
    """Optimised, but not unrolled."""
    path = source.with_suffix(".ll")
    command = [
        "clang-22",
        "-O2",
        "-march=rocketlake",
        "-fno-unroll-loops",
        "-S",
        "-emit-llvm",
        str(source),
        "-o",
        str(path),
    ]
    text = subprocess.run(command, capture_output=True, text=True, check=False)
    assert text.returncode == 0, text.stderr
    # -fno-unroll-loops leaves metadata behind, as a pragma would
    clean = re.sub(r", !llvm.loop !\d+", "", path.read_text(encoding="utf-8"))
    path.write_text(clean, encoding="utf-8")
    return path


def counts(text: str) -> list[int]:
    return [int(n) for n in re.findall(r'"llvm.loop.unroll.count", i32 (\d+)', text)]


def test_a_factor_for_every_loop_becomes_metadata(plugins, module):
    done = plugins.opt("costmodel-unroll<factor=6>", module, "-S")
    assert done.returncode == 0
    assert not done.stderr
    assert set(counts(done.stdout)) == {6}
    once = plugins.opt("costmodel-unroll<factor=1>", module, "-S").stdout
    assert "llvm.loop.unroll.disable" in once
    assert not counts(once)


def test_pragmas_sizes_and_functions_without_loops_are_left_alone(plugins, source, module, tmp_path):
    path = tmp_path / "pragmas.ll"
    command = ["clang-22", "-O1", "-S", "-emit-llvm", str(source), "-o", str(path)]
    subprocess.run(command, check=True)
    done = plugins.opt("costmodel-unroll<factor=6>", path, "-S")
    assert done.stdout.count("llvm.loop.unroll.disable") == path.read_text().count("llvm.loop.unroll.disable") > 0
    small = tmp_path / "small.ll"
    small.write_text(re.sub(r"(attributes #\d+ = \{)", r"\1 optsize", module.read_text()), encoding="utf-8")
    assert plugins.opt("costmodel-unroll<factor=6>", small, "-S").stdout == plugins.opt("verify", small, "-S").stdout


def test_the_models_choice_is_sure_or_none(plugins, weights, module):
    plain = plugins.opt("verify", module, "-S").stdout
    cautious = plugins.opt(f"costmodel-unroll<target={TARGET};caution=10>", module, "-S")
    bold = plugins.opt(f"costmodel-unroll<target={TARGET};caution=0>", module, "-S")
    assert cautious.returncode == bold.returncode == 0
    assert not cautious.stderr + bold.stderr
    assert cautious.stdout == plain
    assert set(counts(bold.stdout)) <= {2, 3, 4, 6, 8, 16}
    assert counts(bold.stdout)


def test_inside_o3_the_hook_does_what_the_pass_asks(plugins, source, tmp_path):
    library = plugins.folder / "libcostmodel_llvm.so"
    sizes = {}
    for name, asked in (("plain", []), ("two", ["-mllvm", "-costmodel-unroll=factor=2"]),
                        ("many", ["-mllvm", "-costmodel-unroll=factor=16"])):  # fmt: skip
        out = tmp_path / f"{name}.s"
        command = [
            "clang-22",
            "-O3",
            "-S",
            f"-fplugin={library}",
            f"-fpass-plugin={library}",
            *asked,
            str(source),
            "-o",
            str(out),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        sizes[name] = out.read_text().count("addss")
    assert sizes["two"] < sizes["plain"] < sizes["many"]


def test_unrolled_code_computes_the_same(plugins, source, tmp_path):
    library = plugins.folder / "libcostmodel_llvm.so"
    caller = tmp_path / "main.c"
    caller.write_text(
        "#include <stdio.h>\nint find(const unsigned char *, long); float sum(const float *, long);\n"
        "int main(void) { unsigned char b[99]; float f[99]; for (int i = 0; i < 99; i++) { b[i] = i; f[i] = i; }\n"
        '  b[77] = 255; for (long n = 0; n < 99; n++) printf("%d %g\\n", find(b, n), sum(f, n)); }\n',
        encoding="utf-8",
    )
    printed = set()
    for factor in (1, 3, 16):
        asked = ["-mllvm", f"-costmodel-unroll=factor={factor}"]
        program = tmp_path / f"program{factor}"
        command = [
            "clang-22",
            "-O3",
            f"-fplugin={library}",
            f"-fpass-plugin={library}",
            *asked,
            str(source),
            str(caller),
        ]
        subprocess.run([*command, "-o", str(program)], check=True)
        printed.add(subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout)
    assert len(printed) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("target=aarch64/neoverse-v2", "the model is asked for aarch64/neoverse-v2, the module is for x86-64"),
        ("target=x86-64/nosuch", "the model does not know the target 'x86-64/nosuch'"),
        ("target=x86-64/znver4;model=/nowhere", "cannot load the model of unroll factors /nowhere"),
    ],
)
def test_what_cannot_be_asked_is_said_once_and_llvms_choice_stays(plugins, weights, module, options, message):
    done = plugins.opt(f"costmodel-unroll<{options}>", module, "-S")
    assert done.returncode == 0
    assert done.stderr.count("costmodel: ") == 1
    assert message in done.stderr
    assert "LLVM's own choice of unroll factors stays" in done.stderr
    assert done.stdout == plugins.opt("verify", module, "-S").stdout


def test_a_model_of_something_else_is_refused(plugins, weights, module):
    done = plugins.opt(f"costmodel-unroll<target={TARGET};model={weights}>", module, "-S")
    assert done.returncode == 0
    assert "is no model of unroll factors of version 1" in done.stderr


@pytest.mark.parametrize("options", ["factor=0", "factor=x", "caution=-1", "speed=9"])
def test_bad_options_are_refused(plugins, module, options):
    done = plugins.opt(f"costmodel-unroll<{options}>", module, "-S")
    assert done.returncode != 0
    assert f"option '{options}'" in done.stderr


def test_loops_are_taken_out_as_functions(plugins, module, tmp_path):
    path = tmp_path / "taken.ll"
    assert plugins.opt("costmodel-loops,globaldce,verify", module, "-S", "-o", str(path)).returncode == 0
    text = path.read_text()
    assert re.findall(r"^define .*@costmodel\.loop\.\d+\(", text, re.MULTILINE)
    assert not re.findall(r"^define .*@(find|sum)\(", text, re.MULTILINE)
