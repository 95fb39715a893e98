"""Folders that `costmodel export` writes: for C a header, a source file, the weights and an example; or an ONNX graph.

Owns what stands in the folder. Invariant: a folder is written as a whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from costmodel.core.errors import UsageError
from costmodel.export.compact import Compact
from costmodel.export.layout import ABI_VERSION, FORMAT_VERSION, pack
from costmodel.export.native import sources

WEIGHTS = "costmodel.weights"
CARD = "costmodel.json"


def export_c(compact: Compact, out: Path, *, extra: Mapping[str, object] | None = None) -> list[Path]:
    """Write `costmodel.h`, `costmodel.c`, `costmodel.weights`, `example.c` and a card.

    Args:
        compact: what `flatten` or a student gave.
        out: a folder that is empty or not there.
        extra: more for the card.

    Returns:
        The files.

    Raises:
        UsageError: the folder holds something, or cannot be written.
        UnsupportedError: the trees do not fit the format.
    """
    weights = pack(compact)
    return write_folder(out, {**sources(), WEIGHTS: weights, CARD: card(compact, len(weights), "c", extra or {})})


def export_onnx(compact: Compact, out: Path, *, extra: Mapping[str, object] | None = None) -> list[Path]:
    """Write `costmodel.onnx` and a card; see `onnx_graph.build` for what the graph takes and gives.

    Raises:
        MissingDependencyError: onnx is absent.
        UsageError: see `export_c`.
        UnsupportedError: a model that takes graphs.
    """
    from costmodel.export.onnx_graph import build

    model = build(compact)
    return write_folder(out, {"costmodel.onnx": model, CARD: card(compact, len(model), "onnx", extra or {})})


def card(compact: Compact, size_bytes: int, kind: str, extra: Mapping[str, object]) -> bytes:
    """What was exported, as JSON."""
    document = {
        "schema_version": 1, "format": kind, "model": compact.name, "abi_version": ABI_VERSION,
        "weights_format_version": FORMAT_VERSION, "size_bytes": size_bytes, "metrics": list(compact.metrics),
        "units": list(compact.units), "features": len(compact.numbers) + 1, "pipelines": list(compact.pipelines),
        "targets": sorted(compact.targets), "versions": dict(compact.versions),
        "takes": "graph" if compact.graph is not None else "features", **extra,
    }  # fmt: skip
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()


def check_folder(out: Path) -> None:
    """Raise `UsageError` where `out` cannot become the folder."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; give a folder that is empty or not there")
    try:
        taken = out.is_dir() and any(out.iterdir())
    except OSError as error:
        raise UsageError(f"cannot read {out}: {error.strerror}; give another folder") from None
    if taken:
        raise UsageError(
            f"{out} is not empty; give a folder that is empty or not there, so that nothing is overwritten"
        )


def write_folder(out: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Write all files, or none; raises `UsageError`."""
    check_folder(out)
    written: list[Path] = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            written.append(out / name)
            (out / name).write_bytes(data)
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        raise UsageError(f"cannot write {error.filename or out}: {error.strerror}; give another folder") from None
    return written
