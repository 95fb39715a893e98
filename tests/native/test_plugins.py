"""The LLVM and MLIR plug-ins: features and predictions equal Python's, bad input never stops the compiler."""

import json
import math
import re
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from costmodel import ir
from costmodel.export.native import NativeModel, build
from costmodel.models.encode import function_numbers
from costmodel.native.tables import COMPUTED

pytestmark = pytest.mark.toolchain("clang", "opt", "mlir-opt", "mlir-translate")
SOURCE = Path(__file__).parent / "data" / "mixed.c"
TARGET = "x86-64/znver4"
LEVELS = ("-O0", "-O1", "-O2", "-O3 -march=znver4", "-O2 --target=aarch64-linux-gnu -ffreestanding")


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ir")
    found = []
    for index, flags in enumerate(LEVELS):
        path = folder / f"mixed{index}.ll"
        options = [*flags.split(), "-fno-math-errno"] if "freestanding" not in flags else flags.split()
        done = subprocess.run(
            ["clang-22", "-w", "-S", "-emit-llvm", *options, str(SOURCE), "-o", str(path)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode == 0:  # another target's C library may be missing
            found.append(path)
    assert len(found) >= len(LEVELS) - 1
    return found


def _features(text: str) -> dict[str, Mapping[str, float]]:
    rows = [json.loads(line) for line in text.splitlines() if line.startswith('{"name"')]
    return {row["name"]: row["features"] for row in rows}


def _assert_equal(native: dict[str, Mapping[str, float]], path: Path) -> int:
    functions = {function.name: function for function in ir.read(path).functions}
    assert native.keys() == functions.keys()
    for name, features in native.items():
        expected = functions[name].features()
        different = {
            key: (expected[key], features[key])
            for key in COMPUTED
            if not math.isclose(expected[key], features[key], rel_tol=1e-4)
            or (key.startswith(("n_", "ops", "loops")) and expected[key] != features[key])
        }
        assert not different, f"{path.name}: {name}"
    return len(native)


def test_features_from_llvm_functions_equal_pythons(plugins, modules):
    for path in modules:
        done = plugins.opt("costmodel-features", path, "-disable-output")
        assert done.returncode == 0, done.stderr
        assert _assert_equal(_features(done.stdout), path) >= 19


def test_features_from_mlir_operations_equal_pythons(plugins, modules, tmp_path):
    for path in modules[1:3]:
        imported, generic = tmp_path / "in.mlir", tmp_path / "generic.mlir"
        subprocess.run(["mlir-translate-22", "--import-llvm", str(path), "-o", str(imported)], check=True, timeout=300)
        done = plugins.mlir_opt(imported, "--costmodel-features", "--mlir-print-op-generic", "-o", str(generic))
        assert done.returncode == 0, done.stderr
        assert _assert_equal(_features(done.stdout), generic) >= 19


def _annotations(text: str) -> dict[str, tuple[bool, dict[str, float]]]:
    """Function to (known, mean by metric)."""
    lines = dict(re.findall(r"^(!\d+) = (.*)$", text, re.MULTILINE))
    found = {}
    for name, node in re.findall(r"^define [^@]*@(\w+)\(.*!costmodel (!\d+)", text, re.MULTILINE):
        items = re.fullmatch(r'!{!"' + TARGET + r'", i1 (true|false), (.*)}', lines[node])
        metrics = [re.match(r'!{!"(\w+)", double (\S+),', lines[part]) for part in items[2].split(", ")]
        found[name] = (items[1] == "true", {metric[1]: _double(metric[2]) for metric in metrics})
    return found


def _double(text: str) -> float:
    return struct.unpack(">d", bytes.fromhex(text[2:]))[0] if text.startswith("0x") else float(text)


def test_annotations_are_what_the_weights_say_of_pythons_numbers(plugins, weights, modules, tmp_path):
    done = plugins.opt(f"costmodel-annotate<target={TARGET}>", modules[2], "-S")
    assert done.returncode == 0
    assert not done.stderr
    found = _annotations(done.stdout)
    model = NativeModel(build(tmp_path), weights.read_bytes())
    functions = ir.read(modules[2]).functions
    assert found.keys() == {function.name for function in functions}
    for function in functions:
        numbers, is_known, _ = model.predict(model.row(function_numbers(function)), model.target(TARGET))
        known, means = found[function.name]
        assert known == is_known
        expected = {name: row[0] for name, row in zip(model.metrics, numbers, strict=True) if not math.isnan(row[0])}
        assert means == pytest.approx(expected, rel=1e-4, abs=1e-4)
    model.close()


def test_mlir_annotations_hold_target_and_metrics(plugins, weights, modules, tmp_path):
    imported = tmp_path / "in.mlir"
    subprocess.run(
        ["mlir-translate-22", "--import-llvm", str(modules[1]), "-o", str(imported)], check=True, timeout=300
    )
    done = plugins.mlir_opt(imported, f"--costmodel-annotate=target={TARGET}")
    assert done.returncode == 0
    assert not done.stderr
    assert done.stdout.count("costmodel.prediction") == len(ir.read(modules[1]).functions)
    assert f'target = "{TARGET}"' in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("target=x86-64/nosuch", "does not know the target 'x86-64/nosuch'"),
        ("target=x86-64/znver4;model=/nowhere/x.weights", "cannot load the model"),
    ],
)
def test_what_cannot_be_predicted_is_said_and_the_compiler_goes_on(plugins, weights, modules, options, message):
    for name in ("costmodel-annotate", "costmodel-unroll"):
        plain = plugins.opt("verify", modules[1], "-S")
        done = plugins.opt(f"{name}<{options}>", modules[1], "-S")
        assert done.returncode == 0
        assert message in done.stderr
        assert done.stdout == plain.stdout


def test_damaged_weights_are_refused(plugins, weights, modules, tmp_path):
    damaged = tmp_path / "damaged.weights"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    done = plugins.opt(f"costmodel-annotate<target={TARGET};model={damaged}>", modules[1], "-S")
    assert done.returncode == 0
    assert "cannot load the model" in done.stderr
    assert "!costmodel" not in done.stdout


def test_unknown_options_are_refused(plugins, modules):
    done = plugins.opt("costmodel-annotate<speed=9>", modules[1], "-disable-output")
    assert done.returncode != 0
    assert "unknown option 'speed=9'; expected target=" in done.stderr


def test_ir_of_an_unknown_version_is_refused_by_llvm_itself(plugins, weights, tmp_path):
    newer = tmp_path / "newer.bc"
    newer.write_bytes(b"BC\xc0\xde" + bytes(range(200)))
    done = plugins.opt(f"costmodel-annotate<target={TARGET}>", newer, "-disable-output")
    assert done.returncode == 1
    assert "error:" in done.stderr


def test_mlir_without_a_target_says_so(plugins, weights, tmp_path):
    module = tmp_path / "f.mlir"
    module.write_text("llvm.func @f() {\n  llvm.return\n}\n", encoding="utf-8")
    done = plugins.mlir_opt(module, "--costmodel-annotate")
    assert done.returncode == 0
    assert "no target given" in done.stderr
    assert "costmodel.prediction" not in done.stdout


def test_mlir_outside_the_llvm_dialect_is_left_alone(plugins, weights, tmp_path):
    module = tmp_path / "f.mlir"
    module.write_text(
        "llvm.func @f(%a: i32) -> i32 {\n  %b = arith.addi %a, %a : i32\n  llvm.return %b : i32\n}\n", encoding="utf-8"
    )
    done = plugins.mlir_opt(module, f"--costmodel-annotate=target={TARGET}")
    assert done.returncode == 0
    assert "outside the LLVM dialect; lower it first" in done.stderr
    assert "costmodel.prediction" not in done.stdout
