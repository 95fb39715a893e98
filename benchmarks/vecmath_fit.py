"""Fit the polynomial coefficients that `costmodel.toolchain.vecmath` holds.

Minimax fits in float64 by Lawson's iteratively reweighted least squares (C. L. Lawson, 1961). Coefficients are rounded
to float32 one at a time, most significant first, the rest being fitted anew, so the printed error is that of the
rounded coefficients in exact arithmetic.

Run: `python benchmarks/vecmath_fit.py` (needs numpy only, under a minute, one thread, deterministic).
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_POINTS = 1500
_LAWSON_STEPS = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Coefficients, constant term first, and the largest weighted error in exact arithmetic."""

    coefficients: tuple[float, ...]
    max_error: float


def nodes(low: float, high: float, count: int = _POINTS) -> Array:
    """Chebyshev points of `[low, high]`, [count]."""
    return (low + high) / 2 - (high - low) / 2 * np.cos(np.pi * (np.arange(count) + 0.5) / count)


def lawson(matrix: Array, target: Array, weight: Array, steps: int = _LAWSON_STEPS) -> Array:
    """Minimise `max |weight * (matrix @ c - target)|` over c; matrix [points, terms], returns [terms]."""
    if matrix.shape[1] == 0:
        return np.zeros(0)
    scale = np.maximum(np.abs(matrix * weight[:, None]).max(axis=0), 1e-300)
    rows, goal = matrix * weight[:, None] / scale, target * weight
    lawson_weight = np.full(len(target), 1.0 / len(target))
    best, best_error = np.zeros(matrix.shape[1]), math.inf
    for _ in range(steps):
        root = np.sqrt(lawson_weight)
        solution = np.linalg.lstsq(rows * root[:, None], goal * root, rcond=1e-17)[0]
        error = np.abs(rows @ solution - goal)
        if error.max() < best_error:
            best, best_error = solution / scale, float(error.max())
        lawson_weight = lawson_weight * (error + 1e-30)
        lawson_weight /= lawson_weight.sum()
    return best


def fit_rounded(
    matrix: Array, target: Array, weight: Array, round_to: Callable[[float], float]
) -> tuple[list[float], float]:
    """Fit, fixing the first coefficient to its rounded value and fitting the others again; returns (terms, error)."""
    fixed: list[float] = []
    rest = target
    for index in range(matrix.shape[1]):
        value = round_to(float(lawson(matrix[:, index:], rest, weight)[0]))
        fixed.append(value)
        rest = rest - value * matrix[:, index]
    return fixed, float(np.abs(rest * weight).max())


def to_float32(value: float) -> float:
    """`value` rounded to float32."""
    return float(np.float32(value))


def polynomial(
    target: Array, weight: Array, variable: Array, terms: int, factor: Array, round_to: Callable[[float], float]
) -> Fit:
    """Fit `factor * sum c_k variable^k` to `target`, k < terms."""
    matrix = factor[:, None] * variable[:, None] ** np.arange(terms)
    coefficients, error = fit_rounded(matrix, target, weight, round_to)
    return Fit(coefficients=tuple(coefficients), max_error=error)


def fits() -> dict[str, Fit]:
    """Every polynomial of the package, by the name of the constant that holds it and the function it serves."""
    half_ln2 = math.log(2) / 2 * 1.0005
    r, q = nodes(-half_ln2, half_ln2), nodes(-0.5005, 0.5005)
    f = nodes(math.sqrt(0.5) * 0.9999 - 1, math.sqrt(2) * 1.0001 - 1)
    y, s = nodes(-4.0, 0.0), nodes(0.0, 0.8)
    erfc, erf = np.array([[math.erfc(-v), math.erf(-v)] for v in y]).T
    expm1, log, log2 = np.expm1(r), np.log1p(f), np.log1p(f) / math.log(2)
    return {
        "exponential._EXP from the 3rd": polynomial(np.exp(r) - 1 - r, np.exp(-r), r, 5, r * r, to_float32),
        "exponential._EXP2 from the 2nd": polynomial(np.exp2(q) - 1, np.exp2(-q), q, 6, q, to_float32),
        "exponential.EXPM1": polynomial(expm1 - r, np.abs(1 / expm1), r, 5, r * r, to_float32),
        "logarithm._LOG": polynomial(log - f + f * f / 2, np.abs(1 / log), f, 8, f**3, to_float32),
        "logarithm._LOG2": polynomial(log2, np.abs(1 / log2), f, 10, f, to_float32),
        "power._LOG2": polynomial(log2, np.abs(1 / log2), f, 13, f, float),
        "saturating._LOG_ERFC": polynomial(np.log(erfc) - y, np.abs(erfc / erf), y, 9, y, to_float32),
        "trigonometric._SIN from the 2nd": polynomial(np.sin(s) - s, 1 / np.sin(s), s * s, 3, s**3, to_float32),
        "trigonometric._COS from the 3rd": polynomial(
            np.cos(s) - 1 + s * s / 2, 1 / np.cos(s), s * s, 3, s**4, to_float32
        ),
    }


def main() -> None:
    """Print each fit as JSON: coefficients, constant term first, and the largest relative error of the function."""
    table = {
        name: {"coefficients": fit.coefficients, "max_relative_error": fit.max_error} for name, fit in fits().items()
    }
    json.dump(table, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
