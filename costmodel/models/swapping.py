"""A folder is written beside its place and swapped in whole: whoever looks finds the old one or the new one.

Owns what of the old folder is kept. Invariant: until the swap (`core.files`) the old folder is untouched, and a failure
leaves nothing behind.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from costmodel.core.files import take_place


@contextmanager
def swapped_in(folder: Path, dropped: Collection[str]) -> Iterator[Path]:
    """A fresh folder to fill, which takes the place of `folder` at the end; made where there is none.

    What else lies in the old folder is copied, but for the files `dropped`.

    Raises `OSError` where the disk is full or the parent cannot be written.
    """
    place = folder.resolve()
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = place.with_name(f".{place.name}.{secrets.token_hex(4)}.new")
    try:
        if place.is_dir():
            shutil.copytree(place, fresh, symlinks=True, ignore=lambda at, names: _own(place, at, names, dropped))
        else:
            fresh.mkdir()
        yield fresh
        take_place(fresh, place)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _own(place: Path, at: str, names: Collection[str], dropped: Collection[str]) -> set[str]:
    """Names among `names` in the folder `at` that are not copied: files `dropped` at the top."""
    if Path(at) != place:
        return set()
    return {name for name in names if name in dropped and ((place / name).is_symlink() or not (place / name).is_dir())}
