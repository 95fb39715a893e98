"""Bitcode inside object files, archives and plain bitcode files.

Owns the section reader (ELF, 32 and 64 bit, little-endian) and the archive reader. Invariant: a damaged file is a
`ParseError` that names it. Does not read what the bitcode says.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from costmodel.core.errors import ParseError

BITCODE = (b"BC\xc0\xde", b"\xde\xc0\x17\x0b")
SUFFIXES = (".o", ".obj", ".a", ".so", ".rlib", ".bc", ".lo")
_ELF, _ARCHIVE = b"\x7fELF", b"!<arch>\n"
NO_BITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """One module found in a file."""

    member: str
    """Name within an archive; empty for a plain file."""
    bitcode: bytes
    command: tuple[str, ...]
    """What `.llvmcmd` says, empty where there is none."""


def embedded_modules(path: Path) -> list[Embedded]:
    """All modules in `path`, none where it holds no bitcode.

    Raises:
        ParseError: the file is damaged, or of a format that is not read.
    """
    return list(_modules(path.read_bytes(), "", str(path)))


def sections(data: bytes, what: str) -> dict[str, bytes]:
    """Sections of an ELF object by name (the first of each name); raises `ParseError`."""
    if data[5:6] != b"\x01" or data[4:5] not in (b"\x01", b"\x02"):
        raise ParseError(f"{what}: big-endian or unknown ELF; only little-endian objects are read")
    try:
        return _sections(data, wide=data[4] == 2)
    except (struct.error, ValueError, IndexError) as error:
        raise ParseError(f"{what}: a damaged ELF file ({error}); build it again") from error


def _modules(data: bytes, member: str, what: str) -> Iterator[Embedded]:
    if data.startswith(BITCODE):
        yield Embedded(member=member, bitcode=data, command=())
    elif data.startswith(_ARCHIVE):
        for name, content in _members(data, what):
            yield from _modules(content, name, f"{what}({name})")
    elif data.startswith(_ELF):
        found = sections(data, what)
        yield from _of_section(found, member)


def _of_section(found: dict[str, bytes], member: str) -> Iterator[Embedded]:
    blob = found.get(".llvmbc") or found.get(".llvm.lto") or b""
    commands = [part for part in found.get(".llvmcmd", b"").split(b"\0") if part]
    pieces = list(_pieces(blob))
    command = tuple(part.decode("utf-8", "surrogateescape") for part in commands) if len(pieces) == 1 else ()
    for index, piece in enumerate(pieces):
        name = member if len(pieces) == 1 else f"{member}#{index}"
        yield Embedded(member=name, bitcode=piece, command=command)


def _pieces(blob: bytes) -> Iterator[bytes]:
    """Modules of a section that a linker joined from several objects."""
    starts = [at for at in _all(blob, BITCODE[0]) if at % 4 == 0] or list(_all(blob, BITCODE[1]))
    for start, end in pairwise([*starts, len(blob)]):
        yield blob[start:end]


def _all(blob: bytes, magic: bytes) -> Iterator[int]:
    at = blob.find(magic)
    while at >= 0:
        yield at
        at = blob.find(magic, at + 4)


def _sections(data: bytes, *, wide: bool) -> dict[str, bytes]:
    offset, size, count, names = (
        (*struct.unpack_from("<Q", data, 40), *struct.unpack_from("<HHH", data, 58))
        if wide
        else (*struct.unpack_from("<I", data, 32), *struct.unpack_from("<HHH", data, 46))
    )
    headers = [_header(data, offset + index * size, wide=wide) for index in range(count)]
    if not headers:
        return {}
    start, length = headers[names][2:]
    table = data[start : start + length]
    found: dict[str, bytes] = {}
    for name_at, kind, begin, extent in headers:
        if kind == NO_BITS:
            continue
        if begin + extent > len(data):
            raise ValueError("a section reaches past the end")
        name = table[name_at : table.index(b"\0", name_at)].decode("utf-8", "replace")
        found.setdefault(name, data[begin : begin + extent])
    return found


def _header(data: bytes, at: int, *, wide: bool) -> tuple[int, int, int, int]:
    name, kind = struct.unpack_from("<II", data, at)
    begin, extent = struct.unpack_from("<QQ", data, at + 24) if wide else struct.unpack_from("<II", data, at + 16)
    return name, kind, begin, extent


def _members(data: bytes, what: str) -> Iterator[tuple[str, bytes]]:
    at, long_names = len(_ARCHIVE), b""
    while at + 60 <= len(data):
        name, size_text = data[at : at + 16].rstrip(), data[at + 48 : at + 58].strip()
        if data[at + 58 : at + 60] != b"`\n" or not size_text.isdigit():
            raise ParseError(f"{what}: a damaged archive at byte {at}; build it again")
        content = data[at + 60 : at + 60 + int(size_text)]
        at += 60 + int(size_text) + int(size_text) % 2
        if name == b"//":
            long_names = content
        elif name not in (b"/", b"/SYM64/"):
            yield _member_name(name, long_names), content


def _member_name(name: bytes, long_names: bytes) -> str:
    if name.startswith(b"/") and name[1:].isdigit():
        name = long_names[int(name[1:]) :].split(b"\n", 1)[0]
    return name.rstrip(b"/").decode("utf-8", "surrogateescape")
