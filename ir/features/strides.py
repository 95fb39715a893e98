"""How an address moves with the loops around it: strides in bytes, by loop.

Owns the analysis: a value is a sum of constants times loop counters, or unknown. It is known from loop arguments that
grow by a constant (structured loops; arguments of a header with one back edge), through additions, subtractions,
multiplications and shifts by constants, `or` with a constant (taken as an addition, as LLVM writes it where bits are
disjoint), extensions, truncations, casts, affine maps and address computations. Anything else computed from a changing
value is unknown in the loops that change it; a loaded value is unknown in the loops around the load.
"""

from __future__ import annotations

import re
from typing import TypeVar

from costmodel.core.errors import ParseError
from costmodel.ir import costs, linalg
from costmodel.ir.features.address import element_sizes, pointee_bytes, single_offset, strides_of
from costmodel.ir.features.scan import Loop, Scan
from costmodel.ir.mlir.affine import AffineExpr
from costmodel.ir.mlir.structure import Block, Operation, Value
from costmodel.ir.semantics import forwarded, integer_constant

Key = TypeVar("Key")
Strides = dict[Loop, int | None]
"""Bytes (or units) an iteration of each loop moves by; a loop that is absent moves it by 0, None is unknown."""
CACHE_LINE_BYTES = 64
CLASSES = ("zero", "unit", "small", "large", "unknown")
MAX_CHAIN = 48
"""Longer chains of computations are unknown."""
_LEAF_LIMIT = 64
_ADDITIONS = frozenset(("llvm.add", "arith.addi", "index.add", "tt.addptr"))
_SUBTRACTIONS = frozenset(("llvm.sub", "arith.subi", "index.sub"))
_PRODUCTS = frozenset(("llvm.mul", "arith.muli", "index.mul"))
_SHIFTS = frozenset(("llvm.shl", "arith.shli", "index.shl"))
_ORS = frozenset(("llvm.or", "arith.ori", "index.or"))
_PASSED = frozenset(
    "llvm.sext llvm.zext llvm.trunc llvm.freeze llvm.bitcast llvm.addrspacecast arith.index_cast arith.index_castui "
    "arith.extsi arith.extui arith.trunci index.casts index.castu tt.splat tt.broadcast tt.expand_dims memref.cast "
    "builtin.unrealized_conversion_cast memref.memory_space_cast ttg.convert_layout llvm.inttoptr llvm.ptrtoint".split()
)
_STRIDED = re.compile(r"strided<\[([^\]]*)\]")
_BASE_FIRST = ("memref.load", "affine.load", "vector.load", "vector.transfer_read", "affine.vector_load",
               "tensor.extract", "vector.maskedload", "vector.expandload")  # fmt: skip
_BASE_SECOND = ("memref.store", "affine.store", "vector.store", "vector.transfer_write", "affine.vector_store")
_DYNAMIC_INDEX = -(2**31)


def stride_class(stride: int | None, num_bytes: int) -> str:
    """One of `CLASSES`: unit is the width of the access itself, small at most a cache line."""
    if stride is None:
        return "unknown"
    if stride == 0:
        return "zero"
    if abs(stride) == num_bytes:
        return "unit"
    return "small" if abs(stride) <= CACHE_LINE_BYTES else "large"


class StrideAnalysis:
    """Strides of addresses in one scanned function; answers are kept."""

    def __init__(self, scan: Scan) -> None:
        self.scan = scan
        self.known: dict[Value, Strides] = {}
        self.sources: dict[Block, list[Block]] | None = None
        self.steps: dict[tuple[str, str], tuple[int | None, ...]] = {}
        """`element_sizes` by texts of attributes."""

    def access(self, operation: Operation) -> tuple[Value | None, Strides]:
        """What a load or store accesses (the pointer, memref or tensor it begins from), and its strides in bytes."""
        name = operation.name
        try:
            if name in _BASE_FIRST:
                return self._indexed(operation, 0)
            if name in _BASE_SECOND:
                return self._indexed(operation, 1)
        except ParseError:
            return None, self._unknown_here(operation)
        if name in (
            "llvm.load",
            "llvm.store",
            "tt.load",
            "tt.store",
            "llvm.intr.masked.load",
            "llvm.intr.masked.store",
        ):
            position = 1 if name in ("llvm.store", "llvm.intr.masked.store") else 0
            if position < len(operation.operands):
                pointer = operation.operands[position]
                return self._root(pointer), self.of(pointer)
        return None, self._unknown_here(operation)

    def of(self, value: Value, depth: int = 0) -> Strides:
        """Strides of a value, in its own units (bytes for a pointer)."""
        found = self.known.get(value)
        if found is None:
            found = self._compute(value, depth) if depth < MAX_CHAIN else self._unknown_at(value)
            self.known[value] = found
        return found

    def _compute(self, value: Value, depth: int) -> Strides:
        counter = self.scan.counters.get(value)
        if counter is not None:
            loop, step = counter
            return {loop: step}
        owner = value.owner
        if isinstance(owner, Block):
            return self._argument(value, owner, depth)
        if owner is None or not owner.operands:
            return {} if value not in self.scan.number or self._has_no_effects(owner) else self._unknown_at(value)
        return self._operation(value, owner, depth)

    @staticmethod
    def _has_no_effects(owner: Operation | None) -> bool:
        return owner is None or not owner.name.endswith(("call", "invoke", "load"))

    def _argument(self, value: Value, block: Block, depth: int) -> Strides:
        header = self.scan.headers.get(block)
        if header is None:
            return {} if self._is_entry(block) else self._unknown_at(value)
        loop, natural = header
        following, starts = self._incoming(value, block, natural.blocks)
        step = self._step(value, following)
        if step is None or len(starts) != 1:
            return self._unknown_at(value)
        self.known[value] = {loop: step}
        return {**self.of(starts[0], depth + 1), loop: step}

    def _is_entry(self, block: Block) -> bool:
        """Arguments of the function itself do not change; those of other regions do, unless they are counters."""
        holder = block.parent.parent
        return block is block.parent.blocks[0] and (holder.parent is None or holder.name.endswith("func"))

    def _sources(self, block: Block) -> list[Block]:
        """Blocks that branch to `block`, each once."""
        if self.sources is None:
            self.sources = {}
            for entry in self.scan.blocks:
                operations = entry.block.operations
                for target in dict.fromkeys(operations[-1].successors if operations else ()):
                    self.sources.setdefault(target, []).append(entry.block)
        return self.sources.get(block, [])

    def _incoming(self, value: Value, block: Block, inside: frozenset[Block]) -> tuple[Value | None, list[Value]]:
        """What the only back edge brings, and what comes from outside the loop."""
        back: list[Value] = []
        starts: list[Value] = []
        for source in self._sources(block):
            for target, values in forwarded(source.operations[-1]):
                if target is block and value.index < len(values):
                    (back if source in inside else starts).append(values[value.index])
        return (back[0] if len(back) == 1 else None), list(dict.fromkeys(starts))

    def _step(self, value: Value, following: Value | None) -> int | None:
        if following is None or not isinstance(following.owner, Operation):
            return None
        owner = following.owner
        if owner.name == "llvm.getelementptr" and owner.operands[0] is value and len(owner.operands) == 1:
            return single_offset(owner)
        if len(owner.operands) != 2 or value not in owner.operands:
            return None
        other = owner.operands[1 if owner.operands[0] is value else 0]
        step = integer_constant(other)
        if owner.name in _ADDITIONS:
            return step
        return -step if step is not None and owner.name in _SUBTRACTIONS and owner.operands[0] is value else None

    def _operation(self, value: Value, owner: Operation, depth: int) -> Strides:
        name, operands = owner.name, owner.operands
        if name in _PASSED:
            return self.of(operands[0], depth + 1)
        if name == "llvm.getelementptr":
            return self._address(owner, depth)
        if name == "affine.apply":
            return self._applied(owner, depth)
        if len(operands) == 2:
            left, right = operands
            if name == "tt.addptr":
                return _sum(self.of(left, depth + 1), self.of(right, depth + 1), pointee_bytes(left.type_text))
            if name in _ADDITIONS or (name in _ORS and (_is_number(left) or _is_number(right))):
                return _sum(self.of(left, depth + 1), self.of(right, depth + 1), 1)
            if name in _SUBTRACTIONS:
                return _sum(self.of(left, depth + 1), self.of(right, depth + 1), -1)
            factor = integer_constant(right)
            if factor is not None and name in _PRODUCTS:
                return _sum({}, self.of(left, depth + 1), factor)
            if factor is not None and name in _SHIFTS and 0 <= factor < _LEAF_LIMIT:
                return _sum({}, self.of(left, depth + 1), 1 << factor)
            factor = integer_constant(left)
            if factor is not None and name in _PRODUCTS:
                return _sum({}, self.of(right, depth + 1), factor)
        return self._opaque(value, owner, depth)

    def _opaque(self, value: Value, owner: Operation, depth: int) -> Strides:
        if costs.is_access(owner.name) or owner.regions or owner.name.endswith(("call", "invoke")):
            return self._unknown_at(value)
        return {
            loop: None
            for operand in owner.operands
            for loop, stride in self.of(operand, depth + 1).items()
            if stride != 0
        }

    def _address(self, owner: Operation, depth: int) -> Strides:
        texts = owner.dictionary_texts
        sizes = self.steps.get(texts)
        if sizes is None:
            sizes = self.steps[texts] = element_sizes(owner)
        total = self.of(owner.operands[0], depth + 1)
        operands = owner.operands[1:]
        if not sizes:
            return {**total, **{loop: None for operand in operands for loop in self.of(operand, depth + 1)}}
        for size, operand in zip(sizes[1:], operands, strict=False):
            total = _sum(total, self.of(operand, depth + 1), size)
        return total

    def _applied(self, owner: Operation, depth: int) -> Strides:
        attribute = owner.attribute("map")
        if attribute is None:
            return self._opaque(owner.results[0], owner, depth)
        return self._expression(attribute.as_affine_map().results[0], owner.operands, depth)

    def _expression(self, expression: AffineExpr, operands: list[Value], depth: int = 0) -> Strides:
        linear = expression.linear()
        if linear is None:
            return {loop: None for operand in operands for loop in self.of(operand, depth + 1)}
        total: Strides = {}
        for coefficient, operand in zip(linear[0], operands, strict=False):
            if coefficient:
                total = _sum(total, self.of(operand, depth + 1), coefficient)
        return total

    def _indexed(self, operation: Operation, position: int) -> tuple[Value, Strides]:
        base = operation.operands[position]
        strides = strides_of(base.type_text)
        indices = operation.operands[position + 1 : position + 1 + max(len(strides), 1)]
        attribute = operation.attribute("map") if operation.name.startswith("affine.") else None
        if attribute is not None:
            operands = operation.operands[position + 1 :]
            parts = [self._expression(result, operands) for result in attribute.as_affine_map().results]
        else:
            parts = [self.of(index) for index in indices]
        total: Strides = {}
        for part, stride in zip(parts, strides, strict=False):
            total = _sum(total, part, stride)
        return self._root(base), total

    @staticmethod
    def _root(value: Value) -> Value:
        """What an address computation begins from."""
        for _ in range(MAX_CHAIN):
            owner = value.owner
            if not isinstance(owner, Operation) or not owner.operands:
                break
            if owner.name not in _PASSED and owner.name not in ("llvm.getelementptr", "tt.addptr", "memref.subview"):
                break
            value = owner.operands[0]
        return value

    def _unknown_at(self, value: Value) -> Strides:
        number = self.scan.number.get(value)
        return self._unknown_in(self.scan.blocks[self.scan.home[number]].loop) if number is not None else {}

    def _unknown_here(self, operation: Operation) -> Strides:
        index = self.scan.block_of.get(operation.parent) if operation.parent is not None else None
        return self._unknown_in(self.scan.blocks[index].loop) if index is not None else {}

    @staticmethod
    def _unknown_in(loop: Loop) -> Strides:
        found: Strides = {}
        current: Loop | None = loop
        while current is not None and len(found) < MAX_CHAIN:
            found[current] = None
            current = current.parent
        return found


def _is_number(value: Value) -> bool:
    return integer_constant(value) is not None


def _sum(left: dict[Key, int | None], right: dict[Key, int | None], factor: int | None) -> dict[Key, int | None]:
    """`left + factor * right`; an unknown factor makes what moves unknown."""
    if not right or factor == 0:
        return left
    total = dict(left)
    for loop, stride in right.items():
        before = total.get(loop, 0)
        moved = None if stride is None or factor is None else stride * factor
        total[loop] = None if moved is None or before is None else before + moved
    return total


def map_strides(name: str, maps_text: str | None, type_text: str, index: int) -> dict[int, int | None]:
    """Strides of operand `index` of a linalg operation by dimension of its iteration space, outermost 0."""
    strides = strides_of(type_text)
    maps = linalg.maps_of(name, maps_text)
    if maps is None:
        return dict(enumerate(strides))
    total: dict[int, int | None] = {}
    if index >= len(maps):
        return total
    for expression, stride in zip(maps[index].results, strides, strict=False):
        linear = expression.linear()
        if linear is None:
            total.update(dict.fromkeys(expression.dims()))
            continue
        part: dict[int, int | None] = {dim: factor for dim, factor in enumerate(linear[0]) if factor}
        total = _sum(total, part, stride)
    return total
