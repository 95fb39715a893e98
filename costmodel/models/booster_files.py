"""Boosters as documents and as bytes of a checkpoint: all that the project knows of XGBoost's own format."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from costmodel.core.errors import CheckpointError

STATISTICS = ("base_weights", "loss_changes", "sum_hessian")
"""Of nodes: what training knew of them and no prediction needs; more than half of a checkpoint's bytes."""


def library() -> Any:
    """The module, imported on first use."""
    import xgboost

    return xgboost


def document_of(booster: Any) -> dict[str, Any]:
    """What the library writes as JSON."""
    found: dict[str, Any] = json.loads(bytes(booster.save_raw("json")))
    return found


def booster_of(document: Mapping[str, Any]) -> Any:
    """The booster of a document."""
    return library().Booster({"nthread": 1}, model_file=bytearray(json.dumps(document).encode()))


def trees_of(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Its trees, each a table of nodes."""
    found: list[dict[str, Any]] = document["learner"]["gradient_booster"]["model"]["trees"]
    return found


def base_margin(document: Mapping[str, Any]) -> float:
    """The margin of no trees."""
    learner = document["learner"]
    text = learner["learner_model_param"]["base_score"]
    score = float(json.loads(text)[0]) if text.startswith("[") else float(text)
    if learner["objective"]["name"] == "binary:logistic":
        score = min(max(score, 1e-7), 1 - 1e-7)
        return float(np.log(score / (1 - score)))
    return score


def pack_booster(booster: Any) -> bytes:
    """Bytes of a checkpoint file: UBJSON without statistics, compressed."""
    document = document_of(booster)
    for tree in trees_of(document):
        tree.update({name: [0.0] * len(tree[name]) for name in STATISTICS})
    return zlib.compress(bytes(booster_of(document).save_raw("ubj")), 9)


def unpack_booster(data: bytes) -> Any:
    """The booster of `pack_booster`; raises `CheckpointError` for anything else."""
    xgb = library()
    try:
        return xgb.Booster({"nthread": 1}, model_file=bytearray(zlib.decompress(data)))
    except (zlib.error, xgb.core.XGBoostError) as error:
        raise CheckpointError(f"a file of trees is damaged ({str(error)[:80]}); train the model again") from error
