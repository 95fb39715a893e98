"""Generated rows of the bundle."""

from __future__ import annotations

import time
from pathlib import Path

from bundle_parts.quota import say
from costmodel.core.workers import Outcome
from costmodel.datasets.generators import GENERATORS, Item
from costmodel.datasets.generators.base import Options
from costmodel.datasets.generators.run import Made, ProductCache, make


def generate(name: str, count: int, seed: int, work: Path, jobs: int) -> Made:
    """About `count` rows of a generator, evenly over its families; what was made before is taken from `work`."""
    generator = GENERATORS.get(name)(Options())
    items = generator.draw(generator.families(), count, seed)
    said = begin = time.monotonic()

    def progress(done: int, total: int, item: Item, outcome: Outcome | None) -> None:
        nonlocal said
        if time.monotonic() - said > 20 or done == total:
            said = time.monotonic()
            say(f"{name}: {done} of {total} items, {said - begin:.0f} s")
        if outcome is not None and not outcome.ok:
            say(f"{item.title}: {outcome.status}: {outcome.headline}")

    return make(items, jobs=jobs, preload=generator.preload, cache=ProductCache(work / "products"), progress=progress)
