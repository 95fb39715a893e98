"""Schedule text: what is written is what is read, and mistakes are named with their column."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.core.errors import ParseError
from costmodel.search.schedule.text import LEVELS, STEPS, Schedule, Step, parse_schedule

CONTRACT = (
    "v1; fuse(producers=1); tile(level=cache, m=64, n=256, k=128); order(m, k, n); "
    "tile(level=register, m=8, n=32, k=1); pack(b); vectorize(16); unroll(k=4)"
)

NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True).filter(lambda n: n != "level")
SIZES = st.integers(1, 1 << 40)


def _sizes(low: int = 0) -> st.SearchStrategy[tuple[tuple[str, int], ...]]:
    return st.dictionaries(NAMES, SIZES, min_size=low, max_size=4).map(lambda d: tuple(d.items()))


def _steps() -> st.SearchStrategy[Step]:
    names = st.lists(NAMES, unique=True, max_size=4).map(tuple)
    counts = st.dictionaries(st.sampled_from(["producers", "consumers", "depth"]), st.integers(0, 9), max_size=3)
    return st.one_of(
        st.builds(Step, st.just("fuse"), st.just(()), counts.map(lambda d: tuple(d.items()))),
        st.builds(lambda lv, s: Step("tile", (), (("level", lv), *s)), st.sampled_from(LEVELS), _sizes()),
        st.builds(Step, st.sampled_from(["order", "pack"]), names),
        st.builds(lambda n, d: Step("vectorize", (n,), (("dim", d),) if d else ()), SIZES, st.none() | NAMES),
        st.builds(Step, st.just("unroll"), st.just(()), _sizes()),
    )


@given(st.lists(_steps(), max_size=6).map(lambda steps: Schedule(tuple(steps))))
def test_reading_what_was_printed_gives_the_same(schedule):
    assert parse_schedule(str(schedule)) == schedule


@given(st.lists(_steps(), max_size=4).map(lambda steps: Schedule(tuple(steps))), st.sampled_from(["", " ", "\n\t "]))
def test_white_space_does_not_matter(schedule, space):
    loose = str(schedule).replace(", ", f"{space},{space}").replace("; ", f"{space};{space}").replace("(", f"{space}(")
    assert parse_schedule(space + loose + space) == schedule


def test_the_contract_s_example_reads_and_prints_identically():
    schedule = parse_schedule(CONTRACT)
    assert str(schedule) == CONTRACT
    assert {s.name for s in schedule.steps} == set(STEPS)
    assert schedule.find("tile", "register").sizes() == {"m": 8, "n": 32, "k": 1}


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "found 'end of text', expected 'a name'"),
        ("v2; pack(b)", 1, "version 'v2' is not known"),
        ("v1; fold(k)", 5, "unknown step 'fold'; known: fuse, order"),
        ("v1; pack b", 10, "expected '\\('"),
        ("v1; pack(b", 11, "expected ','"),
        ("v1; pack(3)", 10, "expected a name"),
        ("v1 pack(b)", 4, "expected ';'"),
        ("v1; tile(m=8)", 5, "tile needs level=cache or level=register"),
        ("v1; tile(level=l9, m=8)", 16, "expected cache or register"),
        ("v1; tile(level=cache, m=0)", 25, "expected a positive integer"),
        ("v1; tile(level=cache, m=8, m=9)", 28, "has 'm' twice"),
        ("v1; vectorize(-4)", 15, "expected a positive integer"),
        ("v1; vectorize()", 5, "takes one number of lanes"),
        ("v1; vectorize(4, to=k)", 5, "takes one number of lanes, and dim=NAME"),
        ("v1; vectorize(dim=k, 4)", 22, "positional argument after a keyword"),
        ("v1; fuse(producers=-1)", 20, "an integer, 0 or more"),
        ("v1; fuse(sideways=1)", 5, "fuse takes producers, consumers, depth"),
        ("v1; order(m, n, m)", 5, "names something twice"),
        ("v1; unroll(k=4); @", 18, "unexpected '@'"),
    ],
)
def test_a_mistake_is_named_with_its_column(text, column, message):
    with pytest.raises(ParseError, match=message) as caught:
        parse_schedule(text)
    assert caught.value.location is not None
    assert caught.value.location.column == column


def test_the_first_step_of_a_name_counts():
    schedule = parse_schedule("v1; unroll(k=2); unroll(k=4)")
    assert schedule.find("unroll").get("k") == 2
    assert schedule.find("pack") is None
