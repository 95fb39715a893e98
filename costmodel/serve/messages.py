"""The messages of a channel: a header, then contexts, observations and outcomes, each a JSON line and its tensors.

Owns the framing (LLVM: `Utils/TrainingLogger.cpp`, `InteractiveModelRunner.cpp`). Invariant: a message is given out
whole or not at all; what does not belong ends in a `ParseError` that says where.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from costmodel.core.errors import ParseError
from costmodel.serve.connection import Connection
from costmodel.serve.tensors import Header, parse_header

MAX_LINE_BYTES = 1 << 20

Observation = np.void
"""One question: a record with a field for each feature, `observation["mask"]` of the header's shape."""


class Truncated(Exception):  # noqa: N818 - how a killed compiler looks from here
    """The channel was closed in the middle of a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The compiler turned to another function (or, with an empty name, to the module)."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The compiler waits for an answer to this."""

    number: int
    observation: Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How good earlier answers were; only compilers built for training send it."""

    number: int


Message = Context | Question | Outcome


class MessageReader:
    """Reads one compiler's messages in order. Used by one thread; may be called again after `Interrupted`."""

    def __init__(self, connection: Connection, name: str) -> None:
        """`name` is the channel's, for messages."""
        self._connection = connection
        self._name = name
        self._header: Header | None = None

    def header(self) -> Header | None:
        """The first line; None where the compiler closed the channel without one."""
        line = self._line()
        if line is None:
            return None
        self._header = parse_header(line, self._name)
        self._take(len(line) + 1)
        return self._header

    def next(self) -> Message | None:
        """The next message; None where the compiler has closed the channel between two.

        Raises:
            ParseError: not a message, or its tensors are not those of the header.
            Truncated: the channel was closed in the middle of one.
        """
        line = self._line()
        if line is None:
            return None
        kind, value = self._kind(line)
        if kind == "context":
            self._take(len(line) + 1)
            return Context(name=str(value))
        assert self._header is not None
        if not isinstance(value, int) or isinstance(value, bool):
            raise ParseError(f"{self._name}: {kind} {value!r} has no number")
        if kind == "observation":
            record = self._header.record
            tensors = self._tensors(len(line) + 1, record.itemsize)
            return Question(number=value, observation=np.frombuffer(tensors, record, 1)[0])
        self._tensors(len(line) + 1, self._header.score.size_bytes if self._header.score else 0)
        return Outcome(number=value)

    def _kind(self, line: bytes) -> tuple[str, object]:
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            document = None
        if isinstance(document, dict):
            if "features" in document:
                raise ParseError(
                    f"{self._name}: a second compiler writes to this channel; "
                    "give each compiler a channel and a server of its own"
                )
            for kind in ("observation", "context", "outcome"):
                if kind in document:
                    return kind, document[kind]
        shown = line[:60].decode("utf-8", "replace")
        raise ParseError(
            f"{self._name}: {shown!r} is no message, expected a context or an observation; "
            "does another compiler share this channel, or do the tensors differ from the header?"
        )

    def _line(self) -> bytes | None:
        """The line that the buffer begins with, left there."""
        buffer, seen = self._connection.buffer, 0
        while (end := buffer.find(b"\n", seen)) < 0:
            seen = len(buffer)
            if seen > MAX_LINE_BYTES:
                raise ParseError(f"{self._name}: a line of over {MAX_LINE_BYTES} bytes; this is no advisor's channel")
            if not self._connection.fill():
                if not buffer:
                    return None
                raise Truncated
        return bytes(buffer[:end])

    def _tensors(self, start: int, size_bytes: int) -> bytes:
        """What follows a line, with the newline behind it; takes the whole message from the buffer."""
        buffer, end = self._connection.buffer, start + size_bytes
        while len(buffer) <= end:
            if not self._connection.fill():
                raise Truncated
        if buffer[end] != 0x0A:
            raise ParseError(
                f"{self._name}: {size_bytes} bytes of tensors are not followed by a newline; does the header fit?"
            )
        tensors = bytes(buffer[start:end])
        self._take(end + 1)
        return tensors

    def _take(self, count: int) -> None:
        del self._connection.buffer[:count]
