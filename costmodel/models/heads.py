"""How each metric is learned: the scale on which its errors are alike, and back.

Owns the transforms, chosen by unit. Counts and times are learned as logarithms, fractions as logits, registers and the
utilisation of ports as they are (both are bounded), and what is mostly zero (spills, stack) as a probability of not
being zero beside a magnitude (zero-inflated, after Lambert 1992). Invariant: `unscale(scale(y)) == y` within float
rounding and clipping.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from costmodel.core.metrics import get_metric
from costmodel.models.base import Array

EPSILON = 1e-3
"""Fractions are clipped to [EPSILON, 1 - EPSILON]."""
LEAST_STD = 1e-12
"""In the metric's unit."""
_TINY_S = 1e-9
_MOST = 60.0


class Scale(StrEnum):
    """The kinds of transform."""

    LINEAR = "linear"
    LOG1P = "log1p"
    LOG = "log"
    LOGIT = "logit"
    ZERO_INFLATED = "zero-inflated"


SURE = 0.9
"""Chance of not being zero below which an interval holds zero: the other outcome is more than a tenth."""
_ZERO_INFLATED = frozenset(("spills", "reloads", "stack_bytes", "shared_bytes"))
_LINEAR = frozenset(("registers_vector", "registers_general", "port_utilisation", "port_utilisation_mean"))


def scale_of(metric: str) -> Scale:
    """The transform of a metric, by its name and unit; raises `UnknownNameError`."""
    unit = get_metric(metric).unit
    if metric in _ZERO_INFLATED:
        return Scale.ZERO_INFLATED
    if metric in _LINEAR:
        return Scale.LINEAR
    if unit == "fraction":
        return Scale.LOGIT
    return Scale.LOG if unit == "s" else Scale.LOG1P


def scale(values: Array, kind: Scale) -> Array:
    """Values in the metric's unit to the scale they are learned on; NaN stays NaN."""
    values = np.asarray(values, np.float64)
    if kind is Scale.LINEAR:
        return values
    if kind is Scale.LOG:
        return np.asarray(np.log(np.maximum(values, _TINY_S)))
    if kind is Scale.LOGIT:
        clipped = np.clip(values, EPSILON, 1 - EPSILON)
        return np.asarray(np.log(clipped) - np.log1p(-clipped))
    return np.asarray(np.log1p(np.maximum(values, 0.0)))


def unscale(values: Array, kind: Scale) -> Array:
    """Back to the metric's unit; never negative."""
    values = np.asarray(values, np.float64)
    if kind is Scale.LINEAR:
        return np.asarray(np.maximum(values, 0.0))
    values = np.minimum(np.maximum(values, -_MOST), _MOST)
    if kind is Scale.LOG:
        return np.asarray(np.exp(values))
    if kind is Scale.LOGIT:
        return np.asarray(1 / (1 + np.exp(-values)))
    return np.asarray(np.maximum(np.expm1(values), 0.0))


def unscaled_std(mean: Array, std: Array, kind: Scale) -> Array:
    """Standard deviation in the metric's unit: half the distance between one deviation below and one above."""
    return np.asarray(np.maximum((unscale(mean + std, kind) - unscale(mean - std, kind)) / 2, LEAST_STD))


def combine(nonzero: Array, magnitude: Array, std: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of a zero-inflated metric on its scale, from probability and magnitude.

    The mean is the probability times the magnitude in the metric's unit: on the scale itself, which is logarithmic,
    a half chance of 10,000 bytes would be 99.
    """
    mean = np.log1p(nonzero * np.expm1(np.minimum(magnitude, _MOST)))
    return mean, np.sqrt(nonzero * std**2 + nonzero * (1 - nonzero) * magnitude**2)
