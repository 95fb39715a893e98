"""Messages on the local socket: four bytes of length, most significant first, then so many bytes of JSON.

Owns the framing for both ends. Invariant: a message is read whole within its time limit or not at all.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any

from costmodel.core.errors import ParseError, UsageError

LENGTH = struct.Struct(">I")
_CHUNK_BYTES = 1 << 16


class Closed(Exception):  # noqa: N818 - the ordinary end of a connection
    """The other end closed the connection between two messages."""


class TooSlow(Exception):  # noqa: N818 - what it means is the caller's matter
    """A message did not come, or was not taken, within its time."""

    def __init__(self, received_bytes: int) -> None:
        super().__init__(f"{received_bytes} bytes came in time")
        self.received_bytes = received_bytes


def encode(document: object) -> bytes:
    """A JSON value as it goes over the socket; numbers that are not finite become null."""
    body = json.dumps(_finite(document), allow_nan=False, separators=(",", ":")).encode()
    return LENGTH.pack(len(body)) + body


def send(connection: socket.socket, document: object, seconds: float) -> None:
    """Send one message; raises `TooSlow`, `OSError`."""
    connection.settimeout(seconds)
    try:
        connection.sendall(encode(document))
    except TimeoutError:
        raise TooSlow(0) from None


def receive(connection: socket.socket, max_bytes: int, seconds: float) -> Any:
    """One message's JSON value.

    Raises:
        Closed: the other end has ended.
        TooSlow: it was not complete within `seconds`.
        UsageError: it is larger than `max_bytes`.
        ParseError: the connection closed in its middle, or it is no JSON.
    """
    deadline = time.monotonic() + seconds
    (length,) = LENGTH.unpack(_exactly(connection, LENGTH.size, deadline))
    if length > max_bytes:
        raise UsageError(f"a message of {length} bytes, at most {max_bytes} are taken; send fewer programs at a time")
    body = _exactly(connection, length, deadline, started=True)
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ParseError(f"the message is no JSON: {error or 'nested too deeply'}") from None


def _exactly(connection: socket.socket, count: int, deadline: float, *, started: bool = False) -> bytes:
    parts, missing = [], count
    while missing:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise TooSlow(count - missing + started)
        connection.settimeout(left_s)
        try:
            chunk = connection.recv(min(missing, _CHUNK_BYTES))
        except TimeoutError:
            raise TooSlow(count - missing + started) from None
        if not chunk:
            if missing == count and not started:
                raise Closed
            raise ParseError(f"the connection closed with {missing} of {count} bytes missing")
        parts.append(chunk)
        missing -= len(chunk)
    return b"".join(parts)


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
