"""The record database: keys, best, several processes, and every way the file can be bad."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from costmodel.core.errors import DatabaseError
from costmodel.core.record import WorkloadInfo
from costmodel.core.workers import WorkerPool
from costmodel.search.database import Database

TASKS = Path(__file__).with_name("database_tasks.py")
_spec = importlib.util.spec_from_file_location("database_tasks", TASKS)
_tasks = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_tasks)
make_record = _tasks.make_record

KEY = {name: getattr(make_record(), name) for name in ("workload_id", "target", "device", "backend", "toolchain")}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "records.db"


@pytest.fixture
def database(path):
    with Database.open(path) as database:
        yield database


@pytest.fixture
def workers(monkeypatch):
    monkeypatch.syspath_prepend(str(TASKS.parent))
    with WorkerPool("database", 2) as pool:
        yield pool


def assert_one_line(error: str, path: Path) -> None:
    assert error.startswith(f"{path}: ")
    assert "\n" not in error


class TestRecords:
    def test_what_is_added_comes_back_equal_and_in_order(self, database, path):
        records = [
            make_record(trial=0, samples_s=(3e-3, 1e-3, 2e-3), compile_s=0.1, max_abs_error=1e-6),
            make_record(trial=1, status="crash", cause="killed by SIGSEGV\nstack"),
            make_record(trial=2, status="nan", max_abs_error=float("nan")),
            make_record(trial=3, predicted_mean_s=1e-3, predicted_std_s=1e-4, schedule="v1; tile(m=8) – “é”"),
        ]
        database.add(records[0])
        database.add_many(records[1:])
        assert database.query() == records
        assert len(database) == 4
        with Database.open(path, readonly=True) as reader:
            assert reader.query() == records

    @pytest.mark.parametrize("field", list(KEY))
    def test_a_record_under_another_key_is_a_miss(self, database, field):
        database.add(make_record(**{field: "other"}))
        assert database.query(**KEY) == []
        assert database.best(**KEY) is None

    def test_query_filters_by_status_and_session(self, database):
        database.add(make_record(session="a"))
        database.add(make_record(session="b", status="oom"))
        assert [record.status for record in database.query(session="b")] == ["oom"]
        assert [record.session for record in database.query(status="ok")] == ["a"]

    def test_add_many_is_all_or_nothing(self, database):
        def broken():
            yield make_record()
            raise RuntimeError("stop")

        with pytest.raises(RuntimeError):
            database.add_many(broken())
        assert len(database) == 0

    def test_a_reader_cannot_add(self, database, path):
        with Database.open(path, readonly=True) as reader, pytest.raises(DatabaseError) as caught:
            reader.add(make_record())
        assert_one_line(str(caught.value), path)


class TestBest:
    def test_the_fastest_ok_record_wins(self, database):
        for schedule, runtime_s in (("a", 3e-3), ("b", 1e-3), ("c", 2e-3)):
            database.add(make_record(schedule=schedule, samples_s=(runtime_s,)))
        database.add(make_record(schedule="d", status="wrong", samples_s=(1e-6,)))
        assert database.best(**KEY).schedule == "b"

    @pytest.mark.parametrize("order", ["ab", "ba"])
    def test_equal_runtimes_are_decided_by_the_schedule_text(self, database, order):
        for schedule in order:
            database.add(make_record(schedule=schedule))
        assert database.best(**KEY).schedule == "a"

    @pytest.mark.parametrize("status", ["wrong", "nan"])
    @pytest.mark.parametrize("first", [True, False])
    def test_a_schedule_that_was_ever_wrong_never_wins(self, database, status, first):
        records = [make_record(schedule="bad", samples_s=(1e-6,)), make_record(schedule="bad", status=status)]
        database.add_many(records if first else reversed(records))
        database.add(make_record(schedule="good"))
        assert database.best(**KEY).schedule == "good"

    def test_a_schedule_wrong_on_another_device_may_win_here(self, database):
        database.add(make_record(status="wrong", device="other"))
        database.add(make_record())
        assert database.best(**KEY) == make_record()

    def test_a_later_measurement_of_a_schedule_replaces_the_earlier(self, database):
        database.add(make_record(schedule="lucky", samples_s=(1e-3,)))
        database.add(make_record(schedule="steady", samples_s=(2e-3,)))
        database.add(make_record(schedule="lucky", samples_s=(3e-3,)))
        database.add(make_record(schedule="steady", status="run_timeout"))
        assert database.best(**KEY).schedule == "steady"

    def test_winners_gives_one_for_each_key(self, database):
        for workload_id in "ba":
            for schedule, runtime_s in (("x", 2e-3), ("y", 1e-3)):
                database.add(make_record(workload_id=workload_id, schedule=schedule, samples_s=(runtime_s,)))
        assert [(record.workload_id, record.schedule) for record in database.winners()] == [("a", "y"), ("b", "y")]
        assert len(database.winners(workload_id="a")) == 1


class TestWorkloads:
    INFO = WorkloadInfo(
        workload_id="w",
        family="matmul",
        dims={"m": 2, "n": 3},
        dtypes=("f32",),
        flops=12,
        bytes_moved=40,
        mlir="module {}",
    )

    def test_a_description_is_kept_once(self, database):
        database.add_workload(self.INFO)
        database.add_workload(self.INFO)
        assert database.workloads() == [self.INFO]
        assert database.workload("w") == self.INFO
        assert database.workload("v") is None

    def test_export_joins_records_with_their_workload(self, database):
        database.add_workload(self.INFO)
        database.add(make_record())
        database.add(make_record(workload_id="unknown"))
        known, unknown = database.export()
        assert (known["family"], known["dims"], known["bytes"], known["schema_version"]) == (
            "matmul",
            {"m": 2, "n": 3},
            40,
            1,
        )
        assert (unknown["workload_id"], unknown["family"]) == ("unknown", None)


class TestProcesses:
    def test_two_processes_create_and_write_one_file_at_once(self, path, workers):
        calls = [(str(path), session, 200) for session in "ab"]
        outcomes = workers.map("database_tasks:add_many", calls, timeout_s=60)
        assert [outcome.status for outcome in outcomes] == ["ok", "ok"], outcomes
        with Database.open(path, create=False) as database:
            for session in "ab":
                assert [record.trial for record in database.query(session=session)] == list(range(200))
        assert [entry.name for entry in path.parent.iterdir()] == ["records.db"]

    def test_nothing_that_was_added_is_lost_on_a_kill(self, path):
        process = subprocess.Popen([sys.executable, str(TASKS), str(path)], stdout=subprocess.PIPE, text=True)
        lines = [process.stdout.readline() for _ in range(50)]
        process.kill()
        lines += process.communicate()[0].splitlines()
        said = int([line for line in lines if line.strip()][-1])
        with Database.open(path, create=False) as database:
            trials = [record.trial for record in database.query()]
        assert trials == list(range(len(trials)))
        assert said + 1 <= len(trials) <= said + 2


class TestBadFiles:
    def refused(self, path: Path, **options) -> str:
        before = path.read_bytes() if path.is_file() else None
        with pytest.raises(DatabaseError) as caught:
            Database.open(path, **options)
        assert_one_line(str(caught.value), path)
        assert (path.read_bytes() if path.is_file() else None) == before
        return str(caught.value)

    def test_a_missing_file_is_not_made_unless_asked(self, path):
        assert "no record database" in self.refused(path, create=False)
        assert "no record database" in self.refused(path, readonly=True)
        assert list(path.parent.iterdir()) == []

    @pytest.mark.parametrize("readonly", [False, True])
    def test_text(self, path, readonly):
        path.write_text("not a database, though long enough to be one " * 100)
        assert "not a record database" in self.refused(path, readonly=readonly)

    def test_an_empty_file(self, path):
        path.touch()
        assert "empty" in self.refused(path)

    def test_a_folder(self, path):
        path.mkdir()
        assert "folder" in self.refused(path)

    def test_a_missing_folder(self, path):
        assert "folder does not exist" in self.refused(path / "deeper.db")

    def test_a_path_that_cannot_be_written(self):
        assert "cannot" in self.refused(Path("/proc/records.db"))

    def test_an_archive_can_be_read_but_not_written(self, workers):
        with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to other users
            path = Path(folder, "records.db")
            self.fill(path)
            path.chmod(0o444)
            os.chmod(folder, 0o555)
            outcome = workers.call("database_tasks:read_where_nothing_can_be_written", str(path), timeout_s=30)
            os.chmod(folder, 0o755)
        assert outcome.ok, outcome
        count, message = outcome.value
        assert count == 200
        assert_one_line(message, path)

    def test_a_newer_version(self, path):
        Database.open(path).close()
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA user_version = 99")
        connection.close()
        message = self.refused(path)
        assert "version 99" in message
        assert "upgrade" in message

    def test_another_programs_database(self, path):
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE records (x)")
        connection.commit()
        connection.close()
        assert "another program" in self.refused(path)

    @pytest.mark.parametrize("keep", [100, 4096, 20_000])
    def test_a_truncated_file(self, path, keep):
        self.fill(path)
        path.write_bytes(path.read_bytes()[:keep])
        assert "damaged" in self.refused(path)

    @pytest.mark.parametrize("page", [1, 2, 5, 8])
    def test_an_overwritten_page(self, path, page):
        self.fill(path)
        data = bytearray(path.read_bytes())
        data[page * 4096 : (page + 1) * 4096] = b"\xa5" * 4096
        path.write_bytes(data)
        assert "damaged" in self.refused(path)

    def test_a_damaged_field_names_the_record(self, path):
        self.fill(path)
        connection = sqlite3.connect(path)
        connection.execute("UPDATE records SET samples_s = '[1, \"x\"' WHERE id = 7")
        connection.commit()
        connection.close()
        with Database.open(path) as database, pytest.raises(DatabaseError, match="record 7 is damaged") as caught:
            database.query()
        assert_one_line(str(caught.value), path)

    def fill(self, path):
        with Database.open(path) as database:
            database.add_many(make_record(trial=trial, cause="x" * 200) for trial in range(200))


class TestFullDisk:
    def test_recording_stops_with_one_line_and_keeps_what_was_there(self, path, workers):
        outcome = workers.call("database_tasks:add_until_the_disk_is_full", str(path), 100_000, timeout_s=60)
        assert outcome.ok, outcome
        added, message = outcome.value
        assert_one_line(message, path)
        assert "disk" in message
        assert added > 0
        with Database.open(path, create=False) as database:
            assert [record.trial for record in database.query()] == list(range(added))
            database.add(make_record(trial=added))
            assert len(database) == added + 1

    def test_creating_leaves_nothing(self, path, workers):
        outcome = workers.call("database_tasks:create_on_a_full_disk", str(path), timeout_s=60)
        assert outcome.ok, outcome
        assert_one_line(outcome.value, path)
        assert list(path.parent.iterdir()) == []

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_a_device_that_is_always_full_is_refused(self):
        with pytest.raises(DatabaseError):
            Database.open("/dev/full")

    def test_a_copy_taken_while_open_holds_everything_after_close(self, database, path, tmp_path):
        database.add(make_record())
        database.close()
        shutil.copy(path, tmp_path / "copy.db")
        with Database.open(tmp_path / "copy.db", create=False) as copy:
            assert copy.query() == [make_record()]
