"""What a predictor answers, and its JSON form (contract "label and predict").

Owns the form only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ANSWER_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricAnswer:
    """One metric, in `unit`; `low` to `high` is the 90 % interval."""

    mean: float
    std: float
    low: float
    high: float
    unit: str
    nonzero: float | None = None
    """Probability that the metric is not zero, for spills and their like."""

    def to_dict(self) -> dict[str, object]:
        """As JSON takes it."""
        found: dict[str, object] = {name: getattr(self, name) for name in ("mean", "std", "low", "high", "unit")}
        return found if self.nonzero is None else {**found, "nonzero_probability": self.nonzero}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One function on one target."""

    name: str
    target: str
    pipeline: str | None
    known: bool
    metrics: dict[str, MetricAnswer]

    def to_dict(self) -> dict[str, object]:
        """As JSON takes it."""
        return {
            "name": self.name,
            "target": self.target,
            "pipeline": self.pipeline,
            "known": self.known,
            "metrics": {name: metric.to_dict() for name, metric in self.metrics.items()},
        }


def document(answers: Sequence[Answer], model: str) -> dict[str, object]:
    """The whole answer."""
    return {
        "schema_version": ANSWER_VERSION,
        "model": model,
        "functions": [answer.to_dict() for answer in answers],
    }
