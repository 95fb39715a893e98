"""Fits the inliner policy `cost` to `data/serve_inliner.jsonl.gz` and says how good it is on sources it has not seen.

    python benchmarks/serve_fit.py

Writes `costmodel/serve/policies/inline_cost.json`. A fold holds out whole source files.
"""

from __future__ import annotations

import argparse
import gzip
import json
from typing import Any

import numpy as np
import xgboost as xgb
from _common import ROOT, write

from costmodel.serve.policies.inline_cost import MODEL_FILE, MODEL_VERSION

DATA = ROOT / "benchmarks/data/serve_inliner.jsonl.gz"
OUT = ROOT / "costmodel/serve/policies" / MODEL_FILE
FOLDS = 5
ROUNDS = 200
OPTIONS = {"max_depth": 2, "eta": 0.08, "subsample": 0.8, "min_child_weight": 5, "nthread": 1, "seed": 0}

Array = np.ndarray[Any, Any]


def table() -> tuple[list[str], Array, Array, Array, Array]:
    """Names, features `[n, P]`, bytes grown `[n]`, LLVM's decision `[n]`, sources `[n]`."""
    rows = [json.loads(line) for line in gzip.decompress(DATA.read_bytes()).splitlines()]
    names = [name for name in rows[0]["features"] if name != "inlining_default"]
    x = np.array([[row["features"][name] for name in names] for row in rows], np.float32)
    grown = np.array([row["grown_bytes"] for row in rows], float)
    own = np.array([row["features"]["inlining_default"] for row in rows])
    return names, x, grown, own, np.array([f"{row['project']}/{row['source']}" for row in rows])


def squash(grown: Array) -> Array:
    return np.sign(grown) * np.log1p(np.abs(grown))


def train(x: Array, grown: Array) -> xgb.Booster:
    return xgb.train({**OPTIONS, "base_score": 0.0}, xgb.DMatrix(x, squash(grown)), ROUNDS)


def held_out(x: Array, grown: Array, sources: Array) -> Array:
    """Predictions, each by a model that has not seen its source file."""
    names = np.random.default_rng(0).permutation(np.unique(sources))
    fold = {name: i % FOLDS for i, name in enumerate(names)}
    folds = np.array([fold[source] for source in sources])
    found = np.zeros(len(x))
    for i in range(FOLDS):
        found[folds == i] = train(x[folds != i], grown[folds != i]).predict(xgb.DMatrix(x[folds == i]))
    return found


def document(booster: xgb.Booster, names: list[str]) -> dict[str, Any]:
    """Every tree as a full one of depth two."""
    several = [full(json.loads(text)) for text in booster.get_dump(dump_format="json")]
    return {
        "schema_version": MODEL_VERSION,
        "names": names,
        "bias": 0.0,
        "feature": [tree[0] for tree in several],
        "threshold": [tree[1] for tree in several],
        "leaf": [tree[2] for tree in several],
    }


def full(node: dict[str, Any]) -> tuple[list[int], list[float], list[float]]:
    features, thresholds, leaves = [0, 0, 0], [0.0, 0.0, 0.0], [0.0] * 4
    if "leaf" in node:
        return features, thresholds, [node["leaf"]] * 4
    features[0], thresholds[0] = int(node["split"][1:]), float(node["split_condition"])
    by_id = {child["nodeid"]: child for child in node["children"]}
    for side, key in enumerate(("yes", "no")):
        child = by_id[node[key]]
        if "leaf" in child:
            leaves[2 * side : 2 * side + 2] = [child["leaf"]] * 2
            continue
        features[1 + side], thresholds[1 + side] = int(child["split"][1:]), float(child["split_condition"])
        ends = {end["nodeid"]: end["leaf"] for end in child["children"]}
        leaves[2 * side : 2 * side + 2] = [ends[child["yes"]], ends[child["no"]]]
    return features, thresholds, leaves


def main() -> None:
    argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args()
    names, x, grown, own, sources = table()
    guess = held_out(x, grown, sources)
    figures = {
        "rows": len(grown),
        "sources": len(np.unique(sources)),
        "sign_right": float(np.mean((guess < 0) == (grown < 0))),
        "llvm_sign_right": float(np.mean((own == 1) == (grown < 0))),
        "bytes_if_inlined_as": {
            "llvm": float(grown[own == 1].sum()),
            "model": float(grown[guess < 0].sum()),
            "best": float(grown[grown < 0].sum()),
            "all": float(grown.sum()),
        },
    }
    write(OUT, document(train(x, grown), names) | {"held_out": figures})
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
