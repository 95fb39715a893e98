"""`manifest.json`: what a data set consists of and how it was made.

Owns its fields. Invariant: nothing in it depends on the time, the machine or the place of the folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path

import costmodel
from costmodel.core.hashing import sha256_file
from costmodel.core.schema import check_version
from costmodel.core.tables import TABLES_VERSION
from costmodel.datasets.store.files import MANIFEST, DatasetError

WHEELS = ("llvmlite", "numpy", "pyarrow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The manifest's content; `files` maps a relative path to its hex sha256."""

    seed: int | None
    command: tuple[str, ...]
    files: Mapping[str, str]
    counts: Mapping[str, int]
    versions: Mapping[str, str]
    notes: Mapping[str, object] = field(default_factory=dict)
    """What the maker adds: dropped inputs by cause, devices, …"""

    def to_json(self) -> str:
        """The file's text."""
        document = {"schema_version": TABLES_VERSION, **asdict(self)}
        return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    @property
    def sha256(self) -> str:
        """Of the data files' hashes: the identity of the data set for a checkpoint."""
        from costmodel.core.hashing import sha256_fields

        return sha256_fields(TABLES_VERSION, dict(self.files))


def read_manifest(folder: Path) -> Manifest:
    """Read `folder/manifest.json`.

    Raises:
        DatasetError: it is missing, damaged, or of another version.
    """
    path = folder / MANIFEST
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DatasetError(f"{folder} is no data set: it has no {MANIFEST}") from error
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error
    check_version(document, TABLES_VERSION, str(path))
    try:
        values = {name: document[name] for name in ("seed", "files", "counts", "versions", "notes")}
        return Manifest(command=tuple(document["command"]), **values)
    except (KeyError, TypeError) as error:
        raise DatasetError(f"{path} lacks {error}; write the data set again") from error


def file_hashes(folder: Path) -> dict[str, str]:
    """Relative path to sha256 of every file under `folder` but the manifest, sorted."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in paths}


def current_versions() -> dict[str, str]:
    """Versions that the data files depend on."""
    installed = {dist.metadata["Name"]: dist.version for dist in map(_distribution, WHEELS) if dist is not None}
    return {"costmodel": costmodel.__version__, **installed}


def relative_command(command: Sequence[str], base: Path | None = None) -> tuple[str, ...]:
    """`command` with absolute paths made relative to `base` (default: here); those outside keep their name only."""
    root = (base or Path.cwd()).resolve()
    return tuple(_relative(word, root) for word in command)


def _relative(word: str, root: Path) -> str:
    head, separator, tail = word.partition("=")
    if separator and head.startswith("-"):
        return f"{head}={_relative(tail, root)}"
    if not os.path.isabs(word):
        return word
    path = Path(os.path.normpath(word))
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _distribution(name: str) -> metadata.Distribution | None:
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
