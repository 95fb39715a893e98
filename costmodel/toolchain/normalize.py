"""Linalg on tensors in, the one normal form that everything downstream reads out.

Owns the order of passes and the checks on what may enter. Invariant: the result is generic-form text of static
functions on tensors in which every `linalg.generic` holds its own scalar constants, has no unit dimensions that could
go, and computes nothing more often than the original did. The MLIR bindings may abort the process on odd input: call
`normalize_linalg` through an isolated worker.

What remains beside `linalg.generic`: `linalg.fill`, `tensor.empty`, `tensor.pad`, `tensor.concat`,
`tensor.extract_slice`, `tensor.insert_slice`, `tensor.expand_shape`, `tensor.collapse_shape`, `arith.constant`, and
what a foreign module brought along.
"""

from __future__ import annotations

from mlir import ir
from mlir.passmanager import PassManager

from costmodel.core.errors import ToolchainError, UnsupportedError
from costmodel.toolchain.decompose import decompose_composites
from costmodel.toolchain.diagnostics import first_line, location_of, parse_module
from costmodel.toolchain.normalize_fuse import fuse_elementwise
from costmodel.toolchain.normalize_ops import top_level
from costmodel.toolchain.normalize_tidy import (
    compose_reshapes,
    drop_unit_dims,
    fills_by_name,
    own_constants,
    own_fills,
    own_outputs,
)

SIMPLIFY = (
    "builtin.module(inline,symbol-dce,canonicalize,cse,"
    "func.func(linalg-generalize-named-ops),canonicalize,cse,"
    "linalg-fold-unit-extent-dims,canonicalize,cse)"
)
CLEAN = "builtin.module(canonicalize,cse)"


def normalize_linalg(text: str, file: str = "<text>") -> str:
    """Bring linalg on tensors to the normal form.

    Args:
        text: MLIR, custom or generic form, with one function or many.
        file: the name to print in messages.

    Raises:
        ParseError: `text` is no MLIR or holds an unknown dialect; carries `file:line:column`.
        UnsupportedError: no function, a function without tensors, a dynamic or zero-sized dimension.
        ToolchainError: a pass fails.
    """
    with ir.Context() as context, ir.Location.unknown():
        module = parse_module(text, context=context, file=file)
        _check_functions(module, file)
        try:
            decompose_composites(module)
            _run(module, SIMPLIFY)
            fills_by_name(module)
            own_outputs(module)
            drop_unit_dims(module)
            compose_reshapes(module)
            _run(module, CLEAN)
            fuse_elementwise(module)
            compose_reshapes(module)
            _run(module, CLEAN)
        except ir.MLIRError as error:
            raise ToolchainError(f"{file}: normalisation fails: {first_line(error)}") from error
        own_fills(module)
        own_constants(module)
        return str(module.operation.get_asm(print_generic_op_form=True))


def _run(module: ir.Module, passes: str) -> None:
    PassManager.parse(passes).run(module.operation)


def _check_functions(module: ir.Module, file: str) -> None:
    functions = [op.operation for op in module.body.operations if op.operation.name == "func.func"]
    defined = [f for f in functions if len(f.regions[0].blocks)]
    if not defined:
        raise UnsupportedError(f"{file}: holds no function with a body; expected func.func on tensors")
    for function in functions:
        kind = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value)
        name = ir.StringAttr(function.attributes["sym_name"]).value
        place = location_of(function.location, file)
        types = [*kind.inputs, *kind.results]
        if not any(isinstance(t, ir.RankedTensorType) for t in types):
            shown = ", ".join(map(str, types)) or "nothing"
            raise UnsupportedError(f"function {name!r} works on {shown}; expected ranked tensors", location=place)
        for tensor in types:
            _check_type(tensor, name, file, function)
    for op in top_level(module):
        for result in op.results:
            _check_type(result.type, op.name, file, op)


def _check_type(kind: ir.Type, name: str, file: str, op: ir.Operation) -> None:
    place = location_of(op.location, file)
    if isinstance(kind, (ir.UnrankedTensorType, ir.UnrankedMemRefType, ir.MemRefType)):
        raise UnsupportedError(f"{name!r} has the type {kind}; expected ranked tensors", location=place)
    if not isinstance(kind, ir.RankedTensorType):
        return
    if not kind.has_static_shape:
        raise UnsupportedError(f"{name!r} has the dynamic type {kind}; make its shapes static", location=place)
    if 0 in kind.shape:
        raise UnsupportedError(f"{name!r} has the type {kind}: a dimension of size zero", location=place)
