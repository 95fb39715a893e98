"""How many registers a thread wants, where its registers and its spills are two views of that one number.

Owns what a gate of spills learns from on such targets. Where all values lie in one file of registers whose size binds
(GPUs), what does not fit is spilled: registers where nothing is, registers and spilled words where something is, are
the demand. A kernel of 254 registers and one of 255 that spills one word are alike, one of 20 is not, and "spilled or
not" alone says neither. So a row's target is the probability that code like it spills: that its demand, told no better
than to a factor of e^`SPREAD`, exceeds what a thread may have. After label smoothing by distance (ordinal soft labels:
Diaz and Marathe, 2019). Invariant: what spilled stays at a half or more, what did not at a half or less; other targets
keep 0 and 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import ndtr

from costmodel.models.base import Array

SPREAD = 0.3
"""Standard deviation of the logarithm of demand, as models tell it of kernels that they have not met."""
FILES: Mapping[str, str] = {"nvptx64": "registers_general"}
"""Architectures whose threads hold everything in one file, and the metric that counts it."""
SPILLED: Mapping[str, float] = {"spills": 1.0, "reloads": 1.0, "stack_bytes": 0.25}
"""Registers that one unit of a metric stands for."""
_LIMITS = ("target:general_registers", "static:gpu_cap")
"""Registers that a thread may have: log2(1 + the target's), and what the launch leaves it."""


def spill_targets(metric: str, labels: Mapping[str, Array], archs: Array, limits: Array) -> Array:
    """Probabilities `[n]` of not being zero that a gate learns.

    Args:
        metric: one that is mostly zero.
        labels: values `[n]` in units by metric, this one and those of `FILES` that there are; NaN for no label.
        archs: architectures `[n]`.
        limits: registers that a thread may have `[n]`, 0 where that is not known.
    """
    spilled = labels[metric]
    found = (spilled > 0).astype(np.float64)
    if metric not in SPILLED:
        return found
    for arch, name in FILES.items():
        if name not in labels:
            continue
        rows = np.flatnonzero((archs == arch) & (limits > 0) & ~np.isnan(labels[name]))
        demand = np.maximum(labels[name][rows], 1.0) + SPILLED[metric] * spilled[rows]
        soft = ndtr(np.log(demand / limits[rows]) / SPREAD)
        found[rows] = np.where(found[rows] > 0, np.maximum(soft, 0.5), np.minimum(soft, 0.5))
    return found


def register_limits(names: Sequence[str], raw: Array) -> Array:
    """Registers that a thread may have `[n]`, 0 where unknown, from columns `raw[n, len(names)]` by name."""
    places = {name: i for i, name in enumerate(names)}
    if any(name not in places for name in _LIMITS):
        return np.zeros(len(raw))
    figure, launch = (np.asarray(raw[:, places[name]], np.float64) for name in _LIMITS)
    return np.where(launch > 0, np.minimum(np.round(np.exp2(figure) - 1), launch), 0.0)
