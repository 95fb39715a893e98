"""Static features of a function: numbers with units, each defined here, none learned.

Owns the feature list and the walk. "Executed" counts weigh an operation by the trip counts around it: of scf and
affine loops, of counted loops made of branches, and of the iteration space of linalg. A loop of unknown length, or a
dynamic size, counts as 1 and clears `is_exact`.

| feature | unit | from |
|---|---|---|
| ops | operations | all strictly inside the function |
| mix | operations by category | `costs.CATEGORIES`, static count |
| loops | loops | scf, affine and natural loops; linalg operations are not loops |
| loop_depth_max | levels | deepest nest of those |
| loops_unknown | loops | loops whose trip count the text does not tell |
| trip_count_max | iterations | largest product of trip counts around one operation |
| flops | executed floating-point operations | `costs.flops_of` |
| transcendentals | executed elements | mathematical functions (exp, sqrt, ...), also in `flops` |
| bytes_touched | bytes | executed loads, stores, copies; linalg: inputs once, outputs once or, if read, twice |
| arithmetic_intensity | flop / byte | flops / bytes_touched, 0 without bytes (Williams et al., Roofline, 2009) |
| vector_lanes_max | elements | widest vector value, all dimensions |
| vector_bits_max | bits | widest vector value |
| vector_ops | operations | operations with a vector result |
| live_values_max | values | `liveness` (linear-scan intervals) |
| live_vector_values_max | values | the same, vectors only |
| branches | operations | terminators with more than one successor, and scf.if, affine.if, scf.index_switch |
| calls | operations | calls, direct and indirect, intrinsics excluded |
| structured_ops | operations | linalg operations |
| is_exact | 0 or 1 | 1 if every trip count and size is known |
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import prod

import numpy as np
import numpy.typing as npt

from costmodel.core.errors import ParseError
from costmodel.ir import costs, linalg, semantics
from costmodel.ir.control_flow import NaturalLoop, natural_loops
from costmodel.ir.liveness import live_peak
from costmodel.ir.loops import LOOP_NAMES, trip_count
from costmodel.ir.mlir.structure import Block, Operation, Region
from costmodel.ir.mlir.types import VectorType, parse_type

FEATURES_VERSION = 1
_CONDITIONALS = frozenset(("scf.if", "affine.if", "scf.index_switch"))


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticFeatures:
    """See the table in the module's docstring."""

    ops: int
    mix: dict[str, int]
    loops: int
    loop_depth_max: int
    loops_unknown: int
    trip_count_max: int
    flops: int
    transcendentals: int
    bytes_touched: int
    arithmetic_intensity: float
    vector_lanes_max: int
    vector_bits_max: int
    vector_ops: int
    live_values_max: int
    live_vector_values_max: int
    branches: int
    calls: int
    structured_ops: int
    is_exact: bool

    def to_dict(self) -> dict[str, float]:
        """Flat numbers by name, the mix as `mix_CATEGORY`, in a fixed order."""
        flat: dict[str, float] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, dict):
                flat.update({f"{item.name}_{name}": float(value.get(name, 0)) for name in costs.CATEGORIES})
            else:
                flat[item.name] = float(value)
        return flat

    def to_vector(self) -> npt.NDArray[np.float64]:
        """The values of `to_dict`, shape [num_features]."""
        return np.array(list(self.to_dict().values()), np.float64)


class _Totals:
    """Sums that grow during the walk."""

    def __init__(self) -> None:
        self.ops = self.loops = self.depth = self.unknown = self.flops = self.transcendentals = self.bytes = 0
        self.lanes = self.bits = self.vector_ops = self.branches = self.calls = self.structured = 0
        self.trips = 1
        self.exact = True
        self.mix = dict.fromkeys(costs.CATEGORIES, 0)
        self.natural: dict[Region, list[NaturalLoop]] = {}


@dataclass(frozen=True, slots=True)
class _Context:
    """What surrounds an operation: executions, loop depth, and whether loads and stores inside count."""

    weight: int = 1
    depth: int = 0


def extract_features(root: Operation) -> StaticFeatures:
    """Features of everything inside `root`; iterative, any nesting depth."""
    totals = _Totals()
    stack: list[tuple[Operation, _Context]] = [(root, _Context())]
    while stack:
        operation, context = stack.pop()
        try:
            if operation is not root:
                _count(operation, context, totals)
            inner = _inside(operation, context, totals) if operation.regions else context
        except ParseError as error:
            raise error if error.location else ParseError(str(error), location=operation.location) from None
        for region in operation.regions:
            stack.extend(_children(region, inner, totals))
    return _finish(root, totals)


def _children(region: Region, context: _Context, totals: _Totals) -> list[tuple[Operation, _Context]]:
    loops = natural_loops(region)
    totals.natural[region] = loops
    around: dict[Block, _Context] = {}
    for loop in loops:
        totals.loops += 1
        totals.unknown += loop.trips is None
        totals.exact &= loop.trips is not None
        for block in loop.blocks:
            before = around.get(block, context)
            around[block] = _Context(before.weight * (1 if loop.trips is None else loop.trips), before.depth + 1)
    for inner in around.values():
        totals.depth = max(totals.depth, inner.depth)
    return [(operation, around.get(block, context)) for block in region.blocks for operation in block.operations]


def _inside(operation: Operation, context: _Context, totals: _Totals) -> _Context:
    """The context of an operation's regions."""
    if operation.name.startswith("linalg."):
        sizes = linalg.loop_sizes(operation)
        totals.exact &= None not in sizes
        return _Context(context.weight * prod(1 if size is None else size for size in sizes), context.depth)
    if operation.name not in LOOP_NAMES:
        return context
    trips = trip_count(operation)
    totals.loops += 1
    totals.unknown += trips is None
    totals.exact &= trips is not None
    totals.depth = max(totals.depth, context.depth + 1)
    return _Context(context.weight * (1 if trips is None else trips), context.depth + 1)


def _count(operation: Operation, context: _Context, totals: _Totals) -> None:
    totals.ops += 1
    totals.trips = max(totals.trips, context.weight)
    totals.mix[costs.category_of(operation)] += 1
    flops = costs.flops_of(operation)
    if flops:
        totals.flops += flops * context.weight
        if costs.is_math_function(operation):
            totals.transcendentals += flops * context.weight
    totals.branches += len(operation.successors) > 1 or operation.name in _CONDITIONALS
    totals.calls += semantics.callee_of(operation) is not None
    if operation.name.startswith("linalg.") and operation.regions:
        totals.structured += 1
        _linalg_bytes(operation, context.weight, totals)
    else:
        totals.bytes += costs.bytes_of(operation) * context.weight
    vector = False
    for result in operation.results:
        kind = parse_type(result.type_text)
        if isinstance(kind, VectorType):
            vector = True
            lanes = costs.num_lanes(result.type_text)
            totals.lanes = max(totals.lanes, lanes)
            totals.bits = max(totals.bits, lanes * getattr(kind.element, "bits", 0))
    totals.vector_ops += vector


def _linalg_bytes(operation: Operation, weight: int, totals: _Totals) -> None:
    first_output = linalg.num_inputs(operation)
    for index, value in enumerate(operation.operands):
        size = costs.num_bytes(value.type_text)
        if size is None:
            totals.exact = False
            continue
        if not linalg.operand_shape(value.type_text):
            continue
        twice = index >= first_output and linalg.reads_output(operation, index)
        totals.bytes += size * weight * (2 if twice else 1)


def _finish(root: Operation, totals: _Totals) -> StaticFeatures:
    peak = live_peak(root, totals.natural)
    return StaticFeatures(
        ops=totals.ops,
        mix=totals.mix,
        loops=totals.loops,
        loop_depth_max=totals.depth,
        loops_unknown=totals.unknown,
        trip_count_max=totals.trips,
        flops=totals.flops,
        transcendentals=totals.transcendentals,
        bytes_touched=totals.bytes,
        arithmetic_intensity=totals.flops / totals.bytes if totals.bytes else 0.0,
        vector_lanes_max=totals.lanes,
        vector_bits_max=totals.bits,
        vector_ops=totals.vector_ops,
        live_values_max=peak.values,
        live_vector_values_max=peak.vectors,
        branches=totals.branches,
        calls=totals.calls,
        structured_ops=totals.structured,
        is_exact=totals.exact,
    )
