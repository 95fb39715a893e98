"""Fits the eviction policy `cost` by an evolution strategy: weights that leave few spills and reloads in a corpus.

    python benchmarks/serve_evolve.py FOLDER… [--seconds 150] [--seed 0]

FOLDER is an unpacked C source package. Each candidate compiles every module with `llc -O2`, its channel answered by the
candidate; what counts is the mean over the modules of log((spills + reloads + 8) / (LLVM's + 8)). A (1+1) strategy with
the one-fifth rule. Writes `costmodel/serve/policies/evict_cost.json`.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from _common import ROOT, write
from _serve_channel import allocate, front_end, includes, optimise, sources

from costmodel.serve.policies.evict_cost import FEATURES, MODEL_FILE, MODEL_VERSION, START, CostEviction

OUT = ROOT / "costmodel/serve/policies" / MODEL_FILE


def modules(folders: Sequence[Path], work: Path, least: int, most: int) -> list[Path]:
    """Optimised modules in which LLVM leaves between `least` and `most` spills and reloads, one a source."""
    found = []
    for folder in folders:
        for i, source in enumerate(sources(folder)):
            raw, out = work / "raw.bc", work / f"{folder.name}-{i}.bc"
            if front_end(source, raw, "-O2", includes(source)):
                optimise(raw, out, "-O2")
                if least <= allocate(out).traffic <= most:
                    found.append(out)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--seconds", type=float, default=150)
    parser.add_argument("--modules", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    with tempfile.TemporaryDirectory() as name:
        several = modules(args.folders, Path(name), 20, 1500)
        chosen = [several[i] for i in sorted(rng.permutation(len(several))[: args.modules])]
        own = [allocate(module).traffic for module in chosen]

        def loss(weights: np.ndarray) -> float:
            policy = CostEviction(tuple(weights))
            made = [allocate(module, "regalloc-evict", policy).traffic for module in chosen]
            return float(np.mean([math.log((m + 8) / (o + 8)) for m, o in zip(made, own, strict=True)]))

        best = np.array(START)
        first = least = loss(best)
        step, tried, begin_s = 0.3, 1, time.monotonic()
        while time.monotonic() - begin_s < args.seconds:
            candidate = best + step * rng.normal(size=len(best))
            found = loss(candidate)
            tried += 1
            step *= 1.5 if found < least else 1.5**-0.25
            if found < least:
                best, least = candidate, found
            print(f"{tried} tried, {least:.4f} (start {first:.4f}), step {step:.3f}", file=sys.stderr)
    write(OUT, {
        "schema_version": MODEL_VERSION, "features": list(FEATURES), "weights": [round(float(w), 6) for w in best],
        "fitted_on": sorted(folder.name for folder in args.folders), "modules": len(chosen), "tried": tried,
        "seed": args.seed, "loss_at_start": first, "loss": least,
    })  # fmt: skip


if __name__ == "__main__":
    main()
