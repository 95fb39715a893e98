"""The folder that a run writes into: made when the run begins, gone again if the run fails with nothing to keep.

Owns the folder's life and the name of the session kept in it, by which `--resume` knows its own records. Invariant: a
run that fails leaves no folder behind that was not there before, except one that holds measurements.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from pathlib import Path

from costmodel.core.errors import ArtifactError, CostModelError
from costmodel.search.database import Database

SESSION = ".session"


class OutputFolder:
    """`OUT`. Made by the constructor."""

    def __init__(self, path: Path) -> None:
        """Make the folder, and those above it, unless it is there; raises `ArtifactError` if it cannot be written."""
        self.path = path
        self._fresh = not path.exists() or (path.is_dir() and not any(path.iterdir()))
        self._made = [p for p in (path, *path.parents) if not p.exists()]
        try:
            path.mkdir(parents=True, exist_ok=True)
            self.session = self._session()
        except OSError as error:
            self._remove_folders()
            raise ArtifactError(f"{path} cannot be written: {error.strerror}; give another folder") from error

    def abandon(self, database: Path) -> None:
        """After a failure: remove what this run made, unless there are records in it. A folder already in use stays."""
        inside = database.resolve().parent == self.path.resolve()
        if not self._fresh or (inside and _has_records(database)):
            return
        if inside:
            for path in self.path.glob(f"{database.name}*"):
                path.unlink(missing_ok=True)
        (self.path / SESSION).unlink(missing_ok=True)
        self._remove_folders()

    def _session(self) -> str:
        """The name kept here by an earlier run, or a new one. Written in any case: the folder must be writable."""
        kept = self.path / SESSION
        name = kept.read_text(encoding="ascii", errors="replace").strip() if kept.is_file() else ""
        if not name.isalnum():
            name = uuid.uuid4().hex[:12]
        draft = kept.with_name(f"{SESSION}.{uuid.uuid4().hex}")
        try:
            draft.write_text(f"{name}\n", encoding="ascii")
            draft.replace(kept)
        finally:
            draft.unlink(missing_ok=True)
        return name

    def _remove_folders(self) -> None:
        for folder in self._made:
            with suppress(OSError):  # something else is in it by now, or it was never made
                folder.rmdir()


def _has_records(database: Path) -> bool:
    try:
        with Database.open(database, create=False) as opened:
            return len(opened) > 0
    except CostModelError:  # not made, or unreadable: nothing that could be resumed
        return False
