"""Machine code that an LLVM function is expected to become: instructions, cycles, registers wanted.

Owns `machine_numbers`, the features `machine_*` (local variables as values, as an optimiser leaves them) and `frame_*`
(as the function stands, every `alloca` in memory). Functions of other dialects have none of them. Linear time.
"""

from __future__ import annotations

import numpy as np

from costmodel.ir.features.machine_columns import C, Kind
from costmodel.ir.features.machine_cycles import Beside, cycle_numbers
from costmodel.ir.features.machine_flat import Flat, Ints, Lists
from costmodel.ir.features.machine_flow import Flow
from costmodel.ir.features.machine_fold import Folded
from costmodel.ir.features.machine_frame import FREE, SAVED, SLOT, around, num_sides, spilled
from costmodel.ir.features.machine_layout import Layout
from costmodel.ir.features.machine_live import GENERAL, KEPT, KEPT_FLOATS, UNITS128, Live, live
from costmodel.ir.features.machine_merge import Merged
from costmodel.ir.features.machine_names import VARIANTS
from costmodel.ir.features.machine_symbols import fills_memory
from costmodel.ir.features.machine_table import FILES, FRAME, ISAS
from costmodel.ir.features.machine_wrap import Frames
from costmodel.ir.features.scan import Scan

Numbers = dict[str, float]
_EXCESS = [
    (column, float(size), f"excess_{name}_{size}")
    for column, (name, sizes) in enumerate(FILES.items())
    for size in sizes
]
"""Of each file of known size: the column of its class, its size, the feature's name."""
_FILE_COLUMNS = [column for column, _, _ in _EXCESS]
_FILE_SIZES = np.array([size for _, size, _ in _EXCESS], np.float32)
_ISA_OF = {variant: "rv" if variant == "rvv" else variant.partition("_")[0] for variant in VARIANTS}
_SHORT = 2
"""Operations of a block that does little but return."""


def is_llvm(scan: Scan) -> bool:
    """Whether a scanned function is one of LLVM IR (or of MLIR's LLVM dialect): flat and not empty."""
    return not scan.nested and all(
        entry.block.operations and entry.block.operations[-1].name.startswith("llvm.") for entry in scan.blocks
    ) and bool(scan.blocks)  # fmt: skip


def machine_numbers(scan: Scan) -> Numbers:
    """Features of a function by name; empty where it is none of LLVM IR."""
    if not is_llvm(scan):
        return {}
    lists, flow = Lists(scan), Flow(scan)
    flat = Flat(scan, lists)
    merged = Merged(flat)
    layout = Layout(flow, *_ends(flat), merged)
    numbers = _numbers(flat, flow, layout)
    found = {f"machine_{name}": value for name, value in numbers.items()}
    standing = _numbers(Flat(scan, lists, promote=False), flow, layout) if np.count_nonzero(flat.variable) else numbers
    found.update((f"frame_{name}", standing[name]) for name in FRAME)
    found["machine_variables"] = float(np.count_nonzero(flat.variable))
    return found


def _numbers(flat: Flat, flow: Flow, layout: Layout) -> Numbers:
    folded = Folded(flat, layout.merged.gone, flow.probability)
    levels = live(flat, folded, flow.before, flat.calls & flat.alive & ~flat.tail)
    numbers, totals = _sizes(flat, folded, flow, layout, levels), folded.totals()
    numbers.update({f"spilled_{isa}": spilled(isa, numbers) for isa in ISAS})
    sides = {isa: num_sides(isa, numbers) for isa in ISAS}
    beside = {isa: around(isa, numbers, sides[isa]) for isa in ISAS}
    body = totals.sum(axis=0).tolist()
    for index, variant in enumerate(VARIANTS):
        numbers[f"body_{variant}"] = body[index]
        numbers[f"instructions_{variant}"] = body[index] + beside[_ISA_OF[variant]]
    for index, name in enumerate(ISAS):
        numbers[f"immediates_{name}"] = float(folded.immediates[:, index].sum())
        everywhere = numbers["live_general"] / (FREE[name] + SAVED[name])
        numbers[f"taken_{name}"] = max(numbers["kept_general"] / SAVED[name], everywhere)
    frames = Frames(flat, flow, levels, [FREE[isa] for isa in ISAS])
    by_block = _beside(flat, folded, layout, numbers, frames, [sides[isa] for isa in ISAS])
    numbers.update(cycle_numbers(flat, folded, flow, totals, by_block))
    return numbers


def _beside(flat: Flat, folded: Folded, layout: Layout, numbers: Numbers, frames: Frames, saved: list[float]) -> Beside:
    """What `around` counts, block by block, `saved` by instruction set; what is spilled wherever operations are."""
    blocks = len(flat.scan.blocks)
    own = folded.moves + flat.constant_moves
    moves = np.asarray(np.bincount(flat.block, own, blocks), np.float64)
    moves[np.array(layout.jumping, np.int64)] += 1.0
    moves[0] += numbers["saved_moves"]
    exits = np.bincount(flat.block[flat.kind == Kind.RETURN], minlength=blocks)
    exits[layout.bare] = 0
    moves[layout.bare] -= 1.0
    exits[list(layout.leaving)] = 1
    spills = np.array([SLOT * numbers[f"spilled_{isa}"] / max(flat.size, 1) for isa in ISAS])
    there = np.multiply.outer(spills, np.bincount(flat.block, minlength=blocks))
    restored = np.multiply.outer(saved * frames.shares(exits), exits)
    exits[list(layout.leaving)] = 0  # what is called returns
    return Beside(
        moves=np.maximum(moves, 0.0) + there, jumping=layout.jumping, returns=exits, saved=saved, restored=restored,
        frames=frames.blocks,
    )  # fmt: skip


def _sizes(flat: Flat, folded: Folded, flow: Flow, layout: Layout, levels: Live) -> Numbers:
    """What decides on registers and on instructions beside the operations' own."""
    numbers: Numbers = dict(folded.parts)
    numbers["jumps"] = float(len(layout.jumping) - layout.returning)
    numbers["jumps_to_returns"] = float(layout.returning)
    _calls(flat, levels, numbers)
    numbers["bare_returns"] = float(len(layout.bare))
    numbers["returns"] -= numbers["bare_returns"]
    _pressure(flat, flow, levels, numbers)
    return numbers


def _calls(flat: Flat, levels: Live, numbers: Numbers) -> None:
    """What stays alive across calls."""
    calls = (flat.calls & flat.alive).nonzero()[0]
    across = levels.levels[calls]
    returns = flat.kind == Kind.RETURN
    numbers["saved_moves"] = _saved_moves(flat, calls[~flat.tail[calls]])
    numbers["outside_symbols"] = float(np.count_nonzero(flat.table[:, C["outside"]] > 0))
    numbers["real_calls"] = float(len(calls))
    numbers["tail_calls"] = float(np.count_nonzero(flat.tail[calls]))
    numbers["kept_general"] = float(levels.before[:, KEPT].max(initial=0))
    numbers["kept_floats"] = float(levels.before[:, KEPT_FLOATS].max(initial=0))
    numbers["lost_vectors"], numbers["lost_wide_vectors"] = levels.lost, levels.lost_wide
    numbers["lost_targets"] = levels.lost_targets
    numbers["fills_memory"] = float(fills_memory(flat.scan))
    numbers["across_general"] = float(across[:, GENERAL].max(initial=0))
    numbers["across_vector"] = float(across[:, UNITS128].max(initial=0))
    numbers["across_general_sum"] = float(across[:, GENERAL].sum())
    numbers["across_vector_sum"] = float(across[:, UNITS128].sum())
    numbers["returns"] = float(np.count_nonzero(returns))
    numbers["stack_slots"] = float(np.count_nonzero((flat.kind == Kind.ALLOCA) & ~flat.variable))
    numbers["scalar_slots"] = float(np.count_nonzero(flat.plain_variables() & ~flat.variable))
    wide = (flat.table[:, C["register"]] == 2) & (flat.table[:, C["units128"]] > 1)
    wide |= (flat.kind == Kind.BLOCK) & (flat.table[:, C["x86_256"]] < flat.table[:, C["x86_128"]])
    numbers["wide_vectors"] = float(np.count_nonzero(wide & flat.alive))
    numbers["wide_blocks"] = float(len({*flat.block[wide & flat.alive].tolist()}))


def _saved_moves(flat: Flat, calls: Ints) -> float:
    """Arguments of the function and results of calls that are used behind a call, hence moved out of its way."""
    if not len(calls):
        return 0.0
    kind = np.where(flat.source >= 0, flat.kind[flat.source], -1)
    home = flat.home[flat.value]
    begin = np.where(flat.source >= 0, flat.source, flat.block.searchsorted(home) - 1)
    movable = (kind == Kind.CALL) | ((kind == -1) & (home == 0))
    between = calls.searchsorted(flat.user) - calls.searchsorted(begin, side="right")
    return float(len(np.unique(flat.value[movable & (between > 0)])))


def _ends(flat: Flat) -> tuple[frozenset[int], frozenset[int]]:
    """Blocks that end in a call which is a jump, and those that do little but return."""
    busy = np.bincount(flat.block[flat.kind != Kind.FREE], minlength=len(flat.scan.blocks))
    returns = flat.block[flat.kind == Kind.RETURN]
    return frozenset(flat.block[flat.tail].tolist()), frozenset(returns[busy[returns] <= _SHORT].tolist())


def _pressure(flat: Flat, flow: Flow, levels: Live, numbers: Numbers) -> None:
    """Registers wanted at once, anywhere and in the block that runs most; what exceeds files of known sizes."""
    there = flat.alive & (flat.kind != Kind.FREE)
    found = levels.before * there[:, None]
    most = found.max(axis=0, initial=0).tolist()
    hottest = flow.frequency.index(max(flow.frequency))
    first, last = flat.block.searchsorted([hottest, hottest + 1]).tolist()
    hot = found[first:last].max(axis=0, initial=0).tolist() if last - first < flat.size else most
    for column, name in enumerate((*FILES, "predicate")):
        numbers[f"live_{name}"], numbers[f"hot_{name}"] = most[column], hot[column]
    blocks = np.maximum(levels.through[:, _FILE_COLUMNS] - _FILE_SIZES, 0).sum(axis=0).tolist()
    for (column, size, name), total in zip(_EXCESS, blocks, strict=True):
        numbers[name], numbers[f"{name}_blocks"] = max(most[column] - size, 0.0), total
