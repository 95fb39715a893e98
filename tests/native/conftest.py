"""The plug-ins, built once; runs of opt and mlir-opt with them; weights of the default model."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

import costmodel

NATIVE = Path(costmodel.__file__).parent / "native"
BUILT = NATIVE.parent.parent / "build" / "plugins"


@dataclass(frozen=True)
class Plugins:
    """Where the plug-ins lie, with the weights of the default model beside them."""

    folder: Path

    def opt(self, passes: str, module: Path, *flags: str) -> subprocess.CompletedProcess[str]:
        plugin = f"-load-pass-plugin={self.folder / 'libcostmodel_llvm.so'}"
        return _run(["opt-22", plugin, f"-passes={passes}", *flags, str(module)])

    def mlir_opt(self, module: Path, *flags: str) -> subprocess.CompletedProcess[str]:
        plugin = f"--load-pass-plugin={self.folder / 'libcostmodel_mlir.so'}"
        return _run(["mlir-opt-22", plugin, *flags, str(module)])


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(scope="session")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Plugins:
    """Built by the one make file, in build/plugins: only what changed is built again."""
    jobs = str(min(4, os.cpu_count() or 1))
    made = subprocess.run(
        ["make", "-s", "-j", jobs, "-C", str(NATIVE), f"OUT={BUILT}"], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr[-2000:]
    folder = tmp_path_factory.mktemp("plugins")
    for name in ("libcostmodel_llvm.so", "libcostmodel_mlir.so"):
        shutil.copy(BUILT / name, folder / name)
    return Plugins(folder=folder)


@pytest.fixture(scope="session")
def weights(plugins: Plugins) -> Path:
    """The shipped ones, laid beside the plug-ins."""
    for name in ("costmodel.weights", "costmodel-unroll.weights"):
        shutil.copy(NATIVE / "weights" / name, plugins.folder / name)
    return plugins.folder / "costmodel.weights"
