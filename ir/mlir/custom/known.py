"""What the custom form of well-known operations leaves unsaid: attributes written without braces, and terminators.

Owns tables for upstream dialects (and Triton's). Invariant: what is added reads as the generic form prints it. An
operation that is not here keeps what its text says.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from costmodel.ir.mlir.custom import llvm_dialect, loops_affine, slices, structured, vectors
from costmodel.ir.mlir.structure import Block, Chunk, Operation, Region, Value

Inherent = Callable[[Operation, str], None]

_COMPARE_INTEGER = "eq ne slt sle sgt sge ult ule ugt uge".split()
_COMPARE_FLOAT = "false oeq ogt oge olt ole one ord ueq ugt uge ult ule une uno true".split()
_FLAGS = re.compile(r"\b(fastmath|overflow)<([^<>]*)>")
_CALLEE = re.compile(r'@(?:"(?:[^"\\]|\\.)*"|[\w$.\-]+)(?:::@(?:"(?:[^"\\]|\\.)*"|[\w$.\-]+))*')
_WORD = re.compile(r"\s*\"?(\w+)")
_PARENTHESIZED = re.compile(r"\s*\((.*)\)\s*:", re.DOTALL)
_DIMENSION_WORD = re.compile(r"\s*([xyz])\b")


def _set(operation: Operation, text: str) -> None:
    operation._property_text = text


def _constant(operation: Operation, text: str) -> None:
    value = text.strip()
    if value.startswith("{"):
        value = value[value.find("}") + 1 :].strip()
    _set(operation, f"value = {value}")


def _inside_parentheses(operation: Operation, text: str) -> None:
    match = _PARENTHESIZED.match(text)
    if match is not None:
        _set(operation, f"value = {match[1].strip()}")


def _typed_constant(kind: str) -> Inherent:
    def found(operation: Operation, text: str) -> None:
        _set(operation, f"value = {text.strip()} : {kind}")

    return found


def _plain_constant(operation: Operation, text: str) -> None:
    _set(operation, f"value = {text.strip()}")


def _predicate(words: list[str]) -> Inherent:
    numbers = {word: f"predicate = {number} : i64" for number, word in enumerate(words)}

    def found(operation: Operation, text: str) -> None:
        match = _WORD.match(text)
        number = numbers.get(match[1]) if match is not None else None
        if number is not None:
            _set(operation, _with_flags(operation, text, number))

    return found


def _with_flags(operation: Operation, text: str, before: str) -> str:
    if operation.name == "arith.cmpf":
        match = _FLAGS.search(text)
        flags = match[2] if match is not None else "none"
        return f"fastmath = #arith.fastmath<{flags}>, {before}"
    return before


def _flagged(kind: str) -> Inherent:
    key, attribute = ("fastmath", "fastmath") if kind == "fastmath" else ("overflowFlags", "overflow")
    default = f"{key} = #arith.{attribute}<none>"

    def found(operation: Operation, text: str) -> None:
        if "<" in text:
            match = _FLAGS.search(text)
            if match is not None and match[1] == attribute:
                _set(operation, f"{key} = #arith.{attribute}<{match[2]}>")
                return
        operation._property_text = default

    return found


def _symbol_as(name: str) -> Inherent:
    def found(operation: Operation, text: str) -> None:
        head = text.partition("(")[0]
        match = _CALLEE.search(head)
        if match is not None:
            _set(operation, f"{name} = {match[0]}")

    return found


def _axis(operation: Operation, text: str) -> None:
    match = _DIMENSION_WORD.match(text)
    if match is not None:
        _set(operation, f"axis = {'xyz'.index(match[1])} : i32")


def _gpu_dimension(operation: Operation, text: str) -> None:
    match = _DIMENSION_WORD.match(text)
    if match is not None:
        _set(operation, f"dimension = #gpu<dim {match[1]}>")


def _insert_value(operation: Operation, text: str) -> None:
    operation.operands[:2] = operation.operands[1::-1]
    position = re.search(r"\[([-\d, ]*)\]", text)
    if position is not None:
        _set(operation, f"position = array<i64: {position[1]}>")


def _loop_index(operation: Operation, text: str) -> None:
    _set(operation, f"dim = {text.partition(':')[0].strip()} : i64")


_FAST = "extf truncf addf subf mulf divf remf negf maximumf minimumf maxnumf minnumf".split()
_MATH = (
    "absf acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh erf erfc exp exp2 expm1 floor fpowi log "
    "log10 log1p log2 powf round roundeven rsqrt sin sincos sinh sqrt tan tanh trunc isnan isinf isfinite isnormal"
).split()

_FROM_TEXT: dict[str, Inherent] = {
    "arith.constant": _constant,
    "complex.constant": _constant,
    "stablehlo.constant": _constant,
    "spirv.Constant": _constant,
    "torch.constant.int": _typed_constant("i64"),
    "torch.constant.float": _typed_constant("f64"),
    "torch.constant.bool": _plain_constant,
    "torch.constant.str": _plain_constant,
    "torch.vtensor.literal": _inside_parentheses,
    "index.constant": _typed_constant("index"),
    "llvm.mlir.constant": _inside_parentheses,
    "llvm.mlir.addressof": _symbol_as("global_name"),
    "arith.cmpi": _predicate(_COMPARE_INTEGER),
    "arith.cmpf": _predicate(_COMPARE_FLOAT),
    "llvm.icmp": _predicate(_COMPARE_INTEGER),
    "llvm.fcmp": _predicate(["_false", *_COMPARE_FLOAT[1:-1], "_true"]),
    "func.call": _symbol_as("callee"),
    "func.constant": _symbol_as("value"),
    "llvm.call": _symbol_as("callee"),
    "llvm.invoke": _symbol_as("callee"),
    "emitc.call": _symbol_as("callee"),
    "tt.call": _symbol_as("callee"),
    "util.call": _symbol_as("callee"),
    "vm.call": _symbol_as("callee"),
    "spirv.FunctionCall": _symbol_as("callee"),
    "fir.call": _symbol_as("callee"),
    "async.call": _symbol_as("callee"),
    "gpu.launch_func": _symbol_as("kernel"),
    "memref.get_global": _symbol_as("name"),
    "tt.get_program_id": _axis,
    "tt.get_num_programs": _axis,
    **{
        f"gpu.{name}": _gpu_dimension
        for name in "thread_id block_id block_dim grid_dim global_id cluster_id cluster_dim cluster_block_id".split()
    },
    "math.fma": _flagged("fastmath"),
    **{f"arith.{name}": _flagged("fastmath") for name in _FAST},
    **{f"math.{name}": _flagged("fastmath") for name in _MATH},
    **{f"arith.{name}": _flagged("overflow") for name in "addi subi muli shli trunci".split()},
    "llvm.insertvalue": _insert_value,
    **slices.INHERENT,
    **llvm_dialect.INHERENT,
}
"""Of these the text without names of values decides."""
_INHERENT: dict[str, Inherent] = {
    **_FROM_TEXT,
    "linalg.index": _loop_index,
    **loops_affine.INHERENT,
    **vectors.INHERENT,
}


def inherent(name: str) -> Inherent | None:
    """What sets the attributes that the custom form of `name` writes without braces."""
    found = _INHERENT.get(name)
    return structured.inherent if found is None and name.startswith("linalg.") else found


def depends_on_text(name: str) -> bool:
    """Whether attributes and result types of operations of this name come from their text, whatever the operands."""
    return inherent(name) is None or name in _FROM_TEXT


_IMPLICIT = {
    "acc.kernels": "acc.terminator",
    "affine.for": "affine.yield",
    "affine.if": "affine.yield",
    "affine.parallel": "affine.yield",
    "async.execute": "async.yield",
    "emitc.for": "emitc.yield",
    "emitc.if": "emitc.yield",
    "fir.do_loop": "fir.result",
    "fir.if": "fir.result",
    "flow.executable": "flow.executable_end",
    "hal.executable": "hal.executable_end",
    "hal.executable.variant": "hal.executable.variant_end",
    "memref.alloca_scope": "memref.alloca_scope.return",
    "scf.for": "scf.yield",
    "scf.forall": "scf.forall.in_parallel",
    "scf.if": "scf.yield",
    "scf.index_switch": "scf.yield",
    "scf.parallel": "scf.reduce",
    "stream.cmd.concurrent": "stream.yield",
    "stream.cmd.execute": "stream.yield",
    "stream.cmd.serial": "stream.yield",
    "stream.executable": "stream.executable.end",
    "torch.class_type": "torch.class_type_terminator",
    "torch.nn_module": "torch.nn_module_terminator",
    "transform.foreach": "transform.yield",
    "transform.sequence": "transform.yield",
    "vector.mask": "vector.yield",
    "vm.module": "vm.module_terminator",
    "warp_execute_on_lane_0": "gpu.yield",
}


def holds_code(name: str) -> bool:
    """Whether operations of this name always have a region, which may be written `{}`."""
    return name in _IMPLICIT


def implicit_terminator(operation: Operation, region: Region, chunk: Chunk) -> None:
    """Add the terminator that the custom form of the operation leaves out, if it is not there."""
    name = _IMPLICIT.get(operation.name)
    if name is None:
        return
    if not region.blocks:
        region.blocks.append(Block(None, region))
    block = region.blocks[-1]
    last = block.operations[-1] if block.operations else None
    if last is not None and (last.name == name or last.name.endswith(".yield") or last.successors):
        return
    added = Operation(name, operation.offset, chunk, block)
    block.operations.append(added)
    if name == "scf.forall.in_parallel":
        inner = Region(added)
        inner.blocks.append(Block(None, inner))
        added.regions.append(inner)


def yield_masked(operation: Operation) -> None:
    """Give the operation in a `vector.mask` its results, which the implicit terminator yields."""
    block = operation.regions[0].blocks[0] if operation.regions and operation.regions[0].blocks else None
    if block is None or len(block.operations) != 2 or block.operations[1].operands:
        return
    inner, terminator = block.operations
    if not inner.results:
        inner.results = [Value("", result.type_text, inner, index) for index, result in enumerate(operation.results)]
        terminator.operands = list(inner.results)


_REGIONS = {"affine.if": 2, "fir.if": 2, "hal.executable.export": 2, "vm.import": 1, "func.func": 1,
            "gpu.all_reduce": 1,
            "llvm.func": 1, "llvm.mlir.global": 1,
            "scf.if": 2, "gpu.func": 1}  # fmt: skip


def pad_regions(operation: Operation) -> None:
    """Add the empty regions that the custom form leaves out, and the one block of an empty module."""
    for _ in range(_REGIONS.get(operation.name, 0) - len(operation.regions)):
        operation.regions.append(Region(operation))
    if operation.name.endswith(".module") and operation.regions and not operation.regions[0].blocks:
        operation.regions[0].blocks.append(Block(None, operation.regions[0]))


def later_region(operation: Operation, shared: list[tuple[str, Value]]) -> bool:
    """Whether each region after the first has arguments of its own under the names of the header."""
    return bool(shared) and operation.name in ("stablehlo.while", "mhlo.while")
