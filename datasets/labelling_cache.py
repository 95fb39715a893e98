"""What was labelled before, in one sqlite file: a label is asked for once for each content, target, pipeline and tool.

Owns the key and the file. Safe for several processes at once; a damaged entry or file is an error that names it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

from costmodel.core.errors import DatabaseError
from costmodel.core.hashing import sha256_fields
from costmodel.datasets.labellers import Answer, Value

CACHE_VERSION = 2
"""Of keys and values; a change of any labeller's definitions bumps it."""

BUSY_TIMEOUT_S = 60.0
_CHUNK = 500


def cache_key(*, function_id: str, target: str, pipeline: str, labeller: str, tool_version: str, toolchain: str) -> str:
    """Key of one function's answer by one labeller."""
    return sha256_fields(
        CACHE_VERSION,
        {
            "function_id": function_id,
            "target": target,
            "pipeline": pipeline,
            "labeller": labeller,
            "tool_version": tool_version,
            "toolchain": toolchain,
        },
    )


class LabelCache:
    """Answers by key."""

    def __init__(self, path: Path) -> None:
        """Open or create the file at `path`; raises `DatabaseError` where it is no such file or cannot be written."""
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._connect()) as connection, connection:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL)")
        except (sqlite3.Error, OSError) as error:
            raise DatabaseError(f"{path}: not a usable label cache ({error}); delete it or name another") from error

    def get(self, keys: Iterable[str]) -> dict[str, Answer]:
        """Those of `keys` that are known, with their answers."""
        wanted = sorted(set(keys))
        found: dict[str, Answer] = {}
        try:
            with closing(self._connect()) as connection:
                for at in range(0, len(wanted), _CHUNK):
                    part = wanted[at : at + _CHUNK]
                    marks = ",".join("?" * len(part))
                    for key, text in connection.execute(
                        f"SELECT key, answer FROM answers WHERE key IN ({marks})", part
                    ):
                        found[key] = {name: Value(**fields) for name, fields in json.loads(text).items()}
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise DatabaseError(f"{self.path}: the label cache is damaged ({error}); delete it") from error
        return found

    def put(self, answers: Mapping[str, Answer]) -> None:
        """Keep answers; one that is there already stays."""
        rows = [(key, _encode(answer)) for key, answer in answers.items()]
        try:
            with closing(self._connect()) as connection, connection:
                connection.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?)", rows)
        except sqlite3.Error as error:
            raise DatabaseError(f"{self.path}: cannot write the label cache ({error})") from error

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S)


def _encode(answer: Answer) -> str:
    return json.dumps({name: {"value": item.value, "cause": item.cause} for name, item in sorted(answer.items())})
