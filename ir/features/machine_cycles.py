"""Cycles as a static model of the machine counts them: blocks by themselves, weighted by how often they run.

Owns the bounds of a block that repeats (llvm-mca's reading): what its instructions keep busy on several cores
(`machine_units`), and the chains that go from one run to the next. Sums over blocks times frequencies. Source:
throughput bounds as in IACA and llvm-mca; latencies of `opcodes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from costmodel.ir.features.kinds import FLOAT_VECTOR
from costmodel.ir.features.machine_columns import NUM_PORTS, C, Kind, Port
from costmodel.ir.features.machine_flat import Flat, Ints, Numbers
from costmodel.ir.features.machine_flow import Flow
from costmodel.ir.features.machine_fold import Folded
from costmodel.ir.features.machine_units import CLASSES, CORES, PLACE, USUAL, Counts, cycles_of
from costmodel.ir.features.scan import BlockScan
from costmodel.ir.mlir.structure import Operation
from costmodel.ir.semantics import forwarded

_MACHINES = ("x86", "a64", "rv")
_COLUMNS = slice(1, 6, 2)
"""Of the machines among `VARIANTS`."""
_ACCESSES = [PLACE[name] for name in ("loads", "stores", "loads_folded", "stores_folded")]
_PART_BYTES = 2
"""Accesses so narrow become parts of a wider one where they cost nothing, wider ones operands in memory."""
_COPY_SHARES = np.array([0.4, 0.6])
"""Of the instructions of a block copy or fill, what loads and what stores."""
_PORTS = {
    "loads": Port.LOAD, "stores": Port.STORE, "calls": Port.CALL, "products": Port.MUL, "divisions32": Port.DIV,
    "float_divisions32": Port.FDIV, "floats": Port.FLOAT, "shuffles": Port.SHUFFLE,
}  # fmt: skip
_MAX_CARRIED = 8
"""Carried values of a block that are followed."""
_MAX_ARGUMENTS = 8


def cycle_numbers(flat: Flat, folded: Folded, flow: Flow, totals: Numbers, beside: Beside) -> dict[str, float]:
    """Executed instructions and cycles by machine and core."""
    frequency = np.array(flow.frequency)
    chains = _Chains(flat, folded)
    chain = chains.carried()
    counts = _counts(flat, beside)
    numbers = _executed(frequency, counts, chain)
    counts = _by_machine(flat, folded, totals, counts, beside)
    bound = np.maximum(cycles_of(counts), chain)
    again = chains.reused()
    first = [again[isa != "x86"] for isa in _MACHINES]
    bound[:, :, 0] = np.maximum(bound[:, :, 0], np.array(first)[:, None])
    executed, cycles = [float(frequency @ own) for own in counts[:, :, 0]], (bound @ frequency).tolist()
    for place, isa in enumerate(_MACHINES):
        numbers[f"reused_chain_{isa}"], numbers[f"executed_{isa}"] = first[place], executed[place]
        found = dict(zip(CORES[isa], cycles[place], strict=False))
        usual = found[USUAL[isa]]
        for name, number in found.items():
            numbers[f"cycles_{isa}_{name}"] = number
            if name != USUAL[isa]:
                numbers[f"core_{isa}_{name}"] = number / usual if usual > 0 else 1.0
    return numbers


def _by_machine(flat: Flat, folded: Folded, totals: Numbers, counts: Counts, beside: Beside) -> Counts:
    """What blocks hold on each machine `[machines, blocks, classes]`, from what they hold on all of them."""
    blocks = len(counts)
    found = counts[None].repeat(len(_MACHINES), axis=0)
    found[:, :, _ACCESSES] = _accesses(flat, folded, blocks)
    found[:, :, PLACE["restores"]] = beside.restored
    sets = np.arange(len(_MACHINES))
    found[sets, beside.frames, PLACE["saves"]] = beside.saved
    instructions = _by_block(flat.block, totals[:, _COLUMNS], blocks)
    found[:, :, 0] = instructions.T + beside.moves + beside.restored
    found[sets, beside.frames, 0] += beside.saved
    return found


def _counts(flat: Flat, beside: Beside) -> Counts:
    """What blocks hold on every machine, accesses as those of registers of 128 bits."""
    blocks = len(flat.scan.blocks)
    port = flat.block * NUM_PORTS + flat.table[:, C["port"]].astype(np.int64)
    work = np.where(flat.alive & (flat.kind != Kind.FREE), flat.table[:, C["parts128"]], 0.0)
    ports = np.bincount(port, work, blocks * NUM_PORTS).reshape(blocks, NUM_PORTS)
    counts = np.zeros((blocks, len(CLASSES)))
    for name, unit in _PORTS.items():
        counts[:, PLACE[name]] = ports[:, unit]
    if np.count_nonzero(ports[:, Port.DIV]) or np.count_nonzero(ports[:, Port.FDIV]):
        wide = np.where(flat.table[:, C["bits"]] > 32, work, 0.0)
        ports = np.bincount(port, wide, blocks * NUM_PORTS).reshape(blocks, NUM_PORTS)
        for name, unit in (("divisions", Port.DIV), ("float_divisions", Port.FDIV)):
            counts[:, PLACE[f"{name}64"]] = ports[:, unit]
            counts[:, PLACE[f"{name}32"]] -= ports[:, unit]
    branches = flat.block[(flat.kind == Kind.BRANCH) | (flat.kind == Kind.SWITCH)]
    counts[branches, PLACE["jumps"]] = 1.0  # at most one of them ends a block
    counts[beside.jumping, PLACE["jumps"]] += 1.0
    counts[:, PLACE["returns"]] = beside.returns
    return counts


def _executed(frequency: Counts, counts: Counts, chain: Numbers) -> dict[str, float]:
    """Sums over blocks, weighted by executions."""
    total = dict(zip(CLASSES, (frequency @ counts).tolist(), strict=True))
    divisions = ("divisions32", "divisions64", "float_divisions32", "float_divisions64")
    return {
        "executed_loads": total["loads"],
        "executed_stores": total["stores"],
        "executed_floats": total["floats"] + total["float_divisions32"] + total["float_divisions64"],
        "executed_shuffles": total["shuffles"],
        "executed_divisions": sum(total[name] for name in divisions),
        "executed_chain": float(frequency @ chain),
        "executed_blocks": float(frequency.sum()),
        "hottest_frequency": float(frequency.max(initial=0)),
        "executed_jumps": total["jumps"] + total["returns"],
        "executed_calls": total["calls"],
    }


def _accesses(flat: Flat, folded: Folded, blocks: int) -> Counts:
    """Loads, stores, and those of them that are no instructions of their own, `[machines, blocks, 4]`."""
    kind = flat.kind
    chosen = ((kind == Kind.LOAD) | (kind == Kind.STORE)).nonzero()[0]
    copies = (kind == Kind.BLOCK).nonzero()[0]
    sets = len(_MACHINES)
    cost, both = folded.cost[:, _COLUMNS][chosen], np.empty((len(chosen), 2 * sets), np.float32)
    narrow = flat.table[chosen, C["bytes"]] <= _PART_BYTES
    made = both[:, :sets] = np.where(narrow[:, None], cost, flat.table[:, _COLUMNS][chosen])
    np.maximum(made - cost, 0.0, out=both[:, sets:])
    place = flat.block[chosen] * 2 + (kind[chosen] == Kind.STORE)
    found = _by_block(place, both, 2 * blocks).reshape(blocks, 2, 2, sets)
    if len(copies):
        moved = _by_block(flat.block[copies], folded.cost[:, _COLUMNS][copies], blocks)
        found[:, :, 0] += moved[:, None] * _COPY_SHARES[:, None]
    return np.asarray(found.transpose(3, 0, 2, 1).reshape(sets, blocks, 4))


def _by_block(block: Ints, values: Numbers, blocks: int) -> Counts:
    """Sums of `values[k, m]` by block, `[blocks, m]`."""
    width = values.shape[1]
    places = (block[:, None] * width + np.arange(width)).reshape(-1)
    return np.bincount(places, values.reshape(-1), blocks * width).reshape(blocks, width).astype(np.float64, copy=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Instructions beside operations': `moves` and jumps `[sets, blocks]`, and what prologues have `saved` `[sets]`.

    What is `restored` is `[sets, blocks]`; `frames` `[sets]` are the blocks of the prologues.
    """

    moves: Numbers
    jumping: list[int]
    returns: Ints
    saved: list[float]
    restored: Numbers
    frames: list[int]


class _Chains:
    """Chains from one run of a block to its next: carried values, and registers that calls and returns use again."""

    def __init__(self, flat: Flat, folded: Folded) -> None:
        self.flat, self.folded = flat, folded
        self.starts = flat.block.searchsorted(np.arange(len(flat.scan.blocks) + 1)).tolist()

    @cached_property
    def lists(self) -> tuple[list[int], list[int], list[float], list[int]]:
        """Where the edges to each operation begin, their values, latencies, and what defines each value."""
        flat = self.flat
        return flat.starts().tolist(), flat.value.tolist(), _latency(flat, self.folded), flat.defined.tolist()

    def carried(self) -> Numbers:
        """The longest chain of each block that is a loop by itself, in cycles, `[blocks]`."""
        found = np.zeros(len(self.flat.scan.blocks), np.float32)
        for index, entry in enumerate(self.flat.scan.blocks):
            last = entry.block.operations[-1] if entry.block.operations else None
            if last is not None and entry.block.args and entry.block in last.successors:
                found[index] = self._longest(entry, last, self.starts[index])
        return found

    def _longest(self, entry: BlockScan, last: Operation, first: int) -> float:
        number = self.flat.scan.number
        nexts = next(([number.get(v, -1) for v in vs] for t, vs in forwarded(last) if t is entry.block), [])
        defined = self.lists[3]
        longest, result = 0.0, entry.first + len(entry.block.args)
        for argument, target in zip(range(entry.first, result), nexts[:_MAX_CARRIED], strict=False):
            if target >= result:
                longest = max(longest, self._distance(argument, defined[target], first))
        return longest

    def reused(self) -> tuple[float, float]:
        """Chains through argument registers of the function's first block, in cycles: on x86-64, and elsewhere.

        An argument's register takes the call's argument of the same place, the first one of floats what is returned,
        but for x86-64 that of integers too. Behind a call arguments lie elsewhere, so that blocks of several calls
        have none.
        """
        flat = self.flat
        if not flat.scan.blocks:
            return 0.0, 0.0
        kinds = flat.kind[: self.starts[1]]
        ends = ((kinds == Kind.CALL) | (kinds == Kind.RETURN)).nonzero()[0].tolist()
        is_call = [kinds[end] == Kind.CALL for end in ends[:2]]
        if not ends or is_call == [True, True]:
            return 0.0, 0.0
        arguments: tuple[list[int], list[int]] = [], []
        for number in range(min(len(flat.scan.blocks[0].block.args), _MAX_ARGUMENTS)):
            arguments[flat.scan.kinds[number].register == FLOAT_VECTOR].append(number)
        general, floats = self._through(ends[0], arguments)
        return max(floats, general if is_call[0] else 0.0), max(floats, general)

    def _through(self, operation: int, arguments: tuple[list[int], list[int]]) -> tuple[float, float]:
        """Longest chains that end in what an operation takes in general and in vector registers."""
        flat, floats = self.flat, 0
        shift, longest = int(flat.table[operation, C["indirect"]]), [0.0, 0.0]
        first, last = flat.user.searchsorted([operation, operation + 1]).tolist()
        values, positions = flat.value[first:last], flat.position[first:last].tolist()
        for value, position, made in zip(values.tolist(), positions, flat.defined[values].tolist(), strict=True):
            kind = int(flat.scan.kinds[value].register == FLOAT_VECTOR)
            place = floats if kind else position - shift - floats
            floats += kind
            if 0 <= place < len(arguments[kind]) and 0 <= made < self.starts[1]:
                longest[kind] = max(longest[kind], self._distance(arguments[kind][place], made, 0))
        return longest[0], longest[1]

    def _distance(self, source: int, goal: int, first: int) -> float:
        return _distance(source, goal, first, *self.lists)


def _latency(flat: Flat, folded: Folded) -> list[float]:
    kind = flat.kind
    latency = np.where((kind == Kind.FREE) | (kind == Kind.TRUNC), 0.0, flat.table[:, C["latency"]])
    latency = np.where((folded.cost[:, 2] == 0) & (kind == Kind.ADDRESS), 0.0, latency)
    return list(latency.tolist())


def _distance(
    source: int, goal: int, first: int, edges: list[int], values: list[int], latency: list[float], defined: list[int]
) -> float:  # fmt: skip
    """Cycles from a value to the operation `goal` of the same block, 0 without a chain."""
    reach: dict[int, float] = {}
    for operation in range(first, goal + 1):
        best = -1.0
        for value in values[edges[operation] : edges[operation + 1]]:
            known = 0.0 if value == source else reach.get(defined[value], -1.0)
            if known > best:
                best = known
        if best >= 0:
            reach[operation] = best + latency[operation]
    return reach.get(goal, 0.0)
