"""report.json and the summary table."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from costmodel.core.errors import ArtifactError
from costmodel.search.report import report_json, summary_table, write_report_json
from tests.search import report_samples as samples

REQUIRED = {"schema_version", "target", "toolchain", "seed", "wall_s", "time", "worker_s", "workloads", "end_to_end"}
REQUIRED_OF_A_WORKLOAD = {
    "workload_id", "name", "family", "count", "flops", "default_s", "heuristic_s", "best_s", "best_schedule", "trials",
    "failures", "vendor_s",
}  # fmt: skip


def test_report_json_is_stable(golden, tmp_path: Path):
    write_report_json(samples.report(), tmp_path / "report.json")
    golden.check("report.json", (tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]


def test_report_json_has_the_agreed_keys():
    document = report_json(samples.report())
    assert set(document) >= REQUIRED
    assert set(document["workloads"][0]) >= REQUIRED_OF_A_WORKLOAD
    assert list(document["end_to_end"]) == ["default_s", "tuned_s", "onnxruntime_s", "max_abs_error", "max_rel_error"]
    assert report_json(samples.report(end_to_end=None))["end_to_end"] is None


def test_order_of_free_keys_does_not_depend_on_insertion():
    one = samples.report(time={"b": 1.0, "a": 2.0})
    two = samples.report(time={"a": 2.0, "b": 1.0})
    assert json.dumps(report_json(one)) == json.dumps(report_json(two))


def test_numbers_are_finite_and_plain(tmp_path: Path):
    workload = samples.matmul(
        best_s=math.nan, vendor_s=np.float64("inf"), default_s=np.float32(0.25), trials=np.int64(4), name="bad \udc80"
    )
    path = tmp_path / "report.json"
    write_report_json(samples.report(workloads=(workload,)), path)
    found = json.loads(path.read_text(encoding="utf-8"))["workloads"][0]
    assert (found["best_s"], found["vendor_s"], found["default_s"], found["trials"]) == (None, None, 0.25, 4)
    assert found["name"] == "bad \udc80"


def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path: Path):
    path = tmp_path / "report.json"
    path.write_text("old")
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from costmodel.core.errors import ArtifactError\n"
        "from costmodel.search.report.document import write_whole\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: write_whole(Path(sys.argv[1]), b'x' * 5000)\n"
        "except ArtifactError as error: print(error)\n"
    )
    said = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert said.stdout.startswith(f"cannot write {path}: ")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]


def test_a_missing_folder_is_an_error_of_ours(tmp_path: Path):
    with pytest.raises(ArtifactError, match="cannot write .*report.json: No such file"):
        write_report_json(samples.report(), tmp_path / "none" / "report.json")


def test_summary_table_is_stable(golden):
    golden.check("report_summary.txt", summary_table(samples.report()))


def test_summary_table_of_nothing_and_of_failures():
    nothing = summary_table(samples.report(workloads=(), end_to_end=None, warnings=()))
    assert "no kernels to tune in this input" in nothing
    assert "end to end" not in nothing
    failed = samples.matmul(default_s=None, heuristic_s=None, best_s=None, best_schedule=None, failures={"oom": 4})
    text = summary_table(samples.report(workloads=(failed,)))
    assert "the total leaves out 1 of 1, which have no default time" in text
    assert "nan" not in text


def test_summary_table_shows_the_most_expensive_and_counts_the_rest():
    many = tuple(samples.untuned(name=f"kernel_{i:03}", default_s=i * 1e-6) for i in range(1, 201))
    lines = summary_table(samples.report(workloads=many)).splitlines()
    assert lines[1].startswith("kernel_200 ")
    assert "… and 175 more, see report.html" in lines
    assert len(lines) == 1 + 25 + 1 + 1 + 3


def test_totals_weigh_by_count_and_keep_the_default_where_nothing_was_found():
    totals = samples.report().totals
    assert totals.default_s == pytest.approx(2 * 0.25 + 0.001)
    assert totals.best_s == pytest.approx(2 * 0.00275 + 0.001)
