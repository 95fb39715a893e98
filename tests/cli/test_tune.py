"""`costmodel tune` as a person runs it: artifact, report and records, and every way in which it may be cut short."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import costmodel
from costmodel.cli.main import main
from costmodel.search.database import Database

DATA = Path(__file__).parent.parent / "data" / "tune"
MANY, SCALE = DATA / "many.mlir", DATA / "scale.mlir"
REPORT_KEYS = "schema_version target toolchain seed wall_s time workloads".split()
WORKLOAD_KEYS = (
    "workload_id name family count flops default_s heuristic_s best_s best_schedule trials failures vendor_s".split()
)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "costmodel.cli.main", "tune", *map(str, arguments)]


def start(*arguments: object, **options) -> subprocess.Popen[str]:
    return subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def records(path: Path) -> int:
    """Trials of searches; those that only confirm finalists are recorded under sessions of their own."""
    if not path.exists():
        return 0
    with Database.open(path, readonly=True) as database:
        return sum(not record.session.endswith("-finals") for record in database.query())


def await_records(path: Path, count: int) -> None:
    end_s = time.monotonic() + 60
    while records(path) < count:
        assert time.monotonic() < end_s, "no records came"
        time.sleep(0.05)


def report(out: Path) -> dict:
    return json.loads((out / "report.json").read_text())


def trials(out: Path) -> int:
    return sum(w["trials"] for w in report(out)["workloads"])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run over many functions, and what it printed."""
    out = tmp_path_factory.mktemp("run") / "OUT"
    status, printed, messages = finish(start(MANY, "-o", out, "--trials", 12, "--seed", 3))
    assert status == 0, messages
    return out, printed, messages


class TestOutput:
    def test_standard_output_is_the_table_and_standard_error_the_progress(self, run):
        _, printed, messages = run
        assert printed.startswith("kernel ")
        assert "matmul_0" in printed
        assert "12/12 trials, 0 failed" in messages
        assert "trial" not in printed.splitlines()[-1]

    def test_the_report_has_the_keys_that_were_promised(self, run):
        document = report(run[0])
        assert set(REPORT_KEYS) <= set(document)
        assert all(set(WORKLOAD_KEYS) <= set(w) for w in document["workloads"])
        assert document["seed"] == 3
        assert {w["family"] for w in document["workloads"]} == {"matmul", "elementwise"}
        assert trials(run[0]) == 12

    def test_time_sums_to_the_wall_time(self, run):
        document = report(run[0])
        assert sum(document["time"].values()) == pytest.approx(document["wall_s"], rel=0.02)
        assert document["time"]["other"] <= 0.05 * document["wall_s"]
        assert {"startup", "read", "defaults", "search", "measure", "finals", "artifact"} <= set(document["time"])

    def test_nothing_ships_slower_than_its_default(self, run):
        for workload in report(run[0])["workloads"]:
            assert workload["best_s"] <= workload["default_s"]

    def test_the_functions_compute_what_they_say(self, run):
        loaded = costmodel.load(run[0])
        rng = np.random.default_rng(0)
        a, b = rng.standard_normal((48, 32), np.float32), rng.standard_normal((32, 64), np.float32)
        np.testing.assert_allclose(loaded["mm"](a, b), a @ b, rtol=1e-4, atol=1e-4)
        x = rng.standard_normal((40, 24), np.float32)
        exponential, negative = loaded["two"](x)
        np.testing.assert_allclose(exponential, np.exp(x), rtol=1e-5)
        np.testing.assert_array_equal(negative, -x)
        p = rng.standard_normal((8, 8), np.float32)
        doubled, same = loaded["same"](p, p)
        np.testing.assert_array_equal(doubled, p + p)
        np.testing.assert_array_equal(same, p)
        i = rng.integers(-9, 9, (16, 12), np.int32)
        np.testing.assert_array_equal(loaded["ints"](i, i), i * i)

    def test_a_c_program_can_call_it(self, run, tmp_path):
        cc = shutil.which("cc")
        if cc is None:
            pytest.skip("needs a C compiler (cc)")
        source = tmp_path / "main.c"
        source.write_text(
            '#include <stdio.h>\n#include "kernels.h"\n'
            "int main(void) {\n  static int32_t a[192], b[192], c[192];\n"
            "  for (int i = 0; i < 192; ++i) { a[i] = i; b[i] = 3; }\n"
            '  kernels_ints(a, b, c, 0);\n  printf("%d %d\\n", c[1], c[191]);\n  return 0;\n}\n'
        )
        out = run[0]
        subprocess.run(
            [cc, "-Wall", "-Werror", source, f"-I{out}", f"-L{out}", "-lkernels", f"-Wl,-rpath,{out}", "-o", "main"],
            cwd=tmp_path, check=True,
        )  # fmt: skip
        done = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True)
        assert done.stdout == "3 573\n"

    def test_the_records_are_there(self, run, capsys):
        database = run[0] / "records.db"
        assert main(["records", "list", "--db", str(database)]) == 0
        assert len(capsys.readouterr().out.splitlines()) == 13
        assert main(["records", "best", "--db", str(database)]) == 0
        assert "matmul" in capsys.readouterr().out
        assert main(["records", "export", "--db", str(database)]) == 0
        exported = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert len(exported) == 12
        assert all(row["mlir"] for row in exported)

    def test_without_trials_the_records_decide(self, run, tmp_path):
        known = tmp_path / "known.db"
        shutil.copy(run[0] / "records.db", known)
        assert main(["tune", str(MANY), "-o", str(tmp_path / "OUT"), "--trials", "0", "--db", str(known)]) == 0
        assert records(known) == 12, "no trial, so no record"
        assert trials(tmp_path / "OUT") == 0
        with Database.open(known) as database:
            seen = {r.schedule for r in database.query()}
        found = {w["best_schedule"] for w in report(tmp_path / "OUT")["workloads"] if w["family"] == "matmul"}
        assert found <= seen
        assert not (tmp_path / "OUT" / "records.db").exists()


@pytest.mark.parametrize("name", ["generic", "modules", "identity"])
def test_other_forms_of_mlir_without_a_trial(name, tmp_path, capsys):
    """Generic form; several modules in a file; a function that returns its argument. No record: the model decides."""
    out = tmp_path / "OUT"
    assert main(["tune", str(DATA / f"{name}.mlir"), "-o", str(out), "--trials", "0"]) == 0
    loaded = costmodel.load(out)
    x = np.linspace(-1, 1, 240 if name == "generic" else 64, dtype=np.float32)
    if name == "generic":
        np.testing.assert_array_equal(loaded(x.reshape(20, 12)), (x * x).reshape(20, 12))
    elif name == "modules":
        np.testing.assert_allclose(loaded["f"](x.reshape(8, 8)), np.exp(x).reshape(8, 8), rtol=1e-5)
        np.testing.assert_allclose(loaded["g"](x.reshape(8, 8)), np.tanh(x).reshape(8, 8), rtol=1e-5)
    else:
        np.testing.assert_array_equal(loaded(x.reshape(8, 8)), x.reshape(8, 8))


class TestCutShort:
    def test_resuming_after_a_kill_loses_at_most_the_trials_in_flight(self, tmp_path):
        out = tmp_path / "OUT"
        process = start(SCALE, "-o", out, "--trials", 500)
        await_records(out / "records.db", 4)
        process.kill()
        process.communicate()
        before = records(out / "records.db")
        assert not (out / "report.json").exists()
        assert main(["tune", str(SCALE), "-o", str(out), "--trials", str(before + 3)]) == 2, "OUT is there already"
        assert main(["tune", str(SCALE), "-o", str(out), "--trials", str(before + 3), "--resume"]) == 0
        assert records(out / "records.db") == before + 3
        assert trials(out) == before + 3
        with Database.open(out / "records.db") as database:
            found = [r for r in database.query() if not r.session.endswith("-finals")]
        assert len({r.session for r in found}) == 1
        assert len({r.schedule for r in found}) == before + 3, "nothing was measured twice"
        assert [r.trial for r in found] == list(range(before + 3))
        assert len(report(out)["workloads"][0]["history"]) == before + 3

    def test_two_interrupts_write_the_best_so_far(self, tmp_path):
        out = tmp_path / "OUT"
        process = start(SCALE, "-o", out, "--trials", 100000)
        await_records(out / "records.db", 3)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        status, printed, messages = finish(process)
        assert status == 130
        assert "interrupted: writing the best so far" in messages
        assert "Traceback" not in messages
        assert printed.startswith("kernel ")
        assert trials(out) == records(out / "records.db") >= 3
        assert report(out)["workloads"][0]["best_schedule"] is not None
        x = np.ones((16, 48), np.float32)
        np.testing.assert_allclose(costmodel.load(out)(x), np.exp(x), rtol=1e-5)
        assert not list(out.glob(".building*"))

    def test_the_end_of_the_time_is_a_success(self, tmp_path):
        out = tmp_path / "OUT"
        status, _, messages = finish(start(SCALE, "-o", out, "--trials", 100000, "--seconds", 8))
        assert status == 0, messages
        assert 0 < trials(out) < 100000
        assert costmodel.load(out)(np.zeros((16, 48), np.float32)).max() == 1.0

    def test_a_full_disk_keeps_whole_records_only(self, tmp_path):
        out = tmp_path / "OUT"
        limit = 80 << 10

        def small_files() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        status, printed, messages = finish(start(SCALE, "-o", out, "--trials", 1000, preexec_fn=small_files))
        assert status == 2
        assert printed == ""
        assert messages.splitlines()[-1].startswith(f"costmodel: error: {out / 'records.db'}: cannot re")
        assert "Traceback" not in messages
        if out.exists():
            assert not (out / "manifest.json").exists()
            assert records(out / "records.db") > 0

    def test_two_processes_share_a_database(self, tmp_path):
        database = tmp_path / "shared.db"
        processes = [
            start(SCALE, "-o", tmp_path / f"OUT{i}", "--trials", 5, "--db", database, "--seed", i) for i in range(2)
        ]
        for status, _, messages in map(finish, processes):
            assert status == 0, messages
        assert records(database) == 10
        assert [trials(tmp_path / f"OUT{i}") for i in range(2)] == [5, 5]
