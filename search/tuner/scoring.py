"""Two-stage scoring: thousands of candidates from knobs alone, a shortlist again from its realised IR.

Owns the meaning of a score: the natural logarithm of run time over `bound_s`, a roofline of nominal peaks that puts
workloads on one scale. Invariant: scoring neither generates code nor measures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np

from costmodel.core.errors import CheckpointError
from costmodel.core.target import Target
from costmodel.models.base import Array
from costmodel.models.joint_ranker import JointRanker
from costmodel.models.ranker import BoostedRanker
from costmodel.search.features import FEATURE_VERSION, IR_FEATURES, PLAN_FEATURES, features_of_candidates, ir_features
from costmodel.search.kernel.form import Kernel
from costmodel.search.space import Candidate, SearchSpace
from costmodel.search.strategies import Scores

NOMINAL_HZ = 3e9
NOMINAL_BYTES_PER_S = 1e10


def bound_s(kernel: Kernel, target: Target) -> float:
    """Seconds that nominal peaks allow: two multiply-adds of full vectors a cycle at 3 GHz, 10 GB/s."""
    flops_per_s = target.vector_bits / 32 * 4 * NOMINAL_HZ
    return max(kernel.flops / flops_per_s, kernel.bytes / NOMINAL_BYTES_PER_S, 1e-7)


@cache
def shipped_ranker(stage: str) -> BoostedRanker | None:
    """The pre-trained ranker of a stage (`plan` or `ir`), or None where none is installed."""
    folder = Path(str(resources.files("costmodel.models"))) / "shipped" / f"ranker-{stage}"
    if not (folder / "model.json").is_file():
        return None
    model = JointRanker.load(folder)
    expected = [*PLAN_FEATURES, *(IR_FEATURES if stage == "ir" else ())]
    if model.card.get("feature_version") != FEATURE_VERSION or model.card.get("features") != expected:
        raise CheckpointError(
            f"{folder} was trained on other features than this version computes; reinstall or retrain"
        )
    return model


class TwoStageScorer:
    """Scores candidates of one workload; learns from what the search measures. Not thread-safe."""

    def __init__(self, space: SearchSpace, plan_model: BoostedRanker | None, ir_model: BoostedRanker | None) -> None:
        """Models are copied with an empty memory; None stands for one that knows nothing yet."""
        self.space = space
        self.bound_s = bound_s(space.kernel, space.target)
        self._plan_model = plan_model.fresh() if plan_model is not None else BoostedRanker()
        self._ir_model = ir_model.fresh() if ir_model is not None else BoostedRanker()
        self._plan_rows: dict[Candidate, Array] = {}
        self.scored = 0

    def plan_row(self, candidate: Candidate) -> Array:
        """Stage 1 features `[F]`, kept."""
        return np.asarray(self.plan_rows([candidate])[0])

    def plan_rows(self, candidates: Sequence[Candidate]) -> Array:
        """Stage 1 features `[n, F]` f32, kept."""
        new = [c for c in dict.fromkeys(candidates) if c not in self._plan_rows]
        if new:
            self._plan_rows.update(zip(new, features_of_candidates(self.space, new), strict=True))
        return np.stack([self._plan_rows[c] for c in candidates])

    def ir_row(self, candidate: Candidate, text: str) -> list[float]:
        """Stage 2 features: those of stage 1 and the counts of the realised IR."""
        return [*map(float, self.plan_row(candidate)), *ir_features(text)]

    def score(self, candidates: Sequence[Candidate]) -> Scores:
        """Stage 1, in one batch."""
        self.scored += len(candidates)
        prediction = self._plan_model.predict(self.plan_rows(candidates))
        return Scores(prediction.mean, prediction.std)

    def score_realised(self, rows: np.ndarray) -> Scores:
        """Stage 2, `rows[n, F]` from `ir_row`."""
        prediction = self._ir_model.predict(rows)
        return Scores(prediction.mean, prediction.std)

    def learn(self, rows: np.ndarray, runtimes_s: Sequence[float]) -> None:
        """Measured candidates: stage 2 rows (stage 1 is their head) and seconds."""
        if not len(rows):
            return
        targets = np.log(np.asarray(runtimes_s) / self.bound_s)
        width = rows.shape[1] - len(ir_features(""))
        self._plan_model.update(rows[:, :width], targets)
        self._ir_model.update(rows, targets)

    def seconds(self, scores: Scores, index: int) -> tuple[float, float]:
        """Predicted seconds and their standard deviation."""
        mean_s = self.bound_s * math.exp(float(np.clip(scores.mean[index], -20, 20)))
        return mean_s, mean_s * float(scores.std[index])
