"""Parquet through pyarrow, imported late. Owns the tables' column types and the way they are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from costmodel.core.errors import MissingDependencyError
from costmodel.core.tables import FUNCTION_COLUMNS, LABEL_COLUMNS, FunctionRow, LabelRow

COMPRESSION_LEVEL = 19
GROUP_BYTES = 1 << 29
"""Of a row group and of a column's page in it, as Parquet's documentation advises: functions repeat each other's text,
and a page knows nothing of the one before it."""
_NUMBERS = {"duplicates": "int64", "value": "float64"}
_REQUIRED = {
    *("function_id", "ir", "format", "level", "stage", "entry", "project", "family", "license", "duplicates"),
    *("target", "pipeline", "metric", "unit", "tool", "tool_version", "samples"),
}
_PLAIN = {"function_id", "ir"}
"""Columns whose values seldom repeat: no dictionary."""


def parquet() -> Any:
    """`pyarrow.parquet`; raises `MissingDependencyError` naming the extra."""
    try:
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "data sets need the Python package pyarrow: pip install 'costmodel-ir[data]'"
        ) from error
    return pyarrow.parquet


def schema(columns: Sequence[str]) -> Any:
    """The Arrow schema of one of the two tables."""
    parquet()
    import pyarrow as pa

    def kind(name: str) -> Any:
        return pa.list_(pa.float64()) if name == "samples" else getattr(pa, _NUMBERS.get(name, "string"))()

    return pa.schema([pa.field(name, kind(name), nullable=name not in _REQUIRED) for name in columns])


def function_table(rows: Iterable[FunctionRow]) -> Any:
    """`functions.parquet` as an Arrow table, rows in the given order."""
    return _table(FUNCTION_COLUMNS, rows)


def label_table(rows: Iterable[LabelRow]) -> Any:
    """`labels.parquet` as an Arrow table, rows in the given order."""
    return _table(LABEL_COLUMNS, rows)


def function_rows(table: Any) -> Iterator[FunctionRow]:
    """The inverse of `function_table`."""
    names = [name for name in FUNCTION_COLUMNS if name != "function_id"]
    for values in _records(table, names):
        yield FunctionRow(**values)


def label_rows(table: Any) -> Iterator[LabelRow]:
    """The inverse of `label_table`."""
    for values in _records(table, LABEL_COLUMNS):
        yield LabelRow(**{**values, "samples": tuple(values["samples"])})


def write_table(table: Any, path: Path) -> None:
    """Write zstd-compressed Parquet; equal tables give equal bytes under one version of pyarrow."""
    parquet().write_table(
        table,
        path,
        compression="zstd",
        compression_level=COMPRESSION_LEVEL,
        use_dictionary=[name for name in table.column_names if name not in _PLAIN],
        row_group_size=max(1, table.num_rows * GROUP_BYTES // max(table.nbytes, GROUP_BYTES)),
        data_page_size=GROUP_BYTES,
        version="2.6",
    )


def _table(columns: Sequence[str], rows: Iterable[object]) -> Any:
    layout = schema(columns)
    import pyarrow as pa

    kept = list(rows)
    arrays = [pa.array([getattr(row, name) for row in kept], type=layout.field(name).type) for name in columns]
    return pa.Table.from_arrays(arrays, schema=layout)


def _records(table: Any, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    for batch in table.select(list(names)).to_batches(max_chunksize=1024):
        yield from batch.to_pylist()
