"""Live progress: lines, a terminal, and outputs that break."""

import io

import pytest

from costmodel.search.report.live import LiveProgress


class Now:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


class BrokenTerminal(Broken):
    def isatty(self) -> bool:
        return True


def test_one_line_per_event_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]):
    now = Now()
    with LiveProgress(4, 60.0, now=now) as progress:
        now.seconds = 2.0
        progress.update(workload="matmul", trial=0, best_s=1.23e-3, status="ok")
        progress.message("two\nlines")
        now.seconds = 4.0
        progress.update(workload="soft\x1b[31mmax", trial=0, best_s=None, status="crash")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "trial 1/4: matmul #1 ok, best 1.23 ms; 0:02 elapsed, about 0:06 left",
        "two lines",
        "trial 2/4: soft�[31mmax #1 crash; 0:04 elapsed, about 0:04 left",
        "2/4 trials, 1 failed; 0:04 elapsed, about 0:04 left",
    ]


def test_time_left_is_the_rate_or_the_limit():
    now = Now()
    progress = LiveProgress(10, 20.0, now=now, stream=io.StringIO())
    assert progress.left_s() == 20.0
    now.seconds = 4.0
    progress.update(workload="a", trial=0, best_s=1.0, status="ok")
    assert progress.left_s() == 16.0  # nine trials of 4 s would take longer than the limit
    now.seconds = 5.0
    progress.update(workload="a", trial=1, best_s=1.0, status="ok")
    assert progress.left_s() == 15.0
    unlimited = LiveProgress(10, now=now, stream=io.StringIO())
    assert unlimited.left_s() is None
    now.seconds = 7.0
    unlimited.update(workload="a", trial=0, best_s=1.0, status="ok")
    assert unlimited.left_s() == 18.0


def test_a_resumed_run_counts_what_was_done():
    now = Now()
    stream = io.StringIO()
    progress = LiveProgress(10, now=now, done=8, stream=stream)
    now.seconds = 3.0
    progress.update(workload="a", trial=8, best_s=1.0, status="ok")
    assert progress.left_s() == 3.0
    assert stream.getvalue().startswith("trial 9/10: a #9 ok")


def test_a_terminal_shows_progress_and_markup_is_text(capsys: pytest.CaptureFixture[str]):
    now = Now()
    stream = Terminal()
    with LiveProgress(40, now=now, stream=stream) as progress:
        progress.message("starting [bold]now[/nonsense]")
        for i in range(12):
            now.seconds += 1.0
            progress.update(workload=f"[red]kernel{i}", trial=0, best_s=1e-3, status="ok" if i else "wrong")
            progress.tick()
    shown = stream.getvalue()
    assert "starting [bold]now[/nonsense]" in shown
    assert "[red]kernel11" in shown
    assert "12/40 trials, 1 failed; 0:12 elapsed, about 0:28 left" in shown
    assert "and 4 more workloads" in shown
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("stream", [Broken(), BrokenTerminal()], ids=["file", "terminal"])
def test_a_broken_output_never_stops_the_run(stream: io.StringIO):
    with LiveProgress(2, stream=stream) as progress:
        progress.update(workload="a", trial=0, best_s=1.0, status="ok")
        progress.message("hello")
        progress.tick()
    assert progress.left_s() is not None


def test_a_closed_output_never_stops_the_run():
    stream = io.StringIO()
    with LiveProgress(2, stream=stream) as progress:
        stream.close()
        progress.update(workload="a", trial=0, best_s=1.0, status="ok")


def test_an_output_of_few_characters_gets_replacements():
    raw = io.BytesIO()
    with LiveProgress(1, stream=io.TextIOWrapper(raw, encoding="ascii", write_through=True)) as progress:
        progress.message("8 µs")
        assert raw.getvalue() == b"8 ?s\n"


def test_an_exception_in_the_run_passes_through():
    with pytest.raises(KeyboardInterrupt), LiveProgress(2, stream=Terminal()):
        raise KeyboardInterrupt


def test_lines_come_at_most_once_a_second(capsys: pytest.CaptureFixture[str]):
    now = Now()
    with LiveProgress(100, now=now) as progress:
        for i in range(21):
            now.seconds = 0.1 * i
            progress.update(workload="a", trial=i, best_s=1.0, status="ok")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines[:-1]] == ["trial 1/100", "trial 11/100", "trial 21/100"]
