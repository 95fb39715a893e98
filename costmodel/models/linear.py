"""A weighted sum of operation counts: the first guess that boosted trees correct.

Owns the fit, one for each architecture. Trees cannot extrapolate beyond the largest function they saw; a sum of counts
can. Weights are not negative (Lawson and Hanson 1974) and minimise relative error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from costmodel.models.base import Array

_DAMPING = 3e-3
_SHIFT = 4.0
MAX_ROWS = 20000


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearGuess:
    """Weights `[A, P + 1]`, the last one a constant, for architectures `archs[A]`."""

    archs: tuple[str, ...]
    weights: Array

    @classmethod
    def fit(cls, functions: Array, archs: Array, y: Array, prior: Array, seed: int) -> LinearGuess:
        """`functions[n, P]` counts, `archs[n]`, `y[n]` in the metric's unit; `prior[P]`: first weights."""
        names = tuple(sorted(set(map(str, archs))))
        rng = np.random.default_rng(seed)
        weights = []
        for name in names:
            rows = np.flatnonzero(archs == name)
            if len(rows) > MAX_ROWS:
                rows = rng.choice(rows, MAX_ROWS, replace=False)
            weights.append(_solve(functions[rows].astype(np.float64), y[rows], prior))
        return cls(archs=names, weights=np.stack(weights).astype(np.float32))

    def log1p(self, functions: Array, archs: Array) -> Array:
        """log(1 + guess) `[n]`; an architecture that was not there gets the mean of the others."""
        table = np.concatenate([self.weights, self.weights.mean(axis=0, keepdims=True)]).astype(np.float64)
        index = np.array([self.archs.index(a) if a in self.archs else len(self.archs) for a in map(str, archs)], int)
        chosen = table[index]
        return np.asarray(np.log1p((functions * chosen[:, :-1]).sum(axis=1) + chosen[:, -1]))


def _solve(x: Array, y: Array, prior: Array) -> Array:
    relative = 1.0 / (y + _SHIFT)
    a = np.concatenate([x, np.ones((len(x), 1))], axis=1) * relative[:, None]
    size = np.sqrt((a**2).mean(axis=0))
    used = size > 0
    size = np.where(used, size, 1.0)
    a = np.concatenate([a / size, np.sqrt(_DAMPING * len(x)) * np.eye(a.shape[1])])
    believed = np.append(prior, 0.0)
    wanted = np.concatenate([y * relative, np.sqrt(_DAMPING * len(x)) * believed * size])
    r = np.asarray(np.linalg.qr(np.concatenate([a, wanted[:, None]], axis=1), "r"))
    solution, _ = nnls(r[:-1, :-1], r[:-1, -1], maxiter=50 * a.shape[1])
    return np.where(used, solution / size, believed)
