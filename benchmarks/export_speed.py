"""The exported C predictor against Python: agreement on real functions, and processor time of a call.

    python benchmarks/export_speed.py DATA_SET... [--model default] [--functions 1500]

Functions are read from data sets (labels unused) or folders of IR and asked about on four targets and all pipelines of
the model in turn, one row at a time, as Python answers them. `worst_difference` is the largest of |C - Python| /
max(1, |Python|) over mean, deviation, interval and probability. Time is processor time, all metrics, one core, best of
7 rounds of 100 calls over 64 functions.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from _common import ROOT, Json, header, write

from costmodel.cli.export import read_unlabelled
from costmodel.core.target import Target
from costmodel.export.compact import Compact
from costmodel.export.flatten import flatten, told_of
from costmodel.export.layout import pack
from costmodel.export.native import NUMBERS, NativeModel, build
from costmodel.ir.features.shingles import NO_SHINGLES
from costmodel.models.context import context_names, context_rows
from costmodel.models.examples import Encoding, Examples
from costmodel.models.predictor import Predictor

TARGETS = ("x86-64/znver4", "aarch64/neoverse-n1", "riscv64/sifive-p670", "nvptx64/sm_90")


def functions(folders: list[Path], predictor: Predictor, most: int) -> list[Encoding]:
    found: list[Encoding] = []
    for folder in folders:
        found += read_unlabelled(folder, predictor, most - len(found), 0) if len(found) < most else []
    return found


def row(compact: Compact, encoding: Encoding) -> Any:
    index = {name: i for i, name in enumerate(compact.numbers)}
    found = np.zeros(len(index) + 1)
    for name, value in encoding.numbers.items():
        if name in index:
            found[index[name]] = value
        elif name.startswith("count:"):
            found[-1] += value
    return found


def agreement(predictor: Predictor, compact: Compact, model: NativeModel, encodings: list[Encoding]) -> Json:
    worst, known, distance = 0.0, 0, 0.0
    pipelines = (None, *compact.pipelines)
    for i, encoding in enumerate(encodings):
        pipeline = pipelines[i // len(TARGETS) % len(pipelines)]
        target = Target.parse(TARGETS[i % len(TARGETS)])
        examples = Examples(
            encodings=[replace(encoding, shingles=NO_SHINGLES)], program=np.zeros(1, np.int64),
            archs=np.array([target.arch]),
            context=context_rows([(target, pipeline or compact.own_pipeline, None)]), context_names=context_names(),
        )  # fmt: skip
        expected = predictor.model.predict(examples)
        numbers, is_known, far = model.predict(row(compact, encoding), model.target(target.name), pipeline)
        wanted = np.stack([getattr(expected, name)[0] for name in NUMBERS], axis=1)
        off = np.abs(numbers - wanted) / np.maximum(1.0, np.abs(wanted))
        worst = max(worst, float(np.nanmax(np.where(np.isnan(numbers), 0.0, off), initial=0.0)))
        known += is_known == bool(expected.known[0])  # type: ignore[index]
        distance = max(distance, abs(far / float(expected.distance[0]) - 1))  # type: ignore[index]
    return {
        "functions": len(encodings),
        "worst_difference": worst,
        "same_known": known,
        "worst_distance_difference": distance,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--model", default="default")
    parser.add_argument("--functions", type=int, default=1500)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "export_speed.json")
    args = parser.parse_args()
    predictor = Predictor.load(args.model)
    compact = flatten(predictor.model, **told_of(predictor))
    weights = pack(compact)
    encodings = functions(args.data, predictor, args.functions)
    timed = np.stack([row(compact, encoding) for encoding in encodings[:64]])
    near = sorted(encodings, key=lambda e: abs(e.numbers["static:ops"] - 500))[:8]
    with TemporaryDirectory() as folder:
        library = build(Path(folder))
        begin_s = time.perf_counter()
        model = NativeModel(library, weights)
        created_s = time.perf_counter() - begin_s
        times = {target: round(1e6 * model.seconds_per_call(timed, model.target(target)), 2) for target in TARGETS}
        of_500 = 1e6 * model.seconds_per_call(np.stack([row(compact, e) for e in near]), model.target(TARGETS[0]))
        found = agreement(predictor, compact, model, encodings)
        model.close()
    document = {
        **header("export_speed", [0], "xgboost-cpu"), "model": predictor.name, "metrics": list(compact.metrics),
        "bytes": len(weights), "trees": sum(len(slot.trees) for slot in compact.slots), "agreement": found,
        "latency_us": times, "latency_us_of_500_operations": round(of_500, 2),
        "operations_of_those": [e.numbers["static:ops"] for e in near], "creation_ms": round(1e3 * created_s, 2),
    }  # fmt: skip
    print({key: document[key] for key in ("bytes", "agreement", "latency_us", "latency_us_of_500_operations")})
    write(args.out, document)


if __name__ == "__main__":
    main()
