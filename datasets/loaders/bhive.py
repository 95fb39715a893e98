"""BHive's basic blocks: `hex` with a frequency, or with a measured throughput.

Owns its traps: an empty `hex` is no block, throughputs are cycles of 100 iterations, frequencies compare inside one
application only. Files come with a header (`app,hex,frequency`) or without (`hex,throughput`, as upstream has them).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from costmodel.core.errors import ParseError
from costmodel.datasets.loaders import Block, Loaded
from costmodel.datasets.loaders.files import read_rows, read_text

ITERATIONS = 100


def load(path: Path) -> Loaded:
    """Blocks of a Parquet or CSV file; those without code are skipped and counted."""
    skipped: Counter[str] = Counter()
    blocks = []
    for row in _rows(path):
        code = str(row.get("hex") or "")
        if not code:
            skipped["no code"] += 1
            continue
        blocks.append(_block(path, code, row))
    return Loaded(blocks=tuple(blocks), skipped=dict(skipped))


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if path.suffix == ".parquet":
        yield from read_rows(path, "hex")
        return
    lines = read_text(path).splitlines()
    named = bool(lines) and "hex" in lines[0].split(",")
    names = lines[0].split(",") if named else ["hex", "throughput"]
    for line in lines[1:] if named else lines:
        yield dict(zip(names, line.split(","), strict=False))


def _block(path: Path, code: str, row: dict[str, Any]) -> Block:
    try:
        throughput = row.get("throughput")
        return Block(
            code=bytes.fromhex(code),
            application=row.get("app"),
            frequency=None if row.get("frequency") in (None, "") else float(row["frequency"]),
            throughput_cycles=None if throughput in (None, "") else float(str(throughput)) / ITERATIONS,
        )
    except ValueError as error:
        raise ParseError(f"{path}: {code[:40]!r} is no block of machine code: {error}") from error
