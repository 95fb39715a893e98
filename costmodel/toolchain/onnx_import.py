"""ONNX model -> linalg on tensors, with the weights beside the text.

Owns the public entry. Invariant: the text holds no constant of more than `SMALL_CONSTANT` elements unless all its
elements are equal. All foreign code runs in a worker process; `import_here` is what runs there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from costmodel.core.errors import ParseError, UnsupportedError
from costmodel.toolchain.isolation import call_isolated
from costmodel.toolchain.onnx_import_fold import fold_graph, liftable_constants
from costmodel.toolchain.onnx_import_graph import Array, TensorInfo, load_graph
from costmodel.toolchain.onnx_import_torch import require_torch_mlir, to_linalg

__all__ = ["ImportedModel", "TensorInfo", "import_here", "import_onnx"]


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


def import_onnx(
    path: Path | str, *, input_shapes: Mapping[str, tuple[int, ...]] | None = None, timeout_s: float = 300.0
) -> ImportedModel:
    """Read an ONNX file into linalg on tensors, in a worker process.

    Args:
        path: the `.onnx` file.
        input_shapes: static shapes of the inputs that the model leaves dynamic.
        timeout_s: the worker is stopped after this long.

    Raises:
        ParseError: the file is empty, truncated or no ONNX model.
        UsageError: the file is absent, a dynamic input has no shape, or a shape does not fit.
        UnsupportedError: control flow, an unknown operator, zero-sized or data-dependent shapes.
        MissingDependencyError: `onnx` or `torch-mlir` is not installed.
        ToolchainError: the worker crashed or ran out of time.
    """
    shapes = {name: tuple(shape) for name, shape in (input_shapes or {}).items()}
    model = call_isolated("costmodel.toolchain.onnx_import:import_here", str(path), shapes, timeout_s=timeout_s)
    assert isinstance(model, ImportedModel)
    return model


def import_here(path: str, input_shapes: Mapping[str, tuple[int, ...]]) -> ImportedModel:
    """`import_onnx` in this process, which torch-mlir may abort."""
    try:
        return _import(Path(path), input_shapes)
    except (ParseError, UnsupportedError) as error:
        if str(error).startswith(path):
            raise
        raise type(error)(f"{path}: {error}") from error


def _import(path: Path, input_shapes: Mapping[str, tuple[int, ...]]) -> ImportedModel:
    require_torch_mlir()
    graph = load_graph(path, input_shapes)
    fold_graph(graph)
    lifted = liftable_constants(graph)
    text = to_linalg(graph, lifted)
    return ImportedModel(
        mlir=text,
        inputs=tuple(graph.inputs),
        outputs=tuple(graph.types[name] for name in graph.outputs),
        weights={name: graph.constants[name] for name in lifted},
    )
