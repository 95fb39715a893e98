"""`report.json`: the report as a JSON object, and writing files whole or not at all.

Owns the keys. Invariant: equal reports give equal bytes; every number is finite, what is absent or not finite is null.
"""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from costmodel.core import files
from costmodel.core.errors import ArtifactError
from costmodel.core.schema import CONTRACTS_VERSION
from costmodel.search.report.data import EndToEnd, Report, TrialPoint, WorkloadReport

_SORTED = ("time", "worker_s", "failures")


def report_json(report: Report) -> dict[str, object]:
    """The JSON object: `schema_version`, then the fields in the order in which `data.py` declares them."""
    return {"schema_version": CONTRACTS_VERSION, **_fields(report)}


def write_report_json(report: Report, path: Path) -> None:
    """Write `report.json` whole or not at all; `ArtifactError` where the file cannot be written."""
    text = json.dumps(report_json(report), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(path, text.encode("utf-8", "backslashreplace"))  # \udc80 is how JSON escapes a lone surrogate too


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file in one step, so that a reader sees the old one or the new one.

    Raises:
        ArtifactError: The file cannot be written; the old one, if any, is untouched.
    """
    try:
        files.write_whole(path, content)
    except OSError as error:
        raise ArtifactError(f"cannot write {path}: {error.strerror or error}") from error


def _fields(value: Report | WorkloadReport | TrialPoint | EndToEnd) -> dict[str, object]:
    return {f.name: _plain(f.name, getattr(value, f.name)) for f in fields(value)}


def _plain(name: str, value: object) -> object:
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, Report | WorkloadReport | TrialPoint | EndToEnd):
        return _fields(value)
    if isinstance(value, Mapping):
        items = sorted(value.items()) if name in _SORTED else value.items()
        return {str(key): _plain(key, item) for key, item in items}
    if isinstance(value, tuple | list):
        return [_plain(name, item) for item in value]
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value) if math.isfinite(value) else None
    raise TypeError(f"report field {name!r} holds {type(value).__name__}, which has no place in JSON")
