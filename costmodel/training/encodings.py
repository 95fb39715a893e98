"""Encodings of a table's functions, kept on disk by content so that each function is read once.

Owns the cache file (SQLite) and its key: the function's id, what was asked for, and the versions of everything an
encoding depends on. Invariant: a cached encoding equals a fresh one. A function that cannot be read is kept as such.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from costmodel.core.errors import CostModelError, UsageError
from costmodel.core.hashing import sha256_fields
from costmodel.core.tables import FunctionRow
from costmodel.ir.graph import ProgramGraph
from costmodel.ir.program import Function
from costmodel.models.base import Array
from costmodel.models.encode import encode_function, versions
from costmodel.models.examples import Encoding
from costmodel.models.metric_model import Needs
from costmodel.models.realised import Block, realised
from costmodel.models.tensors import pack_tensors, unpack_tensors

_GRAPH_ARRAYS = ("node_kind", "node_token", "node_num", "edge_index", "edge_kind", "edge_pos")
_CHUNK = 32
Told = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A function that has no encoding, and why."""

    cause: str


def encode_row(row: FunctionRow, needs: Needs) -> Encoding | Unreadable:
    """Read and encode the entry of a data-set row."""
    try:
        return encode_function(_entry(row), scheme=needs.scheme, graph=needs.graph)
    except CostModelError as error:
        return Unreadable(cause=str(error))


def row_blocks(row: FunctionRow, schedule: str | None) -> tuple[Block, ...]:
    """Blocks that a schedule makes of a row's entry, or that it is; none where it cannot be read or scheduled."""
    try:
        return realised(_entry(row), schedule)
    except CostModelError:
        return ()


def _entry(row: FunctionRow) -> Function:
    from costmodel.ir.reading import read

    return read(row.ir.encode(), format=row.format).entry(row.entry)


def encode_all(
    rows: Sequence[FunctionRow],
    ids: Sequence[str],
    needs: Needs,
    *,
    cache: Path | None = None,
    workers: int = 1,
    told: Told | None = None,
) -> list[Encoding | Unreadable]:
    """Encodings of `rows` in order; `told(done, total)` hears of progress.

    Raises:
        UsageError: the cache cannot be opened.
    """
    store = _Cache(cache, needs)
    try:
        found = {i: store.get(function_id) for i, function_id in enumerate(ids)}
        missing = [i for i in found if found[i] is None]
        for start, fresh in _encoded([rows[i] for i in missing], needs, workers):
            for i, encoding in zip(missing[start:], fresh, strict=False):
                found[i] = encoding
            store.put([(ids[i], encoding) for i, encoding in zip(missing[start:], fresh, strict=False)])
            if told:
                told(len(rows) - len(missing) + start + len(fresh), len(rows))
    finally:
        store.close()
    return [encoding for encoding in found.values() if encoding is not None]


def _encoded(
    rows: Sequence[FunctionRow], needs: Needs, workers: int
) -> Iterator[tuple[int, list[Encoding | Unreadable]]]:
    starts = range(0, len(rows), _CHUNK)
    if workers <= 1 or len(rows) <= _CHUNK:
        for start in starts:
            yield start, _encode_chunk(rows[start : start + _CHUNK], needs)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        chunks = pool.map(_encode_chunk, [rows[s : s + _CHUNK] for s in starts], [needs] * len(starts))
        yield from zip(starts, chunks, strict=True)


def _encode_chunk(rows: Sequence[FunctionRow], needs: Needs) -> list[Encoding | Unreadable]:
    return [encode_row(row, needs) for row in rows]


class _Cache:
    """Keeps nothing where there is no path."""

    def __init__(self, path: Path | None, needs: Needs) -> None:
        self._key = {"scheme": needs.scheme, "graph": needs.graph, "versions": versions(), "form": "shingles"}
        self._connection: sqlite3.Connection | None = None
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path)
            self._connection.execute("create table if not exists encodings (key text primary key, data blob) strict")
        except (OSError, sqlite3.Error) as error:
            raise UsageError(f"cannot open the cache {path}: {error}; give another one, or remove it") from None

    def _of(self, function_id: str) -> str:
        return sha256_fields(1, {"function_id": function_id, **self._key})

    def get(self, function_id: str) -> Encoding | Unreadable | None:
        if self._connection is None:
            return None
        row = self._connection.execute("select data from encodings where key = ?", (self._of(function_id),)).fetchone()
        return None if row is None else from_bytes(row[0])

    def put(self, items: Sequence[tuple[str, Encoding | Unreadable]]) -> None:
        if self._connection is None:
            return
        rows = [(self._of(function_id), to_bytes(encoding)) for function_id, encoding in items]
        with self._connection:
            self._connection.executemany("insert or replace into encodings values (?, ?)", rows)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def to_bytes(encoding: Encoding | Unreadable) -> bytes:
    """An encoding as bytes, without pickle."""
    if isinstance(encoding, Unreadable):
        return pack_tensors({"cause": _text(encoding.cause)})
    arrays: dict[str, Array] = {
        "names": _text(json.dumps(list(encoding.numbers))),
        "values": np.array(list(encoding.numbers.values()), np.float64),
        "shingles": encoding.shingles,
    }
    if encoding.tokens is not None:
        arrays["tokens"] = encoding.tokens
    if encoding.graph is not None:
        arrays |= {f"graph.{name}": getattr(encoding.graph, name) for name in _GRAPH_ARRAYS}
    return pack_tensors(arrays)


def from_bytes(data: bytes) -> Encoding | Unreadable:
    """What `to_bytes` gave."""
    arrays = unpack_tensors(data)
    if "cause" in arrays:
        return Unreadable(cause=arrays["cause"].tobytes().decode())
    names = json.loads(arrays["names"].tobytes())
    graph = None
    if "graph.node_kind" in arrays:
        parts: dict[str, Any] = {name: arrays[f"graph.{name}"] for name in _GRAPH_ARRAYS}
        graph = ProgramGraph(**parts)
    numbers = dict(zip(names, arrays["values"].tolist(), strict=True))
    return Encoding(numbers=numbers, tokens=arrays.get("tokens"), graph=graph, shingles=arrays["shingles"])


def _text(text: str) -> Array:
    return np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)
