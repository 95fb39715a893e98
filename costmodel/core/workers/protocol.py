"""Frames between a coordinator and its worker: pickle protocol 5, large buffers sent beside it without a copy.

Owns the byte layout: `magic u32, buffers u32, pickle_bytes u64, buffer_bytes u64 * buffers, pickle, buffers`.
Sending and receiving are generators that yield where a non-blocking socket would wait (False) or after each large chunk
(True), so that the coordinator can watch the clock meanwhile; on a blocking socket they simply run through.
Both ends are ours; a damaged frame is an `OSError`, never a guess.
"""

from __future__ import annotations

import pickle
import socket
import struct
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TypeVar

_HEADER = struct.Struct("<IIQ")
_MAGIC = 0x43574B31
_OUT_OF_BAND_BYTES = 1 << 16
_CHUNK_BYTES = 1 << 20

R = TypeVar("R")
Steps = Generator[bool, None, R]
"""Yields True after progress, False where it must wait; returns the result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One message, still pickled: safe to hold, to send, or to decode later."""

    body: bytes | bytearray
    buffers: Sequence[memoryview]


def encode(message: object) -> Frame:
    """Pickle `message`; arrays of 64 KiB and more stay where they are and must not change until they are sent."""
    buffers: list[memoryview] = []

    def keep_in_band(buffer: pickle.PickleBuffer) -> bool:
        view = buffer.raw()
        if view.nbytes < _OUT_OF_BAND_BYTES:
            return True
        buffers.append(view)
        return False

    return Frame(body=pickle.dumps(message, protocol=5, buffer_callback=keep_in_band), buffers=buffers)


def decode(frame: Frame) -> object:
    """Unpickle; arrays share memory with the received buffers and are writable."""
    return pickle.loads(frame.body, buffers=frame.buffers)


def send(connection: socket.socket, frame: Frame) -> Steps[None]:
    """Write `frame`."""
    lengths = [view.nbytes for view in frame.buffers]
    head = _HEADER.pack(_MAGIC, len(lengths), len(frame.body)) + struct.pack(f"<{len(lengths)}Q", *lengths)
    if len(frame.body) < _OUT_OF_BAND_BYTES:
        yield from _push(connection, memoryview(head + frame.body))
    else:
        yield from _push(connection, memoryview(head))
        yield from _push(connection, memoryview(frame.body))
    for view in frame.buffers:
        yield from _push(connection, view.cast("B") if view.nbytes else view)


def receive(connection: socket.socket) -> Steps[Frame]:
    """Read one frame. Raises `EOFError` when the other end is gone."""
    head = yield from _fill(connection, _HEADER.size)
    magic, count, body_bytes = _HEADER.unpack(head)
    if magic != _MAGIC:
        raise OSError("damaged frame: something else wrote to the worker's channel")
    lengths = struct.unpack(f"<{count}Q", (yield from _fill(connection, 8 * count)))
    body = yield from _fill(connection, body_bytes)
    buffers = []
    for length in lengths:
        buffers.append(memoryview((yield from _fill(connection, length))))
    return Frame(body=body, buffers=buffers)


def finish(steps: Steps[R]) -> R:
    """Run `steps` through on a blocking socket."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            result: R = stop.value
            return result


def _push(connection: socket.socket, view: memoryview) -> Steps[None]:
    while view:
        try:
            sent = connection.send(view[:_CHUNK_BYTES])
        except BlockingIOError:
            yield False
            continue
        view = view[sent:]
        if view:
            yield True


def _fill(connection: socket.socket, length: int) -> Steps[bytearray]:
    data = bytearray(length)
    view = memoryview(data)
    while view:
        try:
            received = connection.recv_into(view, min(len(view), _CHUNK_BYTES))
        except BlockingIOError:
            yield False
            continue
        if received == 0:
            raise EOFError("the other end closed the channel")
        view = view[received:]
        if view:
            yield True
    return data
