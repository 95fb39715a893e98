"""How many warps of a kernel fit on an NVIDIA multiprocessor, from registers and shared memory.

Source: CUDA C++ Programming Guide, tables "Technical Specifications per Compute Capability", and the allocation units
of NVIDIA's occupancy calculator. Theoretical: what fits, not what runs.
"""

from __future__ import annotations

from typing import NamedTuple

THREADS_DEFAULT = 256
"""Threads of a block where the code does not say."""

WARP = 32
_REGISTERS = 65536
_REGISTER_UNIT = 256
_BLOCK_RESERVED_BYTES = 1024


class _Limits(NamedTuple):
    warps: int
    blocks: int
    shared_bytes: int


_LIMITS = {
    "sm_70": _Limits(64, 32, 96 << 10),
    "sm_75": _Limits(32, 16, 64 << 10),
    "sm_80": _Limits(64, 32, 164 << 10),
    "sm_86": _Limits(48, 16, 100 << 10),
    "sm_89": _Limits(48, 24, 100 << 10),
    "sm_90": _Limits(64, 32, 228 << 10),
    "sm_100": _Limits(64, 32, 228 << 10),
}


def nvidia_occupancy(arch: str, *, registers: int, shared_bytes: int, threads: int = THREADS_DEFAULT) -> float | None:
    """Resident warps over the most there can be, in [0, 1]; None for an unknown `arch`; 0 where not one block fits.

    Args:
        arch: for example `sm_90`.
        registers: of one thread.
        shared_bytes: of one block.
        threads: of one block.
    """
    limits = _LIMITS.get(arch)
    if limits is None:
        return None
    warps = -(-threads // WARP)
    warp_registers = -(-registers * WARP // _REGISTER_UNIT) * _REGISTER_UNIT
    by_registers = (_REGISTERS // 4 // warp_registers) * 4 // warps if registers else limits.blocks
    reserved = _BLOCK_RESERVED_BYTES if int(arch.removeprefix("sm_")) >= 80 else 0
    block_bytes = shared_bytes + reserved
    by_shared = limits.shared_bytes // block_bytes if block_bytes else limits.blocks
    blocks = min(limits.blocks, limits.warps // warps, by_registers, by_shared)
    return blocks * warps / limits.warps
