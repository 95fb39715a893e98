"""A weighted sum of estimates and operation counts: the first guess that boosted trees correct.

Owns the fit, one for each kind of rows (`kinds`); where blocks are counted, what they say is the guess alone. Trees
cannot extrapolate beyond the largest function they saw; a sum of counts can. Weights minimise relative error; those of
counts are not negative (Lawson and Hanson 1974), those of estimates leave their first guess to either side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from costmodel.models.base import Array
from costmodel.models.kinds import AS_IT_STANDS, IN_LOOPS, ending_of

_DAMPING = 2e-2
_SHIFT = 1.0
_ROUNDS = 5
_SMALL_ERROR = 0.02
MAX_ROWS = 20000


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearGuess:
    """Weights `[A, P + 1]`, the last one a constant, for architectures `archs[A]`."""

    archs: tuple[str, ...]
    weights: Array

    @classmethod
    def fit(
        cls, functions: Array, archs: Array, y: Array, priors: Mapping[str, Array], signed: Array, trusted: Array,
        seed: int,
    ) -> LinearGuess:  # fmt: skip
        """Learn the weights of each name among `archs`.

        Args:
            functions: counts `[n, P]`.
            archs: `[n]`.
            y: `[n]` in the metric's unit.
            priors: first weights `[P]` by name.
            signed: `[P]`, which weights may leave those to both sides; the others are not negative.
            trusted: `[P]`, estimates whose first weights hold where an optimiser is to come: what it does is no matter
                of sums, and weights fitted to it do worse on other programs. Rows with an estimate do not teach the
                others.
            seed: of the draw of `MAX_ROWS` rows.
        """
        names = tuple(sorted(set(map(str, archs))))
        rng = np.random.default_rng(seed)
        weights = []
        for name in names:
            if name.endswith(IN_LOOPS):
                weights.append(np.zeros(functions.shape[1] + 1))
                continue
            rows = np.flatnonzero(archs == name)
            if len(rows) > MAX_ROWS:
                rows = rng.choice(rows, MAX_ROWS, replace=False)
            x = functions[rows].astype(np.float64)
            if name.endswith(AS_IT_STANDS) or not trusted.any():
                weights.append(_solve(x, y[rows], priors[name], signed))
            else:
                weights.append(_beside(x, y[rows], priors[name], trusted))
        return cls(archs=names, weights=np.stack(weights).astype(np.float32))

    @classmethod
    def column(cls, archs: Array, chosen: Sequence[bool]) -> LinearGuess:
        """The sum of the `chosen[P]` columns for each name among `archs`, as they are."""
        names = tuple(sorted(set(map(str, archs))))
        weights = np.append(np.array(chosen, np.float32), np.float32(0.0))
        return cls(archs=names, weights=np.tile(weights, (len(names), 1)))

    def of(self, name: str) -> Array:
        """Weights `[P + 1]` of an architecture; one that was not there gets the mean of the others of its kind."""
        if name in self.archs:
            return np.asarray(self.weights[self.archs.index(name)])
        alike = [i for i, other in enumerate(self.archs) if ending_of(other) == ending_of(name)]
        return np.asarray(self.weights[alike or slice(None)].mean(axis=0))

    def log1p(self, functions: Array, archs: Array, blocks: Array) -> Array:
        """log(1 + guess) `[n]`; see `Guesses`."""
        return Guesses([self]).log1p(functions, archs, blocks[:, None])[:, 0]


class Guesses:
    """Several guesses, asked together; thread-safe."""

    def __init__(self, guesses: Sequence[LinearGuess]) -> None:
        self._guesses = guesses
        self._known: dict[str, tuple[Array, Array, Array]] = {}

    def log1p(self, functions: Array, archs: Array, blocks: Array) -> Array:
        """log(1 + guess) `[n, guesses]` of counts `[n, P]` and of what `blocks[n, guesses]` say, in the metrics' units.

        Each row alone gives what it gives among others.
        """
        found = np.zeros((len(functions), len(self._guesses)))
        for name in set(archs.tolist()) if self._guesses else ():
            rows: Array | slice = slice(None) if len(archs) == 1 else archs == name
            used, weights, constants = self._of(name)
            counts = functions[rows][:, used]
            found[rows] = np.array([(counts * own).sum(axis=1) for own in weights]).T + constants
        return np.asarray(np.log1p(np.maximum(found + blocks, 0.0)))

    def _of(self, name: str) -> tuple[Array, Array, Array]:
        """Of an architecture: columns that any weight is for, their weights `[guesses, columns]`, the constants."""
        if name not in self._known:
            weights = np.array([guess.of(name) for guess in self._guesses], np.float64)
            used = np.flatnonzero(weights[:, :-1].any(axis=0))
            self._known[name] = used, weights[:, used], weights[:, -1]
        return self._known[name]


def _beside(x: Array, y: Array, prior: Array, trusted: Array) -> Array:
    """Weights `[P + 1]`: first ones for what is trusted, the others learned from rows without it; no constant."""
    rest, found = ~trusted, np.append(prior, 0.0)
    rows = ~(x[:, trusted & (prior != 0)] != 0).any(axis=1)
    if rows.any():
        learned = _solve(x[rows][:, rest], y[rows], prior[rest], np.zeros(int(rest.sum()), bool))
        found[:-1][rest] = learned[:-1]
    return found


def _solve(x: Array, y: Array, prior: Array, signed: Array) -> Array:
    """Weights `[P + 1]` of least absolute relative error, by least squares weighted anew (Schlossmacher 1973)."""
    ones = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    believed, free = np.append(prior, 0.0), np.append(signed, False)
    relative = 1.0 / (y + _SHIFT)
    weight = np.ones(len(y))
    for _ in range(_ROUNDS):
        found = _least_squares(ones * (relative * weight)[:, None], y * relative * weight, believed, free)
        error = np.abs(ones @ found - y) * relative
        weight = 1.0 / np.sqrt(np.maximum(error, _SMALL_ERROR) / _SMALL_ERROR)
    return found


def _least_squares(a: Array, wanted: Array, believed: Array, free: Array) -> Array:
    """Damped towards `believed`; a free weight is that plus a part minus a part, neither of them negative."""
    size = np.sqrt((a**2).mean(axis=0))
    used = size > 0
    a, size, first, free = a[:, used] / size[used], size[used], believed[used] * size[used], free[used]
    wanted = wanted - a[:, free] @ first[free]
    a = np.concatenate([a, -a[:, free]], axis=1)
    goal = np.concatenate([np.where(free, 0.0, first), np.zeros(int(free.sum()))])
    damping = np.sqrt(_DAMPING * len(a))
    rows = np.concatenate([a, damping * np.eye(a.shape[1])])
    r = np.asarray(np.linalg.qr(np.concatenate([rows, np.append(wanted, damping * goal)[:, None]], axis=1), "r"))
    solution, _ = nnls(r[:-1, :-1], r[:-1, -1], maxiter=50 * a.shape[1])
    weight = solution[: len(first)].copy()
    weight[free] += first[free] - solution[len(first) :]
    found = np.where(used, 0.0, believed)
    found[used] = weight / size
    return found
