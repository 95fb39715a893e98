"""Targets: what code is compiled and costed for, named `arch/cpu`, and `native` for this machine.

Owns names and resolution. Invariant: a target that was measured on has a `device`; one known from the table has none.
"""

from __future__ import annotations

import difflib
import functools
from dataclasses import dataclass
from typing import Self

from costmodel.core.errors import MissingDependencyError, UnknownNameError
from costmodel.core.target_host import Host, read_host
from costmodel.core.target_table import FIGURES, LLVM_NAMES, UNKNOWN_CORE, Core

NATIVE = "native"

_TRIPLES = {
    "x86-64": "x86_64-unknown-linux-gnu",
    "aarch64": "aarch64-unknown-linux-gnu",
    "riscv64": "riscv64-unknown-linux-gnu",
    "nvptx64": "nvptx64-nvidia-cuda",
    "amdgcn": "amdgcn-amd-amdhsa",
}
_GPU_ARCHS = frozenset({"nvptx64", "amdgcn"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One kind of processor, and this very machine if it is the native one."""

    arch: str
    cpu: str
    """As LLVM's `-mcpu` takes it."""
    device: str | None = None
    """Identity of this machine for records; None for a target that is only known by name."""
    vector_bits: int
    vector_registers: int
    l1d_bytes: int
    l2_bytes: int
    l3_bytes: int
    """0 where there is no third level."""
    cores: int
    features: tuple[str, ...] = ()
    """Instruction sets as the kernel names them, sorted; empty where the CPU's name implies them."""
    peak_flop_per_s: float | None = None
    peak_bytes_per_s: float | None = None
    core: Core = UNKNOWN_CORE
    """Registers and units of one core; zeros where they are not known."""

    @classmethod
    def parse(cls, name: str) -> Self:
        """Resolve `"native"` or `"arch/cpu"`.

        Raises:
            UnknownNameError: No such target; the message lists those there are.
            MissingDependencyError: `native` without llvmlite.
        """
        if name == NATIVE:
            return cls._native()
        if name in FIGURES:
            arch, cpu = name.split("/")
            return cls(arch=arch, cpu=cpu, **FIGURES[name]._asdict())
        if name.count("/") == 1 and (native := cls._native()).name == name:
            return native
        close = difflib.get_close_matches(name, [NATIVE, *FIGURES], n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise UnknownNameError(f"unknown target {name!r}; known: {', '.join(target_names())}{hint}")

    @property
    def name(self) -> str:
        """`arch/cpu`, which `parse` takes back."""
        return f"{self.arch}/{self.cpu}"

    @property
    def triple(self) -> str:
        """LLVM's target triple."""
        return _TRIPLES.get(self.arch, f"{self.arch}-unknown-linux-gnu")

    @property
    def is_native(self) -> bool:
        """Whether code for this target is known to run here."""
        return self.device is not None

    @property
    def is_gpu(self) -> bool:
        """Whether `cores` are multiprocessors and registers a thread's."""
        return self.arch in _GPU_ARCHS

    def lanes(self, element_bits: int) -> int:
        """Elements of `element_bits` that one vector register holds."""
        return max(1, self.vector_bits // element_bits)

    @property
    def llvm_cpu(self) -> str:
        """As LLVM's `-mcpu` takes it: `cpu`, but for targets that LLVM does not know by that name."""
        return LLVM_NAMES[self.name][0] if self.name in LLVM_NAMES else self.cpu

    def llvm_features(self) -> str:
        """LLVM's feature string, `+avx2,-sse4a,…`: this machine's exactly, empty where the CPU's name says it all."""
        if self.is_native:
            return _llvm_host()[1]
        return LLVM_NAMES[self.name][1] if self.name in LLVM_NAMES else ""

    @classmethod
    def _native(cls) -> Self:
        host = this_host()
        known = FIGURES.get(f"{host.arch}/{_llvm_host()[0]}")
        return cls(
            arch=host.arch,
            cpu=_llvm_host()[0],
            device=host.device,
            vector_bits=host.vector_bits,
            vector_registers=host.vector_registers,
            l1d_bytes=host.l1d_bytes,
            l2_bytes=host.l2_bytes,
            l3_bytes=host.l3_bytes,
            cores=host.cores,
            features=host.features,
            core=known.core if known is not None else UNKNOWN_CORE,
        )


def target_names() -> list[str]:
    """All names `Target.parse` knows on any machine, `native` first."""
    return [NATIVE, *sorted(FIGURES)]


@functools.cache
def this_host() -> Host:
    """This machine's figures, read once."""
    return read_host()


@functools.cache
def _llvm_host() -> tuple[str, str]:
    """LLVM's name for this CPU, and its features."""
    try:
        from llvmlite import binding
    except ImportError as error:
        raise MissingDependencyError(f"the native target needs llvmlite ({error}); pip install llvmlite") from error
    return str(binding.get_host_cpu_name()), str(binding.get_host_cpu_features().flatten())
