"""TenSet's measurement records: the log of TVM's auto-scheduler, one JSON object a line.

Owns its traps: a failed run has an error number and 1e10 seconds, never a time. Source: TenSet (NeurIPS 2021), format
`{"i": [[workload_key, target, …], [[], steps]], "r": [costs_s, error_no, all_cost_s, timestamp], "v": …}`.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

from costmodel.core.errors import Location, ParseError
from costmodel.datasets.loaders import OK, Loaded, MeasuredSpace
from costmodel.datasets.loaders.files import column, middle, read_text

FAILED_S = 1e9
"""A time from here on is a failure's mark."""
_ERRORS = {1: "compile_error", 2: "compile_error", 3: "compile_error", 4: "run_error", 5: "wrong", 6: "run_error"}
Record = tuple[str, str, str, tuple[float, ...], int]


def load(path: Path) -> Loaded:
    """Records of one file, grouped into one space for each workload and target."""
    groups: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if line.strip():
            record = _record(path, number, line)
            groups[record[:2]].append(record)
    return Loaded(spaces=tuple(_space(path, key, records) for key, records in sorted(groups.items())))


def _record(path: Path, number: int, line: str) -> Record:
    try:
        document: dict[str, Any] = json.loads(line)
        (task, state), result = document["i"], document["r"]
        costs = tuple(float(cost) for cost in result[0])
        return str(task[0]), str(task[1]), json.dumps(state[1]), costs, int(result[1])
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise ParseError(
            f"no record of TVM's auto-scheduler: {type(error).__name__}: {error}",
            location=Location(file=str(path), line=number, column=1),
        ) from error


def _space(path: Path, key: tuple[str, str], records: list[Record]) -> MeasuredSpace:
    status = tuple(_status(costs, error) for *_, costs, error in records)
    samples = tuple(costs if one == OK else () for (*_, costs, _), one in zip(records, status, strict=True))
    return MeasuredSpace(
        name=key[0],
        device=key[1],
        parameters=("steps",),
        configurations=tuple((steps,) for _, _, steps, _, _ in records),
        runtime_s=column([middle(some) if some else math.nan for some in samples]),
        samples_s=samples,
        status=status,
        source=f"tenset {path.name}",
    )


def _status(costs: tuple[float, ...], error: int) -> str:
    if error:
        return _ERRORS.get(error, "run_error")
    return OK if costs and max(costs) < FAILED_S else "run_error"
