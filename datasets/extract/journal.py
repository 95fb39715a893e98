"""What is done already, kept beside the data set while it is made.

Owns resuming. Invariant: an entry is whole or absent, whenever the process is killed; a damaged one counts as absent.
Removed when the data set is written. Labels are kept as they come, in a label cache.
"""

from __future__ import annotations

import glob
import json
import shutil
from pathlib import Path

from costmodel.core.errors import DatabaseError, UsageError
from costmodel.core.hashing import sha256_file, sha256_text
from costmodel.datasets.extract.commands import Unit
from costmodel.datasets.extract.unit import Settings, UnitResult
from costmodel.datasets.labelling_cache import LabelCache
from costmodel.datasets.store.files import write_error, write_file

VERSION = 2


class Journal:
    """The folder `.NAME.journal` beside the data set."""

    def __init__(self, dataset: Path, *, key: dict[str, object], resume: bool) -> None:
        """Open it; without `resume`, or for a run with other inputs, what is there is thrown away.

        Raises:
            UsageError: `resume` is set and the journal belongs to other inputs or options.
            DatasetError: the place cannot be written.
        """
        self.folder = dataset.parent / f".{dataset.name}.journal"
        text = json.dumps({"version": VERSION, **key}, sort_keys=True)
        mark = self.folder / "key.json"
        if resume and mark.is_file() and mark.read_text(encoding="utf-8") != text:
            raise UsageError(
                f"{self.folder} was begun with another input or other options; repeat that command, "
                "or leave out --resume"
            )
        try:
            if not (resume and mark.is_file()):
                shutil.rmtree(self.folder, ignore_errors=True)
            (self.folder / "units").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(self.folder, error) from error
        write_file(mark, text.encode())
        for scratch in dataset.parent.glob(f".{glob.escape(dataset.name)}.*.part"):  # of a run killed while it wrote
            shutil.rmtree(scratch, ignore_errors=True)

    def get(self, name: str) -> UnitResult | None:
        """The entry, or None."""
        try:
            return UnitResult.from_bytes((self.folder / "units" / name).read_bytes())
        except (OSError, ValueError):
            return None

    def put(self, name: str, result: UnitResult) -> None:
        """Keep an entry; raises `DatasetError` where the disk is full (what is kept stays)."""
        write_file(self.folder / "units" / name, result.to_bytes())

    def labels(self) -> LabelCache:
        """Labels made already; raises `DatabaseError` where the place cannot be written."""
        path = self.folder / "labels.db"
        try:
            return LabelCache(path)
        except DatabaseError:
            for damaged in self.folder.glob(f"{path.name}*"):
                damaged.unlink(missing_ok=True)
            return LabelCache(path)

    def remove(self) -> None:
        """Throw it away."""
        shutil.rmtree(self.folder, ignore_errors=True)


def unit_key(unit: Unit, settings: Settings) -> str:
    """Name of a unit's entry: its command, its source's content and the settings."""
    try:
        content = sha256_file(Path(unit.source))
    except OSError:
        content = "unreadable"
    return sha256_text(repr((VERSION, unit.source, unit.directory, unit.arguments, content, settings)))
