"""Who answers: one registry of policies for each advisor. A new policy is one file and one line here."""

from __future__ import annotations

from costmodel.core.registry import Registry
from costmodel.serve.policies.base import Policy

_HERE = "costmodel.serve.policies"

INLINING: Registry[type[Policy]] = Registry(
    "inliner policy",
    {
        "default": f"{_HERE}.inline_fixed:DefaultInlining",
        "always": f"{_HERE}.inline_fixed:AlwaysInline",
        "never": f"{_HERE}.inline_fixed:NeverInline",
        "cost": f"{_HERE}.inline_cost:CostInlining",
    },
)

EVICTION: Registry[type[Policy]] = Registry(
    "regalloc-evict policy",
    {
        "default": f"{_HERE}.evict_weights:DefaultEviction",
        "never": f"{_HERE}.evict_weights:NoEviction",
    },
)

PRIORITY: Registry[type[Policy]] = Registry(
    "regalloc-priority policy",
    {
        "default": f"{_HERE}.priority_fixed:SizePriority",
        "weight": f"{_HERE}.priority_fixed:WeightPriority",
    },
)

POLICIES = {"inliner": INLINING, "regalloc-evict": EVICTION, "regalloc-priority": PRIORITY}
"""By the advisor's name."""

__all__ = ["EVICTION", "INLINING", "POLICIES", "PRIORITY", "Policy"]
