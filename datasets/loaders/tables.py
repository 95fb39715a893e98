"""NeuSight's operator latencies and DeepBench's published times: one space for each operator and device.

Owns their traps. NeuSight: `N` of bmm and linear is the reduced dimension, and a latency holds the launch. DeepBench:
the published TFLOPS of sparse products and of some convolutions are wrong, so only times are read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from costmodel.core.errors import ParseError
from costmodel.datasets.loaders import OK, Loaded, MeasuredSpace
from costmodel.datasets.loaders.files import column, read_rows

MILLISECOND = 1e-3
_NEUSIGHT_SHAPES = (
    *("B", "M", "N", "K", "H"),
    *("Input_Channel", "Output_Channel", "Kernel_Szie", "Input_Size", "Stride", "Padding"),
)
_NEUSIGHT_CAVEATS = (
    "the mean of the five fastest of 25 runs, launch included: small shapes all take about 25 microseconds",
    "N is the reduced dimension of bmm and linear, K the output's width",
    "shapes are missing, and not at random",
)
_DEEPBENCH_NOT_SHAPES = {"device", "op", "time_ms", "tflops", "flops", "tflops_recomputed", "sparsity_tflops"}
_DEEPBENCH_NOT_SHAPES |= {"source_file", "sheet", "sheet_row", "algorithm"}
_DEEPBENCH_CAVEATS = ("rounded to one microsecond, no repetitions", "library versions differ between devices")


def load_neusight(path: Path) -> Loaded:
    """A CSV or Parquet file of NeuSight's data set."""
    rows = read_rows(path, "Latency")
    device = "device" if "device" in rows[0] else "Device"
    if device not in rows[0]:
        raise ParseError(f"{path}: no column 'Device'; is it NeuSight's?")
    names = tuple(name for name in _NEUSIGHT_SHAPES if name in rows[0])
    groups = _grouped(rows, lambda row: (str(row.get("OPName") or path.stem), str(row[device])))
    return Loaded(
        spaces=tuple(
            _space(f"neusight {path.name}", key, members, names, "Latency", _NEUSIGHT_CAVEATS)
            for key, members in groups
        )
    )


def load_deepbench(path: Path) -> Loaded:
    """A table with one row for each published time: `device`, `op`, `time_ms` and the shape."""
    rows = read_rows(path, "device", "op", "time_ms")
    names = tuple(name for name in rows[0] if name not in _DEEPBENCH_NOT_SHAPES)
    groups = _grouped(rows, lambda row: (str(row["op"]), str(row["device"])))
    return Loaded(
        spaces=tuple(
            _space(f"deepbench {path.name}", key, members, _used(names, members), "time_ms", _DEEPBENCH_CAVEATS)
            for key, members in groups
        )
    )


def _grouped(
    rows: Iterable[Mapping[str, Any]], key: Callable[[Mapping[str, Any]], tuple[str, str]]
) -> list[tuple[tuple[str, str], list[Mapping[str, Any]]]]:
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return sorted(groups.items())


def _used(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(name for name in names if any(row.get(name) is not None for row in rows))


def _space(
    source: str,
    key: tuple[str, str],
    rows: Sequence[Mapping[str, Any]],
    names: tuple[str, ...],
    time: str,
    caveats: tuple[str, ...],
) -> MeasuredSpace:
    status = tuple(OK if isinstance(row[time], (int, float)) else "not_measured" for row in rows)
    times = column([row[time] for row in rows]) * MILLISECOND
    return MeasuredSpace(
        name=key[0],
        device=key[1],
        parameters=names,
        configurations=tuple(tuple(row.get(name) for name in names) for row in rows),
        runtime_s=times,
        samples_s=tuple((float(one),) if state == OK else () for one, state in zip(times, status, strict=True)),
        status=status,
        source=source,
        caveats=caveats,
    )
