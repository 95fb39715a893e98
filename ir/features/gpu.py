"""Numbers of Triton kernels (TTIR, TTGIR): registers, shared memory and work of one thread. 0 for other functions.

Owns the names. What is exact: elements of a thread under a layout, buffers, warps. What is an estimate: which values
must live at once, since LLVM and ptxas reorder; so several counts are given, and `gpu_registers` puts them together.
"""

from __future__ import annotations

from bisect import bisect_right

from costmodel.ir.features.gpu_flow import flow_numbers
from costmodel.ir.features.gpu_layouts import DEFAULT_WARPS, parent_of, warps_of
from costmodel.ir.features.gpu_pressure import CUTS, LOADS, Lives, extended, lives_of, sums, transient
from costmodel.ir.features.gpu_values import Held, kind_of
from costmodel.ir.features.gpu_work import CLASSES, work_of
from costmodel.ir.mlir.structure import Operation

BASE_REGISTERS = 14
"""What a kernel needs besides its data: thread numbers, addresses, loop counters."""
WINDOW = 65536
MOST = 255
_LANES = 32
_DIALECTS = ("tt.", "ttg.", "ttng.")


def is_kernel(root: Operation) -> bool:
    """Whether a function is one of Triton's."""
    return root.name.startswith(_DIALECTS)


def kernel_numbers(root: Operation) -> dict[str, float]:
    """Numbers by name, without the prefix `gpu_`; of a Triton function."""
    lives = lives_of(root)
    module = _module(root)
    lanes = module.get("threads-per-warp", _LANES)
    warps = module.get("num-warps", 0) or _named_warps(lives) or DEFAULT_WARPS
    warps, lanes = max(1, warps), max(1, lanes)
    numbers: dict[str, float] = {"warps": warps, "lanes": lanes, "threads": warps * lanes}
    numbers["has_layouts"] = float("num-warps" in module)
    numbers["cap"] = max(8, min(MOST, WINDOW // max(1, warps * lanes) // 8 * 8))
    _pressure(lives, numbers)
    numbers.update(flow_numbers(lives))
    work = work_of(lives, lanes)
    for name in CLASSES:
        numbers[f"i_{name}"] = work.counts[name]
    numbers["instructions"] = sum(work.counts.values())
    numbers["instructions_executed"] = work.executed
    for name in ("async_copies", "buffers", "scratch", "shared_peak", "vector_bytes", "loads", "warp_reductions",
                 "block_reductions", "conversions", "dots", "depth_most", "narrow_accesses"):  # fmt: skip
        numbers[name] = getattr(work, name)
    return numbers


def _module(root: Operation) -> dict[str, int]:
    """Whole numbers of the module around, such as `num-warps`, by their last word."""
    if root.parent is None:
        return {}
    found = {}
    for name, attribute in root.parent.parent.parent.attributes.items():
        text = attribute.partition(":")[0].strip()
        if text.isdigit():
            found[name.strip('"').rpartition(".")[2]] = int(text)
    return found


def _named_warps(lives: Lives) -> int:
    for held in lives.values.held.values():
        if held.kind.layout and (warps := warps_of(parent_of(held.kind.layout))):
            return warps
    return 0


def _pressure(lives: Lives, numbers: dict[str, float]) -> None:
    steps, spans = lives.steps, extended(lives)
    alive = sums(spans, len(steps))
    inside = [number for number, step in enumerate(steps) if step.depth]
    for name, line in alive.items():
        numbers[f"live_{name}"] = max(line, default=0)
        numbers[f"loop_{name}"] = max((line[i] for i in inside), default=0)
    cuts = [number for number, step in enumerate(steps) if step.operation.name in CUTS]
    for name in ("all", "float", "address"):
        line = alive[name]
        numbers[f"cut_{name}"] = max((line[i] for i in cuts), default=0)
        numbers[f"cut_loop_{name}"] = max((line[i] for i in cuts if steps[i].depth), default=0)
    lines = sums(extended(lives, lean=True), len(steps))
    lean = lines["all"]
    numbers["lean_wide"] = max(lines["wide"], default=0)
    numbers["lean_wide_loop"] = max((lines["wide"][i] for i in inside), default=0)
    own = [
        (line + transient(step.operation, lives.values), step.depth)
        for step, line in zip(steps, lines["wide"], strict=False)
    ]
    numbers["moving"] = max((amount for amount, _ in own), default=0)
    numbers["moving_loop"] = max((amount for amount, depth in own if depth), default=0)
    numbers["lean_all"] = max(lean, default=0)
    numbers["lean_loop"] = max((lean[i] for i in inside), default=0)
    numbers["lean_cut"] = max((lean[i] for i in cuts), default=0)
    numbers["lean_cut_loop"] = max((lean[i] for i in cuts if steps[i].depth), default=0)
    lean_batch = _batches(lives, lean, cuts, addresses=False)
    numbers["lean_batch"], numbers["lean_batch_loop"] = lean_batch[:2]
    numbers["registers"] = BASE_REGISTERS + max(numbers["lean_all"], numbers["lean_batch"])
    numbers["over_cap"] = numbers["registers"] / numbers["cap"]
    batch, loop_batch, loads = _batches(lives, alive["all"], cuts)
    numbers["batch"], numbers["batch_loop"], numbers["batch_loads"] = batch, loop_batch, loads
    carried = [lives.values.of(a) for a in lives.begin if not isinstance(a.owner, Operation)]
    numbers["carried"] = sum(held.registers for held in carried if held.kind.shape)
    numbers["carried_address"] = sum(held.registers for held in carried if held.kind.shape and not held.kind.is_float)
    _largest(lives, spans, numbers)


def _batches(lives: Lives, alive: list[int], cuts: list[int], *, addresses: bool = True) -> tuple[int, int, int]:
    """Most registers with all loads between two cuts on their way: anywhere, in loops; and the loads alone."""
    sums_by_segment: dict[int, int] = {}
    seen: set[object] = set()
    for number, step in enumerate(lives.steps):
        if step.operation.name not in LOADS or not step.operation.results:
            continue
        segment = bisect_right(cuts, number)
        amount = lives.values.of(step.operation.results[0]).registers
        for operand in step.operation.operands[: int(addresses)]:
            held = lives.values.of(operand)
            start = cuts[segment - 1] if segment else -1
            if held.root not in seen and lives.begin.get(held.root, -1) > start:
                seen.add(held.root)
                amount += held.registers
        sums_by_segment[segment] = sums_by_segment.get(segment, 0) + amount
    most = most_loop = loads = 0
    for segment, amount in sums_by_segment.items():
        start = cuts[segment - 1] if segment else -1
        total = amount + (alive[start + 1] if start >= 0 else 0)
        most, loads = max(most, total), max(loads, amount)
        if lives.steps[min(start + 1, len(lives.steps) - 1)].depth:
            most_loop = max(most_loop, total)
    return most, most_loop, loads


def _largest(lives: Lives, spans: list[tuple[int, int, Held]], numbers: dict[str, float]) -> None:
    numbers["largest"] = max((held.registers for _, _, held in spans), default=0)
    numbers["largest_elements"] = max((h.kind.spread.elements for _, _, h in spans if h.kind.spread), default=0)
    numbers["accumulators"] = max((held.registers for _, _, held in spans if held.kind.is_accumulator), default=0)
    operands = [0, 0]
    staged = 0
    for step in lives.steps:
        if step.operation.name in ("tt.dot", "tt.dot_scaled", "ttng.warp_group_dot"):
            sizes = [_registers(value.type_text) for value in step.operation.operands[:2]]
            operands = [max(pair) for pair in zip(operands, sizes, strict=False)]
            staged = max(staged, sum(sizes))
    numbers["operand_a"], numbers["operand_b"], numbers["operands"] = *operands, staged


def _registers(text: str) -> int:
    kind = kind_of(text)
    return 0 if kind.spread is None else -(-kind.spread.elements * kind.bits // 32)
