"""KTT's JSON output (2.1), and the flat table of it.

Owns its traps: times are in the unit that the metadata names, a failed configuration has `TotalDuration` 0 (so `Status`
decides and `Duration` is read), and its `LocalMemorySize` is what CUDA calls shared memory.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from costmodel.core.errors import ParseError
from costmodel.datasets.loaders import OK, Loaded, MeasuredSpace
from costmodel.datasets.loaders.files import column, read_json, read_rows

_UNITS = {"Nanoseconds": 1e-9, "Microseconds": 1e-6, "Milliseconds": 1e-3, "Seconds": 1.0}
_METRICS = {"RegistersCount": "registers_vector", "LocalMemorySize": "shared_bytes", "PrivateMemorySize": "stack_bytes"}
_FAILURES = {"CompilationFailed": "compile_error", "ValidationFailed": "wrong", "ComputationFailed": "run_error"}
_CAVEATS = ("one measurement for each configuration, no estimate of noise",)
_NOT_TUNED = {"device", "Status", "Duration", "TotalDuration", "KernelFunction", "Timestamp"}


def load(path: Path) -> Loaded:
    """KTT's own JSON, plain or gzipped, or a Parquet or CSV table with one row for each configuration."""
    return _table(path) if path.suffix in (".parquet", ".csv") else _output(path)


def _output(path: Path) -> Loaded:
    document = read_json(path, "Metadata", "Results")
    metadata, results = document["Metadata"], document["Results"]
    unit = _UNITS.get(str(metadata.get("TimeUnit")))
    if unit is None or not results:
        raise ParseError(
            f"{path}: TimeUnit {metadata.get('TimeUnit')!r} and {len(results)} results; is it KTT's output?"
        )
    names = tuple(one["Name"] for one in results[0]["Configuration"])
    rows = [_flat(result) for result in results]
    device = str(metadata.get("Device") or path.name.partition(".")[0])
    kernel = results[0]["ComputationResults"][0]["KernelFunction"] if results[0]["ComputationResults"] else path.stem
    return Loaded(spaces=(_space(path, str(kernel), device, names, rows, unit),))


def _table(path: Path) -> Loaded:
    rows = read_rows(path, "Status", "Duration")
    names = tuple(name for name in rows[0] if name.isupper() and name not in _NOT_TUNED)
    device = str(rows[0].get("device") or path.stem)
    return Loaded(spaces=(_space(path, path.stem, device, names, rows, _UNITS["Microseconds"]),))


def _flat(result: Mapping[str, Any]) -> dict[str, Any]:
    computed = result["ComputationResults"]
    first = computed[0] if computed else {}
    durations = [one.get("Duration") for one in computed]
    known = bool(durations) and all(isinstance(one, (int, float)) for one in durations)
    return {
        **{one["Name"]: one["Value"] for one in result["Configuration"]},
        **(first.get("CompilationData") or {}),
        "Status": result["Status"],
        "Duration": sum(durations) if known else None,
    }


def _space(
    path: Path, name: str, device: str, names: tuple[str, ...], rows: Sequence[Mapping[str, Any]], unit: float
) -> MeasuredSpace:
    status = tuple(_status(row) for row in rows)
    times = [row["Duration"] * unit if one == OK else math.nan for row, one in zip(rows, status, strict=True)]
    return MeasuredSpace(
        name=name,
        device=device,
        parameters=names,
        configurations=tuple(tuple(row[name] for name in names) for row in rows),
        runtime_s=column(times),
        samples_s=tuple(() if math.isnan(time) else (time,) for time in times),
        status=status,
        metrics={ours: column([row.get(theirs) for row in rows]) for theirs, ours in _METRICS.items()},
        source=f"ktt {path.name}",
        caveats=_CAVEATS,
    )


def _status(row: Mapping[str, Any]) -> str:
    if row["Status"] != "Ok":
        return _FAILURES.get(str(row["Status"]), "run_error")
    return OK if isinstance(row["Duration"], (int, float)) else "not_measured"
