"""A folder is written beside its place and swapped in whole: whoever looks finds the old one or the new one.

Owns the swap. Invariant: until the swap the old folder is untouched, and a failure leaves nothing behind. Killed
between the swap's two renames, which nothing but a power cut or a signal can hit, both stand beside the place, whole.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def swapped_in(folder: Path, dropped: Collection[str]) -> Iterator[Path]:
    """A fresh folder to fill, which takes the place of `folder` at the end; made where there is none.

    What else lies in the old folder is copied, but for the files `dropped`.

    Raises `OSError` where the disk is full or the parent cannot be written.
    """
    place = folder.resolve()
    place.parent.mkdir(parents=True, exist_ok=True)
    mark = f"{place.name}.{secrets.token_hex(4)}"
    fresh, old = place.with_name(f".{mark}.new"), place.with_name(f".{mark}.old")
    try:
        if place.is_dir():
            shutil.copytree(place, fresh, symlinks=True, ignore=lambda at, names: _own(place, at, names, dropped))
        else:
            fresh.mkdir()
        yield fresh
        _swap(place, fresh, old)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def _own(place: Path, at: str, names: Collection[str], dropped: Collection[str]) -> set[str]:
    """Names among `names` in the folder `at` that are not copied: files `dropped` at the top."""
    if Path(at) != place:
        return set()
    return {name for name in names if name in dropped and ((place / name).is_symlink() or not (place / name).is_dir())}


def _swap(place: Path, fresh: Path, old: Path) -> None:
    if not place.exists():
        fresh.rename(place)
        return
    place.rename(old)
    try:
        fresh.rename(place)
    except BaseException:
        old.rename(place)
        raise
