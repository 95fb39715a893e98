"""Inlining by predicted code size: a call is inlined where that is predicted to make the module's code smaller.

The model was fitted to what LLVM itself did: for a few hundred calls, the change of the module's code bytes when that
one decision was turned and all others were LLVM's own (`benchmarks/serve_collect.py`, `benchmarks/serve_fit.py`). It
stands in the tradition of MLGO (arXiv 2101.04808), which learned whole trajectories instead of single decisions.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from costmodel.core.errors import CheckpointError
from costmodel.core.schema import check_version
from costmodel.serve.messages import Observation
from costmodel.serve.policies.base import Policy

MODEL_VERSION = 1
MODEL_FILE = "inline_cost.json"

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GrowthModel:
    """Boosted trees of depth two on the channel's features, all evaluated at once.

    Shapes: `feature` and `threshold` [trees, 3] (root, left, right), `leaf` [trees, 4].
    """

    names: tuple[str, ...]
    feature: Array
    threshold: Array
    leaf: Array
    bias: float

    def grown(self, observation: Observation) -> float:
        """Bytes that inlining adds to the module's code, as sign(b)·ln(1 + |b|)."""
        values = np.array([observation[name][0] for name in self.names], np.float32)
        trees = np.arange(len(self.feature))
        first = (values[self.feature[:, 0]] >= self.threshold[:, 0]).astype(np.intp)
        second = values[self.feature[trees, 1 + first]] >= self.threshold[trees, 1 + first]
        return float(self.bias + self.leaf[trees, 2 * first + second].sum())

    @classmethod
    def parse(cls, text: str) -> GrowthModel:
        """From the file's JSON; raises `CheckpointError`, `ParseError`."""
        document = json.loads(text)
        check_version(document, MODEL_VERSION, MODEL_FILE)
        model = cls(
            names=tuple(document["names"]),
            feature=np.array(document["feature"], np.intp),
            threshold=np.array(document["threshold"], np.float32),
            leaf=np.array(document["leaf"], np.float64),
            bias=float(document["bias"]),
        )
        trees = len(model.feature)
        if [model.feature.shape, model.threshold.shape, model.leaf.shape] != [(trees, 3), (trees, 3), (trees, 4)]:
            raise CheckpointError(f"{MODEL_FILE} holds trees of other shapes; reinstall, or fit it again")
        return model


@cache
def shipped_model() -> GrowthModel:
    """The model that comes with the package."""
    return GrowthModel.parse((resources.files(__package__) / MODEL_FILE).read_text())


class CostInlining(Policy):
    """Inline where the predicted growth is below zero."""

    name = "cost"

    def __init__(self) -> None:
        self._model = shipped_model()
        self.needs = self._model.names

    def decide(self, observation: Observation) -> int:
        """See `Policy`."""
        return int(self._model.grown(observation) < 0)
