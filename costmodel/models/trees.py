"""Boosted trees on static features, operation counts and the target's numbers: the default predictor.

Each metric has its own trees; zero-inflated metrics a second set for the probability of not being zero; counts that
grow with the program start from a weighted sum of estimates and counts (`bases`, `linear`). Trees read raw numbers and
shares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from costmodel.core.errors import UsageError
from costmodel.models.base import Array
from costmodel.models.bases import BASES, DIRECT, ESTIMATED, PROMOTED, STANDING, BlockColumns, first_weight, grows
from costmodel.models.boosting import QUANTILE, Boosters, BoostingOptions, held_out, refitted, train_booster
from costmodel.models.demand import register_limits, spill_targets
from costmodel.models.encode import SIZE_NAME
from costmodel.models.examples import Examples
from costmodel.models.heads import Scale, unscale
from costmodel.models.kinds import AS_IT_STANDS, kinds_of
from costmodel.models.linear import Guesses, LinearGuess
from costmodel.models.metric_model import MetricModel, Scaled, zero_inflated
from costmodel.models.monitor import Monitor
from costmodel.models.pairs import pair_numbers
from costmodel.models.regimes import Regime, grafted
from costmodel.models.tensors import pack_tensors, unpack_tensors
from costmodel.models.tree_arrays import TreeArrays

_MIN_ROWS = 4
_LEAST_DEVIATION = 0.02
_LEAST_SPREAD = 0.01
"""Of an architecture's values, over the widest one's."""
_QUANTILE, _TIMED_QUANTILE = 0.5, 0.42
"""What corrections of an estimate learn: the median, so that one that is right for most functions stays as it is.

Relative errors of what is log-normal are least at its quantile Φ(-σ): of executions a little below, since σ is 0.2.
"""


def _weights(y: Array, archs: Array) -> Array:
    """What rows `[n]` count for: less where an architecture's values spread wide, so that no other's go unlearned."""
    _, index = np.unique(archs, return_inverse=True)
    counts = np.bincount(index)
    means = np.bincount(index, y) / counts
    spread = np.sqrt(np.bincount(index, (y - means[index]) ** 2) / counts)
    found = 1 / np.maximum(spread, max(_LEAST_SPREAD * float(spread.max()), 1e-9))[index]
    return np.asarray(found / found.mean())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Places:
    """Numbers of boosters: `means` of all metrics, `chances` of the metrics `gates`, those that correct a guess."""

    means: Array
    gates: Array
    chances: Array
    guessed: Array


class BoostedTrees(MetricModel):
    """See the module. Options are those of `BoostingOptions`."""

    name = "boosted-trees"

    def __init__(self, metrics: Sequence[str] = (), *, seed: int = 0, **options: Any) -> None:
        """See `MetricModel`; raises `UsageError` for an unknown option."""
        super().__init__(metrics, seed=seed, **options)
        known = [field.name for field in fields(BoostingOptions)]
        if unknown := sorted(set(options) - set(known)):
            raise UsageError(f"unknown option {unknown[0]!r} of {self.name}; known: {', '.join(known)}")
        self._boosting = BoostingOptions(**options)
        self.options = asdict(self._boosting)
        self._boosters = Boosters(())
        self._index: dict[tuple[int, str], int] = {}
        self._guesses: dict[int, LinearGuess] = {}
        self._deviation = np.ones(len(self.metrics))
        self._sums = Guesses(())
        self._blocks: BlockColumns | None = None

    def _fit(self, examples: Examples, targets: Array, groups: Array, monitor: Monitor) -> None:
        assert self.columns is not None
        x = self._matrix(examples)
        functions = x[:, : len(self.columns.numbers)]
        parts: dict[tuple[int, str], Any] = {}
        self._guesses = {}
        for i, metric in enumerate(self.metrics):
            rows = np.flatnonzero(~np.isnan(targets[:, i]))
            y = targets[rows, i]
            told = monitor.child(metric, 1 / len(self.metrics))
            if len(rows) < _MIN_ROWS:
                raise UsageError(f"metric {metric} has {len(rows)} labels, at least {_MIN_ROWS} are needed to learn it")
            if self.scales[i] is Scale.ZERO_INFLATED:
                wanted = self._gate_targets(i, rows, examples, x, targets)
                parts[i, "gate"] = self._gate(x[rows], wanted, groups[rows], told)
                rows, y = (rows[y > 0], y[y > 0]) if (y > 0).sum() >= _MIN_ROWS else (rows, y)
            archs = kinds_of(examples)[rows]
            margin = None
            if metric in BASES or metric in DIRECT:
                counts = self._counts(functions[rows], metric)
                self._guesses[i] = self._guess(metric, counts, archs, y)
                blocks = BlockColumns.of([metric], self.columns.names).numbers(x[rows])[:, 0]
                margin = self._guesses[i].log1p(counts, archs, blocks)
            parts[i, "mean"], errors = self._magnitude(i, (x[rows], y, groups[rows]), archs, margin, told)
            self._deviation[i] = max(float(np.sqrt(np.mean(errors**2))), _LEAST_DEVIATION)
        self._take(parts)

    def _magnitude(
        self, i: int, data: tuple[Array, Array, Array], archs: Array, margin: Array | None, monitor: Monitor
    ) -> tuple[Any, Array]:
        """Metric i's booster and errors `[k]` on groups not seen, from `data`: `x[n, F]`, scaled `y[n]`, groups."""
        assert self.columns is not None

        def grow(rows: Array, regime: Regime | None) -> tuple[Any, Array, Array]:
            x, y, groups = (part[rows] for part in data)
            start = None if margin is None else margin[rows]
            loss = {**self._loss(i, y, archs[rows], start), **self._how("mean", regime, monitor)}
            stopped = train_booster(x, y, groups, **loss)
            held = held_out(groups, self._boosting.validation_share, self.seed)
            seen = np.flatnonzero(held) if held.any() else np.arange(len(y))
            found = Boosters([stopped]).margins(x[seen], None if start is None else start[seen, None])[:, 0]
            return refitted(stopped, x, y, groups, **loss), found - y[seen], seen

        return grafted(self.columns.names, data[0], grow)

    def _how(self, part: str, regime: Regime | None, monitor: Monitor) -> dict[str, Any]:
        key = part if regime is None else f"{part}-{regime.name}"
        return {"key": key, "options": self._boosting, "seed": self.seed, "monitor": monitor}

    def _loss(self, i: int, y: Array, archs: Array, margin: Array | None) -> dict[str, Any]:
        """What metric i's magnitude is learned by, from scaled targets `y[n]`; arguments of `train_booster`."""
        if margin is not None:
            timed = self.metrics[i] in BASES and BASES[self.metrics[i]].timed
            quantile = _TIMED_QUANTILE if timed else _QUANTILE
            return {"objective": QUANTILE, "margin": margin, "quantile": quantile}
        weight = _weights(y, archs) if self.scales[i] is Scale.LINEAR else None
        return {"objective": "reg:squarederror", "weight": weight}

    def _guess(self, metric: str, counts: Array, archs: Array, y: Array) -> LinearGuess:
        """What trees correct: a sum that is learned from `counts[n, P]` and scaled targets `y[n]`, or one column."""
        assert self.columns is not None
        if metric in DIRECT:
            return LinearGuess.column(archs, [name == DIRECT[metric] for name in self.columns.numbers])
        if not BASES[metric].timed:
            stands = np.char.endswith(archs, AS_IT_STANDS)
            promoted = np.array([name.startswith(PROMOTED) for name in self.columns.numbers], bool)
            counts = np.where(stands[:, None] & promoted[None, :], 0.0, counts)
        signed, trusted = self._signed(metric), self._trusted(metric)
        return LinearGuess.fit(counts, archs, np.expm1(y), self._priors(metric, archs), signed, trusted, self.seed)

    def _gate(self, x: Array, wanted: Array, groups: Array, monitor: Monitor) -> Any:
        assert self.columns is not None

        def grow(rows: Array, regime: Regime | None) -> tuple[Any, Array, Array]:
            data = x[rows], wanted[rows], groups[rows]
            how = {"objective": "binary:logistic", **self._how("gate", regime, monitor)}
            nothing = np.zeros(0, np.int64)
            return refitted(train_booster(*data, **how), *data, **how), nothing, nothing

        return grafted(self.columns.names, x, grow, gate=True)[0]

    def _gate_targets(self, i: int, rows: Array, examples: Examples, x: Array, targets: Array) -> Array:
        """Probabilities of not being zero `[rows]` that metric i's gate learns."""
        assert self.columns is not None
        units = {name: unscale(targets[rows, j], self.scales[j]) for j, name in enumerate(self.metrics)}
        limits = register_limits(self.columns.names, x[rows, : self.columns.width])
        return spill_targets(self.metrics[i], units, np.asarray(examples.archs)[rows], limits)

    def _priors(self, metric: str, archs: Array) -> dict[str, Array]:
        """What each column is worth before any data, `[P]` for each architecture."""
        assert self.columns is not None
        names = self.columns.numbers
        return {arch: np.array([first_weight(metric, arch, name) for name in names]) for arch in set(map(str, archs))}

    def _signed(self, metric: str) -> Array:
        """Columns `[P]` that estimate code size: what they are worth may be more or less than expected.

        Executions span too many orders of magnitude to be taken from each other.
        """
        assert self.columns is not None
        chosen = () if BASES[metric].timed else (ESTIMATED, STANDING)
        return np.array([name.startswith(chosen) for name in self.columns.numbers], bool)

    def _trusted(self, metric: str) -> Array:
        """Columns `[P]` that estimate code size, and the number of operations, which says nothing beside them."""
        assert self.columns is not None
        chosen = () if BASES[metric].timed else (ESTIMATED, STANDING, SIZE_NAME)
        return np.array([name.startswith(chosen) for name in self.columns.numbers], bool)

    def _counts(self, functions: Array, metric: str) -> Array:
        """What a sum of counts may use: columns that grow with the program, `[n, P]`."""
        assert self.columns is not None
        chosen = np.array([grows(metric, name) for name in self.columns.numbers], bool)
        return np.where(chosen[None, :], functions, 0.0)

    def _matrix(self, examples: Examples) -> Array:
        """Raw numbers and context, counts over the number of operations, what function and schedule give together."""
        assert self.columns is not None
        raw = self.columns.matrix(examples)
        size = self.columns.size
        shares = raw[:, self.columns.shared] / np.maximum(raw[:, size : size + 1], 1.0)
        return np.concatenate([raw, shares, pair_numbers(self.columns.names, raw)], axis=1)

    def _take(self, parts: Mapping[tuple[int, str], Any]) -> None:
        self._index = {key: number for number, key in enumerate(parts)}
        self._boosters = Boosters(list(parts.values()))
        self._sums, self._blocks = Guesses(list(self._guesses.values())), None
        gates = [i for i in range(len(self.metrics)) if (i, "gate") in self._index]
        self._places = _Places(
            means=np.array([self._index[i, "mean"] for i in range(len(self.metrics))], np.int64),
            gates=np.array(gates, np.int64),
            chances=np.array([self._index[i, "gate"] for i in gates], np.int64),
            guessed=np.array([self._index[i, "mean"] for i in self._guesses], np.int64),
        )

    def scaled(self, examples: Examples) -> Scaled:
        """See `MetricModel`."""
        assert self.columns is not None
        x, places = self._matrix(examples), self._places
        if self._blocks is None:
            self._blocks = BlockColumns.of([self.metrics[i] for i in self._guesses], self.columns.names)
        blocks = self._blocks.numbers(x)
        offsets = self._sums.log1p(x[:, : len(self.columns.numbers)], kinds_of(examples), blocks)
        margins = self._boosters.margins(x, offsets, places.guessed)
        magnitude, nonzero = margins[:, places.means], np.ones((len(x), len(self.metrics)))
        chances = margins[:, places.chances]
        nonzero[:, places.gates] = 1 / (1 + np.exp(-np.minimum(np.maximum(chances, -40), 40)))
        return zero_inflated(nonzero, magnitude, np.repeat(self._deviation[None], len(x), axis=0), self.scales)

    def state(self) -> dict[str, bytes]:
        """See `MetricModel`."""
        files = {f"{self.metrics[i]}.{part}.trees.xz": self._boosters.boosters[n].pack()
                 for (i, part), n in self._index.items()}  # fmt: skip
        arrays: dict[str, Array] = {"deviation": self._deviation}
        for i, guess in self._guesses.items():
            for arch, weights in zip(guess.archs, guess.weights, strict=True):
                arrays[f"{self.metrics[i]}:{arch}"] = weights
        return files | {"linear.safetensors": pack_tensors(arrays)}

    def restore(self, files: Mapping[str, bytes]) -> None:
        """See `MetricModel`."""
        arrays = unpack_tensors(files["linear.safetensors"])
        self._deviation = arrays.pop("deviation")
        parts = {}
        for i, metric in enumerate(self.metrics):
            wanted = ["gate", "mean"] if self.scales[i] is Scale.ZERO_INFLATED else ["mean"]
            for part in wanted:
                parts[i, part] = TreeArrays.of_file(files, f"{metric}.{part}.trees.xz")
            guesses = {
                key.partition(":")[2]: weights for key, weights in arrays.items() if key.startswith(f"{metric}:")
            }
            if guesses:
                self._guesses[i] = LinearGuess(archs=tuple(sorted(guesses)), weights=np.stack(
                    [guesses[arch] for arch in sorted(guesses)]))  # fmt: skip
        self._take(parts)
