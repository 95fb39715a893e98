"""Between records and table rows. Owns the columns; holds no connection."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping

from costmodel.core.errors import DatabaseError, ParseError
from costmodel.core.record import Record, WorkloadInfo
from costmodel.core.schema import CONTRACTS_VERSION

RECORD_COLUMNS: Mapping[str, str] = {
    "workload_id": "TEXT NOT NULL",
    "target": "TEXT NOT NULL",
    "device": "TEXT NOT NULL",
    "backend": "TEXT NOT NULL",
    "toolchain": "TEXT NOT NULL",
    "schedule": "TEXT NOT NULL",
    "session": "TEXT NOT NULL",
    "trial": "INTEGER NOT NULL",
    "seed": "INTEGER NOT NULL",
    "status": "TEXT NOT NULL",
    "cause": "TEXT NOT NULL",
    "samples_s": "TEXT NOT NULL",
    "runtime_s": "REAL",
    "compile_s": "REAL",
    "max_abs_error": "REAL",
    "predicted_mean_s": "REAL",
    "predicted_std_s": "REAL",
}
WORKLOAD_COLUMNS: Mapping[str, str] = {
    "workload_id": "TEXT PRIMARY KEY",
    "family": "TEXT NOT NULL",
    "dims": "TEXT NOT NULL",
    "dtypes": "TEXT NOT NULL",
    "flops": "INTEGER NOT NULL",
    "bytes": "INTEGER NOT NULL",
    "mlir": "TEXT NOT NULL",
}

INSERT_RECORD = (
    f"INSERT INTO records ({', '.join(RECORD_COLUMNS)}) VALUES ({', '.join(f':{name}' for name in RECORD_COLUMNS)})"
)
INSERT_WORKLOAD = (
    f"INSERT OR IGNORE INTO workloads ({', '.join(WORKLOAD_COLUMNS)})"
    f" VALUES ({', '.join(f':{name}' for name in WORKLOAD_COLUMNS)})"
)


def record_to_row(record: Record) -> dict[str, object]:
    """Values by column."""
    row = record.to_json()
    del row["schema_version"]
    return row | {"samples_s": json.dumps(record.samples_s)}


def row_to_record(row: sqlite3.Row) -> Record:
    """The record in `row`; `DatabaseError` if a field is not what a record may hold."""
    try:
        fields: dict[str, object] = {name: row[name] for name in RECORD_COLUMNS}
        fields |= {"samples_s": json.loads(row["samples_s"]), "schema_version": CONTRACTS_VERSION}
        return Record.from_json(fields)
    except (ParseError, ValueError, TypeError) as error:
        raise DatabaseError(f"record {row['id']} is damaged: {error}") from error


def workload_to_row(info: WorkloadInfo) -> dict[str, object]:
    """Values by column."""
    return info.to_json() | {
        "dims": json.dumps(dict(info.dims)),
        "dtypes": json.dumps(list(info.dtypes)),
    }


def row_to_workload(row: sqlite3.Row) -> WorkloadInfo:
    """The workload in `row`; `DatabaseError` if a field is damaged."""
    try:
        return WorkloadInfo(
            workload_id=row["workload_id"],
            family=row["family"],
            dims={str(name): int(size) for name, size in json.loads(row["dims"]).items()},
            dtypes=tuple(json.loads(row["dtypes"])),
            flops=int(row["flops"]),
            bytes_moved=int(row["bytes"]),
            mlir=row["mlir"],
        )
    except (AttributeError, ValueError, TypeError) as error:
        raise DatabaseError(f"workload {row['workload_id']} is damaged: {error}") from error
