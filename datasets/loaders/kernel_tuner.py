"""Kernel Tuner's cache files and the T4 interchange format of the autotuning benchmark hub.

Owns their traps: a failed configuration has a text in `time`, `time` is a mean that slow first samples inflate (so the
median of `times` is taken), `device_name` may be empty (so the file's name is taken), and T4 spells its unit wrong.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from costmodel.core.errors import ParseError
from costmodel.datasets.loaders import OK, Loaded, MeasuredSpace
from costmodel.datasets.loaders.files import column, middle, read_json

MILLISECOND = 1e-3
_FAILURES = {
    "CompilationFailedConfig": "compile_error",
    "RuntimeFailedConfig": "run_error",
    "InvalidConfig": "compile_error",
    "compile": "compile_error",
    "runtime": "run_error",
    "correctness": "wrong",
    "timeout": "run_error",
}
_UNITS = {"miliseconds": 1e-3, "milliseconds": 1e-3, "seconds": 1.0, "microseconds": 1e-6, "": 1e-3}


def load_cache(path: Path) -> Loaded:
    """A cache file (`.json`, `.json.gz`), which may have been left open by an interrupted run."""
    document = read_json(path, "tune_params_keys", "cache")
    names = tuple(document["tune_params_keys"])
    records = list(document["cache"].values())
    _require(path, records, names)
    status = tuple(_status(record) for record in records)
    samples = tuple(
        _samples(record.get("times"), MILLISECOND, one) for record, one in zip(records, status, strict=True)
    )
    times = [
        middle(some) if some else _seconds(record.get("time"), one)
        for some, record, one in zip(samples, records, status, strict=True)
    ]
    return Loaded(
        spaces=(
            MeasuredSpace(
                name=str(document.get("kernel_name") or path.parent.name),
                device=str(document.get("device_name") or path.name.partition(".")[0]),
                parameters=names,
                configurations=tuple(tuple(record[name] for name in names) for record in records),
                runtime_s=column(times),
                samples_s=samples,
                status=status,
                source=f"kernel-tuner {path.name}",
                caveats=_checked(records),
            ),
        )
    )


def load_t4(path: Path) -> Loaded:
    """A T4 file; its `invalidity` tells failures, never the number beside it."""
    document = read_json(path, "results")
    results = document["results"]
    if not results or "configuration" not in results[0]:
        raise ParseError(f"{path}: no results with a configuration; is it of another format?")
    unit = _UNITS.get(str(document.get("metadata", {}).get("timeunit", "")))
    if unit is None:
        raise ParseError(f"{path}: unknown timeunit {document['metadata']['timeunit']!r}; known: {', '.join(_UNITS)}")
    names = tuple(results[0]["configuration"])
    status = tuple(OK if one.get("invalidity") == "correct" else _failure(one.get("invalidity")) for one in results)
    samples = tuple(
        _samples(one.get("times", {}).get("runtimes"), unit, state) for one, state in zip(results, status, strict=True)
    )
    return Loaded(
        spaces=(
            MeasuredSpace(
                name=path.parent.name,
                device=path.name.partition(".")[0].removesuffix("_T4"),
                parameters=names,
                configurations=tuple(tuple(one["configuration"][name] for name in names) for one in results),
                runtime_s=column([middle(some) for some in samples]),
                samples_s=samples,
                status=status,
                source=f"t4 {path.name}",
                caveats=("`correct` only says that it ran where the tuner checked no output",),
            ),
        )
    )


def _status(record: Mapping[str, Any]) -> str:
    time = record.get("time")
    if isinstance(time, str) or time is None:
        return _failure(time)
    return OK


def _failure(text: object) -> str:
    return _FAILURES.get(str(text), "run_error")


def _samples(values: object, unit: float, status: str) -> tuple[float, ...]:
    if status != OK or not isinstance(values, list):
        return ()
    return tuple(float(value) * unit for value in values)


def _seconds(time: object, status: str) -> float:
    return float(time) * MILLISECOND if status == OK and isinstance(time, (int, float)) else math.nan


def _require(path: Path, records: list[dict[str, Any]], names: tuple[str, ...]) -> None:
    for index, record in enumerate(records):
        missing = [name for name in names if name not in record]
        if missing:
            raise ParseError(f"{path}: configuration {index} has no {missing[0]!r}")


def _checked(records: list[dict[str, Any]]) -> tuple[str, ...]:
    unchecked = not any(record.get("verification_time") for record in records)
    return ("outputs were not checked",) if unchecked else ()
