"""The two FIFOs of a channel, and the lock that keeps a second server away.

Owns the files `BASE.in`, `BASE.out` and `BASE.lock`. Invariant: what it made it removes; what was there it leaves.
"""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path
from typing import Self

from costmodel.core.errors import UsageError

MODE = 0o600


class Fifos:
    """Holds the lock from `__enter__` to `__exit__`; at most one holder for a base at any time, on this machine."""

    def __init__(self, base: Path) -> None:
        """`base` is what the compiler gets as its channel's base: a path without `.in` and `.out`."""
        self.base = base
        self.inbound = Path(f"{base}.in")
        self.outbound = Path(f"{base}.out")
        self._lock_path = Path(f"{base}.lock")
        self._lock: int | None = None
        self._made: list[Path] = []

    def __enter__(self) -> Self:
        """Raises `UsageError`: the folder is missing, a file is in the way, or another server answers here."""
        self._lock = self._take_lock()
        try:
            self.make()
        except UsageError:
            self.remove()
            self._release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()
        self._release()

    def make(self) -> None:
        """Make what is missing of the two; raises `UsageError`."""
        for path in (self.inbound, self.outbound):
            try:
                os.mkfifo(path, MODE)
            except FileExistsError:
                _check_fifo(path)
            except OSError as error:
                raise UsageError(
                    f"cannot make the FIFO {str(path)!r}: {error.strerror}; choose another --channel"
                ) from None
            else:
                self._made.append(path)

    def renew(self) -> None:
        """Put fresh FIFOs in place of those that a compiler has open: the next compiler waits there, apart from it."""
        for path in (self.inbound, self.outbound):
            fresh = Path(f"{path}.new")
            fresh.unlink(missing_ok=True)
            os.mkfifo(fresh, MODE)
            fresh.replace(path)

    def remove(self) -> None:
        """Remove the FIFOs that were not there before."""
        while self._made:
            self._made.pop().unlink(missing_ok=True)

    def _take_lock(self) -> int:
        while True:
            try:
                lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, MODE)
            except OSError as error:
                raise UsageError(
                    f"cannot make {str(self._lock_path)!r}: {error.strerror}; "
                    "give --channel a path in a folder that exists"
                ) from None
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                raise UsageError(
                    f"another server answers the channel {str(self.base)!r}; give each compiler a channel of its own"
                ) from None
            if _same_file(lock, self._lock_path):
                return lock
            os.close(lock)  # its holder has just removed it

    def _release(self) -> None:
        if self._lock is not None:
            self._lock_path.unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None


def _check_fifo(path: Path) -> None:
    if not stat.S_ISFIFO(os.lstat(path).st_mode):
        raise UsageError(
            f"{str(path)!r} exists and is no FIFO; remove it or choose another --channel (it is left as it is)"
        )


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
