"""Checkpoint folders: `model.json` plus data files, each with its sha256. No pickle.

Owns the layout of CONTRACTS.md. Invariants: a folder that does not match its hashes is refused; a crash while one is
written leaves the earlier one (`swapping`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path

from costmodel.core.errors import CheckpointError, UsageError
from costmodel.models.swapping import swapped_in

SCHEMA_VERSION = 1
CARD = "model.json"


def write_checkpoint(folder: Path, model: str, files: Mapping[str, bytes], card: Mapping[str, object]) -> None:
    """Make `folder` a checkpoint of `files` and the card; an earlier checkpoint there is replaced whole, or not at all.

    Hashes of a card read before are replaced. What lies in an earlier checkpoint's folder without being its own stays.

    Raises:
        UsageError: something else than a checkpoint is there.
        CheckpointError: it cannot be written, say because the disk is full.
    """
    stale = replaceable(folder)
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    document = {**card, "schema_version": SCHEMA_VERSION, "model": model, "files": hashes}
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    try:
        with swapped_in(folder, {*stale, *files, CARD}) as fresh:
            for name, data in files.items():
                (fresh / name).write_bytes(data)
            (fresh / CARD).write_text(text)
    except OSError as error:
        raise CheckpointError(f"{folder} cannot be written: {error}; make room, or choose another folder") from error


def replaceable(folder: Path) -> set[str]:
    """Names of the files of the checkpoint at `folder`, none where there is nothing.

    Raises `UsageError` where anything else is there, which is not ours to replace, or the current directory.
    """
    if Path.cwd().is_relative_to(folder.resolve()):
        raise UsageError(f"{folder} is or holds the current directory, which cannot be replaced; name a folder in it")
    if not folder.is_dir():
        if folder.exists():
            raise UsageError(f"{folder} is a file, expected a folder to write a checkpoint to; choose another name")
        return set()
    if not any(folder.iterdir()):
        return set()
    try:
        card = json.loads((folder / CARD).read_text())
    except (OSError, ValueError, RecursionError):
        card = None
    if not isinstance(card, dict) or not {"schema_version", "model", "files"} <= set(card):
        raise UsageError(
            f"{folder} holds files but no {CARD} of a checkpoint, so it is not replaced; choose another folder, or "
            "remove it first"
        )
    return {name for name in card["files"] if Path(name).name == name} if isinstance(card["files"], dict) else set()


def read_checkpoint(
    folder: Path, model: str, required: Collection[str] = ()
) -> tuple[dict[str, bytes], dict[str, object]]:
    """The data files, `required` among them, and the card; raises `CheckpointError`."""
    path = folder / CARD
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
