"""Lazy name-to-object tables: one line adds a strategy, a model, a backend, a reader.

Owns name resolution. Invariant: importing a registry imports none of the modules it names.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Generic, TypeVar, cast

from costmodel.core.errors import UnknownNameError, UsageError

T = TypeVar("T")


class Registry(Generic[T]):
    """Maps a name to `"module:attribute"`, imported on first use.

    Thread-safe for reading. `register` is meant for import time (plug-ins) and refuses a taken name.
    """

    def __init__(self, kind: str, entries: Mapping[str, str]) -> None:
        """`kind` is the noun used in messages, for example `"strategy"`."""
        self.kind = kind
        self._paths = dict(entries)

    def register(self, name: str, path: str) -> None:
        """Add `name`; raises `UsageError` if it is taken or `path` is not `module:attribute`."""
        if name in self._paths:
            raise UsageError(f"{self.kind} {name!r} is registered already ({self._paths[name]}); choose another name")
        if path.count(":") != 1:
            raise UsageError(f"{self.kind} {name!r}: {path!r} is not of the form 'module:attribute'")
        self._paths[name] = path

    def get(self, name: str) -> T:
        """Return the object; raises `UnknownNameError` with the choices for a name that is not there."""
        if name not in self._paths:
            close = difflib.get_close_matches(name, self._paths, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise UnknownNameError(f"unknown {self.kind} {name!r}; known: {', '.join(sorted(self._paths))}{hint}")
        module, attribute = self._paths[name].split(":")
        return cast(T, getattr(import_module(module), attribute))

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._paths))

    def __contains__(self, name: object) -> bool:
        return name in self._paths

    def __len__(self) -> int:
        return len(self._paths)
