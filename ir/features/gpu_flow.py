"""Registers that a Triton kernel's values need at once as Triton lowers them: operation by operation.

Owns the scalars that each tensor becomes in PTX: all elements of one operation before those of the next, operations
in the order of `gpu_order`. So what lives between two of them follows from the text: a register for each distinct
element, two for each 64-bit address, and of addresses and masks only those of the accesses that use them, one for each
vector. Offsets of 32 bits are widened element by element, so a constant step between addresses saves no register;
operands of matrix units, loaded vectors and data that is merely moved stay packed. Invariant: any text gives finite
numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from costmodel.ir.features.gpu_layouts import REGISTER, WARP, Spread
from costmodel.ir.features.gpu_pressure import ELEMENTWISE, LOADS, LOOPS, Lives, extended
from costmodel.ir.features.gpu_values import CHEAP, RUNS, SAME, UNIT, Held
from costmodel.ir.mlir.structure import Operation, Value

_STORES = frozenset(("tt.store", "amdg.buffer_store", "amdgpu.buffer_store"))
_ASYNC = frozenset(("ttg.async_copy_global_to_local", "amdg.buffer_load_to_local"))
_ACCESSES = (LOADS | _STORES | _ASYNC | {"tt.atomic_rmw", "tt.atomic_cas"}) - {"ttg.local_load"}
_MOVERS = _STORES | {"ttg.local_alloc", "ttg.local_store", "ttg.convert_layout"}
_KEPT_FOR_COPY = 2
"""Registers of one asynchronous copy that loops keep: its address in shared memory, and its size."""
_KEPT_FOR_ROW = 2
"""Of one row that warps reduce together: the addresses that it is written to and read from."""
_WORD_BITS = 32
_VECTOR_BITS = 128

Need = tuple[int, ...]
"""For each dimension: one in so many elements is needed."""


class Flow:
    """What is needed of each value; one pass over the operations, from the last to the first."""

    def __init__(self, lives: Lives) -> None:
        self.lives = lives
        self.values = lives.values
        self._need: dict[Value, Need] = {}
        self._moved: dict[Value, bool] = {}
        self._loaded: dict[Value, int] = {}
        for step in reversed(lives.steps):
            self._visit(step.operation)

    def size(self, value: Value, held: Held) -> tuple[int, int]:
        """Registers and predicates of one thread."""
        kind = held.kind
        if held.constant or kind.memory_bytes:
            return 0, 0
        count = self.count(value, held)
        if kind.bits == 1:
            return 0, count
        if kind.bits < _WORD_BITS and kind.spread is not None:
            packed = _WORD_BITS // max(kind.bits, 1)
            if not (kind.spread.kind == "dot_op" or self._moved.get(value, False)):
                packed = min(packed, self._loaded.get(value, 1))
            return -(-count // packed), 0
        return count * -(-kind.bits // _WORD_BITS), 0

    def count(self, value: Value, held: Held) -> int:
        """Distinct scalars of one thread that something needs."""
        spread = held.kind.spread
        if spread is None:
            return 1 if held.kind.bits and not held.kind.memory_bytes else 0
        need = self._need.get(value)
        if need is None:
            return 0
        found = 1
        for count, step, skip in zip(spread.registers, held.steps, need, strict=True):
            found *= -(-count // skip) if step != SAME else 1
        return found

    def _ask(self, value: Value, need: Need | None, *, moved: bool = False) -> None:
        rank = len(self.values.of(value).kind.shape)
        if need is None or len(need) != rank:
            need = (1,) * rank
        before = self._need.get(value)
        self._need[value] = need if before is None else tuple(map(min, before, need))
        self._moved[value] = moved and self._moved.get(value, True)

    def _visit(self, operation: Operation) -> None:
        name, operands, results = operation.name, operation.operands, operation.results
        if name in CHEAP:
            for operand in operands:
                self._ask(operand, self._through(operation), moved=self._moved.get(results[0], True))
        elif name in _ACCESSES:
            self._access(operation)
        elif (name.startswith(ELEMENTWISE) or name == "tt.addptr") and results:
            need = self._need.get(results[0])
            for operand in operands if need is not None else ():
                self._ask(operand, need)
        elif name == "scf.yield":
            self._yielded(operation)
        elif name == "scf.for":
            self._entered(operation)
        else:
            for operand in operands:
                self._ask(operand, None, moved=name in _MOVERS)

    def _through(self, operation: Operation) -> Need | None:
        """What is needed of a view's operand."""
        need, name = self._need.get(operation.results[0]), operation.name
        if need is None:
            return None
        if name == "tt.expand_dims":
            axis = operation.attribute("axis")
            at = axis.as_int() if axis is not None else 0
            return (*need[:at], *need[at + 1 :])
        if name == "tt.trans":
            order = operation.attribute("order")
            places = order.as_int_array() if order is not None else tuple(reversed(range(len(need))))
            return tuple(need[places.index(i)] for i in range(len(need))) if len(places) == len(need) else None
        return need if name in ("tt.broadcast", "tt.bitcast") else None

    def _access(self, operation: Operation) -> None:
        name, operands = operation.name, operation.operands
        behind = name.startswith("amd") and name not in _STORES and len(operands) > 1
        pointer = operands[int(behind)]
        loads = name in LOADS and bool(operation.results)
        data = operation.results[0] if loads else operands[min(1, len(operands) - 1)]
        need = self._width(pointer, self.values.of(data).kind.bits)
        if loads:
            self._loaded[data] = max(need, default=1)
        for operand in operands:
            if operand is pointer or self.values.of(operand).kind.bits == 1:
                self._ask(operand, need)
            else:
                self._ask(operand, None, moved=name in _STORES)

    def _width(self, pointer: Value, bits: int) -> Need:
        held = self.values.of(pointer)
        spread = held.kind.spread
        if spread is None:
            return ()
        most = max(1, _VECTOR_BITS // max(bits, 1))
        return tuple(min(_run(spread, dim), most) if step in (UNIT, RUNS) else 1 for dim, step in enumerate(held.steps))

    def _yielded(self, operation: Operation) -> None:
        """A loop's results are its next arguments too, which are asked for where the loop is entered."""
        assert operation.parent is not None
        owner = operation.parent.parent.parent
        for operand, result in zip(operation.operands, owner.results, strict=False):
            need = self._need.get(result)
            if need is not None or owner.name not in LOOPS:
                self._ask(operand, need)

    def _entered(self, operation: Operation) -> None:
        blocks = operation.regions[0].blocks if operation.regions else []
        for block in blocks:
            yielded = block.operations[-1].operands if block.operations else []
            for values in (operation.operands[3:], yielded):
                for argument, value in zip(block.args[1:], values, strict=False):
                    if argument in self._need:
                        self._ask(value, self._need[argument])
        for bound in operation.operands[:3]:
            self._ask(bound, None)

    def kept(self) -> list[tuple[int, int, int]]:
        """(first step, last step, registers) of what outermost loops keep for the operations inside."""
        found = []
        for step in self.lives.steps:
            amount = self._kept_for(step.operation) if step.depth else 0
            if amount:
                first, last, parent = self.lives.loops[step.loop]
                while parent >= 0:
                    first, last, parent = self.lives.loops[parent]
                found.append((first, last, amount))
        return found

    def _kept_for(self, operation: Operation) -> int:
        """Addresses in shared memory and sizes of copies, which depend on the thread only."""
        if not operation.operands or operation.name not in ("tt.reduce", "tt.scan", *_ASYNC):
            return 0
        held = self.values.of(operation.operands[0])
        spread = held.kind.spread
        if operation.name in _ASYNC:
            return _KEPT_FOR_COPY * self.count(operation.operands[0], held)
        axis = operation.attribute("axis")
        dim = axis.as_int() if axis is not None else 0
        if spread is None or not any(place == dim for place, _ in spread.bits[WARP]):
            return 0
        return _KEPT_FOR_ROW * spread.elements // spread.registers[dim]


def _run(spread: Spread, dim: int) -> int:
    """Neighbouring elements along a dimension in one thread's registers."""
    offsets = {offset for place, offset in spread.bits[REGISTER] if place == dim}
    run = 1
    while run in offsets:
        run *= 2
    return run


def flow_numbers(lives: Lives) -> dict[str, float]:
    """Numbers by name, without the prefix `gpu_`; `lean` where what is cheaper to compute again is not kept."""
    flow = Flow(lives)
    kept = flow.kept()
    inside = [number for number, step in enumerate(lives.steps) if step.depth]
    numbers: dict[str, float] = {}
    for prefix in ("flow", "flow_lean"):
        words, flags = _lines(flow, extended(lives, lean=prefix != "flow", every=True), kept)
        numbers[f"{prefix}_all"] = max(words, default=0)
        numbers[f"{prefix}_loop"] = max((words[number] for number in inside), default=0)
        numbers[f"{prefix}_predicates"] = max(flags, default=0)
        numbers[f"{prefix}_both"] = max(map(sum, zip(words, flags, strict=True)), default=0)
    return numbers


def _lines(
    flow: Flow, spans: Sequence[tuple[int, int, Held]], kept: Sequence[tuple[int, int, int]]
) -> tuple[list[int], list[int]]:
    """Registers and predicates alive before each operation."""
    count = len(flow.lives.steps)
    words, flags = [0] * (count + 2), [0] * (count + 2)
    for begin, end, held in spans:
        size, predicates = flow.size(held.root, held)
        words[begin + 1] += size
        words[end + 1] -= size
        flags[begin + 1] += predicates
        flags[end + 1] -= predicates
    for first, last, amount in kept:
        words[first + 1] += amount
        words[last + 1] -= amount
    return list(accumulate(words[: count + 1])), list(accumulate(flags[: count + 1]))
