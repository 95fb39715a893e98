"""`costmodel records`: what it prints where, and how it refuses."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys

import pytest

from costmodel.cli.main import main
from costmodel.core.record import Record, WorkloadInfo
from costmodel.core.target import Target
from costmodel.search.database import Database


def make_record(**changes) -> Record:
    fields = {
        "workload_id": "abc" + "0" * 61,
        "target": "x86-64/znver4",
        "device": "here",
        "backend": "mlir",
        "toolchain": "llvm-22.1",
        "schedule": "v1; unroll(k=4)",
        "session": "first",
        "trial": 0,
        "seed": 7,
        "status": "ok",
    }
    fields |= changes
    if fields["status"] == "ok":
        fields.setdefault("samples_s", (2e-3,))
    return Record(**fields)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "records.db"
    with Database.open(path) as database:
        database.add_workload(
            WorkloadInfo(
                workload_id="abc" + "0" * 61,
                family="matmul",
                dims={"m": 64, "n": 32, "k": 16},
                dtypes=("f32",),
                flops=2_000_000,
                bytes_moved=100,
                mlir='module { "x"() : () -> () }\n',
            )
        )
        database.add(make_record())
        database.add(make_record(trial=1, schedule="v1; pack(b)", samples_s=(1e-3,), predicted_mean_s=5e-4))
        database.add(make_record(trial=2, schedule="v1; evil", status="crash", cause="killed by \x1b[31mSIGSEGV\nmore"))
        database.add(make_record(workload_id="def" + "1" * 61, session="second", target=Target.parse("native").name))
    return path


def output(capsys, *arguments) -> str:
    assert main(["records", *map(str, arguments)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


class TestBest:
    def test_a_line_for_each_workload_with_the_fastest_schedule(self, capsys, path):
        header, first, second = output(capsys, "best", "--db", path).splitlines()
        assert header.split() == "workload family dims runtime_us gflop_per_s target device schedule".split()
        assert first.split()[:2] == ["abc000000000", "matmul"]
        assert "m=64 n=32 k=16" in first
        assert first.endswith("v1; pack(b)")
        assert " 1000 " in first
        assert " 2 " in first  # GFLOP/s: 2e6 operations in 1 ms
        assert second.startswith("def111111111")

    def test_json_says_what_the_workload_is(self, capsys, path):
        document = json.loads(output(capsys, "best", "--db", path, "--workload", "abc", "--format", "json"))
        (record,) = document["records"]
        assert document["schema_version"] == 1
        assert (record["schedule"], record["runtime_s"], record["family"]) == ("v1; pack(b)", 1e-3, "matmul")
        assert "mlir" not in record

    def test_the_native_target_stands_for_its_name(self, capsys, path):
        document = json.loads(output(capsys, "best", "--db", path, "--target", "native", "--format", "json"))
        assert [record["workload_id"][:3] for record in document["records"]] == ["def"]


class TestList:
    def test_all_measurements_in_order(self, capsys, path):
        lines = output(capsys, "list", "--db", path).splitlines()
        assert len(lines) == 5
        assert "crash" in lines[3]
        assert "\x1b" not in lines[3]
        assert "more" not in lines[3]

    def test_limit_keeps_the_newest(self, capsys, path):
        document = json.loads(output(capsys, "list", "--db", path, "--limit", 2, "--format", "json"))
        assert [record["trial"] for record in document["records"]] == [2, 0]

    def test_filters(self, capsys, path):
        document = json.loads(output(capsys, "list", "--db", path, "--status", "crash", "--format", "json"))
        assert [record["trial"] for record in document["records"]] == [2]
        document = json.loads(output(capsys, "list", "--db", path, "--session", "second", "--format", "json"))
        assert len(document["records"]) == 1

    def test_csv_reads_back(self, capsys, path):
        rows = list(csv.DictReader(io.StringIO(output(capsys, "list", "--db", path, "--format", "csv"))))
        assert [row["status"] for row in rows] == ["ok", "ok", "crash", "ok"]
        assert json.loads(rows[1]["samples_s"]) == [1e-3]
        assert rows[0]["predicted_mean_s"] == ""
        assert rows[2]["cause"].endswith("\nmore")

    def test_nothing_that_matches_is_a_message_not_data(self, capsys, path):
        assert main(["records", "list", "--db", str(path), "--device", "elsewhere"]) == 0
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "no record" in captured.err

    def test_a_terminal_gets_a_ruled_table(self, path):
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "costmodel.cli.main", "records", "list", "--db", str(path)]
        subprocess.run(command, stdout=theirs, check=True, env={**os.environ, "COLUMNS": "150", "TERM": "xterm"})
        os.close(theirs)
        shown = os.read(ours, 1 << 16).decode()
        os.close(ours)
        assert "┏━" in shown
        assert "workload" in shown
        assert "\x1b[31mSIGSEGV" not in shown


class TestExport:
    def test_lines_of_json_hold_every_field_and_read_back(self, capsys, path):
        documents = [json.loads(line) for line in output(capsys, "export", "--db", path).splitlines()]
        with Database.open(path, readonly=True) as database:
            records = database.query()
            assert documents == list(database.export())
        assert [Record.from_json(document) for document in documents] == records
        assert documents[0]["mlir"].startswith("module")
        assert documents[3]["family"] is None

    def test_other_forms_hold_as_much(self, capsys, path):
        document = json.loads(output(capsys, "export", "--db", path, "--format", "json"))
        rows = list(csv.DictReader(io.StringIO(output(capsys, "export", "--db", path, "--format", "csv"))))
        assert len(document["records"]) == len(rows) == 4
        assert list(document["records"][0]) == list(rows[0])
        assert rows[0]["mlir"] == document["records"][0]["mlir"]


class TestRefusals:
    def refused(self, capsys, *arguments) -> str:
        assert main(["records", *map(str, arguments)]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        return captured.err

    def test_a_missing_database(self, capsys, tmp_path):
        assert "no record database" in self.refused(capsys, "list", "--db", tmp_path / "none.db")
        assert list(tmp_path.iterdir()) == []

    def test_no_database_file(self, capsys, tmp_path):
        (tmp_path / "text.db").write_text("hello")
        assert "not a record database" in self.refused(capsys, "best", "--db", tmp_path / "text.db")

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["list"], "--db"),
            ([], "ACTION"),
            (["list", "--db", "x", "--status", "fine"], "--status"),
            (["list", "--db", "x", "--limit", "0"], "--limit"),
            (["best", "--db", "x", "--format", "yaml"], "--format"),
        ],
    )
    def test_misuse(self, capsys, arguments, words):
        assert words in self.refused(capsys, *arguments)
