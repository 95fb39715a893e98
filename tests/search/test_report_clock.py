"""The coordinator's clock, with a clock of our own and in a real process."""

import subprocess
import sys
import time

import pytest

from costmodel.search.report import PhaseClock


class Now:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds

    def passes(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def now() -> Now:
    return Now()


def test_nested_phases_are_exclusive_and_sum_to_the_wall(now: Now):
    clock = PhaseClock(now=now, age_s=0.5)
    now.passes(0.25)
    with clock.phase("measure"):
        now.passes(1)
        with clock.phase("compile"):
            now.passes(2)
            with clock.phase("measure"):
                now.passes(4)
        now.passes(8)
    now.passes(16)
    spent = clock.finish()
    assert spent == {"startup": 0.5, "measure": 13.0, "compile": 2.0, "other": 16.25}
    assert clock.wall_s == sum(spent.values()) == 31.75


def test_a_phase_left_by_an_exception_is_counted(now: Now):
    clock = PhaseClock(now=now, age_s=0.0)

    def interrupted() -> None:
        with clock.phase("outer"), clock.phase("inner"):
            now.passes(3)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    now.passes(1)
    assert clock.finish() == {"startup": 0.0, "other": 1.0, "inner": 3.0, "outer": 0.0}


def test_finish_within_a_phase_stops_the_clock(now: Now):
    clock = PhaseClock(now=now, age_s=0.0)
    with clock.phase("report"):
        now.passes(2)
        assert clock.wall_s == 2
        spent = clock.finish()
        now.passes(5)
    assert clock.finish() == spent == {"startup": 0.0, "other": 0.0, "report": 2.0}
    assert clock.wall_s == 2


def test_startup_counts_from_the_start_of_the_process():
    code = "import time; time.sleep(0.2); from costmodel.search.report import PhaseClock; print(PhaseClock().wall_s)"
    before_s = time.monotonic()
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert 0.2 <= float(said) <= time.monotonic() - before_s + 0.02  # the system counts in hundredths of a second
