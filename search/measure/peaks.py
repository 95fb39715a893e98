"""What this machine can do at most, measured: multiply-adds a second in registers, bytes a second by cache level.

Owns the loops (LLVM IR, so that nothing is left to a compiler's mood) and their timing. One core, warm.
Source of the bandwidth loop: STREAM's triad (McCalpin); bytes count two reads and a write, no write-allocate.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from costmodel.core.errors import ToolchainError
from costmodel.core.target import Target
from costmodel.core.workers import run_isolated
from costmodel.search.measure.jit import Call, compile_llvm
from costmodel.search.measure.timing import once
from costmodel.toolchain.lower import LoadedObject

_CHAINS = 12
"""Independent multiply-adds in flight: latency 4-5 times two units, and a little more."""
_FMA_STEPS = 2000
_ELEMENT_BYTES = 4
_REPEATS = 9
_MOST_BYTES = 256 << 20
_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Peaks:
    """Measured limits of one core."""

    flop_per_s: float
    """f32, a multiply-add counting two."""
    l1_bytes_per_s: float
    l2_bytes_per_s: float
    memory_bytes_per_s: float


@cache
def measured_peaks() -> Peaks:
    """Peaks of this machine; measured once for this process, in a worker, in under a second.

    Raises:
        ToolchainError: The loops did not run.
    """
    target = Target.parse("native")
    sizes = (target.l1d_bytes, target.l2_bytes, target.l3_bytes)
    outcome = run_isolated(f"{__name__}:measure_peaks", target.vector_bits, *sizes, timeout_s=_TIMEOUT_S)
    if not outcome.ok:
        raise ToolchainError(f"the machine's peaks could not be measured: {outcome.headline}")
    peaks: Peaks = outcome.value
    return peaks


def measure_peaks(vector_bits: int, l1_bytes: int, l2_bytes: int, l3_bytes: int) -> Peaks:
    """Run the loops. `*_bytes` are the caches' sizes; the arrays take half a cache, or twice the largest.

    Not more than `_MOST_BYTES` in all: where a virtual machine reports a third level of hundreds of megabytes that it
    shares with others, the figure for memory includes what hits there.
    """
    lanes = max(1, vector_bits // 32)
    outside = min(_MOST_BYTES, max(64 << 20, 2 * max(l3_bytes, l2_bytes)))
    return Peaks(
        flop_per_s=2 * lanes * _CHAINS * _FMA_STEPS / _best(fma_loop(lanes), 8),
        l1_bytes_per_s=_triad_rate(lanes, (l1_bytes or 32 << 10) // 2, 64),
        l2_bytes_per_s=_triad_rate(lanes, (l2_bytes or 256 << 10) // 2, 4),
        memory_bytes_per_s=_triad_rate(lanes, outside, 1),
    )


def probes() -> dict[str, Call]:
    """Loops of some ten microseconds for judging disturbance: arithmetic, second-level cache, third-level cache."""
    return {"arithmetic": fma_loop(8), "cache": Triad(8, 192 << 10).call, "shared cache": Triad(8, 3 << 20).call}


def fma_loop(lanes: int) -> Call:
    """`_FMA_STEPS` steps of `_CHAINS` vector multiply-adds, none waiting for another."""
    return _FmaLoop(lanes).call


class _FmaLoop:
    def __init__(self, lanes: int) -> None:
        self._out = np.zeros(lanes, "f4")
        self._library = _loaded("fma", lanes)
        self.call = _Held(self, self._library.address("loop"), [self._out.ctypes.data])


class Triad:
    """`a[i] = b[i] + s c[i]` over three arrays that together take `total_bytes`."""

    def __init__(self, lanes: int, total_bytes: int) -> None:
        step = 4 * lanes
        self.elements = max(step, total_bytes // 3 // _ELEMENT_BYTES // step * step)
        self._arrays = [np.ones(self.elements + 16, "f4") for _ in range(3)]
        self._count = np.array([self.elements], "i8")
        self._library = _loaded("triad", lanes)
        pointers = [a.ctypes.data + -a.ctypes.data % 64 for a in self._arrays]
        self.call = _Held(self, self._library.address("loop"), [*pointers, self._count.ctypes.data])

    @property
    def bytes_moved(self) -> int:
        """By one call."""
        return 3 * self.elements * _ELEMENT_BYTES


class _Held(Call):
    """A call that keeps its owner, and so its arrays, alive."""

    def __init__(self, owner: object, address: int, pointers: list[int]) -> None:
        super().__init__(address, pointers)
        self._owner = owner


def _best(call: Call, count: int) -> float:
    call(count)
    return min(once(call, count) for _ in range(_REPEATS))


def _triad_rate(lanes: int, total_bytes: int, count: int) -> float:
    triad = Triad(lanes, total_bytes)
    return triad.bytes_moved / _best(triad.call, count)


@cache
def _loaded(kind: str, lanes: int) -> LoadedObject:
    text = _fma_text(lanes) if kind == "fma" else _triad_text(lanes)
    return LoadedObject(compile_llvm(text), ("loop",))


def _fma_text(lanes: int) -> str:
    vector = f"<{lanes} x float>"
    phis = "\n".join(
        f"  %x{c} = phi {vector} [ {_splat(lanes, c + 1.0)}, %entry ], [ %y{c}, %loop ]" for c in range(_CHAINS)
    )
    half, one = _splat(lanes, 0.5), _splat(lanes, 1.0)
    fmas = "\n".join(
        f"  %y{c} = call {vector} @llvm.fma.v{lanes}f32({vector} %x{c}, {vector} {half}, {vector} {one})"
        for c in range(_CHAINS)
    )
    sums = "\n".join(f"  %s{c} = fadd {vector} {'%y0' if c == 1 else f'%s{c - 1}'}, %y{c}" for c in range(1, _CHAINS))
    return f"""declare {vector} @llvm.fma.v{lanes}f32({vector}, {vector}, {vector})
define void @loop(ptr %out) {{
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
{phis}
{fmas}
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, {_FMA_STEPS}
  br i1 %more, label %loop, label %done
done:
{sums}
  store {vector} %s{_CHAINS - 1}, ptr %out, align 4
  ret void
}}
"""


def _triad_text(lanes: int) -> str:
    vector = f"<{lanes} x float>"
    body = "\n".join(
        f"""  %i{u} = add i64 %i, {u * lanes}
  %pb{u} = getelementptr float, ptr %b, i64 %i{u}
  %pc{u} = getelementptr float, ptr %c, i64 %i{u}
  %pa{u} = getelementptr float, ptr %a, i64 %i{u}
  %vb{u} = load {vector}, ptr %pb{u}, align 4
  %vc{u} = load {vector}, ptr %pc{u}, align 4
  %va{u} = call {vector} @llvm.fma.v{lanes}f32({vector} %vc{u}, {vector} {_splat(lanes, 0.5)}, {vector} %vb{u})
  store {vector} %va{u}, ptr %pa{u}, align 4"""
        for u in range(4)
    )
    return f"""declare {vector} @llvm.fma.v{lanes}f32({vector}, {vector}, {vector})
define void @loop(ptr noalias %a, ptr noalias %b, ptr noalias %c, ptr %count) {{
entry:
  %n = load i64, ptr %count
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
{body}
  %next = add i64 %i, {4 * lanes}
  %more = icmp ult i64 %next, %n
  br i1 %more, label %loop, label %done
done:
  ret void
}}
"""


def _splat(lanes: int, value: float) -> str:
    return f"<{', '.join([f'float {value:e}'] * lanes)}>"
