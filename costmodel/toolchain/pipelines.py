"""Named, versioned lowerings from MLIR to LLVM IR.

Owns the pass pipelines that labels, records and reports refer to by name. Invariant: a published name never changes
its passes; a change gets a new version. The MLIR bindings may abort the process on odd input: call `lower_to_llvm_ir`
through an isolated worker. Does not run LLVM's optimiser and does not load code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlir import ir
from mlir.dialects import linalg
from mlir.dialects.llvm import translate_module_to_llvmir
from mlir.passmanager import PassManager

from costmodel.core.errors import ToolchainError, UnknownNameError, UnsupportedError
from costmodel.toolchain.decompose import decompose_composites
from costmodel.toolchain.diagnostics import first_line, parse_module

_TO_LLVM = (
    "convert-scf-to-cf,expand-strided-metadata,lower-affine,convert-math-to-llvm,convert-math-to-libm,"
    "finalize-memref-to-llvm,convert-arith-to-llvm,convert-index-to-llvm,convert-func-to-llvm,convert-cf-to-llvm,"
    "convert-ub-to-llvm,reconcile-unrealized-casts"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A lowering:  `from_tensors` says that it takes functions on tensors."""

    name: str
    stages: tuple[str, ...]
    """Pass pipelines run in turn; before the last one, copies of strided memrefs become linalg, hence loops."""
    doc: str
    from_tensors: bool


PIPELINES: dict[str, Pipeline] = {
    pipeline.name: pipeline
    for pipeline in (
        Pipeline(
            name="linalg-default-v1",
            stages=(
                "builtin.module(inline,symbol-dce,canonicalize,cse,func.func(linalg-generalize-named-ops),"
                "linalg-fuse-elementwise-ops,canonicalize,cse,"
                "one-shot-bufferize{bufferize-function-boundaries=true "
                "function-boundary-type-conversion=identity-layout-map},canonicalize,cse,"
                "func.func(buffer-hoisting,buffer-loop-hoisting),"
                "buffer-deallocation-pipeline,convert-bufferization-to-memref)",
                f"builtin.module(func.func(convert-linalg-to-loops),canonicalize,cse,{_TO_LLVM})",
            ),
            doc="upstream passes only: fuse elementwise, bufferize, scalar loops; the baseline of every speed-up",
            from_tensors=True,
        ),
        Pipeline(
            name="kernel-v1",
            stages=(
                "builtin.module(canonicalize,cse)",
                "builtin.module(func.func(convert-linalg-to-loops),convert-vector-to-scf,convert-scf-to-cf,expand-strided-metadata,"
                "lower-affine,convert-vector-to-llvm,convert-math-to-llvm,convert-math-to-libm,"
                "finalize-memref-to-llvm,convert-arith-to-llvm,convert-index-to-llvm,convert-func-to-llvm,"
                "convert-cf-to-llvm,convert-ub-to-llvm,reconcile-unrealized-casts)",
            ),
            doc="code that is scheduled already, in scf, vector and memref: lowered as it stands",
            from_tensors=False,
        ),
        Pipeline(
            name="loops-v1",
            stages=(
                "builtin.module(canonicalize,cse,func.func(convert-linalg-to-loops),lower-affine)",
                "builtin.module(func.func(convert-linalg-to-loops),convert-vector-to-scf,lower-affine,"
                "convert-scf-to-cf,expand-strided-metadata,lower-affine,convert-vector-to-llvm,convert-math-to-llvm,"
                "convert-math-to-libm,finalize-memref-to-llvm,convert-arith-to-llvm,convert-index-to-llvm,"
                "convert-func-to-llvm,convert-cf-to-llvm,convert-ub-to-llvm,reconcile-unrealized-casts)",
            ),
            doc="affine, scf and vector code on memrefs: affine loops first, then as it stands",
            from_tensors=False,
        ),
        Pipeline(
            name="llvm-dialect-v1",
            stages=("builtin.module(canonicalize,cse,convert-ub-to-llvm,reconcile-unrealized-casts)",),
            doc="code in the llvm dialect: translated as it stands",
            from_tensors=False,
        ),
    )
}


def lower_to_llvm_ir(text: str, pipeline: str) -> str:
    """LLVM IR text of a module of MLIR `text` lowered by the named pipeline.

    Functions on tensors become functions on memrefs: the arguments, then one destination for each result, nothing
    returned, all memory they take given back. Public functions get the C interface `_mlir_ciface_NAME`, whose
    arguments are pointers to memref descriptors.

    Raises:
        UnknownNameError: there is no such pipeline.
        ParseError: `text` is no MLIR.
        ToolchainError: a pass refuses the module.
    """
    if pipeline not in PIPELINES:
        raise UnknownNameError(f"unknown pipeline {pipeline!r}; known: {', '.join(sorted(PIPELINES))}")
    chosen = PIPELINES[pipeline]
    with ir.Context() as context, ir.Location.unknown():
        module = parse_module(text, context=context)
        if chosen.from_tensors:
            wrap_tensor_functions(module)
        try:
            decompose_composites(module)
            for index, passes in enumerate(chosen.stages):
                if index == len(chosen.stages) - 1:
                    copies_to_linalg(module)
                PassManager.parse(passes).run(module.operation)
        except ir.MLIRError as error:
            raise ToolchainError(f"the pipeline {pipeline} refuses the module: {first_line(error)}") from error
        return str(translate_module_to_llvmir(module.operation))


def wrap_tensor_functions(module: ir.Module) -> None:
    """Give every public function on tensors the destination-passing form described in `lower_to_llvm_ir`."""
    functions = [op.operation for op in module.body.operations if op.operation.name == "func.func"]
    for function in functions:
        kind = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value)
        private = "sym_visibility" in function.attributes
        if private or not any(isinstance(t, ir.RankedTensorType) for t in [*kind.inputs, *kind.results]):
            continue
        name = ir.StringAttr(function.attributes["sym_name"]).value
        body = f"{name}__on_tensors"
        function.attributes["sym_name"] = ir.StringAttr.get(body)
        function.attributes["sym_visibility"] = ir.StringAttr.get("private")
        _append(module, _entry_text(name, body, list(kind.inputs), list(kind.results)))


def copies_to_linalg(module: ir.Module) -> None:
    """Make copies of memrefs that are not plain arrays `linalg.copy`; their lowering calls no runtime library."""
    strided: list[ir.Operation] = []

    def collect(op: ir.Operation) -> ir.WalkResult:
        if op.name == "memref.copy" and any(_is_strided(value.type) for value in op.operands):
            strided.append(op)
        return ir.WalkResult.ADVANCE

    module.operation.walk(collect)
    for op in strided:
        with ir.InsertionPoint(op):
            linalg.copy(op.operands[0], outs=[op.operands[1]])
        op.erase()


def _is_strided(kind: ir.Type) -> bool:
    return isinstance(kind, ir.MemRefType) and isinstance(kind.layout, ir.StridedLayoutAttr)


def _append(module: ir.Module, text: str) -> None:
    source = ir.Module.parse(text)
    entry = source.body.operations[0].operation.clone(ip=ir.InsertionPoint(module.body))
    entry.attributes["llvm.emit_c_interface"] = ir.UnitAttr.get()


def _entry_text(name: str, body: str, inputs: list[Any], results: list[Any]) -> str:
    arguments = [f"%a{i}: {_memref(t)}" for i, t in enumerate(inputs)]
    arguments += [f"%d{i}: {_memref(t)}" for i, t in enumerate(results)]
    lines = [f"func.func @{_quoted(name)}({', '.join(arguments)}) {{"]
    values = []
    for i, kind in enumerate(inputs):
        is_tensor = isinstance(kind, ir.RankedTensorType)
        values.append(f"%t{i}" if is_tensor else f"%a{i}")
        if is_tensor:
            lines.append(f"%t{i} = bufferization.to_tensor %a{i} restrict : {_memref(kind)} to {kind}")
    signature = f"({', '.join(map(str, inputs))}) -> ({', '.join(map(str, results))})"
    lines.append(f"%r:{len(results)} = func.call @{_quoted(body)}({', '.join(values)}) : {signature}")
    for i, kind in enumerate(results):
        types = f"({kind}, {_memref(kind)}) -> ()"
        lines.append(f"bufferization.materialize_in_destination %r#{i} in restrict writable %d{i} : {types}")
    declaration = f"func.func private @{_quoted(body)}{signature}"
    return "\n".join([*lines, "return", "}", declaration])


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _memref(kind: Any) -> str:
    if not isinstance(kind, ir.RankedTensorType):
        return str(kind)
    if not kind.has_static_shape:
        raise UnsupportedError(f"the function has the dynamic type {kind}; make its shapes static")
    dims = "".join(f"{d}x" for d in kind.shape)
    return f"memref<{dims}{kind.element_type}>"
