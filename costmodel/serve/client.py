"""A client of `costmodel serve --socket`, with nothing but the standard library behind it.

    with Client("/run/user/1000/costmodel.sock") as client:
        [answer] = client.predict([{"ir": text, "target": "x86-64/znver4"}])

Owns the connection only. Used by one thread; make one for each.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from costmodel.core.errors import ParseError, UsageError
from costmodel.core.schema import CONTRACTS_VERSION, check_version
from costmodel.serve.framing import Closed, TooSlow, receive, send

MAX_REPLY_BYTES = 1 << 30


class Client:
    """A connection that is kept for any number of calls; the server closes it after some time without one."""

    def __init__(self, path: str | Path, *, timeout_s: float = 60.0) -> None:
        """Connect; raises `UsageError` where nobody serves at `path`."""
        self._timeout_s = timeout_s
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._socket.settimeout(timeout_s)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise UsageError(
                f"nobody serves at {str(path)!r} ({error.strerror or error}); start `costmodel serve --socket {path}`"
            ) from None

    def predict(self, requests: Sequence[Mapping[str, object]]) -> list[dict[str, Any]]:
        """One answer for each request, in order: what `costmodel predict` prints as JSON, or `{"error": …}`.

        Args:
            requests: see `costmodel.serve.requests`.

        Raises:
            UsageError: the server refused the whole message, has ended, or took longer than the time limit.
            ParseError: the reply is of another version.
        """
        try:
            send(self._socket, {"schema_version": CONTRACTS_VERSION, "requests": list(requests)}, self._timeout_s)
        except TooSlow:
            raise UsageError(f"the server did not take the message within {self._timeout_s:g} s") from None
        except OSError:
            pass  # it may have said why before it closed
        reply = self._receive()
        check_version(reply, CONTRACTS_VERSION, "reply")
        if "error" in reply:
            raise UsageError(f"the server refused the message: {reply['error']['message']}")
        answers = reply.get("answers")
        if not isinstance(answers, list) or len(answers) != len(requests):
            raise ParseError(f"reply: expected {len(requests)} answers; is the server of another version?")
        return answers

    def _receive(self) -> dict[str, Any]:
        try:
            reply = receive(self._socket, MAX_REPLY_BYTES, self._timeout_s)
        except TooSlow:
            raise UsageError(f"the server did not answer within {self._timeout_s:g} s") from None
        except (Closed, OSError):
            raise UsageError("the server closed the connection; connect again") from None
        if not isinstance(reply, dict):
            raise ParseError(f"reply: it is {type(reply).__name__}, expected an object")
        return reply

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
