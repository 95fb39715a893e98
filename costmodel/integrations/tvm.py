"""Our cost model as TVM MetaSchedule's: `tune_tir(…, cost_model=costmodel.integrations.tvm.CostModel())`.

Owns the translation of TVM's candidates and results to rows and run times. Invariant: scores are finite, positive and
higher for what is predicted to be faster, from the first round on; a failed candidate lowers the scores of its like.
Tried with TVM 0.27 (extra `tvm`). Does not measure: TVM's builder and runner do.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from costmodel.core.errors import MissingDependencyError
from costmodel.integrations.tvm_features import pool_stores
from costmodel.models.base import Array
from costmodel.models.ranker import BoostedRanker

try:
    from tvm.ir.utils import derived_object
    from tvm.s_tir.meta_schedule.cost_model import PyCostModel
    from tvm.s_tir.meta_schedule.feature_extractor import PerStoreFeature
    from tvm.s_tir.meta_schedule.utils import shash2hex
except ImportError as error:
    raise MissingDependencyError(
        f"costmodel.integrations.tvm needs TVM 0.27 ({error}); pip install 'costmodel-ir[tvm]'"
    ) from error

if TYPE_CHECKING:
    from tvm.s_tir.meta_schedule import TuneContext
    from tvm.s_tir.meta_schedule.runner import RunnerResult
    from tvm.s_tir.meta_schedule.search_strategy import MeasureCandidate

SHIPPED = "tvm-llvm"
FAILURE_FACTOR = 8.0
"""A candidate that failed counts as this many times slower than the slowest that ran."""
DOUBT = 0.5
"""Standard deviations by which a candidate is taken for faster than predicted: doubt is worth a trial."""
_MAX_EXPONENT = 20.0


def shipped_model() -> Path:
    """The folder of the checkpoint that comes with the package."""
    return Path(str(resources.files("costmodel.models"))) / "shipped" / SHIPPED


@derived_object
class CostModel(PyCostModel):  # type: ignore[misc]
    """Boosted trees trained before on other workloads, and a Gaussian process on what this search measured.

    TVM calls `predict` and `update` in turns from one thread, with candidates of one task at a time; what was measured
    of one task does not change the scores of another.
    """

    def __init__(self, *, model: Path | None = None, cold: bool = False) -> None:
        """Load a model.

        Args:
            model: folder of a checkpoint that `benchmarks/tvm_tuning.py train` or `save` wrote; None takes the shipped
                one.
            cold: know nothing at first (to see what training beforehand is worth).

        Raises:
            CheckpointError: The checkpoint is damaged or foreign.
        """
        super().__init__()
        self.extractor = PerStoreFeature()
        self.pretrained = BoostedRanker() if cold else BoostedRanker.load(shipped_model() if model is None else model)
        self.tasks: dict[str, _Task] = {}

    def load(self, path: str) -> None:
        """Take the trees of another checkpoint folder and forget what was measured."""
        self.pretrained = BoostedRanker.load(Path(path))
        self.tasks.clear()

    def save(self, path: str) -> None:
        """Write the trees to a new folder; what this search measured is TVM's database's to keep."""
        self.pretrained.save(Path(path), self.pretrained.card)

    def update(
        self, context: TuneContext, candidates: Sequence[MeasureCandidate], results: Sequence[RunnerResult]
    ) -> None:
        """Learn from one round; `candidates` and `results` go together, and both may be empty."""
        if len(candidates) == 0:
            return
        seconds = np.array([_median_s(result) for result in results])
        self._task(context).tell(self._rows(context, candidates), seconds)

    def predict(self, context: TuneContext, candidates: Sequence[MeasureCandidate]) -> Array:
        """Scores `[num_candidates]`, float64: about the best run time known over the predicted one."""
        if len(candidates) == 0:
            return np.zeros(0)
        return self._task(context).scores(self._rows(context, candidates))

    def _task(self, context: TuneContext) -> _Task:
        key = str(shash2hex(context.mod))
        if key not in self.tasks:
            self.tasks[key] = _Task(self.pretrained.fresh())
        return self.tasks[key]

    def _rows(self, context: TuneContext, candidates: Sequence[MeasureCandidate]) -> Array:
        found = self.extractor.extract_from(context, list(candidates))
        return np.stack([pool_stores(stores.numpy()) for stores in found])


class _Task:
    """What is known of one workload: the model, told everything measured."""

    def __init__(self, model: BoostedRanker) -> None:
        self.model = model
        self.rows: list[Array] = []
        self.seconds: list[Array] = []

    def tell(self, rows: Array, seconds: Array) -> None:
        """Add a round; `seconds` is infinite where a candidate failed."""
        self.rows.append(rows)
        self.seconds.append(seconds)
        everything = np.concatenate(self.seconds)
        ran = everything[np.isfinite(everything)]
        if ran.size == 0:
            return
        model = self.model.fresh()
        model.update(np.concatenate(self.rows), np.log(np.minimum(everything, FAILURE_FACTOR * ran.max())))
        self.model = model

    def scores(self, rows: Array) -> Array:
        """Positive, higher for faster; 1 is the best of these rows."""
        prediction = self.model.predict(rows)
        hoped = prediction.mean - DOUBT * prediction.std
        return np.asarray(np.exp(-np.minimum(hoped - hoped.min(), _MAX_EXPONENT)), np.float64)


def _median_s(result: Any) -> float:
    """Median run time in seconds; infinite for a failure (TVM stores 1e10)."""
    samples: Sequence[Any] = result.run_secs or ()
    seconds = float(np.median([float(s) for s in samples])) if len(samples) else np.inf
    return seconds if 0 < seconds < 1e9 else np.inf
