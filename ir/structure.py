"""Structural hashes of a function: blind to names and metadata; the near hash also to constants.

Owns what "the same function" means. Two functions with one `structural_hash` do the same operations on the same types,
constants and outside symbols; functions with one `near_hash` may differ in constants and in the data they point to.
Equal hashes here imply equal hashes of LLVM's `print<structural-hash>`, which looks at less. Works on text alone.
"""

from __future__ import annotations

import re

from costmodel.core.hashing import sha256_text
from costmodel.core.tables import FunctionRow

_NAME = r'[-$._A-Za-z0-9]+|"[^"]*"'
_COMMENT = re.compile(r"\s*;[^\"\n]*$", re.MULTILINE)
_ATTACHMENT = re.compile(r",? ![\w.]+ !\d+| #\d+\b")
_TOKEN = re.compile(rf"([%@$])({_NAME})|^({_NAME}):", re.MULTILINE)
_TYPE = re.compile(rf"^%({_NAME}) = type (.*)$", re.MULTILINE)
_LOCAL_DATA = re.compile(rf"^@({_NAME}) = ((?:private|internal) .*)$", re.MULTILINE)
_METADATA_NUMBER = re.compile(r"!\d+")
_NUMBER = r"-?(?:0x[KLMHR]?[0-9A-Fa-f]+|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)"
_LLVM_CONSTANT = re.compile(
    rf"(?<![\w.%@#$!\"-]){_NUMBER}(?![\w.]| x )|\b(?:true|false|null|zeroinitializer)\b|c\"[^\"]*\""
)
_MLIR_CONSTANT = re.compile(rf"(?<![\w.%@#$!-]){_NUMBER}(?![\w.?])|\b(?:true|false)\b|\"0x[0-9A-Fa-f]*\"")
_MLIR_TOKEN = re.compile(rf"([%@^])({_NAME})")
_MLIR_LOCATION = re.compile(r"\s*loc\((?:[^()]|\([^()]*\))*\)")


def structural_hash(row: FunctionRow) -> str:
    """Hex sha256 of the function's structure, constants included."""
    return sha256_text(_normalised(row, erase=False))


def near_hash(row: FunctionRow) -> str:
    """Hex sha256 of the function's structure with its constants erased."""
    return sha256_text(_normalised(row, erase=True))


def _normalised(row: FunctionRow, *, erase: bool) -> str:
    text = _llvm(row.ir, row.entry, erase=erase) if row.format == "llvm" else _mlir(row.ir, erase=erase)
    schedule = "" if row.schedule is None else f"\n{row.schedule}"
    return f"{row.format}\n{text}{schedule}"


def _llvm(text: str, entry: str, *, erase: bool) -> str:
    body = _definition(text, entry)
    types = dict(_TYPE.findall(text))
    data = dict(_LOCAL_DATA.findall(text))
    numbering = _Numbers()

    def rename(match: re.Match[str]) -> str:
        sigil, name, label = match.groups()
        if label is not None:
            return f"%{numbering(label)}:"
        if sigil == "%":
            return _type_text(name, types, 3) if name in types else f"%{numbering(name)}"
        if name == entry or name == f'"{entry}"':
            return "@self"
        if name in data:
            return "@data" if erase else f"@{_METADATA_NUMBER.sub('', data[name])}"
        return f"@{name}"

    if erase:
        body = _LLVM_CONSTANT.sub("C", body)
    return _TOKEN.sub(rename, body)


def _mlir(text: str, *, erase: bool) -> str:
    plain = _MLIR_LOCATION.sub("", re.sub(r"//[^\n\"]*$", "", text, flags=re.MULTILINE))
    if erase:
        plain = _MLIR_CONSTANT.sub("C", plain)
    numbering = _Numbers()
    renamed = _MLIR_TOKEN.sub(lambda match: f"{match[1]}{numbering(match[0])}", plain)
    return " ".join(renamed.split())


def _definition(text: str, entry: str) -> str:
    """The `define` of `entry` without comments, metadata, attributes and linkage; all of them where it is not found."""
    quoted = re.escape(entry)
    found = re.search(rf'^define [^\n]*@(?:{quoted}|"{quoted}")\(.*?^}}', text, re.MULTILINE | re.DOTALL)
    body = found[0] if found else text
    head, newline, rest = body.partition("\n")
    head = re.sub(r"^define (?:[a-z_]+ )*?(?=(?:void|ptr|float|double|half|i\d|\[|\{|<|%))", "define ", head)
    return _ATTACHMENT.sub("", _COMMENT.sub("", f"{head}{newline}{rest}"))


def _type_text(name: str, types: dict[str, str], depth: int) -> str:
    """A named type by its content, a few levels deep."""
    if depth == 0:
        return "%T"
    inner = re.compile(rf"%({_NAME})")
    return inner.sub(lambda m: _type_text(m[1], types, depth - 1) if m[1] in types else m[0], types[name])


class _Numbers:
    """Names to numbers in the order of their first appearance."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def __call__(self, name: str) -> int:
        return self._seen.setdefault(name, len(self._seen))
