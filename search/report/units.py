"""Figures as people read them: SI prefixes, three digits, a dash for what is absent."""

from __future__ import annotations

import math
from collections.abc import Mapping

ABSENT = "–"
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))


def si(value: float | None, unit: str) -> str:
    """`0.00123, "s"` → `1.23 ms`."""
    if value is None or not math.isfinite(value):
        return ABSENT
    if value == 0:
        return f"0 {unit}"
    size = float(f"{abs(value):.2e}")  # 999.9e-6 is 1.00 ms, not 1000 µs
    scale, prefix = next((pair for pair in _PREFIXES if size >= pair[0]), _PREFIXES[-1])
    return f"{digits(value / scale)} {prefix}{unit}"


def digits(value: float) -> str:
    """Three significant digits without an exponent where that is readable."""
    size = float(f"{abs(value):.2e}")
    if size != 0 and not 1e-3 <= size < 1e6:
        return f"{value:.2e}"
    places = 2 if size == 0 else max(0, 2 - math.floor(math.log10(size)))
    return f"{value:.{places}f}"


def seconds(value: float | None) -> str:
    """A latency or a runtime."""
    return si(value, "s")


def tick_seconds(value: float) -> str:
    """A runtime at an axis, without zeros that say nothing: `20 ms`."""
    number, _, unit = seconds(value).partition(" ")
    return f"{number.rstrip('0').rstrip('.') if '.' in number else number} {unit}"


def rate(flops_per_s: float | None) -> str:
    """In GFLOP/s, one unit for all rows of a table."""
    return ABSENT if flops_per_s is None else f"{digits(flops_per_s / 1e9)} GFLOP/s"


def times(value: float | None) -> str:
    """A speed-up: `1.42×`."""
    return ABSENT if value is None or not math.isfinite(value) else f"{digits(value)}×"


def error(value: float | None) -> str:
    """A difference between outputs, `1.2e-06`."""
    return ABSENT if value is None or not math.isfinite(value) else f"{value:.1e}"


def sizes(dims: Mapping[str, int]) -> str:
    """`m=512 n=512 k=512`."""
    return " ".join(f"{name}={size}" for name, size in dims.items()) or ABSENT


def duration(value_s: float) -> str:
    """`0:07`, `12:30`, `1:02:03`."""
    total = max(0, round(value_s)) if math.isfinite(value_s) else 0
    minutes, second = divmod(total, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def failures(by_status: Mapping[str, int]) -> str:
    """`2 wrong, 1 crash`, the most frequent first."""
    ordered = sorted(by_status.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{n} {status}" for status, n in ordered if n) or "0"
