"""What compilers produce, written to a folder: torch-mlir and IREE on the models, Triton on the kernels.

Owns the layout `FOLDER/PRODUCER/LEVEL/NAME.mlir`. Invariant: a file is written once and kept; what a compiler refuses
is listed in `refused.json`, never dropped in silence. Each compiler runs in a process of its own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import _reading_models as models
import numpy as np

TORCH_LEVELS = ("torch", "linalg-on-tensors", "stablehlo", "tosa")
IREE_PHASES = (
    "input", "preprocessing", "global-optimization", "dispatch-creation", "flow", "stream", "executable-sources",
    "executable-configurations", "executable-targets", "hal", "vm",
)  # fmt: skip
TRITON_TARGETS = (("cuda", 90, 32), ("hip", "gfx942", 64))
_MESSAGE = 300


def _keep(folder: Path, name: str, make: Callable[[], str], refused: dict[str, str]) -> str | None:
    """Text of `folder/name.mlir`, made if it is not there; None where the compiler refuses."""
    path = folder / f"{name}.mlir"
    if path.exists():
        return path.read_text()
    try:
        text = make()
    except (RuntimeError, ValueError, TypeError, AttributeError, NotImplementedError, AssertionError) as error:
        refused[f"{folder.parent.name}/{folder.name}/{name}"] = " ".join(str(error).split())[:_MESSAGE]
        return None
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return text


def torch_mlir(folder: Path, refused: dict[str, str]) -> None:
    """Each model in the torch dialect, linalg on tensors, StableHLO and TOSA."""
    from torch_mlir import fx
    from torch_mlir.compiler_utils import TorchMlirCompilerError

    def imported(name: str, level: str) -> str:
        module, inputs = models.build(name)
        try:
            return str(fx.export_and_import(module, *inputs, output_type=level, func_name=name))
        except TorchMlirCompilerError as error:
            raise RuntimeError(str(error)) from None

    for name in models.MODELS:
        for level in TORCH_LEVELS:
            _keep(folder / "torch-mlir" / level, name, lambda name=name, level=level: imported(name, level), refused)


def iree(folder: Path, refused: dict[str, str]) -> None:
    """Each model's linalg through IREE up to each phase, for a CPU."""
    from iree.compiler import CompilerToolError, compile_str

    def compiled(text: str, phase: str) -> str:
        arguments = [f"--compile-to={phase}", "--iree-llvmcpu-target-cpu=generic"]
        try:
            return compile_str(text, target_backends=["llvm-cpu"], extra_args=arguments).decode()
        except CompilerToolError as error:
            raise RuntimeError(str(error)) from None

    for path in sorted((folder / "torch-mlir" / "linalg-on-tensors").glob("*.mlir")):
        text = path.read_text()
        for phase in IREE_PHASES:
            _keep(folder / "iree" / phase, path.stem, lambda text=text, phase=phase: compiled(text, phase), refused)


def triton(folder: Path, refused: dict[str, str]) -> None:
    """TTIR and TTGIR of every kernel family of `costmodel.datasets.triton_kernels`, for two targets."""
    import triton as compiler
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from costmodel.datasets.triton_kernels import NAMES, configurations, load

    for name in NAMES:
        family = load(name)
        configuration = configurations(family, 1, np.random.default_rng(0))[0]
        for backend, arch, warp in TRITON_TARGETS:
            if (folder / "triton" / "ttgir" / f"{name}-{backend}.mlir").exists():
                continue
            source = ASTSource(family.kernel, family.types(configuration), dict(configuration.constants), {})
            options = {"num_warps": configuration.num_warps, "num_stages": configuration.num_stages}
            try:
                made = compiler.compile(source, target=GPUTarget(backend, arch, warp), options=options)
            except (compiler.CompilationError, RuntimeError) as error:
                refused[f"triton/{name}-{backend}"] = " ".join(str(error).split())[:_MESSAGE]
                continue
            for level in ("ttir", "ttgir"):
                text = made.asm[level]
                _keep(folder / "triton" / level, f"{name}-{backend}", lambda text=text: text, refused)


PRODUCERS = {"torch-mlir": torch_mlir, "iree": iree, "triton": triton}


def main(producer: str, folder: Path) -> None:
    """Run one producer; its refusals go to `FOLDER/PRODUCER/refused.json`."""
    refused: dict[str, str] = {}
    PRODUCERS[producer](folder, refused)
    (folder / producer).mkdir(parents=True, exist_ok=True)
    (folder / producer / "refused.json").write_text(json.dumps(refused, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
