"""Learned models behind one protocol and one registry. A new model is one file and one line here."""

from costmodel.core.registry import Registry
from costmodel.models.base import Model, Prediction

MODELS: Registry[type[Model]] = Registry(
    "model",
    {
        "boosted-ranker": "costmodel.models.ranker:BoostedRanker",
        "boosted-trees": "costmodel.models.trees:BoostedTrees",
        "conformal": "costmodel.models.conformal:Conformal",
        "ensemble": "costmodel.models.ensemble:Ensemble",
        "mean": "costmodel.models.mean:MeanModel",
    },
)

__all__ = ["MODELS", "Model", "Prediction"]
