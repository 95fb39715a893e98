"""Tuned kernels against numpy (OpenBLAS) and torch eager (oneDNN): one thread, in turns, in one process; writes JSON.

    python benchmarks/kernels.py --out kernels.json                      # the named workloads, 3 seeds, 32 trials each
    python benchmarks/kernels.py --out kernels.json --random 10 --random-seeds 0 --resume

Each workload is tuned from scratch for each seed by the tuner itself, into a folder that goes away; then a fresh
process, rid of variables that slow OpenBLAS, loads the artifact, compares its numbers with the library's on the same
random inputs, and times both in turns. `ratio` is the library's time over ours: above 1, ours is faster. Ours is called
through pointers converted beforehand, packing of operands included; the library writes with `out=` or in place where it
can, and memory it allocates is kept for reuse. What a call that computes nothing takes is in `overhead`, and
`ratio_net` is without it; `tiny` marks kernels where it is over 5 % of either side, `noisy` runs whose samples spread
by over 10 % in each of three attempts: they say little and want repeating on a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from _common import Json, clean_environment, header, seed_list, write

from costmodel.core.errors import CostModelError
from costmodel.datasets.linalg import FAMILIES, draw_sizes
from costmodel.search.report.clock import PhaseClock
from costmodel.search.report.data import Report
from costmodel.search.tuner.options import TuneOptions
from costmodel.search.tuner.run import tune

VERSUS = Path(__file__).resolve().with_name("_versus.py")
SHAPES_SEED = 2026
TIMEOUT_S = 600.0
_SIDE = {"o": 56, "c": 64, "f": 64, "w": 3, "stride": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A workload to tune; `required` is the least ratio it has to reach, None where none is asked."""

    name: str
    family: str
    sizes: Mapping[str, int]
    required: float | None = None


NAMED = (
    Subject(name="matmul_512x512x512", family="matmul", sizes={"m": 512, "n": 512, "k": 512}, required=0.95),
    Subject(name="matmul_1024x256x512", family="matmul", sizes={"m": 1024, "n": 256, "k": 512}, required=0.95),
    Subject(name="matmul_509x1021x253", family="matmul", sizes={"m": 509, "n": 1021, "k": 253}, required=0.8),
    Subject(name="conv2d_nhwc_56x56x64x64", family="conv2d_nhwc", sizes=_SIDE, required=0.8),
    Subject(name="conv2d_nchw_56x56x64x64", family="conv2d_nchw", sizes=_SIDE, required=0.8),
    Subject(name="chain_1024x1024", family="elementwise_chain", sizes={"m": 1024, "n": 1024}, required=1.0),
    Subject(name="softmax_1024x1024", family="softmax", sizes={"m": 1024, "n": 1024}, required=1.0),
    Subject(name="layer_norm_1024x768", family="layer_norm", sizes={"m": 1024, "n": 768}, required=1.0),
)
QUICK = (
    Subject(name="matmul_96x80x64", family="matmul", sizes={"m": 96, "n": 80, "k": 64}),
    Subject(name="matvec_128x256", family="matvec", sizes={"m": 128, "k": 256}),
)
"""Needs no torch, proves nothing but that the script works."""


def random_subjects(count: int, families: Sequence[str]) -> list[Subject]:
    """`count` shapes of each family, the same in every run."""
    found = []
    for family in families:
        rng = np.random.default_rng([SHAPES_SEED, sorted(FAMILIES).index(family)])
        for _ in range(count):
            sizes = draw_sizes(family, rng)
            label = "x".join(str(v) for v in sizes.values())
            found.append(Subject(name=f"random_{family}_{label}", family=family, sizes=sizes))
    return found


# -- tuning, in this process ---------------------------------------------------------------------------------------


def measure_subject(subject: Subject, seed: int, options: argparse.Namespace) -> Json:
    """Tune with one seed, then compare in a fresh process; a failure is a row with `error`."""
    row: Json = {"name": subject.name, "family": subject.family, "sizes": dict(subject.sizes), "seed": seed}
    with tempfile.TemporaryDirectory(prefix="costmodel-benchmark-") as folder:
        source, out = Path(folder) / "kernel.mlir", Path(folder) / "out"
        source.write_text(FAMILIES[subject.family].text(subject.sizes))
        try:
            report = tune(
                TuneOptions(source=source, out=out, trials=options.trials, seed=seed), PhaseClock(age_s=0.0)
            ).report
        except CostModelError as error:
            return {**row, "error": str(error)}
        row |= tuned_fields(report)
        job = {
            "artifact": str(out),
            "family": subject.family,
            "sizes": dict(subject.sizes),
            "seed": seed,
            "budget_s": options.budget,
        }
        return row | in_fresh_process(job)


def tuned_fields(report: Report) -> Json:
    """What the tuner says of the workload, or of the workloads it became."""

    def total(values: Sequence[float | None]) -> float | None:
        return math.fsum(v for v in values if v is not None) if None not in values else None

    parts = report.workloads
    known = training_workloads()
    return {
        "workload_ids": [w.workload_id for w in parts], "flops": sum(w.flops * w.count for w in parts),
        "in_training_data": any(w.workload_id in known for w in parts),
        "default_s": total([w.default_s and w.default_s * w.count for w in parts]),
        "heuristic_s": total([w.heuristic_s and w.heuristic_s * w.count for w in parts]),
        "schedules": [w.best_schedule for w in parts], "trials": sum(w.trials for w in parts),
        "failures": [dict(w.failures) for w in parts], "tuning_wall_s": report.wall_s,
    }  # fmt: skip


def training_workloads() -> set[str]:
    """What the shipped ranker was trained on; nothing where none is shipped."""
    card = Path(str(resources.files("costmodel.models"))) / "shipped" / "ranker-plan" / "model.json"
    return set(json.loads(card.read_text()).get("training_workload_ids", ())) if card.is_file() else set()


def in_fresh_process(job: Json) -> Json:
    """`_versus.compare`: numpy reads OPENBLAS_* when it is loaded, so this process is no place for the baseline."""
    command = [sys.executable, str(VERSUS), json.dumps(job)]
    try:
        done = subprocess.run(
            command, env=clean_environment(), capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return {"error": f"comparing took over {TIMEOUT_S:.0f} s"}
    if done.returncode != 0:
        return {"error": f"comparing ended with status {done.returncode}: {done.stderr.strip()[-500:]}"}
    result: Json = json.loads(done.stdout)
    return result


# -- results -------------------------------------------------------------------------------------------------------


def summarize(rows: Sequence[Json], subjects: Sequence[Subject]) -> list[Json]:
    """For each subject the medians over its seeds; passed only where every seed gave right numbers."""
    found = []
    for subject in subjects:
        mine = [r for r in rows if r["name"] == subject.name]
        good = [r for r in mine if "error" not in r]
        if not mine:
            continue
        line: Json = {
            "name": subject.name,
            "family": subject.family,
            "seeds": len(mine),
            "failed": len(mine) - len(good),
        }
        for key in ("ours_s", "vendor_s", "default_s", "heuristic_s"):
            values = [r[key] for r in good if r[key] is not None]
            line[key] = statistics.median(values) if values else None
        line |= {"noisy": sum(r["noisy"] for r in good), "tiny": any(r["tiny"] for r in good)}
        ratios = [r["ratio"]["median"] for r in good]
        line |= (
            {"ratio": statistics.median(ratios), "ratio_range": [min(ratios), max(ratios)]}
            if ratios
            else {"ratio": None}
        )
        if subject.required is not None:
            line |= {
                "required": subject.required,
                "passed": len(good) == len(mine) and line["ratio"] >= subject.required,
            }
        found.append(line)
    return found


def by_family(lines: Sequence[Json]) -> list[Json]:
    """Random shapes: the geometric mean of a family's ratios and the worst of them."""
    found = []
    for family in sorted({line["family"] for line in lines}):
        ratios = [line["ratio"] for line in lines if line["family"] == family and line["ratio"] is not None]
        failed = sum(line["failed"] for line in lines if line["family"] == family)
        mean = math.exp(statistics.fmean(map(math.log, ratios))) if ratios else None
        share = statistics.fmean(r >= 1 for r in ratios) if ratios else None
        line = {"family": family, "shapes": len(ratios), "failed_runs": failed, "ratio_geometric_mean": mean}
        found.append({**line, "ratio_least": min(ratios, default=None), "share_at_least_1": share})
    return found


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="result file")
    parser.add_argument("--trials", type=int, default=32)
    parser.add_argument("--seeds", type=seed_list, default=[0, 1, 2], help="of the tuner, one run each; default 0,1,2")
    parser.add_argument("--budget", type=float, default=2.0, help="seconds of timing in turns for each run")
    parser.add_argument("--random", type=int, default=0, metavar="N", help="random shapes of each family")
    parser.add_argument("--random-seeds", type=seed_list, help="seeds for random shapes; default those of --seeds")
    parser.add_argument("--families", nargs="+", choices=sorted(FAMILIES), default=sorted(FAMILIES))
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="leave out named workloads but these; none: `--only -`"
    )
    parser.add_argument("--resume", action="store_true", help="keep the rows of --out that were made at this commit")
    parser.add_argument("--quick", action="store_true", help="two small workloads, 2 trials, one seed")
    options = parser.parse_args()
    if options.quick:
        options.trials, options.seeds, options.budget = 2, [0], 0.05
    run(options)


def run(options: argparse.Namespace) -> None:
    """All workloads; the result file is complete after each of them."""
    named = [s for s in (QUICK if options.quick else NAMED) if not options.only or s.name in options.only]
    drawn = random_subjects(options.random, options.families)
    document = header("kernels", options.seeds, "torch", "scipy", "llvmlite", "xtc-mlir-python-bindings")
    document |= {"trials": options.trials, "budget_s": options.budget, "shapes_seed": SHAPES_SEED}
    rows: list[Json] = []
    if options.resume and options.out.exists():
        old = json.loads(options.out.read_text())
        rows = old["runs"] if (old["commit"], old["trials"]) == (document["commit"], options.trials) else []
    work = [(s, k) for s in named for k in options.seeds]
    work += [(s, k) for s in drawn for k in options.random_seeds or options.seeds]
    for subject, seed in work:
        if any((r["name"], r["seed"]) == (subject.name, seed) for r in rows):
            continue
        rows.append(measure_subject(subject, seed, options))
        ratio = rows[-1].get("ratio", {}).get("median", float("nan"))
        print(f"{subject.name} seed {seed}: {ratio:.3f}x {rows[-1].get('error', '')}", file=sys.stderr, flush=True)
        lines = summarize(rows, drawn)
        write(
            options.out,
            {
                **document,
                "workloads": summarize(rows, named),
                "random": lines,
                "families": by_family(lines),
                "runs": rows,
            },
        )
    for line in summarize(rows, [*named, *drawn]):
        verdict = ("reached" if line["passed"] else "NOT REACHED") if "passed" in line else ""
        print(f"{line['name']:44} {line['ratio'] or float('nan'):6.3f}x {line.get('required', '')} {verdict}")


if __name__ == "__main__":
    main()
