"""What a Triton kernel has one GPU thread do, and the shared memory of its block.

Owns the instruction estimates by class, the widths of memory accesses, and the bytes of buffers and scratch space.
Counts are of the text, each operation once; an elementwise operation is one instruction for each distinct element of
one thread, packed pairs of 16-bit floats too. Scratch follows Triton's allocation analysis:
a reduction over several warps keeps one value for each warp, a change of layout the whole tensor.
"""

from __future__ import annotations

from math import log2, prod

from costmodel.ir.features.gpu_layouts import LANE, WARP, Spread
from costmodel.ir.features.gpu_pressure import LOADS, Lives
from costmodel.ir.features.gpu_values import CHEAP, Held, Values, width_of
from costmodel.ir.mlir.structure import Operation

CLASSES = (
    "int", "float", "division", "math", "compare", "convert", "load", "store", "async", "shared_load", "shared_store",
    "atomic", "mma", "fma_dot", "shuffle", "barrier",
)  # fmt: skip
MATH = frozenset("exp exp2 log log2 sin cos tanh erf sqrt rsqrt powf fma_pow".split())
_STORES = frozenset(("tt.store", "amdg.buffer_store", "amdgpu.buffer_store"))
_ASYNC = frozenset(
    ("ttg.async_copy_global_to_local", "amdg.buffer_load_to_local", "ttng.async_tma_copy_global_to_local")
)
_ATOMICS = frozenset(("tt.atomic_rmw", "tt.atomic_cas", "amdg.buffer_atomic_rmw", "tt.histogram"))
_DIVISIONS = frozenset("divsi divui remsi remui divf remf".split())
_CONVERTS = frozenset("extf truncf sitofp uitofp fptosi fptoui fp_to_fp".split())
_FREE = frozenset("constant make_range extsi extui trunci bitcast return yield program_id get_program_id".split())
_VECTOR_BYTES = 16
_MMA_WORK = 16 * 8 * 16
_BYTE = 8
_ALIGNMENT = 16
_TRIPS = 16


class Work:
    """Sums over a kernel."""

    __slots__ = (
        "async_copies",
        "block_reductions",
        "buffers",
        "conversions",
        "counts",
        "depth_most",
        "dots",
        "executed",
        "loads",
        "narrow_accesses",
        "scratch",
        "shared_now",
        "shared_peak",
        "times",
        "vector_bytes",
        "warp_reductions",
    )

    def __init__(self) -> None:
        self.counts = dict.fromkeys(CLASSES, 0.0)
        self.executed = 0.0
        self.times = 1.0
        self.loads = self.async_copies = self.buffers = self.dots = self.conversions = 0
        self.warp_reductions = self.block_reductions = self.narrow_accesses = 0
        self.vector_bytes = 0.0
        self.scratch = self.shared_now = self.shared_peak = 0
        self.depth_most = 1

    def add(self, name: str, amount: float) -> None:
        """Count `amount` instructions of one class."""
        self.counts[name] += amount
        self.executed += amount * self.times


def work_of(lives: Lives, lanes: int) -> Work:
    """Instructions and shared memory of the operations that `lives` walked over; `lanes` threads make a warp."""
    work = Work()
    last = _last_uses(lives)
    for number, step in enumerate(lives.steps):
        work.times = float(_TRIPS ** min(step.depth, 3))
        scratch = _count(work, step.operation, lives.values, lanes)
        if step.operation.name == "ttg.local_alloc":
            kind = lives.values.of(step.operation.results[0]).kind
            work.shared_now += kind.memory_bytes
            work.buffers += 1
            work.depth_most = max(work.depth_most, kind.memory_depth)
        work.scratch = max(work.scratch, scratch)
        work.shared_peak = max(work.shared_peak, _aligned(work.shared_now) + scratch)
        work.shared_now -= last.get(number, 0)
    return work


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _last_uses(lives: Lives) -> dict[int, int]:
    """Bytes of the buffers that end with each operation: deallocated, or used for the last time."""
    found: dict[int, int] = {}
    owner = {}
    for number, step in enumerate(lives.steps):
        operation = step.operation
        if operation.name == "ttg.local_alloc":
            owner[operation.results[0]] = operation.results[0]
        for operand in operation.operands:
            buffer = owner.get(operand)
            if buffer is None:
                continue
            for result in operation.results:
                if "memdesc" in result.type_text:
                    owner[result] = buffer
            lives.end[buffer] = max(number, lives.end.get(buffer, 0))
    for buffer in set(owner.values()):
        end, begin = lives.end.get(buffer, 0), lives.begin.get(buffer, 0)
        loop = lives.steps[end].loop
        while loop >= 0:
            first, last, parent = lives.loops[loop]
            end = max(end, last) if begin < first else end
            loop = parent
        found[end] = found.get(end, 0) + lives.values.of(buffer).kind.memory_bytes
    return found


def _count(work: Work, operation: Operation, values: Values, lanes: int) -> int:
    """Count one operation; returns the bytes of scratch space it needs."""
    name, short = operation.name, operation.name.rpartition(".")[2]
    if name in CHEAP or short in _FREE:
        return 0
    operands = operation.operands
    if name in LOADS or name in _STORES or name in _ASYNC:
        _access(work, operation, values)
        return 0
    if name in ("tt.reduce", "tt.scan"):
        return _reduction(work, operation, values)
    if name == "ttg.convert_layout":
        return _conversion(work, values.of(operands[0]), values.of(operation.results[0]))
    if name in ("tt.dot", "tt.dot_scaled", "ttng.warp_group_dot"):
        _product(work, operation, values, lanes)
        return 0
    if name in ("ttg.local_alloc", "ttg.local_store"):
        if operands:
            held = values.of(operands[0])
            work.add("shared_store", _vectors(held, held.kind.bits))
        return 0
    if name in _ATOMICS:
        held = values.of(operands[0])
        work.add("atomic", max(1, held.elements))
        return 4
    if "barrier" in name or name.endswith("_wait"):
        work.add("barrier", 1)
        return 0
    if operation.results:
        _elementwise(work, operation, values, short)
    return 0


def _elementwise(work: Work, operation: Operation, values: Values, short: str) -> None:
    held = values.of(operation.results[0])
    if held.constant:
        return
    amount = max(1, held.elements)
    if short in MATH:
        work.add("math", amount)
    elif short in _DIVISIONS:
        work.add("division", amount)
    elif short in _CONVERTS:
        work.add("convert", amount)
    elif short in ("cmpi", "cmpf", "select"):
        work.add("compare", amount)
    else:
        work.add("float" if held.kind.is_float else "int", amount)


def _vectors(held: Held, bits: int) -> float:
    """Accesses of up to 16 bytes that move one thread's elements."""
    spread = held.kind.spread
    if spread is None:
        return 1.0
    width = min(spread.contiguous, max(1, _VECTOR_BYTES * _BYTE // max(bits, 1)))
    return max(1.0, held.elements / width)


def _access(work: Work, operation: Operation, values: Values) -> None:
    name, operands = operation.name, operation.operands
    if name == "ttg.local_load":
        held = values.of(operation.results[0])
        work.add("shared_load", _vectors(held, held.kind.bits))
        return
    address = values.of(
        operands[1] if name.startswith("amd") and name not in _STORES and len(operands) > 1 else operands[0]
    )
    data = operation.results[0] if name in LOADS and operation.results else operands[min(1, len(operands) - 1)]
    held = values.of(data)
    spread, bits = address.kind.spread, held.kind.bits or 32
    elements = prod(c for c, s in zip(spread.registers, address.steps, strict=True) if s) if spread is not None else 1
    width = width_of(address, bits)
    count = max(1.0, elements / width)
    if name in _ASYNC:
        work.async_copies += 1
        work.add("async", count)
        return
    work.loads += name in LOADS
    work.add("load" if name in LOADS else "store", count)
    work.narrow_accesses += width * bits < 32
    work.vector_bytes = max(work.vector_bytes, width * bits / _BYTE)


def _reduction(work: Work, operation: Operation, values: Values) -> int:
    """Inside a thread, then by shuffles inside a warp, then through shared memory between warps."""
    axis = operation.attribute("axis")
    dim = axis.as_int() if axis is not None else 0
    scratch = 0
    for operand in operation.operands:
        held = values.of(operand)
        spread = held.kind.spread
        if spread is None or dim >= len(spread.registers):
            continue
        kept = spread.elements / spread.registers[dim]
        work.add("float" if held.kind.is_float else "int", spread.elements)
        work.add("shuffle", kept * log2(spread.lanes[dim]) if spread.lanes[dim] > 1 else 0)
        work.warp_reductions += spread.lanes[dim] > 1
        if spread.warps[dim] > 1:
            work.block_reductions += 1
            work.add("shared_store", kept)
            work.add("shared_load", kept)
            work.add("barrier", 2)
            work.add("shuffle", log2(spread.warps[dim]))
            outside = prod(held.kind.shape) // held.kind.shape[dim]
            scratch += outside * spread.warps[dim] * max(1, held.kind.bits // _BYTE)
    return scratch


def _conversion(work: Work, before: Held, after: Held) -> int:
    """Free inside a thread, shuffles inside a warp, otherwise through shared memory."""
    first, second = before.kind.spread, after.kind.spread
    if first is None or second is None:
        return 0
    work.conversions += 1
    if _level(first, WARP) != _level(second, WARP):
        work.add("shared_store", _vectors(before, before.kind.bits))
        work.add("shared_load", _vectors(after, after.kind.bits))
        work.add("barrier", 2)
        return prod(before.kind.shape) * max(1, before.kind.bits // _BYTE)
    if _level(first, LANE) != _level(second, LANE):
        work.add("shuffle", after.registers)
    return 0


def _level(spread: Spread, level: int) -> list[tuple[int, int]]:
    return sorted(place for place in spread.bits[level] if place[0] >= 0)


def _product(work: Work, operation: Operation, values: Values, lanes: int) -> None:
    """Matrix instructions of one warp, or multiply-adds of one thread where there is no matrix unit for the layout."""
    result, first = values.of(operation.results[0]), values.of(operation.operands[0])
    work.dots += 1
    spread = result.kind.spread
    if spread is None or not first.kind.shape:
        return
    depth = first.kind.shape[-1]
    work_here = spread.elements * depth
    if result.kind.is_accumulator:
        work.add("mma", max(1.0, work_here * lanes / _MMA_WORK))
    else:
        work.add("fma_dot", work_here)
