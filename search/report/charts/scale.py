"""Axes: from a value to a place in the picture, and where the ticks stand.

Invariant: an axis spans every value that it was made from and is never empty, also for one value or equal values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One direction of a picture; pixels may run backwards."""

    low: float
    high: float
    start_px: float
    end_px: float
    is_log: bool = False

    def at(self, value: float) -> float:
        """The place of a value in pixels; values outside are moved to the edge."""
        value = min(max(value, self.low), self.high)
        if self.is_log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start_px + share * (self.end_px - self.start_px)

    def ticks(self) -> list[float]:
        """Round values within the axis, about three to eight."""
        return _log_ticks(self.low, self.high) if self.is_log else _linear_ticks(self.low, self.high)


def linear_axis(values: Sequence[float], start_px: float, end_px: float) -> Axis:
    """From 0 to a little over the largest value."""
    high = max(values, default=0.0)
    return Axis(low=0.0, high=high * 1.02 if high > 0 else 1.0, start_px=start_px, end_px=end_px)


def log_axis(values: Sequence[float], start_px: float, end_px: float) -> Axis:
    """A little beyond the positive values on both sides."""
    low, high = (min(values), max(values)) if values else (1.0, 10.0)
    margin = max(1.03, (high / low) ** 0.05)
    return Axis(low=low / margin, high=high * margin, start_px=start_px, end_px=end_px, is_log=True)


def _linear_ticks(low: float, high: float) -> list[float]:
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough * 0.999)
    return [step * i for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for multiples in ((1,), (1, 3), (1, 2, 5)):
        ticks = [10.0**e * m for e in exponents for m in multiples if low <= 10.0**e * m <= high]
        if len(ticks) >= 3:
            return ticks[:: math.ceil(len(ticks) / 8)]
    return _linear_ticks(low, high)
