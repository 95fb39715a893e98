"""Pools with features of both stages and seconds that computing them took; models that never saw a pool's family.

Owns what every arm is given. Invariant: no model here saw a workload of the benchmark, nor any of its family.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ranker import kernel_of
from ranker_training import Rows, new_ranker

from costmodel.core.errors import UsageError
from costmodel.core.target import Target
from costmodel.datasets.linalg import FAMILIES
from costmodel.models.ranker import BoostedRanker
from costmodel.search.backends import BACKENDS
from costmodel.search.features import PLAN_FEATURES, ir_features, plan_features
from costmodel.search.kernel.form import Kernel
from costmodel.search.kernel.printing import workload_id
from costmodel.search.schedule.plan import Planner
from costmodel.search.schedule.text import parse_schedule
from model_value.pool import Pool

BOUND = PLAN_FEATURES.index("log_cycles_bound")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A pool and what is computed once for all arms. Row `n` of `rows` is the heuristic schedule."""

    pool: Pool
    kernel: Kernel
    target: Target
    rows: np.ndarray
    plan_row_s: float
    ir_row_s: float
    first_s: np.ndarray
    score_s: np.ndarray

    @property
    def size(self) -> int:
        """Schedules in the pool."""
        return len(self.pool.schedules)

    @property
    def best_s(self) -> float:
        """The fastest of the pool, by what judges."""
        return float(np.nanmin(self.score_s[: self.size]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rankers:
    """The two stages of one pre-trained model."""

    plan: BoostedRanker
    ir: BoostedRanker


def prepare(pool: Pool) -> Prepared:
    """Features of the pool's schedules and of the heuristic one.

    Raises:
        UsageError: The workload is no longer what it was when the pool was measured.
    """
    target, backend = Target.parse("native"), BACKENDS.get("mlir")()
    kernel = kernel_of(FAMILIES[pool.generator].text(pool.sizes))
    if workload_id(kernel) != pool.workload_id:
        raise UsageError(f"{pool.name}: the pool holds another workload than the generator gives now; collect anew")
    planner = Planner(kernel)
    plan_s = ir_s = 0.0
    rows = []
    for text in [*pool.schedules, pool.heuristic]:
        schedule = parse_schedule(text)
        start_s = time.perf_counter()
        head = plan_features(planner.plan(schedule), target)
        middle_s = time.perf_counter()
        rows.append([*head, *ir_features(backend.realise(kernel, schedule).text)])
        plan_s, ir_s = plan_s + middle_s - start_s, ir_s + time.perf_counter() - middle_s
    heuristic_a_s = np.nan if pool.heuristic_a_s is None else pool.heuristic_a_s
    return Prepared(
        pool=pool, kernel=kernel, target=target, rows=np.array(rows, np.float32), plan_row_s=plan_s / len(rows),
        ir_row_s=ir_s / len(rows), first_s=np.append(pool.first_s(), heuristic_a_s),
        score_s=np.append(pool.score_s(), pool.heuristic_score_s()),
    )  # fmt: skip


def shuffled(rows: Rows, seed: int) -> np.ndarray:
    """Targets permuted within each workload: levels stay right, ranks are noise."""
    rng = np.random.default_rng(seed)
    targets = rows.targets.copy()
    for name in sorted(set(rows.workloads)):
        of = np.flatnonzero(rows.workloads == name)
        targets[of] = targets[rng.permutation(of)]
    return targets


def train_without(rows: Rows, targets: np.ndarray, families: Sequence[str], seed: int) -> dict[str, Rankers]:
    """For each family, both stages trained as the shipped ones on all other families.

    The doubt of a model comes from errors on held-out families other than the one it is for.
    """
    width = len(PLAN_FEATURES)
    models: dict[str, Rankers] = {}
    errors: dict[str, list[tuple[float, float]]] = {}
    for family in families:
        kept = rows.families != family
        stages = []
        for stop in (width, rows.features.shape[1]):
            model = new_ranker(seed)
            model.fit(rows.features[kept, :stop], targets[kept], rows.workloads[kept])
            stages.append(model)
        models[family] = Rankers(plan=stages[0], ir=stages[1])
        errors[family] = _errors(models[family], rows, targets, family, width)
    for family, rankers in models.items():
        others = [e for f, found in errors.items() if f != family for e in found]
        if others:
            rankers.plan.residual_std, rankers.ir.residual_std = (float(x) for x in np.median(others, axis=0))
    return models


def _errors(model: Rankers, rows: Rows, targets: np.ndarray, family: str, width: int) -> list[tuple[float, float]]:
    """Of each workload of the family, the spread of both stages' errors."""
    found = []
    for name in sorted(set(rows.workloads[rows.families == family])):
        of = rows.workloads == name
        means = model.plan.predict(rows.features[of, :width]).mean, model.ir.predict(rows.features[of]).mean
        centred = [float(np.std(targets[of] - mean)) for mean in means]
        found.append((centred[0], centred[1]))
    return found
