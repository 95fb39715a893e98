"""`ir.read`: one entry for every format.

Owns the registry of readers and the choice among them: by name, by suffix, then by looking at the content.
Invariant: every input ends in a `Program` or a `CostModelError`. A new reader is one file and one line in `READERS`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from costmodel.core.errors import Location, ParseError, UsageError
from costmodel.core.registry import Registry
from costmodel.ir.program import Program

_HEAD_BYTES = 1 << 16
_MAX_PATH_LENGTH = 1024


class Reader(Protocol):
    """Reads one format. Stateless; `read` may be called from any thread, any number of times."""

    suffixes: tuple[str, ...]

    def sniff(self, head: bytes) -> bool:
        """Whether content that begins with `head` (up to 64 KiB) looks like this format."""
        ...

    def read(self, data: bytes, file: str) -> Program:
        """Read the whole content; `file` is its name in locations. Raises `CostModelError`."""
        ...


READERS: Registry[type[Reader]] = Registry(
    "reader",
    {
        "mlir": "costmodel.ir.mlir.reader:MlirReader",
        "llvm": "costmodel.ir.llvm.reader:LlvmReader",
        "onnx": "costmodel.ir.onnx.reader:OnnxReader",
        "tir": "costmodel.ir.tir.reader:TirReader",
    },
)


def read(source: Path | str | bytes, *, format: str | None = None) -> Program:
    """Read a program from a file or from its content.

    Args:
        source: a path; or a text: a string that holds a newline, `(` or `{`, or is empty; or the content as bytes.
        format: the reader's name (see `READERS`); by default the suffix decides, then the content.

    Raises:
        ParseError: the content is no program, with the position.
        UsageError: the file does not exist or cannot be read.
        UnknownNameError: no reader of that name.
    """
    data, file = _load(source)
    name = format if format is not None else _choose(data, file)
    return READERS.get(name)().read(data, file)


def decode(data: bytes, file: str) -> str:
    """UTF-8 to text; Raises `ParseError` at the first byte that is not UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        good = data[: error.start]
        line = good.count(b"\n") + 1
        column = len(good[good.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        raise ParseError(
            f"byte {data[error.start]:#04x} is not UTF-8 text; is this the file you meant?",
            location=Location(file=file, line=line, column=column),
        ) from None


def _load(source: Path | str | bytes) -> tuple[bytes, str]:
    if isinstance(source, bytes):
        return source, "<bytes>"
    if isinstance(source, str):
        looks_like_text = not source or any(mark in source for mark in "\n({") or len(source) > _MAX_PATH_LENGTH
        if looks_like_text and not (source and len(source) <= _MAX_PATH_LENGTH and _is_file(source)):
            return source.encode("utf-8", "surrogateescape"), "<string>"
        source = Path(source)
    try:
        return source.read_bytes(), str(source)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read {str(source)!r}: {reason}; give a file or the text of a program") from None


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        return False


def _choose(data: bytes, file: str) -> str:
    if not data.strip():
        raise ParseError(
            "the input is empty; expected a program: " + ", ".join(READERS),
            location=Location(file=file, line=1, column=1),
        )
    suffix = Path(file).suffix.lower()
    readers = {name: READERS.get(name)() for name in READERS}
    for name, reader in readers.items():
        if suffix in reader.suffixes:
            return name
    head = data[:_HEAD_BYTES]
    for name, reader in readers.items():
        if reader.sniff(head):
            return name
    decode(data, file)
    raise ParseError(
        f"this looks like none of the known formats ({', '.join(READERS)}); name one with `format` "
        "(`--reader` on the command line)",
        location=Location(file=file, line=1, column=1),
    )
