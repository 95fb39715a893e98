"""The loader: what it accepts, what it refuses, and that it needs nothing but numpy."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import costmodel
from costmodel.core.errors import ArtifactError, UnknownNameError, UsageError
from costmodel.runtime.manifest import check_host, read_manifest
from costmodel.search.artifact import ArtifactBuilder, mlir_functions
from costmodel.toolchain.isolation import call_isolated
from costmodel.toolchain.link import find_linker

pytestmark = pytest.mark.skipif(find_linker() is None, reason="no linker: install gcc or the link extra")

TEXT = """
func.func @double(%x: tensor<3x5xf32>) -> tensor<3x5xf32> {
  %e = tensor.empty() : tensor<3x5xf32>
  %r = linalg.add ins(%x, %x : tensor<3x5xf32>, tensor<3x5xf32>) outs(%e : tensor<3x5xf32>) -> tensor<3x5xf32>
  return %r : tensor<3x5xf32>
}
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    functions = mlir_functions(call_isolated("costmodel.toolchain.normalize:normalize_linalg", TEXT))
    out = tmp_path_factory.mktemp("loader") / "out"
    with ArtifactBuilder() as builder:
        builder.build(functions, {}, out, name="double")
    return out


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "copy"))


def change(folder: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "manifest.json"
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))


def test_a_function_computes_from_any_layout(built: Path) -> None:
    artifact = costmodel.load(built)
    x = np.arange(15, dtype=np.float32).reshape(3, 5)
    np.testing.assert_array_equal(artifact(x), 2 * x)
    np.testing.assert_array_equal(artifact["double"](np.asfortranarray(x)), 2 * x)
    np.testing.assert_array_equal(artifact(np.repeat(x, 2, axis=1)[:, ::2]), 2 * x)
    assert list(artifact.functions) == ["double"]
    assert "float32[3,5]" in repr(artifact)


def test_arrays_that_do_not_fit_are_refused(built: Path) -> None:
    artifact = costmodel.load(built)
    x = np.zeros((3, 5), np.float32)
    with pytest.raises(UsageError, match=r"dtype float64; use \.astype\('float32'\)"):
        artifact(x.astype(np.float64))
    with pytest.raises(UsageError, match=r"shape \(5, 3\)"):
        artifact(x.T)
    with pytest.raises(UsageError, match="takes 1 arrays .* got 2"):
        artifact(x, x)
    with pytest.raises(UnknownNameError, match="it has double"):
        artifact["triple"]


def test_threads_call_at_once(built: Path) -> None:
    artifact = costmodel.load(built)
    wrong: list[int] = []

    def work(seed: int) -> None:
        x = np.full((3, 5), seed, np.float32)
        if any((artifact(x) != 2 * x).any() for _ in range(200)):
            wrong.append(seed)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_an_unknown_cpu_feature_is_refused(copy: Path) -> None:
    change(copy, lambda d: d["cpu_features"].append("avx9000"))
    with pytest.raises(ArtifactError, match="this CPU lacks avx9000"):
        costmodel.load(copy)


def test_a_lesser_cpu_is_refused(built: Path, tmp_path: Path) -> None:
    manifest = read_manifest(built)
    if not manifest.cpu_features:
        pytest.skip("this CPU reports no features")
    proc = tmp_path / "proc"
    proc.mkdir()
    flags = sorted(set(manifest.cpu_features) - {manifest.cpu_features[0]})
    (proc / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {' '.join(flags)}\n")
    with pytest.raises(ArtifactError, match=f"this CPU lacks {manifest.cpu_features[0]}: tune again here"):
        check_host(manifest, built, proc)


def test_another_architecture_is_refused(copy: Path) -> None:
    change(copy, lambda d: d.update(target="s390x/z16"))
    with pytest.raises(ArtifactError, match="built for s390x/z16"):
        costmodel.load(copy)


def test_a_newer_schema_is_refused(copy: Path) -> None:
    change(copy, lambda d: d.update(schema_version=99))
    with pytest.raises(ArtifactError, match="schema_version is 99, this costmodel reads 1; update costmodel"):
        costmodel.load(copy)


@pytest.mark.parametrize("name", ["libdouble.so", "double.h", "scheduled.mlir"])
def test_a_damaged_file_is_refused(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(ArtifactError, match=f"{name} is damaged"):
        costmodel.load(copy)


def test_a_missing_file_is_refused(copy: Path, tmp_path: Path) -> None:
    (copy / "libdouble.so").unlink()
    with pytest.raises(ArtifactError, match="not whole"):
        costmodel.load(copy)
    with pytest.raises(ArtifactError, match="expected a folder that costmodel tune wrote"):
        costmodel.load(tmp_path / "nowhere")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema_version": 1}', "null"])
def test_a_damaged_manifest_is_refused(copy: Path, text: str) -> None:
    (copy / "manifest.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        costmodel.load(copy)


def test_a_manifest_cannot_name_files_elsewhere(copy: Path) -> None:
    change(copy, lambda d: d.update(library="../libdouble.so"))
    with pytest.raises(ArtifactError, match="no file name"):
        costmodel.load(copy)


def test_loading_imports_no_compiler_and_no_search(built: Path) -> None:
    program = (
        "import sys, numpy, costmodel\n"
        f"costmodel.load({str(built)!r})(numpy.zeros((3, 5), numpy.float32))\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('torch', 'mlir', 'llvmlite', 'onnx', 'onnxruntime')"
        " or m.startswith(('costmodel.search', 'costmodel.toolchain', 'costmodel.ir'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
