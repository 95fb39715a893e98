"""What every generator in the registry owes: names, items that depend on the seed alone, refusals before any work."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from costmodel.core.errors import MissingDependencyError, UsageError
from costmodel.core.workers import WorkerPool
from costmodel.datasets.generators import GENERATORS, Item, Options
from costmodel.datasets.generators.run import ProductCache, make

NEEDS = {"triton": ("triton", "torch"), "zoo": ("torch", "torch_mlir"), "linalg": (), "loops": ()}
TOOLS = {"loops": [pytest.mark.toolchain("clang", "opt")]}


@pytest.fixture(params=[pytest.param(name, marks=TOOLS.get(name, ())) for name in GENERATORS])
def name(request):
    for package in NEEDS.get(request.param, ()):
        pytest.importorskip(package)
    return request.param


def test_items_are_distinct_and_follow_from_the_seed(name):
    generator = GENERATORS.get(name)(Options())
    families = generator.families()
    assert len(set(families)) == len(families) >= 12
    drawn = generator.draw(families[:2], 60, 7)
    assert drawn == GENERATORS.get(name)(Options()).draw(families[:2], 60, 7)
    assert {item.family for item in drawn} == set(families[:2])
    assert len({item.key for item in drawn}) == len(drawn)
    assert {item.generator for item in drawn} == {name}
    assert [i.key for i in drawn] != [i.key for i in generator.draw(families[:2], 60, 8)]


def test_levels_that_it_does_not_have_are_refused(name):
    with pytest.raises(UsageError, match="levels"):
        GENERATORS.get(name)(Options(levels=("assembly",)))


def test_a_missing_package_is_named(name, monkeypatch):
    if not NEEDS[name]:
        assert GENERATORS.get(name)(Options()).families()
        return
    module = GENERATORS.get(name).__module__
    missing = NEEDS[name][0]
    monkeypatch.setattr(f"{module}.find_spec", lambda package: None if package == missing else find_spec(package))
    with pytest.raises(MissingDependencyError, match=f"'{missing}'.*pip install"):
        GENERATORS.get(name)(Options())


def item(task: str, **spec: object) -> Item:
    return Item(generator="g", family="f", task=task, spec=tuple(sorted(spec.items())), timeout_s=20)


def test_an_item_that_fails_costs_itself_and_is_counted():
    good = GENERATORS.get("linalg")(Options(levels=("linalg",))).draw(["matvec"], 1, 0)
    made = make([item("costmodel.datasets.generators.linalg_task:lower_workload", family="none"), *good], jobs=1)
    assert len(made.functions) >= 1
    ((title, cause),) = made.dropped
    assert title == "g/f"
    assert cause.startswith("error: ")


def test_what_is_cached_is_not_made_again(tmp_path, monkeypatch):
    items = GENERATORS.get("linalg")(Options(levels=("linalg",))).draw(["matvec"], 4, 0)
    cache = ProductCache(tmp_path)
    first = make(items, jobs=1, cache=cache)
    monkeypatch.setattr(WorkerPool, "submit", lambda *a, **k: pytest.fail("was made again"))
    again = make(items, jobs=1, cache=cache)
    assert again.functions == first.functions
    assert len(again.functions) >= len(items)


def test_a_damaged_cache_entry_is_made_again(tmp_path):
    items = GENERATORS.get("linalg")(Options(levels=("linalg",))).draw(["matvec"], 1, 0)
    first = make(items, jobs=1, cache=ProductCache(tmp_path))
    for path in tmp_path.rglob("*.z"):
        path.write_bytes(path.read_bytes()[:10])
    assert make(items, jobs=1, cache=ProductCache(tmp_path)).functions == first.functions
