"""How far a function lies from those a model was trained on, and from where on the model does not know.

Owns the distance: mean of the nearest training functions in whitened principal components, plus what lies outside them,
plus the share of operations never seen. Sources: k-nearest-neighbour out-of-distribution detection (Sun et al. 2022),
the residual of principal components (Mahalanobis-type score, Lee et al. 2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from costmodel.models.base import Array
from costmodel.models.columns import compressed

MAX_REFERENCES = 2000
COMPONENTS = 24
NEIGHBOURS = 3
UNSEEN_WEIGHT = 4.0
SEEN_QUANTILE = 0.95
_CHUNK = 1024


@dataclass(slots=True, kw_only=True)
class Novelty:
    """Fitted on functions `[N, P + 1]` (see `Columns.functions`); distances are over `threshold`."""

    center: Array
    spread: Array
    components: Array
    """`[P, K]`, whitening."""
    references: Array
    """`[R, K]`."""
    residual_scale: float
    threshold: float = 1.0

    @classmethod
    def fit(cls, functions: Array, seed: int = 0) -> Self:
        """Learn the space and the references; the threshold leaves 5 % of the training functions outside."""
        x = compressed(functions[:, :-1]).astype(np.float64)
        center, spread = x.mean(axis=0), x.std(axis=0)
        spread = np.where(spread > 1e-6, np.maximum(spread, 0.05), 0.25)
        z = (x - center) / spread
        _, values, vectors = np.linalg.svd(z[_drawn(len(z), 4 * MAX_REFERENCES, seed)], full_matrices=False)
        kept = min(COMPONENTS, int((values > 1e-6 * max(values[0], 1e-12)).sum()), len(values)) or 1
        deviation = np.maximum(values[:kept] / np.sqrt(max(1, len(z) - 1)), 1e-3)
        components = np.ascontiguousarray(vectors[:kept].T / np.sqrt(deviation), np.float32)
        references = (z @ components)[_drawn(len(z), MAX_REFERENCES, seed)].astype(np.float16)
        found = cls(center=center.astype(np.float32), spread=spread.astype(np.float32),
                    components=components, references=references, residual_scale=1.0)  # fmt: skip
        found.residual_scale = max(float(np.quantile(found._residual(z), 0.9)), 1e-3)
        inside = found.distance(functions, leave_one_out=True)
        found.threshold = max(float(np.quantile(inside, SEEN_QUANTILE)), 1e-3)
        return found

    def _residual(self, z: Array) -> Array:
        norms = (self.components**2).sum(axis=0)
        back = (z @ self.components) / norms @ self.components.T
        return np.asarray(np.sqrt(((z - back) ** 2).mean(axis=1)))

    def distance(self, functions: Array, *, leave_one_out: bool = False) -> Array:
        """Raw distances `[N]`; `leave_one_out` skips each function's own reference (distance zero)."""
        z = (compressed(functions[:, :-1]) - self.center) / self.spread
        near = np.concatenate(
            [self._nearest(z[i : i + _CHUNK] @ self.components, leave_one_out) for i in range(0, len(z), _CHUNK)]
            or [np.zeros(0)]
        )
        return np.asarray(near + self._residual(z) / self.residual_scale + UNSEEN_WEIGHT * functions[:, -1])

    def _nearest(self, points: Array, leave_one_out: bool) -> Array:
        points, references = points.astype(np.float64), self.references.astype(np.float64)
        squared = (points**2).sum(1)[:, None] + (references**2).sum(1)[None] - 2 * points @ references.T
        distances = np.sqrt(np.maximum(squared, 0.0))
        if leave_one_out:
            distances[np.arange(len(points)), distances.argmin(axis=1)] = np.inf
        count = max(1, min(NEIGHBOURS, distances.shape[1] - leave_one_out))
        nearest = np.partition(distances, count - 1, axis=1)[:, :count]
        return np.asarray(np.where(np.isfinite(nearest), nearest, 0.0).mean(axis=1))

    def set_threshold(self, seen: Array, held_out: Array) -> None:
        """The threshold that tells training functions from held-out families best (Youden 1950), at most 10 % lost."""
        candidates = np.quantile(np.concatenate([seen, held_out]), np.linspace(0.02, 0.98, 97))
        gains = [(seen <= c).mean() - (held_out <= c).mean() for c in candidates]
        self.threshold = max(float(candidates[int(np.argmax(gains))]), float(np.quantile(seen, 0.9)), 1e-3)

    def state(self) -> dict[str, Array]:
        """Arrays for a checkpoint."""
        return {
            "novelty.center": self.center, "novelty.spread": self.spread,
            "novelty.components": self.components, "novelty.references": self.references,
            "novelty.numbers": np.array([self.residual_scale, self.threshold]),
        }  # fmt: skip

    @classmethod
    def restore(cls, arrays: dict[str, Array]) -> Self:
        """What `state` gave."""
        scale, threshold = arrays["novelty.numbers"]
        return cls(
            center=arrays["novelty.center"], spread=arrays["novelty.spread"],
            components=arrays["novelty.components"], references=arrays["novelty.references"],
            residual_scale=float(scale), threshold=float(threshold),
        )  # fmt: skip


def _drawn(size: int, most: int, seed: int) -> Array:
    if size <= most:
        return np.arange(size)
    return np.sort(np.random.default_rng(seed).choice(size, most, replace=False))
