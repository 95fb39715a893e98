"""What is known about targets by name: figures of typical parts, as the vendors publish them.

Owns numbers only. They serve features and static estimates; this machine's own figures are read from the machine
(`target_host`). A core's data cache and its own second-level cache; the third level is what one die shares, 0 where
there is none. On GPUs `cores` are multiprocessors or compute units, level 1 is theirs, and a register is one thread's.
"""

from __future__ import annotations

from typing import NamedTuple

KIB = 1 << 10
MIB = 1 << 20


class Core(NamedTuple):
    """What one core, multiprocessor or compute unit does in a cycle.

    `issue_width` is what it decodes or dispatches, on GPUs the warps or wavefronts it issues; `load_units` and
    `store_units` accesses begun, `fma_units` fused multiply-adds of a whole vector register; on GPUs all three count
    lanes of 32 bits. Sources: the vendors' optimisation guides (Intel 248966, AMD 57647 and 58455, Arm SWOGs), LLVM's
    scheduling models (SiFive7, SiFiveP600, SpacemitX60, A64FX), the CUDA Programming Guide's table of throughputs,
    AMD's     ISA guides and white papers.
    """

    general_registers: int = 0
    issue_width: int = 0
    load_units: int = 0
    store_units: int = 0
    fma_units: int = 0


UNKNOWN_CORE = Core()


class Figures(NamedTuple):
    """One row; bytes, and FLOP/s in fp32 without matrix units."""

    vector_bits: int
    vector_registers: int
    l1d_bytes: int
    l2_bytes: int
    l3_bytes: int
    cores: int
    peak_flop_per_s: float | None = None
    peak_bytes_per_s: float | None = None
    core: Core = UNKNOWN_CORE


LLVM_NAMES = {"riscv64/rv64gcv": ("generic-rv64", "+m,+a,+f,+d,+c,+v")}
"""CPU and features of targets that LLVM does not know by their name."""


FIGURES: dict[str, Figures] = {
    "x86-64/x86-64-v2": Figures(128, 16, 32 * KIB, 256 * KIB, 8 * MIB, 4, core=Core(16, 4, 2, 1, 1)),
    "x86-64/x86-64-v3": Figures(256, 16, 32 * KIB, 512 * KIB, 16 * MIB, 8, core=Core(16, 4, 2, 1, 2)),
    "x86-64/x86-64-v4": Figures(512, 32, 32 * KIB, 1 * MIB, 32 * MIB, 8, core=Core(16, 6, 2, 1, 2)),
    "x86-64/haswell": Figures(256, 16, 32 * KIB, 256 * KIB, 8 * MIB, 4, core=Core(16, 4, 2, 1, 2)),
    "x86-64/skylake": Figures(256, 16, 32 * KIB, 256 * KIB, 8 * MIB, 4, core=Core(16, 4, 2, 1, 2)),
    "x86-64/skylake-avx512": Figures(512, 32, 32 * KIB, 1 * MIB, 38 * MIB + 512 * KIB, 28, core=Core(16, 4, 2, 1, 2)),
    "x86-64/cascadelake": Figures(512, 32, 32 * KIB, 1 * MIB, 38 * MIB + 512 * KIB, 28, core=Core(16, 4, 2, 1, 2)),
    "x86-64/icelake-server": Figures(512, 32, 48 * KIB, 1280 * KIB, 60 * MIB, 40, core=Core(16, 5, 2, 2, 2)),
    "x86-64/rocketlake": Figures(512, 32, 48 * KIB, 512 * KIB, 16 * MIB, 8, core=Core(16, 5, 2, 2, 1)),
    "x86-64/alderlake": Figures(256, 16, 48 * KIB, 1280 * KIB, 30 * MIB, 8, core=Core(16, 6, 3, 2, 2)),
    "x86-64/sapphirerapids": Figures(512, 32, 48 * KIB, 2 * MIB, 112 * MIB + 512 * KIB, 60, core=Core(16, 6, 3, 2, 2)),
    "x86-64/znver2": Figures(256, 16, 32 * KIB, 512 * KIB, 16 * MIB, 4, core=Core(16, 5, 2, 1, 2)),
    "x86-64/znver3": Figures(256, 16, 32 * KIB, 512 * KIB, 32 * MIB, 8, core=Core(16, 6, 3, 2, 2)),
    "x86-64/znver4": Figures(512, 32, 32 * KIB, 1 * MIB, 32 * MIB, 8, core=Core(16, 6, 3, 2, 2)),
    "x86-64/znver5": Figures(512, 32, 48 * KIB, 1 * MIB, 32 * MIB, 8, core=Core(16, 8, 4, 2, 2)),
    "aarch64/generic": Figures(128, 32, 32 * KIB, 512 * KIB, 4 * MIB, 4, core=Core(31, 4, 2, 1, 2)),
    "aarch64/neoverse-n1": Figures(128, 32, 64 * KIB, 1 * MIB, 32 * MIB, 64, core=Core(31, 4, 2, 2, 2)),
    "aarch64/neoverse-n2": Figures(128, 32, 64 * KIB, 1 * MIB, 64 * MIB, 128, core=Core(31, 5, 3, 2, 2)),
    "aarch64/neoverse-v1": Figures(256, 32, 64 * KIB, 1 * MIB, 32 * MIB, 64, core=Core(31, 8, 3, 2, 2)),
    "aarch64/neoverse-v2": Figures(128, 32, 64 * KIB, 1 * MIB, 114 * MIB, 72, core=Core(31, 8, 3, 2, 4)),
    "aarch64/cortex-a55": Figures(128, 32, 32 * KIB, 128 * KIB, 1 * MIB, 4, core=Core(31, 2, 1, 1, 2)),
    "aarch64/cortex-a72": Figures(128, 32, 32 * KIB, 2 * MIB, 0, 4, core=Core(31, 3, 1, 1, 2)),
    "aarch64/a64fx": Figures(512, 32, 64 * KIB, 8 * MIB, 0, 12, core=Core(31, 4, 2, 1, 2)),
    "aarch64/apple-m1": Figures(128, 32, 128 * KIB, 12 * MIB, 8 * MIB, 4, core=Core(31, 8, 3, 2, 4)),
    "riscv64/sifive-p670": Figures(128, 32, 32 * KIB, 128 * KIB, 8 * MIB, 4, core=Core(31, 4, 2, 1, 1)),
    "riscv64/sifive-u74": Figures(64, 32, 32 * KIB, 2 * MIB, 0, 4, core=Core(31, 2, 1, 1, 1)),
    "riscv64/sifive-x280": Figures(512, 32, 32 * KIB, 256 * KIB, 1 * MIB, 4, core=Core(31, 2, 1, 1, 1)),
    "riscv64/spacemit-x60": Figures(256, 32, 32 * KIB, 512 * KIB, 0, 8, core=Core(31, 2, 1, 1, 1)),
    "riscv64/rv64gcv": Figures(128, 32, 32 * KIB, 512 * KIB, 0, 4, core=Core(31, 2, 1, 1, 1)),
    "nvptx64/sm_70": Figures(128, 255, 128 * KIB, 6 * MIB, 0, 80, 15.7e12, 0.90e12, core=Core(255, 4, 32, 32, 64)),
    "nvptx64/sm_75": Figures(128, 255, 96 * KIB, 4 * MIB, 0, 40, 8.1e12, 0.32e12, core=Core(255, 4, 16, 16, 64)),
    "nvptx64/sm_80": Figures(128, 255, 192 * KIB, 40 * MIB, 0, 108, 19.5e12, 1.555e12, core=Core(255, 4, 32, 32, 64)),
    "nvptx64/sm_86": Figures(128, 255, 128 * KIB, 6 * MIB, 0, 84, 38.7e12, 0.768e12, core=Core(255, 4, 16, 16, 128)),
    "nvptx64/sm_89": Figures(128, 255, 128 * KIB, 72 * MIB, 0, 128, 82.6e12, 1.008e12, core=Core(255, 4, 16, 16, 128)),
    "nvptx64/sm_90": Figures(128, 255, 256 * KIB, 50 * MIB, 0, 132, 66.9e12, 3.35e12, core=Core(255, 4, 32, 32, 128)),
    "nvptx64/sm_100": Figures(128, 255, 256 * KIB, 126 * MIB, 0, 148, 75.0e12, 8.0e12, core=Core(255, 4, 32, 32, 128)),
    "amdgcn/gfx906": Figures(128, 256, 16 * KIB, 4 * MIB, 0, 60, 13.3e12, 1.02e12, core=Core(102, 5, 16, 16, 64)),
    "amdgcn/gfx908": Figures(128, 512, 16 * KIB, 8 * MIB, 0, 120, 23.1e12, 1.23e12, core=Core(102, 5, 16, 16, 64)),
    "amdgcn/gfx90a": Figures(128, 512, 16 * KIB, 8 * MIB, 0, 104, 22.6e12, 1.6e12, core=Core(102, 5, 16, 16, 64)),
    "amdgcn/gfx942": Figures(
        128, 512, 32 * KIB, 4 * MIB, 256 * MIB, 304, 163.4e12, 5.3e12, core=Core(102, 5, 16, 16, 128)
    ),
    "amdgcn/gfx1100": Figures(
        128, 256, 32 * KIB, 6 * MIB, 96 * MIB, 96, 61.4e12, 0.96e12, core=Core(106, 4, 32, 32, 128)
    ),
}
