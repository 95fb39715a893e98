"""An analytic estimate with a few weights learned: what a ranker's trees correct.

Some columns of the features are logarithms (base 2) of cycles by cause. Causes that overlap in the core join by a
p-norm, between their sum and their maximum; the others add up. The weights of the causes and p are fitted to the
order of measured times inside workloads, so that sixteen or so numbers serve every kernel.
Source: a roofline with several ceilings (Williams et al. 2009), fitted; the residual is left to boosting.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from costmodel.models.base import Array

ITERATIONS = 40
_SOFT, _RIDGE, _FLOOR = 0.01, 1e-3, 0.01
_FAR = 3.0
"""Logarithms of weights stay within: the counts are right to a factor of twenty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleBase:
    """`columns` of the features, the first `overlapping` of which overlap; `weights` are K logarithms, then two more.

    The two are the logarithms of p - 1 and of a constant that every kernel pays.
    """

    columns: tuple[int, ...]
    overlapping: int
    weights: tuple[float, ...] = ()

    def fit(self, features: Array, targets: Array, groups: Array) -> CycleBase:
        """Weights for targets `[n]` (natural logarithms of time), compared inside groups that weigh the same."""
        from scipy.optimize import minimize

        names, index, counts = np.unique(groups, return_inverse=True, return_counts=True)
        weight = (1.0 / counts)[index] / len(names)
        cycles = self._cycles(features)

        def centred(values: Array) -> Array:
            return np.asarray(values - (np.bincount(index, values) / counts)[index])

        truth = centred(targets)

        def loss(weights: Array) -> float:
            error = centred(self._value(cycles, weights)) - truth
            return float((weight * np.sqrt(error**2 + _SOFT)).sum() + _RIDGE * (weights[:-2] ** 2).mean())

        start = np.zeros(len(self.columns) + 2)
        bounds = [(-_FAR, _FAR)] * len(start)
        found = minimize(loss, start, method="L-BFGS-B", bounds=bounds, options={"maxiter": ITERATIONS})
        return CycleBase(
            columns=self.columns, overlapping=self.overlapping, weights=tuple(float(f"{w:.6g}") for w in found.x)
        )

    def __call__(self, features: Array) -> Array:
        """Natural logarithm of the estimate `[n]`, but for a constant of the workload."""
        return self._value(self._cycles(features), np.array(self.weights))

    def _cycles(self, features: Array) -> Array:
        return np.asarray(np.exp2(features[:, list(self.columns)].astype(np.float64)))

    def _value(self, cycles: Array, weights: Array) -> Array:
        power = 1.0 + np.exp(weights[-2])
        scaled = cycles * np.exp(weights[:-2])
        core = (scaled[:, : self.overlapping] ** power).sum(axis=1) ** (1.0 / power)
        return np.asarray(np.log(core + scaled[:, self.overlapping :].sum(axis=1) + _FLOOR * np.exp(weights[-1])))
