"""Opening others' files: JSON, plain or gzipped, and tables as Parquet or CSV. Owns their errors."""

from __future__ import annotations

import csv
import gzip
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from costmodel.core.errors import ParseError
from costmodel.datasets.loaders import Floats
from costmodel.datasets.store import arrow

Row = Mapping[str, Any]


def read_text(path: Path) -> str:
    """The text of a file, unpacked where it is gzipped; raises `ParseError`."""
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise ParseError(f"{path}: cannot be read: {error}") from error


def read_json(path: Path, *keys: str) -> dict[str, Any]:
    """A JSON object that has `keys`; raises `ParseError`."""
    try:
        document = json.loads(read_text(path))
    except ValueError as error:
        raise ParseError(f"{path}: no JSON: {error}") from error
    missing = [key for key in keys if not isinstance(document, dict) or key not in document]
    if missing:
        raise ParseError(f"{path}: no {missing[0]!r} in it; is it of another format?")
    return dict(document)


def read_rows(path: Path, *columns: str) -> list[dict[str, Any]]:
    """Rows of a Parquet or CSV table that has `columns`; numbers are numbers, empty cells None."""
    rows = _parquet(path) if path.suffix == ".parquet" else _csv(path)
    missing = [name for name in columns if not rows or name not in rows[0]]
    if missing:
        raise ParseError(f"{path}: no column {missing[0]!r}; is it of another format?")
    return rows


def middle(samples: Sequence[float]) -> float:
    """The median; the mean would carry the slow first samples that these files hold."""
    return float(median(samples)) if samples else math.nan


def column(values: Sequence[object]) -> Floats:
    """Numbers as an array, whatever is none as NaN."""
    return np.array([_number(value) for value in values], dtype=np.float64)


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan


def _parquet(path: Path) -> list[dict[str, Any]]:
    parquet = arrow.parquet()
    try:
        return list(parquet.read_table(path, partitioning=None).to_pylist())
    except (OSError, ValueError) as error:
        raise ParseError(f"{path}: no Parquet: {error}") from error


def _csv(path: Path) -> list[dict[str, Any]]:
    rows = csv.DictReader(read_text(path).splitlines())
    return [{key: _cell(value) for key, value in row.items()} for row in rows]


def _cell(text: str | None) -> object:
    if text is None or text == "":
        return None
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() and "." not in text and "e" not in text.lower() else number
