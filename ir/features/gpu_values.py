"""What one GPU thread keeps of each value of a Triton kernel: its 32-bit registers, and how its elements differ.

Owns `Held` and the analysis of steps: a tensor that is the same along a dimension, or moves by a constant, needs one
register there, since constant offsets are immediates of addresses; anything else needs one for each element. Division
by what is known to be a multiple of 16 (`tt.divisibility`, constants) keeps neighbours together, as Triton's AxisInfo
analysis has it.
Invariant: one pass over the operations; block arguments take over what is known where they begin.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

from costmodel.ir.features.gpu_layouts import Spread, parent_of, spread_of
from costmodel.ir.mlir.structure import Operation, Value
from costmodel.ir.mlir.syntax import split_items
from costmodel.ir.mlir.types import OtherType, ScalarType, TensorType, parse_type

SAME, UNIT, STEP, ANY, RUNS, FLAT = 0, 1, 2, 3, 4, 5
"""Along a dimension: equal elements; neighbours one apart; a constant apart; anything. Anything between runs of 16, and
inside them: neighbours one apart; equal."""
Steps = tuple[int, ...]
_MEMORY = re.compile(r"!?(?:ttg\.|triton_gpu\.)?memdesc<(.*)>", re.DOTALL)
_POINTER_BITS = 64
_WORD_BITS = 32
_VECTOR_BITS = 128

CHEAP = frozenset(("tt.splat", "tt.broadcast", "tt.expand_dims", "tt.trans", "tt.reshape", "tt.bitcast"))
"""Operations whose result is its operand under another view."""
_ADDITIONS = frozenset(("arith.addi", "arith.subi", "tt.addptr", "arith.ori"))
_MULTIPLIES = _ADDITIONS - {"tt.addptr"} | {"arith.muli", "arith.constant"}
_DIVIDED = {
    **dict.fromkeys(("arith.remsi", "arith.remui"), (SAME, RUNS, ANY, ANY, RUNS, FLAT)),
    **dict.fromkeys(("arith.divsi", "arith.divui"), (SAME, FLAT, ANY, ANY, FLAT, FLAT)),
}
"""Steps of a division by a multiple of 16, by those of what is divided (Triton's AxisInfo analysis)."""
_BESIDE_FLAT = (SAME, RUNS, ANY, ANY, RUNS)
"""Steps of a sum with what is equal inside runs."""
_RUN = 16
_DIVISIBILITY = re.compile(r"tt\.divisibility\s*=\s*(\d{1,9})\b")
_INTEGER = re.compile(r"(?:dense<\s*)?(-?\d{1,18})\b(?!\.)")
_SAME_STEPS = frozenset(
    ("arith.extsi", "arith.extui", "arith.trunci", "arith.index_cast", "tt.bitcast", "tt.broadcast")
)
_LOADS = frozenset(("tt.load", "amdg.buffer_load", "amdgpu.buffer_load", "tt.gather"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A type as a thread sees it. `spread` is None for what is no tensor; `memory_bytes` is of shared memory."""

    shape: tuple[int, ...] = ()
    bits: int = 0
    is_pointer: bool = False
    is_float: bool = False
    spread: Spread | None = None
    layout: str = ""
    is_accumulator: bool = False
    """Whether its layout is that of a matrix unit's result."""
    memory_bytes: int = 0
    memory_depth: int = 1
    """Leading dimension of a buffer of three dimensions and more: the copies that pipelining keeps."""


_NOTHING = Kind()


@lru_cache(maxsize=16384)
def kind_of(text: str) -> Kind:
    """The kind of a type's text, aliases resolved; dynamic and foreign types hold nothing."""
    memory = _MEMORY.fullmatch(text.strip())
    if memory is not None:
        return _memory(memory[1])
    kind = parse_type(text)
    if isinstance(kind, ScalarType):
        return Kind(bits=kind.bits, is_float=kind.is_float)
    if isinstance(kind, OtherType):
        return Kind(bits=_POINTER_BITS, is_pointer=True) if kind.text.startswith("!tt.ptr") else _NOTHING
    if not isinstance(kind, TensorType) or kind.shape is None or None in kind.shape:
        return _NOTHING
    shape = tuple(size or 1 for size in kind.shape)
    pointer = isinstance(kind.element, OtherType)
    spread = spread_of(shape, kind.suffix)
    return Kind(
        shape=shape, bits=_POINTER_BITS if isinstance(kind.element, OtherType) else kind.element.bits,
        is_pointer=pointer, is_float=isinstance(kind.element, ScalarType) and kind.element.is_float, spread=spread,
        layout=kind.suffix,
        is_accumulator=spread.kind in ("nvidia_mma", "amd_mfma", "amd_wmma")
        or (spread.kind == "slice" and "mma" in parent_of(kind.suffix).partition("<")[0]),
    )  # fmt: skip


def _memory(inside: str) -> Kind:
    parsed = parse_type(f"tensor<{inside}>")
    if not isinstance(parsed, TensorType) or parsed.num_bytes is None or parsed.shape is None:
        return _NOTHING
    shape = tuple(size or 1 for size in parsed.shape)
    depth = shape[0] if len(shape) > 2 else 1
    bits = parsed.element.bits if isinstance(parsed.element, ScalarType) else _POINTER_BITS
    return Kind(shape=shape, memory_bytes=parsed.num_bytes, memory_depth=depth, layout=parsed.suffix, bits=bits)


@dataclass(slots=True)
class Held:
    """One value. `steps` has an entry for each dimension; `constant` says that the text tells it."""

    kind: Kind
    steps: Steps
    constant: bool
    root: Value
    """The value whose registers these are, itself where it has its own."""
    registers: int
    """Of 32 bits, one thread's; predicates hold none."""
    predicates: int
    elements: int
    """Distinct elements of one thread."""


class Values:
    """What is known of each value, filled in operation by operation."""

    __slots__ = ("_multiples", "held")

    def __init__(self) -> None:
        self.held: dict[Value, Held] = {}
        self._multiples: set[Value] = set()

    def begin(self, root: Operation) -> None:
        """Note the arguments of a kernel, and which of them its attributes call multiples of 16."""
        blocks = [block for region in root.regions for block in region.blocks]
        arguments = blocks[0].args if blocks else []
        for argument in arguments:
            self.put(argument)
        told = root.attribute("arg_attrs") or "[]"
        for argument, dictionary in zip(arguments, split_items(told.strip()[1:-1]), strict=False):
            match = _DIVISIBILITY.search(dictionary)
            if match is not None and int(match[1]) % _RUN == 0:
                self._multiples.add(argument)

    def _note_multiple(self, name: str, operation: Operation, result: Value) -> None:
        """Whether an integer is a multiple of 16, as Triton's AxisInfo analysis tells it."""
        if name == "arith.constant":
            match = _INTEGER.match(operation.attribute("value") or "")
            found = match is not None and int(match[1]) % _RUN == 0
        else:
            known = [self.of(operand).root in self._multiples for operand in operation.operands]
            found = (name == "arith.muli" and any(known)) or (name in _ADDITIONS and all(known))
        if found:
            self._multiples.add(result)

    def of(self, value: Value) -> Held:
        """What is known; of a value that nothing defined yet, what its type says."""
        found = self.held.get(value)
        return found if found is not None else self.put(value)

    def put(
        self, value: Value, steps: Steps | None = None, *, constant: bool = False, root: Value | None = None,
        width: int = _WORD_BITS,
    ) -> Held:  # fmt: skip
        """Note a value; without `steps` every element may differ. `width` is how many elements stand side by side."""
        kind = kind_of(value.type_text)
        rank = len(kind.shape)
        if steps is None or len(steps) != rank:
            steps = (ANY,) * rank
        spread = kind.spread
        if spread is None:
            elements = 1 if kind.bits and not kind.memory_bytes else 0
        else:
            elements = prod([count for count, step in zip(spread.registers, steps, strict=True) if step >= ANY])
        words = 0 if kind.bits == 1 else -(-elements * kind.bits // _WORD_BITS)
        if 1 < kind.bits < _WORD_BITS and width * kind.bits < _WORD_BITS:
            words = -(-elements // width)
        held = Held(
            kind, steps, constant, value if root is None else root, 0 if constant else words,
            elements if kind.bits == 1 and not constant else 0, elements,
        )  # fmt: skip
        self.held[value] = held
        return held

    def enter(self, argument: Value, start: Value | None) -> Held:
        """Note a loop's argument: addresses and counters move on as they began, data may become anything."""
        first = self.held.get(start) if start is not None else None
        kind = kind_of(argument.type_text)
        if first is None or first.constant or kind.is_float:
            return self.put(argument)
        return self.put(argument, tuple(max(step, SAME) for step in first.steps))

    def define(self, operation: Operation) -> None:
        """Note the results of an operation that has no regions, or whose regions say nothing of them."""
        results = operation.results
        if not results:
            return
        name = operation.name
        if len(results) > 1:
            for result, operand in zip(results, operation.operands, strict=False):
                if name.endswith("_wait") and operand.type_text == result.type_text:
                    self.put(result, self.of(operand).steps, root=self.of(operand).root)
                else:
                    self.put(result)
            return
        result = results[0]
        if name in _MULTIPLIES:
            self._note_multiple(name, operation, result)
        if name == "arith.constant":
            rank = len(kind_of(result.type_text).shape)
            self.put(result, (SAME,) * rank, constant=True)
        elif name == "tt.make_range":
            self.put(result, (UNIT,))
        elif not operation.operands or kind_of(result.type_text).memory_bytes:
            self.put(result)
        else:
            self._computed(operation, name, result)

    def _computed(self, operation: Operation, name: str, result: Value) -> None:
        first = self.of(operation.operands[0])
        if name == "tt.splat":
            rank = len(kind_of(result.type_text).shape)
            self.put(result, (SAME,) * rank, constant=first.constant, root=first.root)
        elif name in CHEAP:
            self.put(result, self._viewed(operation, name, first.steps), constant=first.constant, root=first.root)
        elif name in _SAME_STEPS:
            self.put(result, first.steps, constant=first.constant)
        elif name == "ttg.convert_layout":
            self.put(result, tuple(ANY if step else SAME for step in first.steps), constant=first.constant)
        elif name in ("ttng.warp_group_dot_wait", "ttg.async_wait"):
            self.put(result, first.steps, root=first.root)
        elif name in _LOADS:
            address = first if first.steps or len(operation.operands) < 2 else self.of(operation.operands[1])
            steps = tuple(ANY if step else SAME for step in address.steps)
            self.put(result, steps, width=width_of(address, kind_of(result.type_text).bits))
        elif name in _DIVIDED and self.of(operation.operands[-1]).root in self._multiples:
            self.put(result, tuple(_DIVIDED[name][step] for step in first.steps))
        else:
            others = [self.of(operand) for operand in operation.operands]
            constant = name.startswith(("arith.", "math.")) and all(other.constant for other in others)
            self.put(result, _steps(name, others), constant=constant)

    def _viewed(self, operation: Operation, name: str, steps: Steps) -> Steps | None:
        if name == "tt.expand_dims":
            axis = operation.attribute("axis")
            at = axis.as_int() if axis is not None else 0
            return (*steps[:at], SAME, *steps[at:])
        if name == "tt.trans":
            order = operation.attribute("order")
            return tuple(steps[i] for i in order.as_int_array()) if order is not None else steps[::-1]
        if name == "tt.reshape":
            rank = len(kind_of(operation.results[0].type_text).shape)
            return (SAME,) * rank if not any(steps) else None
        return steps


def width_of(address: Held, bits: int) -> int:
    """Elements of `bits` that one access moves: neighbours in a thread's registers, at most 16 bytes."""
    spread = address.kind.spread
    if spread is None or not (UNIT in address.steps or RUNS in address.steps):
        return 1
    return min(spread.contiguous, max(1, _VECTOR_BITS // max(bits, 1)))


def _steps(name: str, operands: Sequence[Held]) -> Steps | None:
    """Steps of an elementwise result; None where elements may differ anyhow."""
    rank = len(operands[0].steps)
    if any(len(operand.steps) != rank for operand in operands):
        return None
    columns = list(zip(*[operand.steps for operand in operands], strict=True))
    if name in _ADDITIONS:
        return tuple(_sum(column) for column in columns)
    if name == "arith.muli" and any(operand.constant for operand in operands):
        return tuple(min(max(column) + 1, STEP) if 0 < max(column) < ANY else _of_both(column) for column in columns)
    if name in ("tt.dot", "tt.dot_scaled", "ttng.warp_group_dot"):
        return None
    return tuple(_of_both(column) for column in columns)


def _of_both(column: Sequence[int]) -> int:
    """Of any function of elements: it is equal where they are."""
    return max(column) if {SAME, FLAT}.issuperset(column) else ANY


def _sum(column: Sequence[int]) -> int:
    moving = [step for step in column if step]
    flat = moving.count(FLAT)
    if flat and len(moving) - flat < 2:
        return FLAT if flat == len(moving) else _BESIDE_FLAT[min(set(moving))]
    if len(moving) < 2:
        return moving[0] if moving else SAME
    return STEP if max(moving) < ANY else ANY
