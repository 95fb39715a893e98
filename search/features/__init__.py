"""Numbers a ranker sees: from workload and knobs alone (stage 1), and from the realised IR (stage 2)."""

from costmodel.search.features.plan import (
    CYCLE_COLUMNS,
    FEATURE_VERSION,
    OVERLAPPING,
    PLAN_FEATURES,
    features_of_candidates,
    features_of_plans,
    plan_features,
)
from costmodel.search.features.realised import IR_FEATURES, ir_features

__all__ = [
    "CYCLE_COLUMNS", "FEATURE_VERSION", "IR_FEATURES", "OVERLAPPING", "PLAN_FEATURES", "features_of_candidates",
    "features_of_plans", "ir_features", "plan_features",
]  # fmt: skip
