"""64-bit little-endian ELF without any tool: the dynamic section of a library, function sizes of an object.

Owns what the dynamic loader will see: which symbols a library gives, which it wants, which libraries it names.
Of a library it does not read sections (a stripped one has none); it never reads relocations.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from costmodel.core.errors import ArtifactError

PT_LOAD, PT_DYNAMIC, PT_GNU_STACK = 1, 2, 0x6474E551
DT_NULL, DT_NEEDED, DT_HASH, DT_STRTAB, DT_SYMTAB, DT_SONAME, DT_GNU_HASH = 0, 1, 4, 5, 6, 14, 0x6FFFFEF5
STB_LOCAL, STB_WEAK = 0, 2
STV_HIDDEN, STV_INTERNAL = 2, 1
SHN_UNDEF = 0
SHT_SYMTAB, STT_FUNC = 2, 2
PF_X = 1
SYMBOL_BYTES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicLibrary:
    """What a shared library shows to the loader. Weak undefined symbols may stay unresolved and are kept apart."""

    soname: str | None
    needed: tuple[str, ...]
    defined: frozenset[str]
    undefined: frozenset[str]
    undefined_weak: frozenset[str]
    executable_stack: bool


def read_library(path: Path) -> DynamicLibrary:
    """Read `path`; raises `ArtifactError` where it is no 64-bit little-endian ELF shared library."""
    data = path.read_bytes()
    try:
        return _read(data)
    except (struct.error, IndexError, ValueError) as error:
        raise ArtifactError(f"{path}: not a 64-bit little-endian ELF shared library ({error})") from error


def _read(data: bytes) -> DynamicLibrary:
    if data[:6] != b"\x7fELF\x02\x01":
        raise ValueError("wrong magic")
    segments = list(_segments(data))
    dynamic = _dynamic_entries(data, segments)
    tags = dict(dynamic)
    if DT_STRTAB not in tags or DT_SYMTAB not in tags:
        raise ValueError("no dynamic symbol table")
    strings = _offset(segments, tags[DT_STRTAB])
    defined, undefined, weak = set(), set(), set()
    for name_at, info, other, section in _symbols(data, segments, tags):
        name = _text(data, strings + name_at)
        if info >> 4 == STB_LOCAL or not name:
            continue
        if section != SHN_UNDEF:
            if other & 3 not in (STV_HIDDEN, STV_INTERNAL):
                defined.add(name)
        elif info >> 4 == STB_WEAK:
            weak.add(name)
        else:
            undefined.add(name)
    stack = [flags for kind, flags, *_ in segments if kind == PT_GNU_STACK]
    return DynamicLibrary(
        soname=_text(data, strings + tags[DT_SONAME]) if DT_SONAME in tags else None,
        needed=tuple(_text(data, strings + value) for tag, value in dynamic if tag == DT_NEEDED),
        defined=frozenset(defined),
        undefined=frozenset(undefined),
        undefined_weak=frozenset(weak),
        executable_stack=not stack or bool(stack[0] & PF_X),  # an absent header asks for an executable stack
    )


def _segments(data: bytes) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield kind, flags, file offset, address and file size of each program header."""
    (table,) = struct.unpack_from("<Q", data, 32)
    entry_bytes, count = struct.unpack_from("<HH", data, 54)
    for index in range(count):
        kind, flags, offset, address, _, size = struct.unpack_from("<IIQQQQ", data, table + index * entry_bytes)
        yield kind, flags, offset, address, size


def _dynamic_entries(data: bytes, segments: list[tuple[int, int, int, int, int]]) -> list[tuple[int, int]]:
    for kind, _, offset, _, size in segments:
        if kind != PT_DYNAMIC:
            continue
        entries = list(struct.iter_unpack("<QQ", data[offset : offset + size]))
        end = next((i for i, (tag, _) in enumerate(entries) if tag == DT_NULL), len(entries))
        return [(tag, value) for tag, value in entries[:end]]
    raise ValueError("no dynamic section")


def _offset(segments: list[tuple[int, int, int, int, int]], wanted: int) -> int:
    for kind, _, offset, address, size in segments:
        if kind == PT_LOAD and address <= wanted < address + size:
            return offset + wanted - address
    raise ValueError(f"address {wanted:#x} is in no segment")


def _symbols(
    data: bytes, segments: list[tuple[int, int, int, int, int]], tags: dict[int, int]
) -> Iterator[tuple[int, int, int, int]]:
    """Yield name offset, info, visibility and section index of each dynamic symbol."""
    table = _offset(segments, tags[DT_SYMTAB])
    for index in range(1, _symbol_count(data, segments, tags)):
        yield struct.unpack_from("<IBBH", data, table + index * SYMBOL_BYTES)


def _symbol_count(data: bytes, segments: list[tuple[int, int, int, int, int]], tags: dict[int, int]) -> int:
    """ELF does not store the count: take it from a hash table, or from where the strings begin."""
    if DT_HASH in tags:
        return int(struct.unpack_from("<I", data, _offset(segments, tags[DT_HASH]) + 4)[0])
    if DT_GNU_HASH not in tags:
        return (tags[DT_STRTAB] - tags[DT_SYMTAB]) // SYMBOL_BYTES
    at = _offset(segments, tags[DT_GNU_HASH])
    bucket_count, first, bloom_words, _ = struct.unpack_from("<IIII", data, at)
    buckets_at = at + 16 + 8 * bloom_words
    last = int(max(struct.unpack_from(f"<{bucket_count}I", data, buckets_at)))
    if last < first:
        return int(first)
    chains_at = buckets_at + 4 * bucket_count
    while not int(struct.unpack_from("<I", data, chains_at + 4 * (last - first))[0]) & 1:
        last += 1
    return last + 1


def _text(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode()


def symbol_bytes(data: bytes) -> dict[str, int]:
    """Bytes of each function in a relocatable 64-bit little-endian object: its symbol's size.

    Raises:
        ArtifactError: `data` is no such object.
    """
    try:
        return {
            name: size
            for table, strings in _symbol_tables(data)
            for name, size in _sized_functions(data, table, strings)
        }
    except (struct.error, IndexError, ValueError) as error:
        raise ArtifactError(f"not a 64-bit little-endian ELF object ({error})") from error


def _symbol_tables(data: bytes) -> Iterator[tuple[tuple[int, int], int]]:
    """Yield (file offset, bytes) of each symbol table with the offset of its strings."""
    if data[:6] != b"\x7fELF\x02\x01":
        raise ValueError("wrong magic")
    (table,) = struct.unpack_from("<Q", data, 40)
    entry_bytes, count = struct.unpack_from("<HH", data, 58)
    headers = [struct.unpack_from("<IIQQQQII", data, table + index * entry_bytes) for index in range(count)]
    for _, kind, _, _, offset, size, link, _ in headers:
        if kind == SHT_SYMTAB:
            yield (offset, size), headers[link][4]


def _sized_functions(data: bytes, table: tuple[int, int], strings: int) -> Iterator[tuple[str, int]]:
    offset, size = table
    for name_at, info, _, section, _, bytes_ in struct.iter_unpack("<IBBHQQ", data[offset : offset + size]):
        if info & 15 == STT_FUNC and section != SHN_UNDEF:
            yield _text(data, strings + name_at), bytes_
