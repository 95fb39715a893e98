"""The C predictor against Python: the same numbers, refusals by status, threads, sanitizers, damaged weights."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from costmodel.core.errors import CheckpointError
from costmodel.core.target import Target
from costmodel.export import export_c, flatten, pack
from costmodel.export.native import NUMBERS, NativeModel, build, compiler
from costmodel.models import MODELS
from costmodel.models.context import CODEGEN, context_rows

sys.path.insert(0, str(Path(__file__).parent))
from export_samples import ASKED, KINDS_OF_MODELS, METRICS, compact, fitted, needs_cc, odd, question, row
from program_samples import sample

pytestmark = needs_cc
HERE = Path(__file__).parent
SANITIZED = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined")


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return build(tmp_path_factory.mktemp("native"), "-Wall", "-Wextra", "-Werror")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("export") / "c"
    export_c(compact(), out)
    return out


@pytest.fixture
def native(library):
    model = NativeModel(library, pack(compact()))
    yield model
    model.close()


@pytest.mark.parametrize("kind", KINDS_OF_MODELS)
def test_c_and_python_agree(library, kind):
    model = NativeModel(library, pack(compact(kind)))
    names = compact(kind).numbers
    for i, encoding in enumerate(odd(60)):
        target = ASKED[i % len(ASKED)]
        expected = fitted(kind).predict(question(encoding, target))
        numbers, known, distance = model.predict(row(names, encoding), model.target(target))
        exists = ~np.isnan(numbers[:, 0])
        wanted = np.stack([getattr(expected, name)[0] for name in NUMBERS], axis=1)[exists]
        np.testing.assert_allclose(numbers[exists], wanted, rtol=1e-4, atol=1e-4)
        assert distance == pytest.approx(expected.distance[0], rel=1e-3, abs=1e-3)
        if abs(distance - 1) > 1e-3:
            assert known == bool(expected.known[0])
    model.close()


def test_metrics_that_an_architecture_lacks_have_no_numbers(native):
    numbers, known, _ = native.predict(row(compact().numbers, odd(1)[0]), native.target("nvptx64/sm_90"))
    assert np.isnan(numbers[METRICS.index("port_utilisation")]).all()
    assert np.isfinite(numbers[METRICS.index("instructions"), :4]).all()
    assert not known


def test_a_target_by_its_figures_is_the_target_by_name(native):
    features = row(compact().numbers, odd(1)[0])
    by_name = native.target(ASKED[0])
    figures = type(by_name)(struct_size=ctypes.sizeof(by_name), arch=b"x86-64", figures=tuple(by_name.figures))
    np.testing.assert_array_equal(native.predict(features, figures)[0], native.predict(features, by_name)[0])
    assert by_name.figures[0] == 512
    figures.arch = b"vax"
    numbers, known, _ = native.predict(features, figures)
    assert np.isnan(numbers).all()
    assert not known


def test_a_pipeline_is_told_by_name(library):
    several = NativeModel(library, pack(flatten(fitted("boosted-trees"), pipelines=("p-v1", "other-v2"))))
    encoding = odd(1)[0]
    features = row(compact().numbers, encoding)
    for pipeline in (None, "p-v1", "other-v2"):
        expected = fitted("boosted-trees").predict(question(encoding, ASKED[0], pipeline))
        found = several.predict(features, several.target(ASKED[0]), pipeline)[0]
        np.testing.assert_allclose(found[:, 0], expected.mean[0], rtol=1e-9)
    with pytest.raises(CheckpointError, match="not trained on that pipeline"):
        several.predict(features, several.target(ASKED[0]), "nonsense")
    several.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: np.full_like(f, np.nan), "NaN or infinite"),
        (lambda f: np.where(f == f.max(), np.inf, f), "NaN or infinite"),
        (lambda f: np.zeros_like(f), "no operation"),
        (lambda f: f[:-1], "another size"),
        (lambda f: np.append(f, 0.0), "another size"),
    ],
)
def test_bad_features_are_refused(native, change, words):
    with pytest.raises(CheckpointError, match=words):
        native.predict(change(row(compact().numbers, odd(1)[0])), native.target(ASKED[0]))


def test_unknown_targets_and_graphs_for_a_model_of_features_are_refused(native):
    with pytest.raises(CheckpointError, match="describe it by figures"):
        native.target("x86-64/none")
    with pytest.raises(CheckpointError, match="another kind of input"):
        native.predict_graph(odd(1)[0].graph, 1, native.target(ASKED[0]))


def _with(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda w: b"", "not a file of weights"),
        (lambda w: b"GARBAGE!" + w[8:], "not a file of weights"),
        (lambda w: _with(w, 8, b"\x63"), "another format version"),
        (lambda w: _with(w, 12, b"\x02"), "another version of costmodel.h"),
        (lambda w: w[:-1], "size or checksum"),
        (lambda w: w + b"\0", "size or checksum"),
        (lambda w: _with(w, len(w) // 2, bytes([w[len(w) // 2] ^ 1])), "size or checksum"),
    ],
)
def test_damaged_weights_are_refused(library, damage, words):
    with pytest.raises(CheckpointError, match=words):
        NativeModel(library, damage(pack(compact())))


def run(*command: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*command], capture_output=True, text=True, check=False, **options)


def test_the_example_compiles_and_prints_a_prediction(folder, tmp_path):
    cc = compiler()
    program = str(tmp_path / "example")
    done = run(cc, "-O2", "-Wall", "-Werror", "example.c", "costmodel.c", "-lm", "-o", program, cwd=folder)
    assert done.returncode == 0, done.stderr
    done = run(program, "costmodel.weights", "aarch64/neoverse-n1", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("small on aarch64/neoverse-n1: ")
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == list(METRICS)
    refused = run(program, "example.c", cwd=folder)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "not a file of weights" in refused.stderr


def test_the_header_is_c_plus_plus_too(tmp_path, folder):
    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler")
    (tmp_path / "use.cpp").write_text('#include "costmodel.h"\nint main() { return costmodel_abi_version() != 1; }\n')
    done = run("c++", "-Wall", "-Werror", "-fsyntax-only", f"-I{folder}", str(tmp_path / "use.cpp"))
    assert done.returncode == 0, done.stderr


def _sanitized(folder: Path, tmp_path: Path, source: str, *flags: str) -> str:
    program = str(tmp_path / "sanitized")
    command = (compiler(), *SANITIZED, *flags, f"-I{folder}", str(HERE / source), str(folder / "costmodel.c"), "-lm")
    done = run(*command, "-o", program)
    if (done.returncode and "sanitize" in done.stderr + done.stdout) or "cannot find -lasan" in done.stderr:
        pytest.skip("this compiler has no sanitizers")
    assert done.returncode == 0, done.stderr
    return program


def test_damaged_weights_never_lead_out_of_bounds(folder, tmp_path):
    """The checksum is off, so that damage arrives."""
    program = _sanitized(folder, tmp_path, "fuzz.c", "-DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION")
    done = run(program, str(folder / "costmodel.weights"), "1500")
    assert done.returncode == 0, done.stderr[-2000:]


def test_misuse_is_a_status_and_threads_agree(folder, tmp_path):
    program = _sanitized(folder, tmp_path, "misuse.c", "-pthread")
    done = run(program, str(folder / "costmodel.weights"))
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr[-2000:]


def test_code_that_is_compiled_as_it_stands_has_sums_of_its_own(library):
    examples, targets, groups = sample(40)
    stands = context_rows([(Target.parse(ASKED[i % 2]), CODEGEN, None) for i in range(len(targets))])
    rows = np.arange(len(targets)) % 2 == 0
    mixed = replace(examples, context=np.where(rows[:, None], stands, examples.context).astype(np.float32))
    trees = MODELS.get("boosted-trees")(METRICS, seed=1, rounds=9)
    trees.fit(mixed, np.where(rows[:, None], 3 * targets, targets), groups)
    model = NativeModel(library, pack(flatten(trees, pipelines=("p-v1", CODEGEN), default_pipeline="p-v1")))
    for encoding in odd(8):
        features, target = row(trees.columns.numbers, encoding), model.target(ASKED[0])
        found = {p: model.predict(features, target, p)[0][:, 0] for p in (None, "p-v1", CODEGEN)}
        for pipeline in ("p-v1", CODEGEN):
            expected = trees.predict(question(encoding, ASKED[0], pipeline)).mean[0]
            np.testing.assert_allclose(found[pipeline], expected, rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(found[None], found["p-v1"])
    model.close()
