"""Checkpoint folders: `model.json` plus data files, each with its sha256. No pickle.

Owns the layout of CONTRACTS.md. Invariant: a folder that does not match its hashes is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path

from costmodel.core.errors import CheckpointError

SCHEMA_VERSION = 1


def write_checkpoint(folder: Path, model: str, files: Mapping[str, bytes], card: Mapping[str, object]) -> None:
    """Write `files` and the card into `folder`, which is created; hashes of a card read before are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    document = {**card, "schema_version": SCHEMA_VERSION, "model": model, "files": hashes}
    (folder / "model.json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")


def read_checkpoint(
    folder: Path, model: str, required: Collection[str] = ()
) -> tuple[dict[str, bytes], dict[str, object]]:
    """The data files, `required` among them, and the card; raises `CheckpointError`."""
    path = folder / "model.json"
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is no readable checkpoint: {error}; train it again or reinstall") from error
    if not isinstance(document, dict) or document.get("schema_version") != SCHEMA_VERSION:
        raise CheckpointError(f"{path} is not of checkpoint version {SCHEMA_VERSION}; train it again with this version")
    if document.get("model") != model:
        raise CheckpointError(f"{path} holds a {document.get('model')!r} model, expected {model!r}")
    listed = document.get("files")
    if not isinstance(listed, dict) or any(Path(name).name != name for name in listed):
        raise CheckpointError(f"{path} has no list of the files beside it; train it again or reinstall")
    if missing := sorted(set(required) - set(listed)):
        raise CheckpointError(f"{path} lists no {', '.join(missing)}; train it again or reinstall")
    files = {}
    for name, expected in listed.items():
        try:
            data = (folder / name).read_bytes()
        except OSError as error:
            raise CheckpointError(f"{folder / name} is missing: {error}; train it again or reinstall") from error
        if hashlib.sha256(data).hexdigest() != expected:
            raise CheckpointError(f"{folder / name} does not match its sha256 in model.json; it is damaged")
        files[name] = data
    return files, document
