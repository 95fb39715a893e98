"""How far a function lies from those a model was trained on, and from where on the model does not know.

Owns the distance: to the nearest training functions in a whitened space, plus what lies outside that space, plus the
share of operations never seen. The space is whitened by the scatter inside families, so that directions in which
members of one family differ count little, and those that only other families move in count much. Sources: nearest
neighbours for out-of-distribution detection (Sun et al. 2022); Mahalanobis distance by the scatter within classes (Lee
et al. 2018). Functions of C projects unlike those trained on are hardly told apart by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from costmodel.models.base import Array
from costmodel.models.columns import compressed

MAX_REFERENCES = 2000
COMPONENTS = 48
NEIGHBOURS = 1
_OLD_NEIGHBOURS = 3
"""Of checkpoints that do not say."""
_RIDGE = 0.02
UNSEEN_WEIGHT = 4.0
SEEN_QUANTILE = 0.95
LEAST_DISTANCE = 1e-3
"""Of what others are divided by."""
_CHUNK = 1024
_OWN_SHARE = 1e-3
"""Of a reference's length: what lies so near is what it was made of, rounded to half precision."""


@dataclass(kw_only=True)
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
    neighbours: int = NEIGHBOURS

    @classmethod
    def fit(cls, functions: Array, seed: int = 0, groups: Array | None = None) -> Self:
        """Learn the space and the references; the threshold leaves 5 % of the training functions outside.

        `groups` `[N]` names each function's family; without it all are of one.
        """
        x = compressed(functions[:, :-1]).astype(np.float64)
        center, spread = x.mean(axis=0), x.std(axis=0)
        spread = np.where(spread > 1e-6, np.maximum(spread, 0.05), 0.25)
        z = (x - center) / spread
        components = _components(z, np.zeros(len(z)) if groups is None else groups).astype(np.float32)
        references = (z @ components)[_drawn(len(z), MAX_REFERENCES, seed)].astype(np.float16)
        found = cls(center=center.astype(np.float32), spread=spread.astype(np.float32),
                    components=components, references=references, residual_scale=1.0)  # fmt: skip
        found.residual_scale = max(float(np.quantile(found._residual(z, z @ components), 0.9)), LEAST_DISTANCE)
        inside = found.distance(functions, leave_one_out=True)
        found.threshold = max(float(np.quantile(inside, SEEN_QUANTILE)), LEAST_DISTANCE)
        return found

    def _residual(self, z: Array, points: Array) -> Array:
        back = points / self._norms @ self.components.T
        return np.asarray(np.sqrt(((z - back) ** 2).mean(axis=1)))

    @cached_property
    def _norms(self) -> Array:
        return np.asarray((self.components**2).sum(axis=0))

    @cached_property
    def _wide(self) -> tuple[Array, Array]:
        """References `[R, K]` f64, and the square of each one's length."""
        references = self.references.astype(np.float64)
        return references, (references**2).sum(1)

    def distance(self, functions: Array, *, leave_one_out: bool = False) -> Array:
        """Raw distances `[N]`; `leave_one_out` skips each function's own reference, where it is one (distance zero)."""
        z = (compressed(functions[:, :-1]) - self.center) / self.spread
        points = z @ self.components
        near = np.concatenate(
            [self._nearest(points[i : i + _CHUNK], leave_one_out) for i in range(0, len(z), _CHUNK)] or [np.zeros(0)]
        )
        return np.asarray(near + self._residual(z, points) / self.residual_scale + UNSEEN_WEIGHT * functions[:, -1])

    def _nearest(self, points: Array, leave_one_out: bool) -> Array:
        points, (references, lengths) = points.astype(np.float64), self._wide
        squared = (points**2).sum(1)[:, None] + lengths[None] - 2 * points @ references.T
        if self.neighbours == 1 and not leave_one_out:
            return np.asarray(np.sqrt(np.maximum(squared.min(axis=1), 0.0)))
        distances = np.sqrt(np.maximum(squared, 0.0))
        if leave_one_out:
            rows, nearest = np.arange(len(points)), distances.argmin(axis=1)
            own = distances[rows, nearest] <= _OWN_SHARE * np.sqrt(lengths[nearest])
            distances[rows[own], nearest[own]] = np.inf
        count = max(1, min(self.neighbours, distances.shape[1] - leave_one_out))
        nearest = np.partition(distances, count - 1, axis=1)[:, :count]
        return np.asarray(np.where(np.isfinite(nearest), nearest, 0.0).mean(axis=1))

    def set_threshold(self, seen: Array, held_out: Array) -> None:
        """Take the threshold that tells training functions from held-out families best (`best_threshold`)."""
        self.threshold = max(best_threshold(seen, held_out), LEAST_DISTANCE)

    def state(self) -> dict[str, Array]:
        """Arrays for a checkpoint."""
        return {
            "novelty.center": self.center, "novelty.spread": self.spread,
            "novelty.components": self.components, "novelty.references": self.references,
            "novelty.numbers": np.array([self.residual_scale, self.threshold, self.neighbours]),
        }  # fmt: skip

    @classmethod
    def restore(cls, arrays: dict[str, Array]) -> Self:
        """What `state` gave."""
        scale, threshold, *rest = arrays["novelty.numbers"]
        return cls(
            center=arrays["novelty.center"], spread=arrays["novelty.spread"],
            components=arrays["novelty.components"], references=arrays["novelty.references"],
            residual_scale=float(scale), threshold=float(threshold),
            neighbours=int(rest[0]) if rest else _OLD_NEIGHBOURS,
        )  # fmt: skip


def best_threshold(seen: Array, held_out: Array) -> float:
    """The distance that tells training functions from held-out families best (Youden 1950), at most 10 % lost."""
    candidates = np.quantile(np.concatenate([seen, held_out]), np.linspace(0.02, 0.98, 97))
    gains = [(seen <= c).mean() - (held_out <= c).mean() for c in candidates]
    return max(float(candidates[int(np.argmax(gains))]), float(np.quantile(seen, 0.9)))


def _components(z: Array, groups: Array) -> Array:
    """`[P, K]`: orthogonal directions, those with most scatter over that inside groups, scaled to unit scatter inside.

    One group alone has no scatter outside: then its largest directions are taken.
    """
    _, index, counts = np.unique(groups, return_inverse=True, return_counts=True)
    inside = z
    if len(counts) > 1:
        sums = np.zeros((len(counts), z.shape[1]))
        np.add.at(sums, index, z)
        inside = z - (sums / counts[:, None])[index]
    values, vectors = np.linalg.eigh(inside.T @ inside / max(1, len(z)))
    values = np.maximum(values, 0.0)
    gain = ((z @ vectors) ** 2).mean(axis=0) / (values + _RIDGE) if len(counts) > 1 else values
    kept = np.argsort(-gain, kind="stable")[:COMPONENTS]
    return np.ascontiguousarray(vectors[:, kept] / np.sqrt(values[kept] + _RIDGE))


def _drawn(size: int, most: int, seed: int) -> Array:
    if size <= most:
        return np.arange(size)
    return np.sort(np.random.default_rng(seed).choice(size, most, replace=False))
