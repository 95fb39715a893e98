"""The committed measurements as rows: latency with samples, device, and a noise ceiling for each workload."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from model_value.pool import read_pools
from ranker import kernel_of

from bundle_parts.quota import say
from costmodel.core.metrics import get_metric
from costmodel.core.tables import FunctionRow, LabelRow
from costmodel.datasets.coverage import card_notes, coverage, write_coverage
from costmodel.datasets.linalg import FAMILIES
from costmodel.datasets.store import write_dataset
from costmodel.search.kernel.printing import print_kernel, workload_id

HERE = Path(__file__).resolve().parents[1]
RANKER = HERE / "data" / "ranker_measurements.jsonl.gz"
POOL = HERE / "model_value" / "pool.json.gz"
TOPPED_UP = HERE / "data" / "measured_topup.jsonl.gz"
DEVICE = "Intel(R) Xeon(R) Processor"
"""Of the ranker's collection, which did not record which machine of that name."""
TARGET = "x86-64/rocketlake"
TOOL = "costmodel-measure"
CEILINGS = "noise_ceiling.json"
ENTRY = "kernel"

Row = dict[str, Any]


def write(out: Path, command: Sequence[str]) -> None:
    """Write the data set and its ceilings."""
    kernels: dict[str, tuple[str, str, str]] = {}
    rows = [row for source in (_ranker(RANKER), _ranker(TOPPED_UP), _pools()) for row in source]
    functions: dict[str, FunctionRow] = {}
    labels: dict[tuple[str, ...], LabelRow] = {}
    halves: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        function = _function(row, kernels)
        functions.setdefault(function.function_id, function)
        label = _label(function, row)
        known = labels.get(label.sort_key)
        if known is not None and len(known.samples) >= len(label.samples):
            continue  # measured in both collections: the longer one stays
        labels[label.sort_key] = label
        if len(label.samples) >= 2:
            assert function.workload_id is not None
            halves[function.workload_id].append((median(label.samples[::2]), median(label.samples[1::2])))
    ceilings = {key: _ceiling(pairs) for key, pairs in sorted(halves.items()) if len(pairs) >= 8}
    report = coverage(list(functions.values()))
    ok = sum(label.value is not None for label in labels.values())
    devices = sorted({label.device or "" for label in labels.values()})
    ranks = sorted(c["spearman"] for c in ceilings.values())
    notes = {
        **card_notes(list(functions.values()), report),
        "measured": {
            "schedules with a latency": ok, "workloads": len(halves), "devices": "; ".join(devices),
            "noise ceiling (Spearman of two halves of the samples), median": round(float(np.median(ranks)), 4),
            "noise ceiling, lowest": ranks[0],
        },
    }  # fmt: skip

    def extra(folder: Path) -> None:
        write_coverage(folder, report)
        (folder / CEILINGS).write_text(json.dumps({"schema_version": 1, "workloads": ceilings}, indent=1) + "\n")

    write_dataset(out, functions.values(), labels.values(), seed=None, command=command, notes=notes, extra=extra)
    say(f"measured: {ok} latencies of {len(labels)} trials, {len(halves)} workloads, ceiling {np.median(ranks):.3f}")


def _ranker(path: Path) -> Iterator[Row]:
    if not path.is_file():
        return
    for line in gzip.decompress(path.read_bytes()).decode().splitlines():
        row = json.loads(line)
        yield {**row, "samples": tuple(row["samples_s"]), "tool_version": row.get("toolchain", "ranker-collection-1")}


def _pools() -> Iterator[Row]:
    """Both measurements of every schedule, then the ten of the best."""
    file = read_pools(POOL)
    for pool in file.pools:
        trials = [
            (pool.heuristic, "ok" if pool.heuristic_a_s else "failed", pool.heuristic_a_s, pool.heuristic_b_s),
            *zip(pool.schedules, pool.status, pool.a_s, pool.b_s, strict=True),
        ]  # fmt: skip
        for schedule, status, first, second in trials:
            samples = tuple(s for s in (first, second, *pool.top.get(schedule, ())) if s is not None)
            yield {
                "generator": pool.generator, "sizes": dict(pool.sizes), "schedule": schedule, "status": status,
                "samples": samples if first is not None else (), "tool_version": file.meta["toolchain"],
                "device": file.meta["device"],
            }  # fmt: skip


def _function(row: Row, kernels: dict[str, tuple[str, str, str]]) -> FunctionRow:
    name = f"{row['generator']} {sorted(row['sizes'].items())}"
    if name not in kernels:
        kernel = kernel_of(FAMILIES[row["generator"]].text(row["sizes"]))
        kernels[name] = (print_kernel(kernel), workload_id(kernel), kernel.family)
    text, key, _ = kernels[name]
    return FunctionRow(
        ir=text, format="mlir", level="linalg", stage="scheduled", entry=ENTRY, schedule=row["schedule"],
        workload_id=key, project="generator-linalg", family=row["generator"], language="linalg", license="Apache-2.0",
    )  # fmt: skip


def _label(function: FunctionRow, row: Row) -> LabelRow:
    ok = row["status"] == "ok" and bool(row["samples"])
    return LabelRow(
        function_id=function.function_id, target=TARGET, device=row.get("device", DEVICE), pipeline="schedule",
        metric="latency_s",
        value=median(row["samples"]) if ok else None, unit=get_metric("latency_s").unit,
        cause=None if ok else f"{row['status']}: not measured", tool=TOOL, tool_version=row["tool_version"],
        samples=row["samples"] if ok else (),
    )  # fmt: skip


def _ceiling(pairs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """How well one half of the samples predicts the other: what no model can beat on this machine."""
    a, b = np.log(np.array(pairs).T)
    ranks_a, ranks_b = (np.argsort(np.argsort(x, kind="stable"), kind="stable") for x in (a, b))
    i, j = np.triu_indices(len(a), 1)
    agree = np.sign(a[i] - a[j]) * np.sign(b[i] - b[j])
    return {
        "schedules": len(pairs),
        "spearman": round(float(np.corrcoef(ranks_a, ranks_b)[0, 1]), 4),
        "kendall": round(float(agree.mean()), 4),
        "pearson_of_log": round(float(np.corrcoef(a, b)[0, 1]), 4),
        "median_relative_difference": round(float(np.median(np.abs(np.expm1(a - b)))), 4),
    }
