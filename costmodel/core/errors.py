"""Every exception this project raises on purpose.

Owns the one error root. Invariant: the message says what was seen, what was expected and what to do.
A candidate that fails to compile or run is *not* an exception: it is a trial with a status and a cause.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A place in a text, printed as `file:line:column`; lines and columns are counted from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class CostModelError(Exception):
    """Root of all errors of this project. The command line prints it in one line and exits with status 2."""

    def __init__(self, message: str, *, location: Location | None = None) -> None:
        """Keep `location` apart from the text so that callers can point an editor at it."""
        self.location = location
        super().__init__(f"{location}: {message}" if location else message)


class ParseError(CostModelError):
    """A text is not what it claims to be (IR, a schedule, a target name)."""


class UnsupportedError(CostModelError):
    """A well-formed input asks for something this version cannot do."""


class UsageError(CostModelError):
    """An argument or a combination of arguments makes no sense."""


class UnknownNameError(CostModelError):
    """A registry does not hold the name; the message lists those it holds."""


class MissingDependencyError(CostModelError):
    """An optional package or tool is absent; the message says how to get it."""


class DatabaseError(CostModelError):
    """A record database cannot be read or written: corrupted, newer than we are, or the disk is full."""


class CheckpointError(CostModelError):
    """A model file is damaged, foreign, or of another version."""


class ToolchainError(CostModelError):
    """A compiler refused input that it was expected to accept."""


class ArtifactError(CostModelError):
    """A tuned artifact cannot be written, read, or run on this CPU."""
