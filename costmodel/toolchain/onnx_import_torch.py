"""From a prepared ONNX graph to linalg on tensors through torch-mlir.

Owns the only use of torch-mlir. Invariant: the text it gives has one public function `main` whose arguments are the
model's inputs followed by the lifted constants. torch-mlir may abort the process on odd input: callers run this in an
isolated worker.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from costmodel.core.errors import MissingDependencyError, UnsupportedError
from costmodel.toolchain.onnx_import_graph import OnnxGraph, stripped_model

ONNX_TO_LINALG = (
    "builtin.module(func.func(convert-torch-onnx-to-torch),"
    "torch-lower-to-backend-contract,torch-backend-to-linalg-on-tensors-backend-pipeline)"
)


def require_torch_mlir() -> tuple[ModuleType, ModuleType, ModuleType]:
    """torch-mlir's `ir`, `passmanager` and `onnx_importer`, or `MissingDependencyError` with the way to get them."""
    try:
        from torch_mlir import ir, passmanager
        from torch_mlir.extras import onnx_importer
    except ImportError as error:
        raise MissingDependencyError(
            f"ONNX models are lowered by the package 'torch-mlir' ({error}); run: pip install 'costmodel-ir[onnx]'"
        ) from error
    return ir, passmanager, onnx_importer


def to_linalg(graph: OnnxGraph, lifted: Sequence[str]) -> str:
    """Generic-form MLIR text of `graph` with the constants named in `lifted` as arguments after the inputs.

    Raises:
        UnsupportedError: torch-mlir cannot lower an operator; the message names it.
    """
    ir, passmanager, onnx_importer = require_torch_mlir()
    model = stripped_model(graph, lifted)
    with ir.Context() as context:
        from torch_mlir.dialects import torch as torch_dialect

        torch_dialect.register_dialect(context)
        info = onnx_importer.ModelInfo(model)
        module = info.create_module(context=context).operation
        try:
            importer = onnx_importer.NodeImporter.define_function(info.main_graph, module)
            importer.import_all()
        except (onnx_importer.OnnxImportError, NotImplementedError) as error:
            raise UnsupportedError(
                f"torch-mlir cannot import the graph: {' '.join(str(error).split())[:300]}"
            ) from error
        try:
            passmanager.PassManager.parse(ONNX_TO_LINALG).run(module)
        except ir.MLIRError as error:
            raise UnsupportedError(_explain(error)) from error
        return str(module.get_asm(print_generic_op_form=True, assume_verified=True))


def _explain(error: Any) -> str:
    """One line that names the ONNX operator (or torch op) that torch-mlir refused."""
    messages = [d.message for d in error.error_diagnostics] or [str(error)]
    text = " ".join(" ".join(messages).split())
    named = re.search(r'name = "(onnx\.\w+)"', text) or re.search(r"'(torch\.[\w.]+)'", text)
    if named is None:
        named = re.search(r"(onnx\.\w+|torch\.aten\.\w+)", text)
    operator = named.group(1) if named else "an operator"
    return f"torch-mlir cannot lower {operator}: {text[:300]}"
