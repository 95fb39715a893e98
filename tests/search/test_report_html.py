"""report.html: parses, is balanced, needs nothing from outside, and whatever it is given stays text."""

import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.search.report import EndToEnd, Report, render_html, write_report_html
from costmodel.search.report.units import digits, duration, seconds
from tests.search import report_samples as samples

VOID = {"meta", "br"}
EVIL = '<script>alert(\'x\')</script>"&\x00 onload="x"'


class Page(HTMLParser):
    """Raises on a tag that closes nothing; collects elements, attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)


def hostile() -> Report:
    points = tuple(samples.point(i, 1e-3, schedule=EVIL, status="ok" if i else EVIL) for i in range(3))
    workload = samples.matmul(
        workload_id=EVIL, name=EVIL, family=EVIL, dims={EVIL: 3}, vendor=EVIL, best_schedule=EVIL, notes=(EVIL,),
        failures={EVIL: 2}, history=points,
    )  # fmt: skip
    texts = dict.fromkeys(("target", "device", "toolchain", "strategy", "input"), EVIL)
    return samples.report(workloads=(workload,), time={EVIL: 1.0}, worker_s={EVIL: 1.0}, warnings=(EVIL,), **texts)


def degenerate() -> dict[str, Report]:
    nan = math.nan
    failed = samples.matmul(
        best_s=None, best_schedule=None, vendor_s=None, heuristic_s=None, default_s=None, failures={"crash": 2},
        history=(samples.point(0, None, status="crash"), samples.point(1, None, status="oom")),
    )  # fmt: skip
    nans = samples.matmul(
        default_s=nan, heuristic_s=math.inf, best_s=nan, vendor_s=0.0, bytes=nan, flops=0, dims={},
        history=(samples.point(0, nan), samples.point(1, -1.0), samples.point(2, 0.0)),
    )  # fmt: skip
    return {
        "none": samples.report(workloads=(), end_to_end=None, time={}, worker_s={}, warnings=()),
        "failed": samples.report(workloads=(failed,), end_to_end=EndToEnd()),
        "nan": samples.report(workloads=(nans,), end_to_end=EndToEnd(default_s=nan, max_abs_error=nan)),
        "one trial": samples.report(workloads=(samples.matmul(history=(samples.point(0, 2e-3),)),)),
        "equal times": samples.report(workloads=(samples.matmul(default_s=1.0, best_s=1.0, vendor_s=1.0),)),
        "slower": samples.report(workloads=(samples.matmul(default_s=1e-3, best_s=1.0),)),
    }


def test_the_full_page_shows_everything():
    page = Page(render_html(samples.report()))
    text = "".join(page.texts)
    for expected in ("main_matmul", samples.WINNER, "too few trials to tell", "m=512 n=512 k=512", "90.9×", "97.6",
                     "2.75 ms", "34.6×", "1.3e-06", "the machine was\nbusy", "onnxruntime", "compile"):  # fmt: skip
        assert expected in text
    # latency, speed-ups, best so far, predicted against measured, time; the last two of one kernel again
    assert page.count("svg") == 7


def test_pictures_have_names_for_screen_readers():
    pictures = [attributes for tag, attributes in Page(render_html(samples.report())).elements if tag == "svg"]
    assert all(picture["role"] == "img" and picture["aria-label"] for picture in pictures)
    assert any("2.75 ms" in str(picture["aria-label"]) for picture in pictures)


@pytest.mark.parametrize("name", degenerate())
def test_degenerate_reports_give_a_page(name: str):
    text = render_html(degenerate()[name])
    Page(text)
    assert not re.search(r"\b(nan|inf|None)\b", text)


def test_hostile_names_stay_text():
    text = render_html(hostile())
    page = Page(text)
    assert page.count("script") == 0
    assert not any(key.startswith("on") for _, attributes in page.elements for key in attributes)
    assert "\x00" not in text
    assert "<script>alert('x')</script>" in "".join(page.texts)


@given(st.text())
def test_any_text_survives_as_a_name(name: str):
    page = Page(render_html(samples.report(workloads=(samples.matmul(name=name, history=()),))))
    assert page.count("script") == 0


@pytest.mark.parametrize("report", [samples.report(), hostile()], ids=["usual", "hostile"])
def test_nothing_comes_from_outside(report: Report):
    text = render_html(report)
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "image", "use", "a"} & {tag for tag, _ in page.elements}
    assert not {"src", "href", "xlink:href", "style"} & {key for _, attributes in page.elements for key in attributes}
    assert "://" not in text
    assert "url(" not in text
    assert "@import" not in text


def test_many_kernels_are_folded():
    many = tuple(samples.matmul(name=f"kernel_{i:03}", default_s=1.0 - i / 1000) for i in range(200))
    text = render_html(samples.report(workloads=many))
    page = Page(text)
    details = [attributes for tag, attributes in page.elements if tag == "details"]
    assert len(details) == 1 + 200
    assert sum("open" in attributes for attributes in details) == 1
    assert "170 more kernels" in text
    assert "The 40 most expensive of 200." in text
    assert text.index("kernel_000") < text.index("kernel_199")


def test_the_page_is_the_same_each_time_and_written_whole(tmp_path: Path):
    path = tmp_path / "report.html"
    write_report_html(samples.report(), path)
    assert path.read_text(encoding="utf-8") == render_html(samples.report())
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.00123, "1.23 ms"), (999.9e-6, "1.00 ms"), (8.2e-6, "8.20 µs"), (0.0, "0 s"), (315.0, "315 s"), (None, "–"),
     (math.nan, "–"), (3e-10, "0.300 ns")],
)  # fmt: skip
def test_seconds(value: float | None, expected: str):
    assert seconds(value) == expected


def test_other_figures():
    assert [digits(v) for v in (0.95, 1234.5, 9.999, 1e-7, 0.0)] == ["0.950", "1234", "10.0", "1.00e-07", "0.00"]
    assert [duration(v) for v in (7.4, 750, 3723, -1, math.inf)] == ["0:07", "12:30", "1:02:03", "0:00", "0:00"]
