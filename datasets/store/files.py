"""Data sets that appear whole (`core.files`).

Owns what may be replaced, and what is said where it cannot be written. Invariant: whatever fails, the old folder or
file stands as it was and no scratch is left.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from costmodel.core.errors import CostModelError, UsageError
from costmodel.core.files import take_place, write_whole

MANIFEST = "manifest.json"


class DatasetError(CostModelError):
    """A data set is damaged, foreign, of another version, or cannot be written."""


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Yield an empty scratch folder that takes the place of `folder` if the block ends well.

    Raises:
        UsageError: `folder` holds something that is no data set.
        DatasetError: the disk is full, or the place cannot be written; what was there is untouched.
    """
    check_place(folder)
    scratch: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".part"))
        scratch.chmod(0o755)
        yield scratch
        take_place(scratch, folder)
    except OSError as error:
        raise write_error(folder, error) from error
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)


def check_place(folder: Path) -> None:
    """Refuse a place that holds anything but a data set; raises `UsageError`."""
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder; name a new folder for the data set")
    if any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise UsageError(f"{folder} holds files but no {MANIFEST}, so it is no data set; name a new or empty folder")


def write_error(path: Path, error: OSError) -> DatasetError:
    """What to say when `path` cannot be written."""
    return DatasetError(
        f"cannot write {path}: {error.strerror or error}; free space or name another place and run again "
        "(nothing was replaced)"
    )


def write_file(path: Path, content: bytes) -> None:
    """Replace one file in one step; raises `DatasetError`."""
    try:
        write_whole(path, content)
    except OSError as error:
        raise write_error(path, error) from error
