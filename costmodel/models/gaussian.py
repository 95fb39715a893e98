"""A Gaussian process over residuals: what the workload at hand teaches beyond the pre-trained model.

Owns the online part of the ranker. Source: Rasmussen and Williams 2006, chapters 2 and 5; Matérn 5/2 kernel plus a
constant, length scale by marginal likelihood over a short grid around the median distance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular

Array = np.ndarray[Any, Any]
MAX_POINTS = 400
_SCALES = (0.5, 1.0, 2.0, 4.0)
_NOISE = 0.03


class ResidualProcess:
    """Posterior of `targets - prior_mean`; with no data it is zero mean with the prior's own doubt."""

    def __init__(self) -> None:
        self._x: Array | None = None

    @property
    def fitted(self) -> bool:
        """Whether any data were given."""
        return self._x is not None

    def fit(self, features: Array, residuals: Array) -> None:
        """`features[n, F]`, `residuals[n]`; the last `MAX_POINTS` rows count."""
        x, y = features[-MAX_POINTS:].astype(np.float64), residuals[-MAX_POINTS:].astype(np.float64)
        spread = x.std(axis=0)
        self._used = spread > 1e-9
        self._center, self._spread = x.mean(axis=0)[self._used], spread[self._used]
        self._x = self._scaled(x)
        self._mean = float(np.median(y))
        distances = _distances(self._x, self._x)
        positive = distances[distances > 1e-9]
        base = float(np.median(positive)) if positive.size else 1.0
        amplitude = max(float(np.var(y)), 0.01)
        best = -np.inf
        for scale in _SCALES:
            kernel = amplitude * _matern(distances / (base * scale)) + (_NOISE**2 + 0.02 * amplitude) * np.eye(len(y))
            factor = cho_factor(kernel, lower=True)
            weights = cho_solve(factor, y - self._mean)
            likelihood = -0.5 * float((y - self._mean) @ weights) - float(np.log(np.diag(factor[0])).sum())
            if likelihood > best:
                best = likelihood
                self._factor, self._weights, self._length, self._amplitude = factor, weights, base * scale, amplitude

    def _scaled(self, features: Array) -> Array:
        return np.asarray((features[:, self._used] - self._center) / self._spread)

    def predict(self, features: Array) -> tuple[Array, Array]:
        """Posterior mean and standard deviation, `[n]` each."""
        assert self._x is not None, "fit before predict"
        cross = self._amplitude * _matern(_distances(self._scaled(features.astype(np.float64)), self._x) / self._length)
        mean = self._mean + cross @ self._weights
        solved = solve_triangular(self._factor[0], cross.T, lower=True)
        variance = np.maximum(self._amplitude - (solved**2).sum(axis=0), 1e-6)
        return mean, np.sqrt(variance)


def _distances(a: Array, b: Array) -> Array:
    squared = (a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2 * a @ b.T
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)))


def _matern(r: Array) -> Array:
    s = np.sqrt(5.0) * r
    return np.asarray((1 + s + s**2 / 3) * np.exp(-s))
