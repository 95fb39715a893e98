"""What happens at one register tile: addresses, loads, the body, accumulators, stores.

Owns the unrolled inner computation. Invariant: equal loads and equal operations of a tile are emitted once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from costmodel.search.backends.mlir.memory import SCALAR, Lanes, Memory, load, store
from costmodel.search.backends.mlir.plan import NestPlan, PackedRead
from costmodel.search.backends.mlir.text import Text
from costmodel.search.backends.mlir.values import Value, apply, broadcast, combine, constant, fma, vector_type
from costmodel.search.kernel.form import Const, Operand, Ref
from costmodel.search.kernel.nest import FlatAccess, Nest

IDENTITY: dict[str, float] = {
    "arith.addf": 0.0,
    "arith.mulf": 1.0,
    "arith.maximumf": float("-inf"),
    "arith.maxnumf": float("-inf"),
    "arith.minimumf": float("inf"),
    "arith.minnumf": float("inf"),
    "arith.addi": 0,
    "arith.muli": 1,
    "arith.ori": 0,
    "arith.andi": -1,
}
_VECTOR_KIND = {
    "arith.addf": "add", "arith.addi": "add", "arith.mulf": "mul", "arith.muli": "mul", "arith.maximumf": "maximumf",
    "arith.minimumf": "minimumf", "arith.maxnumf": "maxnumf", "arith.minnumf": "minnumf", "arith.ori": "or",
    "arith.andi": "and",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Address:
    """Strides of an access for loop values and for static offsets, and the dimensions counted from a region's start."""

    memory: Memory
    loop: dict[str, int]
    lane: dict[str, int]
    offset: int
    relative: frozenset[str]


@dataclass(frozen=True, slots=True)
class Position:
    """Where the loops stand: for each access the SSA base and constant; loop values; register sizes entered."""

    base: tuple[str | None, ...]
    const: tuple[int, ...]
    loops: tuple[tuple[str, str | None, int], ...] = ()
    sizes: tuple[tuple[str, int], ...] = ()

    @staticmethod
    def start(addresses: tuple[Address, ...]) -> Position:
        """Before any loop."""
        return Position((None,) * len(addresses), tuple(a.offset for a in addresses))

    def size(self, dim: str | None) -> int:
        """Register size entered for `dim`, 1 if none."""
        return next((s for d, s in reversed(self.sizes) if d == dim), 1)


def address(access: FlatAccess, memory: Memory, packed: PackedRead | None) -> Address:
    """The address of a plain or a packed access."""
    if packed is not None:
        return Address(memory, packed.loop_strides, packed.lane_strides, 0, packed.relative)
    strides = dict(access.strides)
    return Address(memory, strides, strides, access.offset, frozenset())


class PointEmitter:
    """Emits register tiles of one nest."""

    def __init__(
        self, text: Text, nest: Nest, plan: NestPlan, addresses: tuple[Address, ...], *, partial: bool
    ) -> None:
        """`addresses` follow `nest.accesses`; `partial`: accumulators start from and return to the written buffer."""
        self.text = text
        self.nest = nest
        self.plan = plan
        self.accesses = addresses
        self.partial = partial
        self.lanes = plan.lanes if plan.vector is not None and plan.lanes > 1 else 0
        self.horizontal = plan.vector in nest.reduction
        self.acc_type = vector_type(self.lanes, nest.acc_dtype) if nest.acc_dtype else ""
        self._write0 = len(nest.reads)

    def enter(
        self, at: Position, dim: str, iv: str | None, start: str | None, size: int, *, shift: int = 0
    ) -> Position:
        """Move into a loop over `dim` at value `iv` (None is 0) plus the static `shift`, covering `size` elements."""
        text, bases, consts = self.text, [], []
        for a, base, const in zip(self.accesses, at.base, at.const, strict=True):
            stride = a.loop.get(dim, 0)
            if stride:
                value = iv
                if dim in a.relative and start is not None and iv is not None:
                    value = None if iv == start else text.op(f"arith.subi {iv}, {start} : index", "index")
                base = text.add(base, text.scaled(value, stride))
            bases.append(base)
            consts.append(const + shift * a.lane.get(dim, 0))
        loops = (*at.loops, (dim, iv, shift))
        return replace(at, base=tuple(bases), const=tuple(consts), loops=loops, sizes=(*at.sizes, (dim, size)))

    # -- positions inside a tile -------------------------------------------------------------------------------

    def _offsets(self, at: Position) -> Iterator[tuple[dict[str, int], Lanes]]:
        """Static offsets of every scalar or vector of the tile, in a fixed order."""
        vector = self.plan.vector if self.lanes else None
        dims = [d for d in self.nest.parallel if d != vector]
        chunks: list[tuple[int, Lanes]] = [(0, SCALAR)]
        if vector is not None:
            size = at.size(vector)
            starts = range(0, size, self.lanes)
            chunks = [(s, Lanes(self.lanes, min(self.lanes, size - s))) for s in starts]
        for point in product(*(range(at.size(d)) for d in dims)):
            for start, lanes in chunks:
                offsets = dict(zip(dims, point, strict=True))
                if vector is not None:
                    offsets[vector] = start
                yield offsets, lanes

    def _acc_offsets(self, at: Position) -> list[tuple[dict[str, int], Lanes]]:
        """Positions of accumulators. A reduced vector dimension has as many as its full register size needs."""
        if not self.horizontal:
            return list(self._offsets(at))
        vector = self.plan.vector
        assert vector is not None
        dims = self.nest.parallel
        chunks = range(0, self.plan.register[vector], self.lanes)
        points = product(*(range(at.size(d)) for d in dims))
        return [
            ({**dict(zip(dims, p, strict=True)), vector: c}, Lanes(self.lanes, self.lanes))
            for p in points
            for c in chunks
        ]

    def _index(self, at: Position, access: int, offsets: dict[str, int]) -> str:
        lane = self.accesses[access].lane
        return self.text.offset(at.base[access], at.const[access] + sum(lane.get(d, 0) * o for d, o in offsets.items()))

    def _load(self, at: Position, access: int, offsets: dict[str, int], lanes: Lanes) -> Value:
        a = self.accesses[access]
        stride = a.lane.get(self.plan.vector or "", 0)
        return load(self.text, a.memory, self._index(at, access, offsets), stride, lanes)

    def _store(self, at: Position, access: int, offsets: dict[str, int], lanes: Lanes, value: Value) -> None:
        a = self.accesses[access]
        stride = a.lane.get(self.plan.vector or "", 0)
        store(self.text, a.memory, self._index(at, access, offsets), stride, lanes if stride else SCALAR, value)

    # -- bodies ------------------------------------------------------------------------------------------------

    def _loop_index(self, at: Position, dim: str | None, offsets: dict[str, int], lanes: Lanes) -> Value:
        """The value of a loop dimension (linalg.index)."""
        text, base, shift = self.text, None, offsets.get(dim or "", 0)
        for d, iv, s in at.loops:
            if d == dim:
                base, shift = text.add(base, iv), shift + s
        value = Value(text.offset(base, shift), "index", 0)
        if dim is None or dim != self.plan.vector or not lanes.width:
            return value
        type_ = f"vector<{lanes.width}xindex>"
        steps = text.constant(f"vector.step : {type_}", type_)
        wide = broadcast(text, value, lanes.width)
        return Value(text.op(f"arith.addi {wide.name}, {steps} : {type_}", type_), "index", lanes.width)

    def _value(
        self, at: Position, o: Operand, offsets: dict[str, int], lanes: Lanes, done: list[Value], acc: Value | None
    ) -> Value:
        if isinstance(o, Const):
            return constant(self.text, o)
        if o.kind == "read":
            return self._load(at, o.index, offsets, lanes)
        if o.kind == "op":
            return done[o.index]
        if o.kind == "index":
            return self._loop_index(at, self.nest.index_dims[o.index], offsets, lanes)
        assert acc is not None, "the accumulator is only visible after the reduction"
        return acc

    def _run(
        self, at: Position, offsets: dict[str, int], lanes: Lanes, ops: slice, done: list[Value], acc: Value | None
    ) -> None:
        for op in self.nest.ops[ops]:
            done.append(apply(self.text, op, [self._value(at, o, offsets, lanes, done, acc) for o in op.operands]))

    def _write_all(
        self, at: Position, offsets: dict[str, int], lanes: Lanes, done: list[Value], acc: Value | None, inside: bool
    ) -> None:
        for i, write in enumerate(self.nest.writes):
            if write.inside == inside:
                value = self._value(at, write.value, offsets, lanes, done, acc)
                self._store(at, self._write0 + i, offsets, lanes, value)

    def elementwise(self, at: Position) -> None:
        """A tile of a nest without reduction."""
        for offsets, lanes in self._offsets(at):
            done: list[Value] = []
            self._run(at, offsets, lanes, slice(None), done, None)
            self._write_all(at, offsets, lanes, done, None, False)

    # -- reductions --------------------------------------------------------------------------------------------

    def initial(self, at: Position) -> list[str]:
        """Accumulators before the first reduction step."""
        text, names = self.text, []
        for offsets, lanes in self._acc_offsets(at):
            if self.horizontal:
                assert self.nest.combine is not None
                value = constant(text, Const(IDENTITY[self.nest.combine], self.nest.acc_dtype), self.lanes)
            else:
                value = self._init_value(at, offsets, lanes)
            names.append(broadcast(text, value, self.lanes).name)
        return names

    def _init_value(self, at: Position, offsets: dict[str, int], lanes: Lanes) -> Value:
        init = self.nest.init
        if self.partial:
            return self._load(at, self._write0, offsets, lanes)
        if isinstance(init, FlatAccess):
            return self._load(at, len(self.accesses) - 1, offsets, lanes)
        assert init is not None, "a reduction has an initial value"
        return constant(self.text, init)

    def accumulate(self, at: Position, accs: list[str]) -> list[str]:
        """One reduction step of the whole tile; returns the new accumulators."""
        out = list(accs)
        active = at.size(self.plan.vector) if self.horizontal else 0
        for i, (offsets, lanes) in enumerate(self._acc_offsets(at)):
            if self.horizontal:
                start = offsets[self.plan.vector or ""]
                if start >= active:
                    continue
                lanes = Lanes(self.lanes, min(self.lanes, active - start))
            out[i] = self._step(at, offsets, lanes, Value(accs[i], self.nest.acc_dtype, self.lanes)).name
        return out

    def _step(self, at: Position, offsets: dict[str, int], lanes: Lanes, acc: Value) -> Value:
        nest = self.nest
        assert nest.combine is not None
        assert nest.combined is not None
        done: list[Value] = []
        multiply = self._fusable_multiply()
        self._run(at, offsets, lanes, slice(0, nest.pre - (multiply is not None)), done, None)
        self._write_all(at, offsets, lanes, done, None, True)
        if multiply is not None:
            a, b = (self._value(at, o, offsets, lanes, done, None) for o in multiply)
            return fma(self.text, self._masked(a, lanes, 0.0), self._masked(b, lanes, 0.0), acc)
        value = self._value(at, nest.combined, offsets, lanes, done, None)
        return combine(self.text, nest.combine, acc, self._masked(value, lanes, IDENTITY[nest.combine]))

    def _fusable_multiply(self) -> tuple[Operand, ...] | None:
        """Operands of the product that feeds an additive reduction, where the product is used nowhere else."""
        nest = self.nest
        last = Ref("op", nest.pre - 1)
        if nest.combine != "arith.addf" or nest.combined != last or nest.ops[nest.pre - 1].name != "arith.mulf":
            return None
        used = [o for op in nest.ops for o in op.operands] + [w.value for w in nest.writes]
        return None if last in used else nest.ops[nest.pre - 1].operands

    def _masked(self, value: Value, lanes: Lanes, identity: float) -> Value:
        """`value` where a lane is active, the identity elsewhere; only a reduced vector dimension needs it."""
        if not self.horizontal or lanes.full:
            return value
        text = self.text
        wide = broadcast(text, value, lanes.width)
        fill = constant(text, Const(identity, value.dtype), lanes.width)
        mask = text.constant(
            f"vector.constant_mask [{lanes.active}] : vector<{lanes.width}xi1>", f"vector<{lanes.width}xi1>"
        )
        name = text.op(
            f"arith.select {mask}, {wide.name}, {fill.name} : vector<{lanes.width}xi1>, {wide.type}", wide.type
        )
        return Value(name, value.dtype, lanes.width)

    def finish(self, at: Position, accs: list[str]) -> None:
        """Epilogue and stores of the tile."""
        values = [Value(a, self.nest.acc_dtype, self.lanes) for a in accs]
        positions = list(self._acc_offsets(at))
        if self.horizontal:
            positions, values = self._fold_lanes(at, values)
        for (offsets, lanes), acc in zip(positions, values, strict=True):
            done = [acc] * self.nest.pre  # placeholders: the epilogue uses no operation before the reduction
            self._run(at, offsets, lanes, slice(self.nest.pre, None), done, acc)
            self._write_all(at, offsets, lanes, done, acc, False)

    def _fold_lanes(self, at: Position, values: list[Value]) -> tuple[list[tuple[dict[str, int], Lanes]], list[Value]]:
        """Combine the accumulators of each point and their lanes to one scalar, then with the initial value."""
        text, nest = self.text, self.nest
        assert nest.combine is not None
        assert self.plan.vector is not None
        per_point = tile = self.plan.register[self.plan.vector] // self.lanes
        dims = nest.parallel
        points = [dict(zip(dims, p, strict=True)) for p in product(*(range(at.size(d)) for d in dims))]
        folded = []
        for i, offsets in enumerate(points):
            group = values[i * per_point : i * per_point + tile]
            while len(group) > 1:
                pairs = [combine(text, nest.combine, a, b) for a, b in zip(group[::2], group[1::2], strict=False)]
                group = pairs + group[len(pairs) * 2 :]
            scalar = self._horizontal(group[0])
            folded.append(combine(text, nest.combine, scalar, self._init_value(at, offsets, SCALAR)))
        return [(o, SCALAR) for o in points], folded

    def _horizontal(self, value: Value) -> Value:
        kind = _VECTOR_KIND[self.nest.combine or ""]
        flags = " fastmath<reassoc>" if kind in ("add", "mul") and value.dtype.startswith(("f", "bf")) else ""
        text = f"vector.reduction <{kind}>, {value.name}{flags} : {value.type} into {value.dtype}"
        return Value(self.text.op(text, value.dtype), value.dtype, 0)
