"""Opening the SQLite file, and turning whatever SQLite says into one clear line.

Owns the file's identity (application id, version) and its creation. Invariant: a file that is not ours, is newer, or is
damaged is refused before anything is written to it, and a creation that fails leaves no file behind.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from costmodel.core.errors import DatabaseError
from costmodel.core.schema import DATABASE_VERSION
from costmodel.search.database.rows import RECORD_COLUMNS, WORKLOAD_COLUMNS

APPLICATION_ID = 0x434D4442
"""In the file's header, so that another program's database is not taken for ours."""

BUSY_TIMEOUT_S = 30.0
"""How long a writer waits for another process's transaction."""

_SQLITE_MAGIC = b"SQLite format 3\0"


def connect(path: Path, *, create: bool, readonly: bool) -> sqlite3.Connection:
    """Open `path`, create it if allowed, check that it is a sound database of ours; raises `DatabaseError`."""
    if not _is_there(path):
        if readonly or not create:
            raise DatabaseError(f"{path}: there is no record database here")
        _create(path)
    with translated(path):
        connection = _open_to_read(path) if readonly else _open(path, "mode=rw")
        try:
            _check_identity(connection, path)
            _check_soundness(connection, path)
            connection.execute("PRAGMA synchronous = NORMAL")
        except BaseException:
            connection.close()
            raise
    return connection


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into `DatabaseError`s that name the file and a remedy."""
    try:
        yield
    except sqlite3.Error as error:
        raise DatabaseError(f"{path}: {_explain(error)}") from error


def _explain(error: sqlite3.Error) -> str:
    text = str(error)
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_FULL:
            return f"cannot record, the disk is full ({text}); free some space and resume"
        case sqlite3.SQLITE_IOERR:
            return f"cannot read or write, the disk may be full or failing ({text}); check it and resume"
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_FORMAT:
            return f"the record database is damaged ({text}); restore a copy or choose another path"
        case sqlite3.SQLITE_NOTADB:
            return "this is not a record database; choose another path"
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return f"another process kept the database locked for over {BUSY_TIMEOUT_S:.0f} s ({text}); try again"
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_AUTH:
            return f"cannot open or write ({text}); check permissions or choose another path"
    return f"cannot use the record database ({text})"


def _is_there(path: Path) -> bool:
    """Whether there is a file; refuses what SQLite would misread or take for an empty database."""
    try:
        if path.is_dir():
            raise DatabaseError(f"{path}: is a folder, a record database is a file")
        if not path.exists():
            return False
        with path.open("rb") as file:
            magic = file.read(len(_SQLITE_MAGIC))
    except OSError as error:
        raise DatabaseError(f"{path}: cannot be read ({error.strerror})") from error
    if magic != _SQLITE_MAGIC:
        what = "this is not a record database" if magic else "the file is empty, not a record database"
        raise DatabaseError(f"{path}: {what}; choose another path")
    return True


def _create(path: Path) -> None:
    """Make a whole database beside `path`, then give it its name: no one ever sees a half-made one."""
    if not path.parent.is_dir():
        raise DatabaseError(f"{path}: its folder does not exist; make it or choose another path")
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with translated(path), contextlib.closing(_open(draft, "mode=rwc")) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            with transaction(connection):
                _create_tables(connection)
        os.link(draft, path)
    except FileExistsError:
        return  # another process was faster
    except OSError as error:
        raise DatabaseError(f"{path}: cannot be created ({error.strerror}); choose another path") from error
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            draft.with_name(draft.name + suffix).unlink(missing_ok=True)


def _open_to_read(path: Path) -> sqlite3.Connection:
    """Open for reading, also where nothing may be written beside the file and so nobody can be writing it."""
    connection = _open(path, "mode=ro")
    try:
        _version(connection)
    except sqlite3.OperationalError as error:
        connection.close()
        refused = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
        if not refused or path.with_name(path.name + "-wal").exists():
            raise
        return _open(path, "mode=ro&immutable=1")
    return connection


def _open(path: Path, options: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?{options}"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    return connection


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _check_identity(connection: sqlite3.Connection, path: Path) -> None:
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise DatabaseError(f"{path}: this is an SQLite database of another program; choose another path")
    version = _version(connection)
    if version > DATABASE_VERSION:
        raise DatabaseError(
            f"{path}: the database has version {version}, this costmodel reads {DATABASE_VERSION}; upgrade costmodel"
        )
    if version < DATABASE_VERSION:
        raise DatabaseError(f"{path}: the database has version {version}, which no released costmodel wrote")


def _check_soundness(connection: sqlite3.Connection, path: Path) -> None:
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        detail = " ".join(str(verdict).split())
        raise DatabaseError(f"{path}: the record database is damaged ({detail}); restore a copy or choose another path")
    for table, columns in (("records", RECORD_COLUMNS), ("workloads", WORKLOAD_COLUMNS)):
        found = {row["name"] for row in connection.execute(f"PRAGMA table_info({table})")}
        missing = [name for name in columns if name not in found]
        if missing:
            raise DatabaseError(f"{path}: table {table!r} lacks {', '.join(missing)}; the record database is damaged")


def _create_tables(connection: sqlite3.Connection) -> None:
    for table, columns in (("records", RECORD_COLUMNS), ("workloads", WORKLOAD_COLUMNS)):
        key = "id INTEGER PRIMARY KEY, " if table == "records" else ""
        body = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        connection.execute(f"CREATE TABLE {table} ({key}{body})")
    connection.execute(
        "CREATE INDEX records_by_key ON records (workload_id, target, device, backend, toolchain, schedule)"
    )
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {DATABASE_VERSION}")


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing; waits for other writers when it begins."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk may have rolled back already
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise
