"""The one door to trained models: load by name or path, ask in batches, get answers with units."""

from costmodel.models.predictor.answer import Answer, MetricAnswer
from costmodel.models.predictor.predictor import Predictor
from costmodel.models.predictor.shipped import DEFAULT_MODEL, ShippedModel, shipped_models

__all__ = ["DEFAULT_MODEL", "Answer", "MetricAnswer", "Predictor", "ShippedModel", "shipped_models"]
