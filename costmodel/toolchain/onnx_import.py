"""ONNX model -> linalg on tensors, with the weights beside the text.

Owns the public entry. Invariant: the text holds no constant of more than `SMALL_CONSTANT` elements unless all its
elements are equal. torch-mlir runs in this process: call `import_onnx` through an isolated worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from costmodel.toolchain.onnx_import_fold import fold_graph, liftable_constants
from costmodel.toolchain.onnx_import_graph import Array, TensorInfo, load_graph
from costmodel.toolchain.onnx_import_torch import require_torch_mlir, to_linalg

__all__ = ["ImportedModel", "TensorInfo", "import_onnx"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedModel:
    """One function `main` on tensors: arguments are `inputs`, then `weights` in the dictionary's order."""

    mlir: str
    """Generic-form text of a module with the one function `main`."""
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    weights: dict[str, Array]

    @property
    def arguments(self) -> tuple[str, ...]:
        """Names of `main`'s arguments in order."""
        return (*(info.name for info in self.inputs), *self.weights)


def import_onnx(path: Path | str, *, input_shapes: Mapping[str, tuple[int, ...]] | None = None) -> ImportedModel:
    """Read an ONNX file into linalg on tensors.

    Args:
        path: the `.onnx` file.
        input_shapes: static shapes of the inputs that the model leaves dynamic.

    Raises:
        ParseError: the file is empty, truncated or no ONNX model.
        UsageError: a dynamic input without a shape, or a shape that does not fit.
        UnsupportedError: control flow, an unknown operator, zero-sized or data-dependent shapes.
        MissingDependencyError: `onnx` or `torch-mlir` is not installed.
    """
    require_torch_mlir()
    graph = load_graph(Path(path), input_shapes or {})
    fold_graph(graph)
    lifted = liftable_constants(graph)
    text = to_linalg(graph, lifted)
    return ImportedModel(
        mlir=text,
        inputs=tuple(graph.inputs),
        outputs=tuple(graph.types[name] for name in graph.outputs),
        weights={name: graph.constants[name] for name in lifted},
    )
