"""Files and folders that appear whole: written beside their place, then renamed.

Owns the two replacements. Invariant: whatever fails, what was there stands as it was and no scratch is left; what to
say of an `OSError` is the caller's.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file in one step, so that a reader, or whoever comes after a loss of power, sees the old or the new.

    Raises:
        OSError: the file cannot be written; the old one, if any, is untouched.
    """
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise


def take_place(fresh: Path, place: Path) -> None:
    """Rename the folder `fresh` to `place`, in the same file system; the folder that is there goes.

    Killed between the two renames, which nothing but a signal or a loss of power can hit, both stand beside the place.

    Raises:
        OSError: it cannot be renamed; the old folder, if any, is put back.
    """
    if not place.exists():
        fresh.rename(place)
        return
    old = place.with_name(f".{place.name}.{secrets.token_hex(4)}.old")
    place.rename(old)
    try:
        fresh.rename(place)
    except BaseException:
        old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)
