"""The text of a scheduled kernel as a tree of loops and operations, for counting.

Owns the reading of what `backends.mlir` writes, a line an operation; other MLIR is `costmodel.ir`'s to read. Trip
counts: constant, known by the tile they cover, or unknown (`None`) where the last tile is cut off.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

_VECTOR = re.compile(r"vector<(\d+)x(\w+)>")
_NAME = re.compile(r"%\w+(?:#\d+)?")
_FOR = re.compile(r"(%\w+) = (\S+) to (\S+) step (\S+)")
_CARRIED = re.compile(r"(%\w+) = (%[\w#]+)")
_SCALAR = re.compile(r"bf16|[fi]\d+")
_MAYBE = 0.5
BITS = {"f64": 64, "i64": 64, "index": 64, "f32": 32, "i32": 32, "f16": 16, "bf16": 16, "i16": 16, "i8": 8, "i1": 8}
MEMORY = {
    "memref.load": "scalar_load", "memref.store": "scalar_store", "vector.load": "load", "vector.store": "store",
    "vector.maskedload": "masked_load", "vector.maskedstore": "masked_store", "vector.gather": "gather",
    "vector.scatter": "scatter",
}  # fmt: skip
_KINDS = {
    "vector.broadcast": "broadcast", "vector.reduction": "horizontal", "vector.shuffle": "shuffle", "math.fma": "fma",
    "arith.mulf": "multiply", "arith.addf": "add", "arith.subf": "add", "arith.divf": "divide", "math.sqrt": "root",
    "arith.muli": "multiply_int", "arith.bitcast": "none", "arith.index_cast": "none",
    **dict.fromkeys(("arith.maximumf", "arith.minimumf", "arith.maxnumf", "arith.minnumf"), "extreme"),
    **dict.fromkeys(("arith.sitofp", "arith.uitofp", "arith.fptosi", "arith.fptoui"), "convert"),
    **dict.fromkeys(("arith.extsi", "arith.extui", "arith.trunci"), "resize"),
    **dict.fromkeys(("arith.cmpf", "arith.cmpi", "arith.select", "arith.negf", "math.absf", "math.copysign",
                     "arith.andi", "arith.ori", "arith.xori"), "logic"),
}  # fmt: skip


@dataclass(slots=True, kw_only=True, eq=False)
class Op:
    """One operation: `kind`, operands, bits and lanes of its widest vector (0 lanes for a scalar)."""

    kind: str
    result: str = ""
    operands: tuple[str, ...] = ()
    bits: int = 64
    lanes: int = 0
    memory: str = ""
    """The buffer it touches."""
    stores: bool = False
    active: int = 0
    """Lanes that a mask leaves."""
    element: str = ""
    rows: int = 1
    """How many such vectors it is about."""
    place: tuple[str, ...] = ()
    """Where in the buffer a scalar access goes, where that is told."""


@dataclass(slots=True, kw_only=True, eq=False)
class Region:
    """The function, a loop or a branch. `trips` is the mean number of times that it runs, None where unknown."""

    trips: float | None = 1.0
    most: int | None = None
    """Of an unknown number of trips."""
    entered: float = 1.0
    """Share of the times that a loop of unknown length is entered at all."""
    variable: str = ""
    result: str = ""
    carried: tuple[str, ...] = ()
    initial: tuple[str, ...] = ()
    yielded: tuple[str, ...] = ()
    carried_bits: int = 0
    """Of one carried vector, 0 for scalars."""
    branch: bool = False
    body: list[Op | Region] = field(default_factory=list)

    def run(self, found: Trips) -> None:
        """As often as was found."""
        self.trips, self.most, self.entered = found.trips, found.most, found.entered


@dataclass(frozen=True, slots=True, kw_only=True)
class Trips:
    """`trips` None where unknown, then `most` if the text says so; `entered` is the share of times it runs at all."""

    trips: float | None = None
    most: int | None = None
    entered: float = 1.0


def tile_trips(span: int | None, step: int, *, cut: bool, limit: int | None, last: int | None) -> Trips:
    """Of a loop over a tile of `span`, None where there is none; with `cut`, to a `limit` at most.

    It is entered for sure where `last`, the largest start, lies below the limit.
    """
    if span is None:
        return Trips(entered=_MAYBE)
    trips = -(-span // step)
    if not cut:
        return Trips(trips=trips)
    sure = limit is not None and last is not None and last < limit
    return Trips(most=trips, entered=1.0 if sure else _MAYBE)


class LineReader:
    """Reads one function's text. Single use."""

    def __init__(self, text: str) -> None:
        self.root = Region()
        self._open = [self.root]
        self._constants: dict[str, int | None] = {}
        self._masks: dict[str, int] = {}
        self._ends: dict[str, tuple[str, int]] = {}
        self._cut: dict[str, tuple[str, int, int | None]] = {}
        self._last: dict[str, int] = {}
        for line in text.split("\n")[1:]:
            if line == "}":
                if len(self._open) == 1:
                    break
                self._open.pop()
            elif line and line != "return":
                self._line(line)

    def _line(self, line: str) -> None:
        result = ""
        if line[0] == "%":
            result, _, line = line.partition(" = ")
        name, _, rest = line.partition(" ")
        if name == "arith.constant":
            value = rest.partition(" : ")[0]
            self._constants[result] = int(value) if value.lstrip("-").isdigit() else None
        elif name == "vector.constant_mask":
            self._masks[result] = int(rest[1 : rest.index("]")])
        elif name == "scf.for":
            self._begin(self._loop(result, rest))
        elif name == "scf.if":
            self._begin(Region(trips=0.5, branch=True))
        elif name == "scf.yield":
            self._open[-1].yielded = tuple(_NAME.findall(rest.partition(" : ")[0]))
        else:
            self._open[-1].body.append(self._operation(name, result, rest))

    def _begin(self, region: Region) -> None:
        self._open[-1].body.append(region)
        self._open.append(region)

    def _loop(self, result: str, rest: str) -> Region:
        found = _FOR.match(rest)
        if found is None:
            return Region(trips=None)
        variable, low, high, by = found.groups()
        step = max(1, self._constants.get(by) or 1)
        region = Region(variable=variable, result=result.partition(":")[0])
        start, end = self._constants.get(low), self._constants.get(high)
        if start is not None and end is not None:
            region.trips = max(0, -(-(end - start) // step))
            self._last[variable] = start + max(0, int(region.trips) - 1) * step
        else:
            ends = {high: (*self._ends[high], None)} if high in self._ends else self._cut
            base, span, limit = ends.get(high, ("", 0, None))
            tile = span if base == low else None
            region.run(tile_trips(tile, step, cut=high not in self._ends, limit=limit, last=self._last.get(low)))
        at = rest.find("iter_args(")
        if at >= 0:
            pairs = _CARRIED.findall(rest[at : rest.index(")", at)])
            region.carried, region.initial = tuple(a for a, _ in pairs), tuple(b for _, b in pairs)
            region.carried_bits = _carried_bits(rest[at:])
        return region

    def _operation(self, name: str, result: str, rest: str) -> Op:
        at = rest.rfind(" : ")
        names, type_text = tuple(_NAME.findall(rest[:at])), rest[at + 3 :]
        if name in MEMORY:
            return self._access(name, result, names, type_text)
        if type_text == "index" or (name == "arith.cmpi" and not type_text.startswith("vector")):
            self._index(name, result, names)
            return Op(kind="index", result=result, operands=names)
        lanes, bits, element = vector_shape(type_text)
        return Op(kind=kind_of(name, type_text), result=result, operands=names, bits=bits, lanes=lanes, element=element)

    def _index(self, name: str, result: str, names: tuple[str, ...]) -> None:
        """Remember ends of tiles: a start and a constant, and the least of one and a limit."""
        second = self._constants.get(names[-1])
        if name == "arith.addi" and second is not None:
            self._ends[result] = names[0], second
        elif name == "arith.minsi" and names[0] in self._ends:
            self._cut[result] = *self._ends[names[0]], second

    def _access(self, name: str, result: str, names: tuple[str, ...], type_text: str) -> Op:
        stores = not result
        first = name in ("memref.store", "vector.store")
        memory = names[1] if first else names[0]
        lanes, bits, element = vector_shape(type_text.rpartition(", ")[2] if lanes_told(type_text) else type_text)
        active = next((self._masks[one] for one in names if one in self._masks), lanes)
        return Op(kind=MEMORY[name], result=result, operands=tuple(n for n in names if n != memory), bits=bits,
                  lanes=lanes, memory=memory, stores=stores, active=active, element=element)  # fmt: skip


def lanes_told(type_text: str) -> bool:
    """Whether an access is one of vectors."""
    return "vector<" in type_text


@lru_cache(maxsize=4096)
def vector_shape(type_text: str) -> tuple[int, int, str]:
    """Lanes, bits and element of types: lanes and element of the last vector named, bits of the widest."""
    found = _VECTOR.findall(type_text)
    if not found:
        kinds = _SCALAR.findall(type_text) or ["f32"]
        return 0, max(BITS.get(kind, 32) for kind in kinds), kinds[-1]
    return int(found[-1][0]), max(int(n) * BITS.get(kind, 32) for n, kind in found), found[-1][1]


@lru_cache(maxsize=1024)
def kind_of(name: str, type_text: str) -> str:
    """What an operation on these types counts as."""
    if name == "arith.extf":
        return "widen_bf16" if "bf16" in type_text else "half" if "f16" in type_text else "convert"
    if name == "arith.truncf":
        to = type_text.rpartition(" to ")[2]
        return "narrow_bf16" if "bf16" in to else "half" if "f16" in to else "convert"
    return _KINDS.get(name, "integer")


def _carried_bits(text: str) -> int:
    found = _VECTOR.search(text)
    return int(found[1]) * BITS.get(found[2], 32) if found else 0
