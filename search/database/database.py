"""The record database: append, query, best.

Owns the statements. Invariant: what `add` returned from survives the death of this process; a record is never changed;
a query by key never returns a record of another target, device, backend or toolchain.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from costmodel.core.errors import DatabaseError
from costmodel.core.record import Record, RecordKey, WorkloadInfo
from costmodel.search.database import rows
from costmodel.search.database.connection import connect, transaction, translated

_SAME = " AND ".join(
    f"o.{name} = r.{name}" for name in ("workload_id", "target", "device", "backend", "toolchain", "schedule")
)
# A schedule's newest ok measurement is its figure (winners are measured again, and minima seen in a search flatter);
# one whose output was ever wrong has none.
_WINNERS = f"""
    SELECT * FROM records r WHERE status = 'ok'
    AND NOT EXISTS (SELECT 1 FROM records o WHERE {_SAME} AND o.status IN ('wrong', 'nan'))
    AND NOT EXISTS (SELECT 1 FROM records o WHERE {_SAME} AND o.status = 'ok' AND o.id > r.id)
"""


class Database:
    """Records in one SQLite file that several processes may use at once.

    Each `add` is a transaction of its own, waiting for other writers. Methods are thread-safe. Where the file cannot be
    read or written they raise `DatabaseError`, in one line that names it, and nothing is half-written.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        """Use `open` instead."""
        self.path = path
        self._connection = connection
        self._lock = threading.RLock()

    @classmethod
    def open(cls, path: Path | str, *, create: bool = True, readonly: bool = False) -> Self:
        """Open the file, creating it if it is not there and `create` holds.

        Raises:
            DatabaseError: Not there and not to be created, not ours, newer than we are, damaged, or not writable.
        """
        path = Path(path)
        return cls(path, connect(path, create=create, readonly=readonly))

    def add(self, record: Record) -> None:
        """Append one record; committed on return."""
        self.add_many((record,))

    def add_many(self, records: Iterable[Record]) -> None:
        """Append all of `records`, or none if it fails."""
        values = [rows.record_to_row(record) for record in records]
        with self._lock, translated(self.path), transaction(self._connection):
            self._connection.executemany(rows.INSERT_RECORD, values)

    def add_workload(self, info: WorkloadInfo) -> None:
        """Keep a workload's description; one that is there already stays as it is."""
        with self._lock, translated(self.path), transaction(self._connection):
            self._connection.execute(rows.INSERT_WORKLOAD, rows.workload_to_row(info))

    def workload(self, workload_id: str) -> WorkloadInfo | None:
        """The description of that workload, if it was kept."""
        found = self._select("SELECT * FROM workloads WHERE workload_id = ?", (workload_id,))
        return rows.row_to_workload(found[0]) if found else None

    def workloads(self) -> list[WorkloadInfo]:
        """All descriptions, by family and id."""
        return [
            rows.row_to_workload(row) for row in self._select("SELECT * FROM workloads ORDER BY family, workload_id")
        ]

    def query(
        self,
        *,
        workload_id: str | None = None,
        target: str | None = None,
        device: str | None = None,
        backend: str | None = None,
        toolchain: str | None = None,
        status: str | None = None,
        session: str | None = None,
    ) -> list[Record]:
        """Records that equal every given field, in the order they were added."""
        condition, values = _condition(
            workload_id=workload_id,
            target=target,
            device=device,
            backend=backend,
            toolchain=toolchain,
            status=status,
            session=session,
        )
        return self._records(f"SELECT * FROM records r WHERE {condition} ORDER BY id", values)

    def best(self, *, workload_id: str, target: str, device: str, backend: str, toolchain: str) -> Record | None:
        """The fastest measured and correct record under this key; None if there is none.

        A schedule measured several times counts with its newest ok measurement. Schedule text decides between equals.
        """
        condition, values = _condition(
            workload_id=workload_id, target=target, device=device, backend=backend, toolchain=toolchain
        )
        found = self._records(f"{_WINNERS} AND {condition} ORDER BY runtime_s, schedule, id LIMIT 1", values)
        return found[0] if found else None

    def winners(
        self,
        *,
        workload_id: str | None = None,
        target: str | None = None,
        device: str | None = None,
        backend: str | None = None,
        toolchain: str | None = None,
    ) -> list[Record]:
        """The best record of each key among those that equal the given fields, in the order of keys."""
        condition, values = _condition(
            workload_id=workload_id, target=target, device=device, backend=backend, toolchain=toolchain
        )
        order = "workload_id, target, device, backend, toolchain, runtime_s, schedule, id"
        first: dict[RecordKey, Record] = {}
        for record in self._records(f"{_WINNERS} AND {condition} ORDER BY {order}", values):
            first.setdefault(record.key, record)
        return list(first.values())

    def __len__(self) -> int:
        return int(self._select("SELECT count(*) AS n FROM records")[0]["n"])

    def export(self) -> Iterator[dict[str, object]]:
        """Every record as a JSON object, with its workload's `family, dims, dtypes, flops, bytes, mlir`.

        Those are null where the workload was not kept. In the order of addition; records added meanwhile are left out.
        """
        known: dict[str, dict[str, object]] = {info.workload_id: info.to_json() for info in self.workloads()}
        absent = dict.fromkeys(rows.WORKLOAD_COLUMNS)
        for record in self.query():
            yield absent | known.get(record.workload_id, {}) | record.to_json()

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        with self._lock, translated(self.path):
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _records(self, statement: str, values: Iterable[str]) -> list[Record]:
        try:
            return [rows.row_to_record(row) for row in self._select(statement, values)]
        except DatabaseError as error:
            raise DatabaseError(str(error) if str(self.path) in str(error) else f"{self.path}: {error}") from error

    def _select(self, statement: str, values: Iterable[str] = ()) -> list[sqlite3.Row]:
        with self._lock, translated(self.path):
            return self._connection.execute(statement, tuple(values)).fetchall()


def _condition(**fields: str | None) -> tuple[str, list[str]]:
    """A WHERE clause over table `r` and its values."""
    given = {name: value for name, value in fields.items() if value is not None}
    return " AND ".join(["1", *(f"r.{name} = ?" for name in given)]), list(given.values())
