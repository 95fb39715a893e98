"""The committed bundle is what its card claims, and GPU latencies join the rows they are of."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import pytest

from costmodel.core.tables import FunctionRow
from costmodel.datasets.store import read_dataset

pytest.importorskip("pyarrow")
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
BUNDLE = BENCHMARKS / "data" / "bundle"


SETS = sorted(path.name for path in BUNDLE.iterdir() if path.is_dir())


@pytest.fixture(scope="module", params=SETS)
def dataset(request):
    return read_dataset(BUNDLE / request.param)


def test_it_fits_into_the_repository():
    assert sum(path.stat().st_size for path in BUNDLE.rglob("*") if path.is_file()) <= 20_000_000


def test_files_are_those_of_the_manifest(dataset):
    assert dataset.damaged() == {}


def test_rows_are_labelled_licensed_and_no_family_dominates(dataset):
    functions = dataset.functions(["function_id", "family", "workload_id", "license", "level"])
    labels = dataset.labels(["function_id", "target", "value"])
    pairs = zip(labels["function_id"].to_pylist(), labels["value"].to_pylist(), strict=True)
    labelled = {identity for identity, value in pairs if value is not None}
    levels = dict(zip(functions["function_id"].to_pylist(), functions["level"].to_pylist(), strict=True))
    assert {levels[i] for i in set(levels) - labelled} <= {"torch", "linalg"}
    assert len(labelled) >= 0.99 * len(levels)
    families = functions["family"].to_pylist()
    assert max(families.count(f) for f in set(families)) <= 0.15 * len(families)
    assert len(set(functions["workload_id"].to_pylist()) - {None}) >= 100
    assert all(functions["license"].to_pylist())


def test_labelled_functions_are_many_of_many_targets_stages_and_languages():
    dataset = read_dataset(BUNDLE / "labelled")
    functions = dataset.functions(["function_id", "stage", "language", "workload_id", "level"])
    labels = dataset.labels(["function_id", "target", "metric", "value", "device"])
    assert len(functions["function_id"]) >= 20_000
    assert len(set(functions["workload_id"].to_pylist()) - {None}) >= 200
    counts = {name: set(functions[name].to_pylist()) for name in ("stage", "language", "level")}
    assert {"before-optimisation", "after-optimisation", "scheduled", "source"} <= counts["stage"]
    assert {"c", "c++", "rust"} <= counts["language"]
    assert {"linalg", "affine", "vector", "llvm", "ttir", "ttgir", "torch"} <= counts["level"]
    assert {target.partition("/")[0] for target in labels["target"].to_pylist()} == {
        "x86-64", "aarch64", "riscv64", "nvptx64", "amdgcn",
    }  # fmt: skip
    measured = {d for m, d in zip(labels["metric"].to_pylist(), labels["device"].to_pylist(), strict=True)
                if m == "latency_s"}  # fmt: skip
    assert measured
    assert all("NVIDIA" in device for device in measured)


def test_measured_schedules():
    labels = read_dataset(BUNDLE / "measured").labels(["metric", "value", "samples", "device"])
    values = labels["value"].to_pylist()
    ok = [i for i, value in enumerate(values) if value is not None]
    assert len(ok) >= 10_000
    assert set(labels["metric"].to_pylist()) == {"latency_s"}
    assert all(labels["device"].to_pylist())
    samples = labels["samples"].to_pylist()
    assert all(samples[i] and min(samples[i]) <= values[i] <= max(samples[i]) for i in ok)
    ceilings = json.loads((BUNDLE / "measured" / "noise_ceiling.json").read_text())["workloads"]
    assert len(ceilings) >= 100
    assert all(-1 <= c["spearman"] <= 1 and c["schedules"] >= 8 for c in ceilings.values())


def test_gpu_latencies_join_the_rows_of_their_target(tmp_path):
    pytest.importorskip("triton")
    sys.path.insert(0, str(BENCHMARKS))
    from bundle_parts.gpu import latencies

    sys.path.pop(0)
    rows = [
        FunctionRow(
            ir=f'module attributes {{ttg.target = "{gpu}"}} {{}}', format="mlir", level="ttgir", stage="scheduled",
            entry="k", schedule="s", project="p", family="softmax", license="MIT",
        )
        for gpu in ("cuda:80", "cuda:90")
    ]  # fmt: skip
    line = {
        "family": "softmax", "schedule": "s", "target": "nvptx64/sm_90", "device": "H100", "status": "ok",
        "latency_s": 2e-6, "samples_s": [1e-6, 2e-6, 3e-6], "torch": "1", "triton": "2",
    }  # fmt: skip
    lines = [line, {**line, "target": "amdgcn/gfx942"}, {**line, "schedule": "other"}, {**line, "latency_s": 9.0}]
    path = tmp_path / "gpu.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    (label,) = latencies(rows, path)
    assert label.function_id == rows[1].function_id
    assert (label.device, label.value, label.samples) == ("H100", 2e-6, (1e-6, 2e-6, 3e-6))
    assert latencies(rows, tmp_path / "absent") == []
