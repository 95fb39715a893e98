"""How many proposals a workload is asked for at once, so that each of many gets some in the time there is."""

from types import SimpleNamespace

import pytest

from costmodel.search.report.clock import PhaseClock
from costmodel.search.tuner.search import MAX_BATCH, SearchRun
from costmodel.search.tuner.stop import Stop

NOW_S = 1000.0


class Asked:
    """A session that notes what it is asked for and has nothing to propose."""

    def __init__(self, number: int) -> None:
        self.workload_id, self.count, self.trials, self.stale = str(number), 1, 0, 0
        self.best_s, self.default_s, self.exhausted = None, 1e-3, False
        self.scorer = SimpleNamespace(bound_s=1e-5)
        self.wanted: list[int] = []

    def propose(self, wanted: int) -> list[object]:
        """Note it."""
        self.wanted.append(wanted)
        self.exhausted = True
        return []


def batch_sizes(monkeypatch, workloads: int, *, trials: int = 512, left_s: float | None = None) -> set[int]:
    monkeypatch.setattr("time.monotonic", lambda: NOW_S)
    sessions = [Asked(number) for number in range(workloads)]
    stop = Stop(search_until_s=None if left_s is None else NOW_S + left_s)
    run = SearchRun(
        sessions=sessions, measurer=None, database=None, key=None, clock=PhaseClock(), progress=None, stop=stop,
        trials=trials,
    )  # fmt: skip
    run.run()
    return {wanted for session in sessions for wanted in session.wanted}


@pytest.mark.parametrize(
    ("workloads", "trials", "left_s", "size"),
    [
        (1, 32, None, MAX_BATCH),
        (1, 512, 60.0, MAX_BATCH),
        (45, 1 << 20, None, MAX_BATCH),
        (45, 1 << 20, 15.0, 2),
        (45, 1 << 20, 3600.0, MAX_BATCH),
        (8, 512, 30.0, 4),
        (45, 90, 3600.0, 2),
    ],
)
def test_many_workloads_share_the_trials_that_there_is_time_for(monkeypatch, workloads, trials, left_s, size):
    assert batch_sizes(monkeypatch, workloads, trials=trials, left_s=left_s) == {size}
