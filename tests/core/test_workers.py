"""The worker pool under real faults in real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from costmodel.core.errors import UsageError
from costmodel.core.workers import WorkerPool, run_isolated, wait

FAULTS = str(Path(__file__).parent / "worker_faults")
MODULE = "costmodel_worker_faults"


def task(name: str) -> str:
    return f"{MODULE}:{name}"


@pytest.fixture(scope="module", autouse=True)
def faults_importable():
    sys.path.insert(0, FAULTS)
    yield
    sys.path.remove(FAULTS)


@pytest.fixture(scope="module")
def pool(faults_importable):
    with WorkerPool("test", 1) as pool:
        yield pool


def assert_usable(pool: WorkerPool) -> None:
    assert pool.call(task("add"), 2, 3, timeout_s=10).value == 5


def assert_ends(pid: int, within_s: float = 5.0) -> None:
    """A process is gone, or a zombie that waits for whoever adopted it."""
    limit = time.monotonic() + within_s
    while time.monotonic() < limit:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state == "Z":
            return
        time.sleep(0.01)
    pytest.fail(f"process {pid} is still there")


def wait_for(path: Path, within_s: float = 10.0) -> list[int]:
    limit = time.monotonic() + within_s
    while not path.exists():
        assert time.monotonic() < limit, f"{path} did not appear"
        time.sleep(0.01)
    return [int(word) for word in path.read_text().split()]


class TestAnswers:
    def test_a_value_comes_back_from_another_process(self, pool):
        outcome = pool.call(task("pid"), timeout_s=10)
        assert outcome.ok
        assert outcome.value != os.getpid()
        assert outcome.cause == ""

    def test_the_worker_persists_across_tasks(self, pool):
        assert pool.call(task("pid"), timeout_s=10).value == pool.call(task("pid"), timeout_s=10).value

    def test_arrays_pass_both_ways_and_come_back_writable(self, pool):
        array = np.arange(1 << 20, dtype=np.float32)
        outcome = pool.call(task("double"), array, timeout_s=10)
        np.testing.assert_array_equal(outcome.value, array * 2)
        outcome.value[0] = 1.0

    def test_empty_and_odd_arrays_pass(self, pool):
        for array in (
            np.zeros((0, 3)),
            np.float64(2.0),
            np.ones((300, 300))[::2, ::3],
            np.asfortranarray(np.ones((200, 100))),
        ):
            np.testing.assert_array_equal(pool.call(task("double"), np.array(array), timeout_s=10).value, array * 2)

    def test_hundreds_of_megabytes_pass(self, pool):
        outcome = pool.call(task("make_array"), 300, timeout_s=30)
        assert outcome.value.nbytes == 300 << 20
        assert pool.call(task("sum_of"), outcome.value, timeout_s=30).value == outcome.value.size

    def test_large_bytes_pass(self, pool):
        data = bytes(100 << 20)
        assert len(pool.call(task("add"), data, b"1", timeout_s=30).value) == len(data) + 1

    def test_map_keeps_order_across_workers(self):
        with WorkerPool("map", 2) as pool:
            outcomes = pool.map(task("add"), [(n, n) for n in range(50)], timeout_s=10)
        assert [outcome.value for outcome in outcomes] == [2 * n for n in range(50)]

    def test_a_round_trip_waits_for_nothing(self, pool):
        assert_usable(pool)
        walls = []
        for _ in range(100):
            begin = time.perf_counter()
            pool.call(task("nothing"), timeout_s=10)
            walls.append(time.perf_counter() - begin)
        assert min(walls) < 0.1


class TestFaults:
    @pytest.mark.parametrize("name", ["spin_python", "spin_native", "pause_native"])
    def test_spinning_is_a_timeout(self, pool, name):
        begin = time.monotonic()
        outcome = pool.call(task(name), timeout_s=0.2)
        assert outcome.status == "timeout"
        assert "0.2 s" in outcome.cause
        assert 0.2 <= outcome.wall_s < 30
        assert time.monotonic() - begin < 60
        assert_usable(pool)

    def test_a_segfault_is_a_crash_with_the_signal_and_the_place(self, pool):
        outcome = pool.call(task("segfault"), timeout_s=10)
        assert outcome.status == "crash"
        assert outcome.headline == "killed by SIGSEGV"
        assert "in segfault" in outcome.cause
        assert_usable(pool)

    def test_an_abort_is_a_crash_with_what_it_said(self, pool):
        outcome = pool.call(task("abort"), timeout_s=10)
        assert outcome.status == "crash"
        assert outcome.headline == "killed by SIGABRT: LLVM ERROR: cannot select"

    def test_a_native_stack_overflow_is_a_segfault(self, pool):
        outcome = pool.call(task("native_stack_overflow"), timeout_s=20)
        assert (outcome.status, outcome.headline) == ("crash", "killed by SIGSEGV")

    @pytest.mark.parametrize("status", [0, 3])
    def test_an_exit_is_a_crash(self, pool, status):
        outcome = pool.call(task("leave"), status, timeout_s=10)
        assert outcome.status == "crash"
        assert f"status {status}" in outcome.cause
        assert_usable(pool)

    def test_closing_all_descriptors_is_a_crash(self, pool):
        outcome = pool.call(task("close_everything"), timeout_s=30)
        assert outcome.status == "crash"
        assert outcome.wall_s < 30

    def test_the_words_of_bad_alloc_mean_out_of_memory(self, pool):
        assert pool.call(task("abort_without_memory"), timeout_s=10).status == "oom"

    @pytest.mark.parametrize("name", ["allocate_python", "allocate_native"])
    def test_taking_all_memory_is_oom(self, name):
        with WorkerPool("small", 1, preload=("numpy",), memory_bytes=256 << 20) as pool:
            assert pool.call(task("make_array"), 200, timeout_s=10).ok
            outcome = pool.call(task(name), timeout_s=20)
            assert outcome.status == "oom", outcome
            assert_usable(pool)

    def test_an_argument_counts_towards_the_memory(self):
        with WorkerPool("small", 1, preload=("numpy",), memory_bytes=64 << 20) as pool:
            assert pool.call(task("double"), np.ones(128 << 17), timeout_s=10).status == "oom"
            assert_usable(pool)

    def test_an_impossible_array_is_oom_without_a_limit(self, pool):
        outcome = pool.call("numpy:zeros", 1 << 58, timeout_s=10)
        assert outcome.status == "oom"
        assert "MemoryError" in outcome.cause

    @pytest.mark.parametrize("descriptor", [0, 1, 2])
    def test_ten_megabytes_of_output_neither_block_nor_leak(self, pool, descriptor, capfd):
        assert pool.call(task("print_much"), descriptor, 10 << 20, timeout_s=20).value == 10 << 20
        assert capfd.readouterr() == ("", "")

    def test_the_cause_ends_with_standard_error_of_this_task_only(self, pool):
        pool.call(task("warn"), "first", timeout_s=10)
        outcome = pool.call(task("warn"), "second", timeout_s=10)
        assert outcome.status == "error"
        assert outcome.headline.startswith("ValueError: after a warning (costmodel_worker_faults.py:")
        assert outcome.cause.endswith("\nsecond")

    def test_the_kept_standard_error_is_bounded(self, pool):
        assert len(pool.call(task("warn"), "z" * (1 << 20), timeout_s=10).cause) < 10_000

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("value", "ValueError: seven is not even"),
            ("lines", "ValueError: one two (costmodel_worker_faults.py:"),
            ("unpicklable", "Unpicklable"),
            ("unprintable", "Unprintable"),
            ("exit", "SystemExit"),
            ("interrupt", "KeyboardInterrupt"),
        ],
    )
    def test_whatever_is_raised_is_an_error_and_the_worker_stays(self, pool, name, words):
        before = pool.call(task("pid"), timeout_s=10).value
        outcome = pool.call(task("raise_named"), name, timeout_s=10)
        assert outcome.status == "error"
        assert words in outcome.headline
        assert pool.call(task("pid"), timeout_s=10).value == before

    @pytest.mark.parametrize("name", ["recurse", "return_unpicklable", "return_explosive"])
    def test_other_errors_leave_the_worker_up(self, pool, name):
        before = pool.call(task("pid"), timeout_s=10).value
        assert pool.call(task(name), timeout_s=10).status == "error"
        assert pool.call(task("pid"), timeout_s=10).value == before

    @pytest.mark.parametrize("path", ["no_such_module_here:f", f"{MODULE}:no_such_function"])
    def test_a_task_that_is_not_there_is_an_error(self, pool, path):
        outcome = pool.call(path, timeout_s=10)
        assert outcome.status == "error"
        assert "no_such" in outcome.cause

    def test_a_fork_that_holds_the_channel_does_not_hide_the_crash(self, pool):
        outcome = pool.call(task("fork_holding_the_channel_and_crash"), timeout_s=30)
        assert outcome.status == "crash"
        assert outcome.wall_s < 30

    def test_a_worker_killed_while_idle_is_not_held_against_the_next_task(self, pool):
        os.kill(pool.call(task("pid"), timeout_s=10).value, signal.SIGKILL)
        time.sleep(0.05)
        assert_usable(pool)


class TestProcesses:
    def test_a_timeout_kills_the_whole_group(self, pool, tmp_path):
        assert pool.call(task("start_grandchild_and_spin"), str(tmp_path / "pids"), timeout_s=1.0).status == "timeout"
        for pid in wait_for(tmp_path / "pids"):
            assert_ends(pid)

    def test_a_crash_leaves_no_grandchild(self, pool, tmp_path):
        assert pool.call(task("start_grandchild_and_crash"), str(tmp_path / "pid"), timeout_s=10).status == "crash"
        for pid in wait_for(tmp_path / "pid"):
            assert_ends(pid)

    def test_close_resolves_every_handle_and_leaves_no_process(self, tmp_path):
        pool = WorkerPool("closing", 1)
        running = pool.submit(task("start_grandchild_and_spin"), str(tmp_path / "pids"), timeout_s=60)
        waiting = pool.submit(task("nothing"), timeout_s=60)
        pids = wait_for(tmp_path / "pids")
        pool.close()
        pool.close()
        for handle in (running, waiting):
            assert handle.result(timeout=1).status == "error"
            assert "closed" in handle.result().cause
        for pid in pids:
            assert_ends(pid)
        with pytest.raises(UsageError, match="closed"):
            pool.submit(task("nothing"), timeout_s=1)

    @pytest.mark.parametrize("ending", ["os.kill(os.getpid(), signal.SIGKILL)", "raise SystemExit", "os._exit(0)"])
    def test_workers_die_with_the_coordinator(self, tmp_path, ending):
        script = f"""
            import os, signal, sys, time
            from costmodel.core.workers import WorkerPool
            sys.path.insert(0, {FAULTS!r})
            pool = WorkerPool("orphan", 1)
            pids = {str(tmp_path / "pids")!r}
            pool.submit({task("start_grandchild_and_spin")!r}, pids, timeout_s=60)
            while not os.path.exists(pids):
                time.sleep(0.01)
            {ending}
        """
        subprocess.run([sys.executable, "-c", textwrap.dedent(script)], timeout=30, check=False)
        worker, grandchild = wait_for(tmp_path / "pids")
        assert_ends(worker)
        if ending == "raise SystemExit":
            assert_ends(grandchild)
        else:
            os.kill(grandchild, signal.SIGKILL)

    def test_workers_have_a_session_of_their_own(self, pool):
        assert pool.call(task("session_is_own"), timeout_s=10).value is True

    def test_two_pools_go_on_at_once_and_wait_returns_the_first(self, pool):
        with WorkerPool("other", 1) as other:
            assert_usable(other)
            slow = pool.submit(task("sleep"), 0.5, timeout_s=10)
            fast = other.submit(task("sleep"), 0.01, timeout_s=10)
            assert wait([slow, fast], timeout_s=5) == ([fast], [slow])
            assert wait([slow], timeout_s=0.01) == ([], [slow])
            assert wait([slow, fast], timeout_s=5, for_all=True) == ([slow, fast], [])

    def test_a_waiting_task_can_be_cancelled(self, pool):
        running = pool.submit(task("sleep"), 0.2, timeout_s=10)
        waiting = pool.submit(task("nothing"), timeout_s=10)
        assert waiting.cancel()
        assert running.result().value == 0.2
        assert_usable(pool)

    def test_preload_environment_and_pinning(self):
        cpu = min(os.sched_getaffinity(0))
        with WorkerPool("set", 1, preload=("colorsys",), env={"COSTMODEL_TEST": "1"}, cpu=cpu) as pool:
            pool.warm_up()
            assert pool.call(task("preloaded"), "colorsys", timeout_s=10).value is True
            assert pool.call(task("variable"), "COSTMODEL_TEST", timeout_s=10).value == "1"
            assert pool.call(task("affinity"), timeout_s=10).value == [cpu]
            assert pool.statistics().starts == 1
            assert pool.statistics().tasks == 3

    def test_a_preload_that_fails_is_an_outcome(self):
        with WorkerPool("broken", 1, preload=("no_such_module_here",)) as pool:
            outcome = pool.call(task("nothing"), timeout_s=10)
        assert outcome.status == "error"
        assert outcome.headline.startswith("worker did not start: ModuleNotFoundError")


class TestMisuse:
    @pytest.mark.parametrize("path", ["", "os", "os:", ":path", "a:b:c"])
    def test_a_bad_task_name(self, pool, path):
        with pytest.raises(UsageError, match="module:function"):
            pool.submit(path, timeout_s=1)

    @pytest.mark.parametrize("limit", [0, -1, float("inf"), float("nan")])
    def test_a_bad_limit(self, pool, limit):
        with pytest.raises(UsageError, match="timeout_s"):
            pool.submit("os:getpid", timeout_s=limit)

    def test_an_argument_that_does_not_pickle(self, pool):
        with pytest.raises(UsageError, match="cannot be pickled"):
            pool.submit("os:getpid", lambda: 0, timeout_s=1)

    def test_bad_pools(self):
        with pytest.raises(UsageError, match="size"):
            WorkerPool("none", 0)
        with pytest.raises(UsageError, match="memory_bytes"):
            WorkerPool("none", 1, memory_bytes=0)


class TestRunIsolated:
    def test_one_worker_serves_equal_calls(self):
        first, second = run_isolated(task("pid")), run_isolated(task("pid"))
        assert first.ok
        assert first.value == second.value
        assert run_isolated(task("pid"), preload=("colorsys",)).value != first.value

    def test_it_survives_a_fault(self):
        assert run_isolated(task("segfault")).status == "crash"
        assert run_isolated(task("spin_python"), timeout_s=0.1).status == "timeout"
        assert run_isolated(task("add"), 1, 2).value == 3
