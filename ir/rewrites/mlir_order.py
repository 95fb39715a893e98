"""Order of independent operations, operands of commutative ones, operations that nothing uses, for MLIR.

Invariant: only operations listed as pure move past others; all others keep their order among themselves.
"""

from __future__ import annotations

import numpy as np

from costmodel.ir.mlir.generic import parse_generic
from costmodel.ir.mlir.structure import Block, MlirModule, Operation, Value
from costmodel.ir.rewrites.names import shuffled_order
from costmodel.ir.rewrites.printing import print_module

_PURE_DIALECTS = ("arith.", "math.", "index.", "complex.")
_TRAPPING = ("div", "rem")
_PURE = frozenset(
    "vector.broadcast vector.fma vector.extract vector.insert vector.shuffle vector.splat vector.shape_cast "
    "vector.transpose vector.extract_strided_slice vector.insert_strided_slice vector.reduction vector.outerproduct "
    "vector.bitcast vector.step vector.create_mask vector.constant_mask affine.apply affine.min affine.max memref.dim "
    "llvm.add llvm.sub llvm.mul llvm.and llvm.or llvm.xor llvm.shl llvm.lshr llvm.ashr llvm.fadd llvm.fsub llvm.fmul "
    "llvm.fdiv llvm.fneg llvm.icmp llvm.fcmp llvm.select llvm.getelementptr llvm.zext llvm.sext llvm.trunc llvm.fpext "
    "llvm.fptrunc llvm.sitofp llvm.uitofp llvm.bitcast llvm.extractelement llvm.insertelement llvm.shufflevector "
    "llvm.extractvalue llvm.insertvalue llvm.mlir.constant llvm.mlir.zero llvm.mlir.undef llvm.mlir.poison "
    "tt.splat tt.broadcast tt.expand_dims tt.make_range tt.addptr tt.get_program_id tt.trans tensor.empty".split()
)
_COMMUTATIVE = frozenset(
    "arith.addi arith.muli arith.andi arith.ori arith.xori arith.addf arith.mulf arith.maximumf arith.minimumf "
    "arith.maxsi arith.minsi arith.maxui arith.minui llvm.add llvm.mul llvm.and llvm.or llvm.xor llvm.fadd "
    "llvm.fmul index.add index.mul".split()
)
_COMPARES = frozenset(("arith.cmpi", "llvm.icmp"))
_DEAD = {"i": ("xori", "xor"), "f": ("mulf", "fmul")}
_SCALARS = frozenset(("i8", "i16", "i32", "i64", "f32", "f64"))
_FAST_MATH = {"arith": "fastmath = #arith.fastmath<none>", "llvm": "fastmathFlags = #llvm.fastmath<none>"}


def is_pure(operation: Operation) -> bool:
    """Whether an operation may move past any other that it does not depend on."""
    if operation.regions or operation.successors:
        return False
    if operation.name.startswith(_PURE_DIALECTS):
        return not any(word in operation.name for word in _TRAPPING) or operation.name.endswith("divf")
    return operation.name in _PURE


def _blocks(module: MlirModule) -> list[Block]:
    return [block for operation in module.walk() for region in operation.regions for block in region.blocks]


def reorder(text: str, rng: np.random.Generator) -> str | None:
    """Another order of the operations of each block that respects data flow and side effects."""
    module = parse_generic(text)
    changed = [_reorder(block, rng) for block in _blocks(module) if _is_ordered(block)]
    return print_module(module) if any(changed) else None


def _is_ordered(block: Block) -> bool:
    """Blocks of code; those of modules and of dialects that order symbols stay."""
    return block.parent.parent.name.rpartition(".")[2] not in ("module", "global")


def _reorder(block: Block, rng: np.random.Generator) -> bool:
    movable = block.operations[:-1]
    if len(movable) < 2:
        return False
    index_of = {operation: index for index, operation in enumerate(movable)}
    before: list[set[int]] = []
    last = -1
    for index, operation in enumerate(movable):
        needed = {
            place for value in _uses(operation) if (place := _place(value, index_of)) is not None and place < index
        }
        if not is_pure(operation):
            needed |= {last} - {-1}
            last = index
        before.append(needed)
    order = shuffled_order(before, rng)
    block.operations[:-1] = [movable[index] for index in order]
    return order != sorted(order)


def _uses(operation: Operation) -> list[Value]:
    if not operation.regions:
        return operation.operands
    return [value for inner in operation.walk() for value in inner.operands]


def _place(value: Value, index_of: dict[Operation, int]) -> int | None:
    return index_of.get(value.owner) if isinstance(value.owner, Operation) else None


def commute(text: str, rng: np.random.Generator) -> str | None:
    """Swap the operands of commutative operations and (in)equalities, each with chance 1/2."""
    module = parse_generic(text)
    changed = False
    for operation in module.walk():
        if len(operation.operands) != 2 or not _commutes(operation) or rng.random() >= 0.5:
            continue
        changed = changed or operation.operands[0] is not operation.operands[1]
        operation.operands = operation.operands[::-1]
    return print_module(module) if changed else None


def _commutes(operation: Operation) -> bool:
    if operation.name in _COMPARES:
        predicate = operation.attribute("predicate")
        return predicate is not None and predicate.as_int() in (0, 1)
    return operation.name in _COMMUTATIVE


def add_dead(text: str, rng: np.random.Generator) -> str | None:
    """Insert an operation that nothing uses after about one in eight scalar results (at least one)."""
    module = parse_generic(text)
    places = [
        (block, operation)
        for block in _blocks(module)
        for operation in block.operations[:-1]
        if len(operation.results) == 1 and operation.results[0].type_text in _SCALARS
    ]
    if not places:
        return None
    chosen = rng.random(len(places)) < 0.125
    chosen[int(rng.integers(len(places)))] = True
    for (block, operation), take in zip(places, chosen, strict=True):
        if take:
            block.operations.insert(block.operations.index(operation) + 1, _dead(operation, block))
    return print_module(module)


def _dead(after: Operation, block: Block) -> Operation:
    value = after.results[0]
    is_llvm = after.name.startswith("llvm.")
    dialect = "llvm" if is_llvm else "arith"
    kind = _DEAD[value.type_text[0]][is_llvm]
    operation = Operation(f"{dialect}.{kind}", after.offset, after._chunk, block)
    operation.operands = [value, value]
    operation.results = [Value("", value.type_text, operation, 0)]
    if value.type_text[0] == "f":
        operation._property_text = _FAST_MATH[dialect]
    return operation
