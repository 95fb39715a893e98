"""Learned models behind one protocol and one registry. A new model is one file and one line here."""

from costmodel.core.registry import Registry
from costmodel.models.base import Model, Prediction

MODELS: Registry[type[Model]] = Registry(
    "model",
    {
        "analytic": "costmodel.models.analytic:Analytic",
        "boosted-ranker": "costmodel.models.ranker:BoostedRanker",
        "boosted-trees": "costmodel.models.trees:BoostedTrees",
        "conformal": "costmodel.models.conformal:Conformal",
        "conv1d": "costmodel.models.neural.model:Conv1dModel",
        "ensemble": "costmodel.models.ensemble:Ensemble",
        "fully-connected": "costmodel.models.neural.model:FullyConnectedModel",
        "graph-network": "costmodel.models.neural.model:GraphNetworkModel",
        "hybrid": "costmodel.models.neural.model:HybridModel",
        "joint-ranker": "costmodel.models.joint_ranker:JointRanker",
        "lambda-ranker": "costmodel.models.rank_losses:LambdaRanker",
        "listmle-ranker": "costmodel.models.rank_losses:ListMleRanker",
        "lstm": "costmodel.models.neural.model:LstmModel",
        "mean": "costmodel.models.mean:MeanModel",
        "pairwise-ranker": "costmodel.models.rank_losses:PairwiseRanker",
        "transformer": "costmodel.models.neural.model:TransformerModel",
    },
)

__all__ = ["MODELS", "Model", "Prediction"]
