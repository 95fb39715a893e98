"""The exported C and ONNX predictors against Python: agreement on real functions, and processor time of a call in C.

    python benchmarks/export_speed.py DATA_SET... [--model default] [--functions 1500]

Functions are read from data sets (labels unused) or folders of IR and asked about on four targets and all pipelines of
the model in turn, one row at a time, as Python answers them. `worst_difference` is the largest of |C - Python| /
max(1, |Python|) over mean, deviation, interval and probability. ONNX is asked the same, and about structured operations
under `SCHEDULE`, which C has no place for. Time is processor time, all metrics, one core, best of
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
import onnxruntime
from _common import ROOT, Json, header, write

from costmodel.cli.export import read_unlabelled
from costmodel.core.target import Target
from costmodel.export.compact import Compact
from costmodel.export.flatten import flatten, told_of
from costmodel.export.layout import pack
from costmodel.export.native import NUMBERS, NativeModel, build
from costmodel.export.onnx_graph import build as build_onnx
from costmodel.ir.features.shingles import NO_SHINGLES
from costmodel.models.base import Prediction
from costmodel.models.context import SCHEDULE_PIPELINE, context_names, context_rows
from costmodel.models.examples import Encoding, Examples
from costmodel.models.predictor import Predictor

TARGETS = ("x86-64/znver4", "aarch64/neoverse-n1", "riscv64/sifive-p670", "nvptx64/sm_90")
SCHEDULE = "v1; order(n, k, m); tile(level=register, n=16, m=4); vectorize(8, dim=n); unroll(k=4)"
_TOLD = ("bytes", "agreement", "onnx_agreement", "latency_us", "latency_us_of_500_operations")


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


def asked(compact: Compact, encodings: list[Encoding], i: int, schedule: str | None = None) -> tuple[Examples, str]:
    """Row i on its target through its pipeline, or under a schedule; and the target's name."""
    pipelines = (None, *compact.pipelines)
    target, pipeline = Target.parse(TARGETS[i % len(TARGETS)]), pipelines[i // len(TARGETS) % len(pipelines)]
    through = SCHEDULE_PIPELINE if schedule else pipeline or compact.own_pipeline
    return Examples(
        encodings=[replace(encodings[i], shingles=NO_SHINGLES)], program=np.zeros(1, np.int64),
        archs=np.array([target.arch]), context=context_rows([(target, through, schedule)]),
        context_names=context_names(),
    ), target.name  # fmt: skip


def off(numbers: Any, expected: Prediction) -> float:
    """Worst difference of `numbers[M, 5]` from one answer."""
    wanted = np.stack([getattr(expected, name)[0] for name in NUMBERS], axis=1)
    found = np.abs(numbers - wanted) / np.maximum(1.0, np.abs(wanted))
    return float(np.nanmax(np.where(np.isnan(numbers), 0.0, found), initial=0.0))


def agreement(predictor: Predictor, compact: Compact, model: NativeModel, encodings: list[Encoding]) -> Json:
    worst, known, distance = 0.0, 0, 0.0
    pipelines = (None, *compact.pipelines)
    for i, encoding in enumerate(encodings):
        examples, target = asked(compact, encodings, i)
        pipeline = pipelines[i // len(TARGETS) % len(pipelines)]
        expected = predictor.model.predict(examples)
        numbers, is_known, far = model.predict(row(compact, encoding), model.target(target), pipeline)
        worst = max(worst, off(numbers, expected))
        known += is_known == bool(expected.known[0])  # type: ignore[index]
        distance = max(distance, abs(far / float(expected.distance[0]) - 1))  # type: ignore[index]
    return {
        "functions": len(encodings),
        "worst_difference": worst,
        "same_known": known,
        "worst_distance_difference": distance,
    }


def onnx_agreement(predictor: Predictor, compact: Compact, encodings: list[Encoding]) -> Json:
    session = onnxruntime.InferenceSession(build_onnx(compact), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    structured = [i for i, e in enumerate(encodings) if e.numbers.get("static:structured_ops")]
    rows = [(i, None) for i in range(len(encodings))] + [(i, SCHEDULE) for i in structured]
    worst, known = 0.0, 0
    for i, schedule in rows:
        examples, _ = asked(compact, encodings, i, schedule)
        features = row(compact, encodings[i])[None].astype(np.float32)
        found = dict(zip(names, session.run(None, {"features": features, "context": examples.context}), strict=True))
        expected = predictor.model.predict(examples)
        worst = max(worst, off(np.stack([found[name][0] for name in NUMBERS], axis=1), expected))
        known += bool(found["known"][0]) == bool(expected.known[0])  # type: ignore[index]
    return {"rows": len(rows), "under_a_schedule": len(structured), "worst_difference": worst, "same_known": known}


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
        "onnx_agreement": onnx_agreement(predictor, compact, encodings),
        "bytes": len(weights), "trees": sum(len(slot.trees) for slot in compact.slots), "agreement": found,
        "latency_us": times, "latency_us_of_500_operations": round(of_500, 2),
        "operations_of_those": [e.numbers["static:ops"] for e in near], "creation_ms": round(1e3 * created_s, 2),
    }  # fmt: skip
    print({key: document[key] for key in _TOLD})
    write(args.out, document)


if __name__ == "__main__":
    main()
