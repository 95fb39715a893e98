"""Boosted trees of two regimes in one booster: each tree asks on which side of a column the row lies before all else.

Owns the surgery on XGBoost's JSON. What is made is a booster like any other: checkpoints, exports and explanations need
not know. Invariant: a joined booster answers a row as the booster of its side does, to the rounding of base scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from costmodel.models.booster_files import STATISTICS, base_margin, booster_of, document_of, trees_of

_NO_PARENT = 2147483647


def joined(below: Any, above: Any, column: int, threshold: float = 0.5) -> Any:
    """A booster that answers as `below` where `x[column] < threshold`, else as `above`; objectives are alike."""
    first, second = document_of(below), document_of(above)
    shift = base_margin(second) - base_margin(first)
    trees = [_gated(tree, column, threshold, above=False) for tree in trees_of(first)]
    own = trees_of(second)
    trees += [_gated(_raised(tree, 0.0 if i else shift), column, threshold, above=True) for i, tree in enumerate(own)]
    model = first["learner"]["gradient_booster"]["model"]
    model["trees"] = [{**tree, "id": number} for number, tree in enumerate(trees)]
    model["tree_info"] = [0] * len(trees)
    model["iteration_indptr"] = list(range(len(trees) + 1))
    model["gbtree_model_param"]["num_trees"] = str(len(trees))
    return booster_of(first)


def _raised(tree: Mapping[str, Any], by: float) -> dict[str, Any]:
    """`by` more in every leaf."""
    pairs = zip(tree["split_conditions"], tree["left_children"], strict=True)
    return {**tree, "split_conditions": [value + by if left < 0 else value for value, left in pairs]}


def _gated(tree: Mapping[str, Any], column: int, threshold: float, *, above: bool) -> dict[str, Any]:
    """The tree under a new root (node 0) that asks for the column; a new leaf of nothing (node 1) is the other side."""
    inner, nothing = 2, 1
    new = dict(tree)
    for name in ("left_children", "right_children"):
        new[name] = [-1 if child < 0 else child + inner for child in tree[name]]
    new["left_children"] = [nothing if above else inner, -1, *new["left_children"]]
    new["right_children"] = [inner if above else nothing, -1, *new["right_children"]]
    parents = [0 if parent == _NO_PARENT else parent + inner for parent in tree["parents"]]
    new["parents"] = [_NO_PARENT, 0, *parents]
    new["split_indices"] = [column, 0, *tree["split_indices"]]
    new["split_conditions"] = [threshold, 0.0, *tree["split_conditions"]]
    for name in ("default_left", "split_type"):
        new[name] = [0, 0, *tree[name]]
    for name in STATISTICS:
        new[name] = [0.0, 0.0, *tree[name]]
    nodes = int(tree["tree_param"]["num_nodes"]) + inner
    return new | {"tree_param": {**tree["tree_param"], "num_nodes": str(nodes)}}
