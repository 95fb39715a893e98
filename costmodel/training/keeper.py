"""Progress and half-done work of a run: files that survive a kill, learning curves, and time left.

Owns the folder of an unfinished run. Invariant: a run that was killed and started again gives the model that it would
have given; work of another configuration or data set is never taken over.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from costmodel.core.errors import UsageError
from costmodel.core.files import write_whole
from costmodel.models.monitor import Monitor

_RUN, _CURVES = "run.json", "curves.json"
_OWN = re.compile(r"\.?(run\.json|curves\.json|[0-9a-f]{32}\.part)(\.\w+\.part)?|([0-9a-f]{32}|curves\.json)\.new")
"""Names of files in the folder, those half written included, by this version or by earlier ones."""


class Screen(Protocol):
    """Where progress is shown."""

    def show(self, part: str, share_done: float, figures: Mapping[str, float]) -> None:
        """`share_done` of the whole run is done."""


class Keeper:
    """The state of one run, in `folder` until it is done."""

    def __init__(self, folder: Path, identity: str, screen: Screen | None = None) -> None:
        """Take over what lies in `folder` if it is of the same `identity`; raises `UsageError` if it cannot be kept."""
        self.folder = folder
        self.curves: dict[str, list[tuple[int, float]]] = {}
        self.screen = screen
        self.shares: dict[str, float] = {}
        try:
            if folder.is_dir() and _identity(folder) != identity:
                _remove(folder)
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(folder / _RUN, (json.dumps({"identity": identity}) + "\n").encode())
        except OSError as error:
            raise UsageError(f"cannot write {folder}: {error}; choose another output") from None
        self.resumed = any(path.name != _RUN for path in folder.iterdir())
        self.curves = _curves(folder)

    def monitor(self) -> Monitor:
        """The root of the run's monitors."""
        return _Part(self, "", 1.0)

    def path(self, key: str) -> Path:
        """Where a key is kept."""
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.part"

    def done(self) -> None:
        """Remove what was kept."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _identity(folder: Path) -> str | None:
    try:
        document = json.loads((folder / _RUN).read_text())
    except (OSError, ValueError):
        return None
    return document.get("identity") if isinstance(document, dict) else None


def _remove(folder: Path) -> None:
    """Remove the folder of another run; raises `UsageError` where something else lies there."""
    names = {path.name for path in folder.iterdir()}
    others = sorted(name for name in names if not _OWN.fullmatch(name))
    if others or (names and _RUN not in names):
        seen = others[0] if others else f"no {_RUN}"
        raise UsageError(
            f"{folder} is no unfinished run (there is {seen}), so it stays; move it away or choose another output"
        )
    shutil.rmtree(folder)


def _curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Curves as far as they were kept; a file that says nothing, as after a loss of power, is begun anew."""
    try:
        document = json.loads((folder / _CURVES).read_text())
        return {name: [(int(step), float(v)) for step, v in points] for name, points in document.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


class _Part(Monitor):
    def __init__(self, keeper: Keeper, prefix: str, share: float) -> None:
        self._keeper, self._prefix, self._share = keeper, prefix, share

    def child(self, name: str, share: float = 1.0) -> Monitor:
        return _Part(self._keeper, f"{self._prefix}{name}/", self._share * share)

    def step(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            points = self._keeper.curves.setdefault(self._prefix + name, [])
            if not points or points[-1][0] < done:
                points.append((done, value))
        self._keeper.shares[self._prefix] = self._share * done / max(1, total)
        if self._keeper.screen is not None:
            self._keeper.screen.show(self._prefix.rstrip("/"), min(1.0, sum(self._keeper.shares.values())), figures)

    def recall(self, key: str) -> bytes | None:
        """Data follow their own hash; a file cut short by a kill is not taken."""
        try:
            data = self._keeper.path(self._prefix + key).read_bytes()
        except OSError:
            return None
        return data[32:] if hashlib.sha256(data[32:]).digest() == data[:32] else None

    def keep(self, key: str, data: bytes) -> None:
        path = self._keeper.path(self._prefix + key)
        write_whole(self._keeper.folder / _CURVES, json.dumps(self._keeper.curves).encode())
        write_whole(path, hashlib.sha256(data).digest() + data)


class Clock:
    """Time left, from the share that is done; `now` gives seconds."""

    def __init__(self, now: float | None = None) -> None:
        self._start = time.monotonic() if now is None else now

    def left_s(self, share_done: float, now: float | None = None) -> float | None:
        """Seconds left, None before anything is done."""
        elapsed = (time.monotonic() if now is None else now) - self._start
        return None if share_done <= 0 else elapsed * (1 - share_done) / share_done
