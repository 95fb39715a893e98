"""What the two accuracy benchmarks share: parts of a data set, and results that survive a kill.

Owns the drawing of functions and the file of results by key. Invariant: a finished cell is never computed again for
the same data and settings, and a cell of others is never taken over.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _common import Json, write

from costmodel.core.errors import UsageError
from costmodel.evaluation.run import mean_and_spread
from costmodel.models.encode import versions
from costmodel.training.table import TrainingTable, read_table

DATA = Path(__file__).resolve().parent / "data" / "bundle" / "labelled"
MEASURED = Path(__file__).resolve().parent / "data" / "bundle" / "measured"


def say(text: str) -> None:
    """A line about the progress."""
    print(text, file=sys.stderr, flush=True)


def draw(
    folder: Path, *, metrics: Sequence[str], levels: Sequence[str] = (), targets: Sequence[str] = (),
    pipelines: Sequence[str] = (), stages: Sequence[str] = (), functions: int, seed: int = 0,
) -> TrainingTable | None:  # fmt: skip
    """At most so many labelled functions of a data set, evenly over families; None where there is none."""
    try:
        table = read_table(folder, metrics=metrics, levels=levels, targets=targets, pipelines=pipelines)
    except UsageError as error:
        say(str(error)[:160])
        return None
    if stages:
        table = table.take(np.isin(table.column("stage"), list(stages)))
    if not len(table):
        return None
    return table.take(np.isin(table.function, _even([row.family for row in table.functions], functions, seed)))


def _even(families: Sequence[str], most: int, seed: int) -> list[int]:
    """Positions of at most `most` functions: one of each family in turn, in a drawn order, until there are enough."""
    rng = np.random.default_rng(seed)
    names = np.array(families)
    queues = [rng.permutation(np.flatnonzero(names == name)).tolist() for name in sorted(set(families))]
    chosen: list[int] = []
    while queues and len(chosen) < most:
        for queue in queues:
            chosen.append(queue.pop())
        queues = [queue for queue in queues if queue]
    return chosen[:most]


class Results:
    """One JSON document with `cells` by key, written after each."""

    def __init__(self, path: Path, head: Callable[[], Json], settings: Mapping[str, Any], *, anew: bool) -> None:
        """Take over the file's cells if it has the same settings; `made` says what commit and machine each is of."""
        self.path = path
        old = json.loads(path.read_text()) if path.is_file() and not anew else {}
        settings = {**settings, "encoding": versions()}
        same = old.get("settings") == json.loads(json.dumps(settings))
        kept = {name: old.get(name, {}) if same else {} for name in ("cells", "made")}
        self.document: Json = {**head(), "settings": settings, **kept}

    def cell(self, key: str, make: Callable[[], Json]) -> Json:
        """The cell, computed if it is not there."""
        cells: dict[str, Json] = self.document["cells"]
        if key not in cells:
            say(key)
            cells[key] = make()
            self.document["made"][key] = {name: self.document[name] for name in ("commit", "hardware")}
            write(self.path, self.document)
        return cells[key]

    def take(self, others: Sequence[Path]) -> None:
        """Take over the cells of results with the same settings; `SystemExit` where they differ."""
        for path in others:
            other = json.loads(path.read_text())
            if other["settings"] != json.loads(json.dumps(self.document["settings"])):
                raise SystemExit(f"{path.name} has other settings: {other['settings']}")
            self.document["cells"] |= other["cells"]
            self.document["made"] |= other["made"]
        if others:
            write(self.path, self.document)

    def finish(self, **parts: Any) -> None:
        """Add what is derived from all cells."""
        self.document |= parts
        write(self.path, self.document)


def nested(values: Mapping[tuple[str, ...], Sequence[float]]) -> Json:
    """Mean, spread and number of each list of figures over seeds, under the parts of its key."""
    table: Json = {}
    for (*path, last), numbers in values.items():
        place = table
        for part in path:
            place = place.setdefault(part, {})
        place[last] = {name: round(number, 4) for name, number in mean_and_spread(numbers).items()}
    return table
