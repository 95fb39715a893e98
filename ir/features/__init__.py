"""Static features of a function: numbers with units, each defined in `table`, none learned.

Owns `StaticFeatures` and `extract_features`. Works on any tree of operations: what is unknown counts in group `other`.
"Executed" counts weigh an operation by the trip counts around it: of scf and affine loops, of counted loops made of
branches, and of the iteration space of linalg. `docs/features.md` lists every feature with unit and definition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from costmodel.ir import collector, costs, linalg
from costmodel.ir.features.constants import constant_counts
from costmodel.ir.features.critical_path import critical_path
from costmodel.ir.features.facts import Facts
from costmodel.ir.features.gpu import is_kernel, kernel_numbers
from costmodel.ir.features.kinds import FLOAT_VECTOR, GENERAL, PREDICATE, type_facts
from costmodel.ir.features.liveness import pressure
from costmodel.ir.features.machine import machine_numbers
from costmodel.ir.features.nest import nest_numbers
from costmodel.ir.features.opcodes import BY_NAME as GROUP_BY_NAME
from costmodel.ir.features.opcodes import column_of
from costmodel.ir.features.plain import plain, uncount
from costmodel.ir.features.reuse import memory_features
from costmodel.ir.features.scan import Loop, Scan, scan
from costmodel.ir.features.shingles import NO_SHINGLES, Shingles, shingles
from costmodel.ir.features.table import FEATURES, FEATURES_VERSION, FUNCTION_FEATURES_V1, NAMES, Feature
from costmodel.ir.mlir.structure import Operation

__all__ = [
    "FEATURES",
    "FEATURES_VERSION",
    "FUNCTION_FEATURES_V1",
    "Feature",
    "StaticFeatures",
    "extract_features",
    "feature_names",
]

Numbers = dict[str, float]
Counts = Mapping[tuple[str, str], int]
_LARGEST = 1e300
_ZEROS: Numbers = dict.fromkeys(NAMES, 0.0)


def feature_names() -> tuple[str, ...]:
    """Names in the order of `StaticFeatures.to_vector`."""
    return NAMES


@dataclass(frozen=True, slots=True)
class StaticFeatures:
    """Numbers by name (`features["flops"]` or `features.flops`), in the order and units of `table.FEATURES`."""

    numbers: Numbers
    counts: Counts = field(default_factory=dict, repr=False)
    """Operations inside by name and type: of the first result, or of the first operand of those without."""
    shingles: Shingles = field(default_factory=lambda: NO_SHINGLES, repr=False, compare=False)
    """Of the plain form only: hashes of its details (`shingles`); equality does not look at them."""

    def __getitem__(self, name: str) -> float:
        return self.numbers[name]

    def __getattr__(self, name: str) -> float:
        if name.startswith("__") or name in ("numbers", "counts") or name not in self.numbers:
            raise AttributeError(f"no feature {name!r}; see costmodel.ir.features.feature_names()")
        return self.numbers[name]

    def to_dict(self) -> Numbers:
        """Numbers by name, in a fixed order."""
        return dict(self.numbers)

    def to_vector(self, names: tuple[str, ...] = NAMES) -> npt.NDArray[np.float64]:
        """The values of `names` (all, by default), shape [len(names)]."""
        numbers = self.numbers
        return np.array([numbers[name] for name in names], np.float64)


def extract_features(root: Operation, *, simplify: bool = False) -> StaticFeatures:
    """Features of everything inside `root`; iterative, any nesting depth; linear time.

    Args:
        root: a function.
        simplify: those of its plain form (`plain`), which needless blocks do not sway; dead operations do not count.

    Raises:
        ParseError: an attribute that a feature needs does not parse; with the operation's position.
    """
    with collector.paused():
        return _extract(root, simplify)


def _extract(root: Operation, simplify: bool) -> StaticFeatures:
    """What it builds is free when it returns, before the collector looks."""
    simpler = plain(root) if simplify else None
    root = root if simpler is None else simpler.root
    found = scan(root)
    dead = uncount(found) if simplify else None
    numbers = _numbers(root, found)
    counts = _counts(found, dead)
    details = shingles(root, found) if simplify else NO_SHINGLES
    found.close()
    if simpler is not None:
        simpler.close()
    for name, number in numbers.items():
        if number.__class__ is not float:
            numbers[name] = float(number)
    if max(numbers.values()) > _LARGEST:
        numbers = {name: min(number, _LARGEST) for name, number in numbers.items()}
    return StaticFeatures(numbers, counts, details)


def _counts(found: Scan, dead: Counter[Facts] | None) -> Counts:
    counts: dict[tuple[str, str], int] = {}
    every = Counter(found.facts)
    for facts, count in (every - dead if dead else every).items():
        counts[facts.counted] = counts.get(facts.counted, 0) + count
    return counts


def _numbers(root: Operation, found: Scan) -> Numbers:
    numbers = _ZEROS.copy()
    _operations(found, numbers)
    _blocks(root, found, numbers)
    _loops(found, numbers)
    _pressure(found, numbers)
    _paths(found, numbers)
    _memory(found, numbers)
    if is_kernel(root):
        numbers.update((f"gpu_{name}", value) for name, value in kernel_numbers(root).items())
    if found.structured:
        nest = nest_numbers([operation for operation, _, _ in found.structured])
        numbers.update((f"nest_{name}", value) for name, value in nest.items())
    numbers.update(machine_numbers(found))
    return numbers


def _every(loop: Loop) -> list[Loop]:
    found, stack = [], [loop]
    while stack:
        current = stack.pop()
        found.append(current)
        stack.extend(current.children)
    return found


def _operations(found: Scan, numbers: Numbers) -> None:
    """Counts, flops and bytes: operations alike are counted once for each loop."""
    flops = transcendentals = moved = ops = 0
    executed_ops = lanes = bits = vectors = 0.0
    trips = 1
    for loop in _every(found.root):
        if not loop.facts:
            continue
        trips = max(trips, loop.weight)
        for facts, count in Counter(loop.facts).items():
            ops += count
            executed = count * loop.executed
            executed_ops += executed
            mix, plain, weighted = facts.columns
            numbers[mix] += count
            numbers[plain] += count
            if weighted is not None:
                numbers[weighted] += executed
            if facts.flops > 0:
                flops += facts.flops * count * loop.weight
                transcendentals += facts.flops * count * loop.weight if facts.is_math else 0
            moved += facts.num_bytes * count * loop.weight
            numbers["calls"] += count if facts.is_call else 0
            if facts.is_vector:
                vectors += count
                lanes, bits = max(lanes, facts.lanes), max(bits, facts.bits)
    for operation, loop in found.special:
        flops += max(0, costs.flops_of(operation)) * loop.weight
    for operation, loop, _ in found.structured:
        flops += costs.named_flops_of(operation) * loop.weight
        moved += _linalg_bytes(operation, found) * loop.weight
    numbers["ops"], numbers["x_ops"], numbers["trip_count_max"] = ops, executed_ops, trips
    numbers["flops"], numbers["transcendentals"], numbers["bytes_touched"] = flops, transcendentals, moved
    numbers["arithmetic_intensity"] = flops / moved if moved else 0.0
    numbers["vector_lanes_max"], numbers["vector_bits_max"], numbers["vector_ops"] = lanes, bits, vectors
    numbers["vector_ops_share"] = vectors / ops if ops else 0.0
    numbers["branches"], numbers["structured_ops"] = found.branches, len(found.structured)
    numbers["is_exact"] = found.exact


def _linalg_bytes(operation: Operation, found: Scan) -> int:
    first_output = linalg.num_inputs(operation)
    total = 0
    for index, value in enumerate(operation.operands):
        size = costs.num_bytes(value.type_text)
        if size is None:
            found.exact = False
        elif linalg.operand_shape(value.type_text):
            total += size * (2 if index >= first_output and linalg.reads_output(operation, index) else 1)
    return total


def _blocks(root: Operation, found: Scan, numbers: Numbers) -> None:
    numbers["blocks"] = len(found.blocks)
    entries = {id(region.blocks[0]) for region in root.regions if region.blocks}
    for entry in found.blocks:
        operations = entry.block.operations
        numbers["edges"] += len(operations[-1].successors) if operations else 0
        numbers["block_ops_max"] = max(numbers["block_ops_max"], len(operations))
        numbers["blocks_in_loops"] += entry.loop.depth > 0
        if id(entry.block) in entries:
            for value in entry.block.args:
                register = type_facts(value.type_text).register
                numbers["args_float_vector" if register in (FLOAT_VECTOR, PREDICATE) else "args_general"] += 1
        elif entry.is_target:
            for value in entry.block.args:
                column = column_of(GROUP_BY_NAME["phi"], type_facts(value.type_text))
                numbers[f"n_phi_{column}"] += 1
                numbers["x_phi"] += entry.loop.executed
    numbers.update(constant_counts(found))


def _loops(found: Scan, numbers: Numbers) -> None:
    for loop in found.loops:
        numbers["loops"] += 1
        numbers["loops_unknown"] += loop.total_trips is None
        numbers["loop_depth_max"] = max(numbers["loop_depth_max"], loop.depth)
        numbers[f"loops_depth_{min(loop.depth, 3)}"] += 1
        inner = loop.inner_loops()
        if len(inner) == 1 and not any(part.busy for part in loop.body()):
            numbers["loops_perfect"] += 1
        if inner:
            continue
        numbers["loops_innermost"] += 1
        body = loop.body()
        numbers["innermost_ops_max"] = max(numbers["innermost_ops_max"], sum(len(part.facts) for part in body))
        numbers["innermost_blocks_max"] = max(numbers["innermost_blocks_max"], sum(part.blocks for part in body))
        if loop.total_trips is not None:
            least = numbers["innermost_trips_min"]
            numbers["innermost_trips_max"] = max(numbers["innermost_trips_max"], loop.total_trips)
            numbers["innermost_trips_min"] = min(least, loop.total_trips) if least else loop.total_trips


def _pressure(found: Scan, numbers: Numbers) -> None:
    peaks = pressure(found)
    widest, deepest = peaks.widest, peaks.deepest
    numbers["live_values_max"], numbers["live_vector_values_max"] = widest.values, widest.vectors
    numbers["pressure_general_max"] = widest.counts[GENERAL]
    numbers["pressure_float_vector_max"] = widest.counts[FLOAT_VECTOR]
    numbers["pressure_predicate_max"] = widest.counts[PREDICATE]
    numbers["pressure_general_registers"] = widest.units[GENERAL]
    numbers["pressure_float_vector_registers"] = widest.units[FLOAT_VECTOR]
    numbers["deepest_pressure_general"] = deepest.counts[GENERAL]
    numbers["deepest_pressure_float_vector"] = deepest.counts[FLOAT_VECTOR]
    numbers["deepest_pressure_float_vector_registers"] = deepest.units[FLOAT_VECTOR]


def _paths(found: Scan, numbers: Numbers) -> None:
    path = critical_path(found)
    numbers["critical_path_max"], numbers["critical_path_loop_max"] = path.longest, path.longest_in_loop
    numbers["critical_path_executed"], numbers["work_executed"] = path.executed, path.work
    numbers["parallelism"] = path.work / path.executed if path.executed else 0.0
    numbers["recurrence_max"] = path.recurrence


def _memory(found: Scan, numbers: Numbers) -> None:
    memory = memory_features(found)
    numbers.update((f"stride_{name}", count) for name, count in memory.strides.items())
    numbers.update((f"reuse_bytes_{name}", size) for name, size in memory.executed_bytes.items())
    numbers.update((f"loops_set_{name}", count) for name, count in memory.loops.items())
    numbers["innermost_set_bytes"], numbers["largest_set_bytes"] = memory.innermost_set, memory.largest_set
