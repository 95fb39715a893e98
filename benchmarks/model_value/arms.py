"""Arms: ways to choose what to measure next from a pool, all under the same rules.

Owns the arms. Those that search as the tuner does run the tuner's own `WorkloadSession`, given the pool as the space;
only where candidates come from differs (the whole pool, not draws and mutants).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from costmodel.models.ranker import PARAMETERS, BoostedRanker
from costmodel.search.features import PLAN_FEATURES
from costmodel.search.measure.trial import Trial
from costmodel.search.space import Candidate
from costmodel.search.strategies import Scores, Strategy
from costmodel.search.strategies.base import Scorer
from costmodel.search.strategies.evolutionary import DOUBT
from costmodel.search.tuner.scoring import TwoStageScorer
from costmodel.search.tuner.search import MAX_BATCH
from costmodel.search.tuner.session import Proposal, WorkloadSession
from model_value.prepare import BOUND, Prepared, Rankers

BATCH = MAX_BATCH
ONLINE_ROUNDS = 60
_JITTER = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What an arm tried in order, pool indices (the pool's size is the heuristic), and its own seconds before each."""

    tried: np.ndarray
    inference_s: np.ndarray


Arm = Callable[[Prepared, int, int], Run]
"""`arm(prepared, trials, seed)`."""


class PoolSpace:
    """Stands for a `SearchSpace`: candidate `(i,)` is schedule `i`."""

    def __init__(self, prepared: Prepared) -> None:
        self.kernel, self.target = prepared.kernel, prepared.target
        self.texts = (*prepared.pool.schedules, prepared.pool.heuristic)

    def text(self, candidate: Candidate) -> str:
        """Text of a candidate."""
        return self.schedule(candidate)

    def schedule(self, candidate: Candidate) -> str:
        """Text of a candidate; a pool holds no other form."""
        return self.texts[int(candidate[0])]  # type: ignore[call-overload]


class PoolStrategy(Strategy):
    """Asks for the best of the whole pool minus what was tried, by the bound that the evolutionary strategy uses."""

    space: Any

    def ask(self, count: int, score: Scorer) -> list[Candidate]:
        """See `Strategy`."""
        left: list[Candidate] = [(i,) for i, text in enumerate(self.space.texts[:-1]) if text not in self.seen]
        if not left:
            return []
        return [left[int(i)] for i in np.argsort(score(left).bound(DOUBT), kind="stable")[:count]]


class PoolScorer(TwoStageScorer):
    """The tuner's scorer on features computed beforehand; counts what would have been computed."""

    def __init__(self, space: PoolSpace, prepared: Prepared, rankers: Rankers | None) -> None:
        super().__init__(space, rankers and rankers.plan, rankers and rankers.ir)  # type: ignore[arg-type]
        self._heads = prepared.rows[:, : len(PLAN_FEATURES)]

    def score(self, candidates: Sequence[Candidate]) -> Scores:
        """Stage 1."""
        prediction = self._plan_model.predict(self._heads[_indices(candidates)])
        return Scores(prediction.mean, prediction.std)


class RandomScorer(PoolScorer):
    """Scores that mean nothing, drawn anew each time."""

    def __init__(self, space: PoolSpace, prepared: Prepared, rng: np.random.Generator) -> None:
        super().__init__(space, prepared, None)
        self._rng = rng

    def score(self, candidates: Sequence[Candidate]) -> Scores:
        """Noise."""
        return Scores(self._rng.normal(size=len(candidates)), self._rng.uniform(0.1, 1.0, len(candidates)))

    def score_realised(self, rows: np.ndarray) -> Scores:
        """Noise."""
        return Scores(self._rng.normal(size=len(rows)), self._rng.uniform(0.1, 1.0, len(rows)))


class OnlineTrees(RandomScorer):
    """Boosted trees fitted to this search's measurements alone after each batch; noise until then. Ansor's way."""

    def __init__(self, space: PoolSpace, prepared: Prepared, rng: np.random.Generator) -> None:
        super().__init__(space, prepared, rng)
        self._rows = prepared.rows
        self._x: list[np.ndarray] = []
        self._y: list[np.ndarray] = []
        self._trees: Any = None

    def score(self, candidates: Sequence[Candidate]) -> Scores:
        """All features, so that both stages see the same."""
        if self._trees is None:
            return super().score(candidates)
        return self.score_realised(self._rows[_indices(candidates)])

    def score_realised(self, rows: np.ndarray) -> Scores:
        """Trees say nothing of their doubt; ties break at random."""
        if self._trees is None:
            return super().score_realised(rows)
        mean = self._trees.inplace_predict(rows) + _JITTER * self._rng.normal(size=len(rows))
        return Scores(mean, np.full(len(rows), 0.1))

    def learn(self, rows: np.ndarray, runtimes_s: Sequence[float]) -> None:
        """Fit anew to everything."""
        import xgboost

        self._x.append(rows)
        self._y.append(np.log(np.asarray(runtimes_s) / self.bound_s))
        data = xgboost.DMatrix(np.concatenate(self._x), np.concatenate(self._y))
        parameters = {**PARAMETERS, "min_child_weight": 1, "seed": int(self._rng.integers(1 << 30))}
        self._trees = xgboost.train(parameters, data, ONLINE_ROUNDS)


class OnlineProcess(PoolScorer):
    """Our model without its pre-training: the Gaussian process alone. Ties break at random."""

    def __init__(self, space: PoolSpace, prepared: Prepared, rng: np.random.Generator) -> None:
        super().__init__(space, prepared, Rankers(plan=BoostedRanker(), ir=BoostedRanker()))
        self._rng = rng

    def score(self, candidates: Sequence[Candidate]) -> Scores:
        """Stage 1."""
        return self._broken(super().score(candidates))

    def score_realised(self, rows: np.ndarray) -> Scores:
        """Stage 2."""
        return self._broken(super().score_realised(rows))

    def _broken(self, scores: Scores) -> Scores:
        return Scores(scores.mean + _JITTER * self._rng.normal(size=len(scores.mean)), scores.std)


@dataclass(slots=True, kw_only=True)
class PoolSession(WorkloadSession):
    """The tuner's session with rows looked up instead of computed."""

    rows: np.ndarray
    realised: int = 0

    @property
    def heuristic(self) -> str:
        """See `WorkloadSession`."""
        return str(self.space.texts[-1])  # type: ignore[attr-defined]

    def _with_prediction(self, text: str) -> Proposal:
        candidate: Candidate = (len(self.rows) - 1,)
        return Proposal(candidate=candidate, schedule=text, row=self._realise(candidate, text)[0])

    def _realise(self, candidate: Candidate | None, text: str) -> tuple[tuple[float, ...], str]:
        """The row, and the text in place of a digest of the code: in a pool every schedule counts."""
        self.realised += 1
        assert candidate is not None
        return tuple(self.rows[int(candidate[0])]), text  # type: ignore[call-overload]


def _indices(candidates: Sequence[Candidate]) -> np.ndarray:
    return np.array([c[0] for c in candidates], dtype=int)


def searched(
    prepared: Prepared, trials: int, make: Callable[[PoolSpace], TwoStageScorer], *, learns: bool, with_heuristic: bool
) -> Run:
    """Run the tuner's session on the pool, batch by batch; failures count as trials."""
    space: Any = PoolSpace(prepared)
    scorer = make(space)
    strategy = PoolStrategy(space, np.random.default_rng(0))
    if not with_heuristic:
        strategy.skip([prepared.pool.heuristic])
    session = PoolSession(
        workload_id=prepared.pool.workload_id, name=prepared.pool.name, count=1, space=space, strategy=strategy,
        scorer=scorer, backend=None, learns=learns, rows=prepared.rows,
    )  # type: ignore[arg-type] # fmt: skip
    tried: list[int] = []
    seconds: list[float] = []
    own_s = prepared.plan_row_s * prepared.size if not isinstance(scorer, RandomScorer) else 0.0
    while len(tried) < trials:
        start_s, before = time.process_time(), session.realised
        proposals = session.propose(min(BATCH, trials - len(tried)))
        if not proposals:
            break
        own_s += time.process_time() - start_s + (session.realised - before) * prepared.ir_row_s
        seconds += [own_s] * len(proposals)
        tried += [int(p.candidate[0]) for p in proposals]  # type: ignore[index, call-overload]
        start_s = time.process_time()
        session.record([(p, _trial(prepared, p)) for p in proposals])
        own_s += time.process_time() - start_s
    return Run(tried=np.array(tried), inference_s=np.array(seconds))


def _trial(prepared: Prepared, proposal: Proposal) -> Trial:
    assert proposal.candidate is not None
    first_s = float(prepared.first_s[int(proposal.candidate[0])])  # type: ignore[call-overload]
    if np.isnan(first_s):
        return Trial(schedule=proposal.schedule, status="crash")
    return Trial(schedule=proposal.schedule, status="ok", samples_s=(first_s,))


def random_order(prepared: Prepared, trials: int, seed: int) -> Run:
    """Uniform without replacement."""
    order = np.random.default_rng([seed, 1]).permutation(prepared.size)[:trials]
    return Run(tried=order, inference_s=np.zeros(len(order)))


def random_scores(prepared: Prepared, trials: int, seed: int) -> Run:
    """Our strategy, scores that mean nothing."""
    rng = np.random.default_rng([seed, 2])
    return searched(prepared, trials, lambda s: RandomScorer(s, prepared, rng), learns=False, with_heuristic=False)


def roofline(prepared: Prepared, trials: int, seed: int) -> Run:
    """In the order of the analytic bound; ties at random."""
    ties = np.random.default_rng([seed, 3]).random(prepared.size)
    order = np.lexsort((ties, prepared.rows[: prepared.size, BOUND]))[:trials]
    return Run(tried=order, inference_s=np.full(len(order), prepared.plan_row_s * prepared.size))


def heuristic(prepared: Prepared, trials: int, seed: int) -> Run:
    """One measurement, whatever the budget."""
    del seed
    return Run(tried=np.full(trials, prepared.size), inference_s=np.zeros(trials))


def online_trees(prepared: Prepared, trials: int, seed: int) -> Run:
    """Boosted trees that learn from this search alone."""
    rng = np.random.default_rng([seed, 4])
    return searched(prepared, trials, lambda s: OnlineTrees(s, prepared, rng), learns=True, with_heuristic=False)


def online_process(prepared: Prepared, trials: int, seed: int) -> Run:
    """Our model, not pre-trained."""
    rng = np.random.default_rng([seed, 5])
    return searched(prepared, trials, lambda s: OnlineProcess(s, prepared, rng), learns=True, with_heuristic=False)


def pretrained(models: Sequence[dict[str, Rankers]], *, with_heuristic: bool, learns: bool = True) -> Arm:
    """Our strategy with models by training seed and family; nothing else is random, so equal seeds are run once."""
    kept: dict[tuple[str, int, int], Run] = {}

    def arm(prepared: Prepared, trials: int, seed: int) -> Run:
        key = (prepared.pool.workload_id, trials, seed % len(models))
        if key not in kept:
            rankers = models[key[2]][prepared.pool.family]
            kept[key] = searched(
                prepared,
                trials,
                lambda s: PoolScorer(s, prepared, rankers),
                learns=learns,
                with_heuristic=with_heuristic,
            )
        return kept[key]

    return arm


FIXED_ARMS: dict[str, Arm] = {
    "random": random_order,
    "random_scores": random_scores,
    "roofline": roofline,
    "heuristic": heuristic,
    "online_trees": online_trees,
    "online_process": online_process,
}
