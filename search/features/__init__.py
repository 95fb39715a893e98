"""Numbers a ranker sees: from workload and knobs alone (stage 1), and from the realised IR (stage 2)."""

from costmodel.search.features.plan import FEATURE_VERSION, PLAN_FEATURES, plan_features
from costmodel.search.features.realised import IR_FEATURES, ir_features

__all__ = ["FEATURE_VERSION", "IR_FEATURES", "PLAN_FEATURES", "ir_features", "plan_features"]
