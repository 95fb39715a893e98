"""What this machine is, read from /proc and /sys. Owns the parsing; needs no compiler library.

Virtual machines report odd model numbers, so nothing here is deduced from those: vector width comes from the features.
"""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from pathlib import Path

from costmodel.core.hashing import sha256_fields

_ARCH_OF_MACHINE = {
    "x86_64": "x86-64",
    "amd64": "x86-64",
    "aarch64": "aarch64",
    "arm64": "aarch64",
    "riscv64": "riscv64",
}
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_CODE_FEATURE = re.compile(r"(s?sse|avx|fma|f16c|amx|bmi|gfni|asimd|sve|sme(?!p)|fp|bf16|i8mm|rv|z[a-z])")
_FALLBACK_L1D_BYTES = 32 << 10
_FALLBACK_L2_BYTES = 512 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """This machine; sizes in bytes as one core sees them, 0 for a level that is not there."""

    arch: str
    model_name: str
    features: tuple[str, ...]
    """As the kernel names them, sorted."""
    vector_bits: int
    vector_registers: int
    l1d_bytes: int
    l2_bytes: int
    l3_bytes: int
    cores: int

    @property
    def device(self) -> str:
        """Model name and a hash of what generated code depends on: instruction sets and caches, not clocks or cores."""
        fields = {
            "arch": self.arch,
            "model_name": self.model_name,
            "features": [feature for feature in self.features if _CODE_FEATURE.match(feature)],
            "caches_bytes": [self.l1d_bytes, self.l2_bytes, self.l3_bytes],
        }
        return f"{self.model_name} #{sha256_fields(1, fields)[:8]}"


def read_host(proc: Path = Path("/proc"), sys: Path = Path("/sys"), machine: str | None = None) -> Host:
    """Read the machine's figures; what is not reported falls back to a modest core's."""
    info = _read_cpuinfo(proc / "cpuinfo")
    arch = _ARCH_OF_MACHINE.get(machine or platform.machine(), machine or platform.machine())
    features = _features(info)
    bits, registers = _vector_unit(arch, frozenset(features), proc)
    caches = _caches(sys / "devices/system/cpu/cpu0/cache")
    return Host(
        arch=arch,
        model_name=_model_name(info, arch),
        features=features,
        vector_bits=bits,
        vector_registers=registers,
        l1d_bytes=caches.get(1, _FALLBACK_L1D_BYTES),
        l2_bytes=caches.get(2, _FALLBACK_L2_BYTES),
        l3_bytes=caches.get(3, 0),
        cores=max(1, _count_cores(proc / "cpuinfo")),
    )


def _read_cpuinfo(path: Path) -> dict[str, str]:
    """The first processor's fields, keys in lower case."""
    fields: dict[str, str] = {}
    for line in _text(path).splitlines():
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(key.strip().lower(), value.strip())
    return fields


def _features(info: dict[str, str]) -> tuple[str, ...]:
    listed = info.get("flags") or info.get("features")
    if listed is not None:
        return tuple(sorted(set(listed.split())))
    base, *extensions = info.get("isa", "").split("_")  # RISC-V: rv64imafdcv_zicsr_zvl256b
    return tuple(sorted({base, *extensions} - {""}))


def _model_name(info: dict[str, str], arch: str) -> str:
    for key in ("model name", "uarch", "hardware"):
        if info.get(key):
            return " ".join(info[key].split())
    if "cpu part" in info:
        return f"{arch} implementer {info.get('cpu implementer', '?')} part {info['cpu part']}"
    return arch


def _vector_unit(arch: str, features: frozenset[str], proc: Path) -> tuple[int, int]:
    """Bits of the widest vector register and how many there are."""
    if arch == "x86-64":
        if "avx512f" in features:
            return 512, 32
        return (256 if "avx" in features else 128), 16
    if arch == "aarch64" and "sve" in features:
        length = _text(proc / "sys/abi/sve_default_vector_length").strip()
        return (8 * int(length) if length.isdigit() else 128), 32
    if arch == "riscv64":
        lengths = [int(found[1]) for name in features if (found := re.fullmatch(r"zvl(\d+)b", name))]
        return max(lengths, default=128), 32
    return 128, 32


def _caches(folder: Path) -> dict[int, int]:
    """Level → bytes of the data or unified cache that the first core uses."""
    sizes: dict[int, int] = {}
    for index in sorted(folder.glob("index*")):
        size = re.fullmatch(r"(\d+)([KMG]?)", _text(index / "size").strip())
        level = _text(index / "level").strip()
        if size is None or not level.isdigit() or _text(index / "type").strip() == "Instruction":
            continue
        sizes[int(level)] = int(size[1]) * _UNITS[size[2]]
    return sizes


def _count_cores(path: Path) -> int:
    """Physical cores where the kernel tells them apart, else logical ones."""
    pairs: set[tuple[str, str]] = set()
    logical, package = 0, "0"
    for line in _text(path).splitlines():
        key, _, value = line.partition(":")
        match key.strip():
            case "processor":
                logical += 1
            case "physical id":
                package = value.strip()
            case "core id":
                pairs.add((package, value.strip()))
    return len(pairs) or logical


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
