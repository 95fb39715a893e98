"""Content hashes. Owns how a cache key is made: an explicit, sorted, versioned list of fields."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

JsonValue = object


def sha256_text(text: str) -> str:
    """Hex sha256 of UTF-8 `text`."""
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_file(path: Path) -> str:
    """Hex sha256 of a file's bytes, read in chunks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_fields(version: int, fields: Mapping[str, JsonValue]) -> str:
    """Hex sha256 of a sorted, versioned JSON object; equal fields in any order give equal keys."""
    return sha256_text(json.dumps({"key_version": version, **fields}, sort_keys=True, separators=(",", ":")))
