"""One step of AdamW (Loshchilov and Hutter 2019) in numpy, for networks too small to want a library."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from costmodel.models.base import Array

Moments = Sequence[tuple[Array, Array]]
"""Means of gradients and of their squares, by value."""


def no_moments(values: Iterable[Array]) -> Moments:
    """Those before the first step."""
    return [(np.zeros_like(value), np.zeros_like(value)) for value in values]


def adamw_step(
    values: Iterable[Array], gradients: Iterable[Array], moments: Moments, step: int, *, rate: float, decay: float
) -> None:
    """Change `values` and `moments` in place; `step` counts from 1, betas are 0.9 and 0.999."""
    for value, gradient, (mean, square) in zip(values, gradients, moments, strict=True):
        mean += 0.1 * (gradient - mean)
        square += 0.001 * (gradient * gradient - square)
        size = np.sqrt(square / (1 - 0.999**step)) + 1e-8
        value -= rate * (mean / (1 - 0.9**step) / size + decay * value)
