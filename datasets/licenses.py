"""The licence of a source file, and the file that proves it.

Owns the order of evidence: an SPDX line in the file, a licence text in its head, the metadata of the package
(Cargo.toml, pyproject.toml, PKG-INFO), a licence file; the nearest folder wins. Invariant: no evidence, no licence.
Gives no legal advice: it reports what the files say.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from costmodel.core.errors import UsageError
from costmodel.datasets.licenses_text import identify

PERMISSIVE = (
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-1-Clause", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0",
    "CC0-1.0", "ISC", "MIT", "MIT-0", "NCSA", "PSF-2.0", "Unicode-3.0", "Unlicense", "Zlib",
)  # fmt: skip
"""The default allow-list."""

HEAD_BYTES = 8192
_SPDX = re.compile(r"SPDX-License-Identifier:\s*([^\n\r*]+?)\s*(?:\*/|-->|$)", re.MULTILINE)
_LICENSE_FILE = re.compile(r"^(?:licen[cs]e|copying|unlicense)(?:[-_.].*)?$", re.IGNORECASE)
_OPERATOR = re.compile(r"\s*(\(|\)|\bAND\b|\bOR\b)\s*")
_EXPRESSION = re.compile(r"^\(*[A-Za-z0-9.+-]+\)*(?: (?:AND|OR|WITH) \(*[A-Za-z0-9.+-]+\)*)*$")
_CLASSIFIERS = {
    "MIT License": "MIT",
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "zlib/libpng License": "Zlib",
    "The Unlicense (Unlicense)": "Unlicense",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
_DUAL = re.compile(r"licensed under both the bsd-style license.*?gplv2.*?at your option", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class License:
    """What was found."""

    expression: str
    """SPDX."""
    files: tuple[str, ...]
    """Relative to the root; the first proves it."""
    source: str
    """`header`, `header-text`, `metadata`, `license-file`."""


def find_license(root: Path, file: Path) -> License | None:
    """The licence of `file`, looked for in its head and in the folders up to `root`; None without evidence."""
    root, file = root.resolve(), file.resolve()
    own = _in_head(root, file)
    if own is not None:
        return own
    folder = file.parent
    while folder.is_relative_to(root):
        found = _in_folder(root, folder)
        if found is not None:
            return found
        if folder == root:
            return None
        folder = folder.parent
    return None


def is_allowed(expression: str, allowed: tuple[str, ...]) -> bool:
    """Whether an SPDX expression can be met within `allowed`: one side of an OR, both sides of an AND."""
    tokens = [token for token in _OPERATOR.split(expression) if token]
    accepted = {name.lower() for name in allowed}
    value, rest = _either(tokens, accepted)
    return value and not rest


def parse_allowed(text: str) -> tuple[str, ...]:
    """`MIT,Apache-2.0` as names; raises `UsageError` for what is no SPDX identifier."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if not _EXPRESSION.match(name) or " AND " in name or " OR " in name:
            raise UsageError(f"{name!r} is no SPDX licence identifier; write, for example, MIT,Apache-2.0,BSD-3-Clause")
    if not names:
        raise UsageError("the list of licences is empty; write, for example, --licenses MIT,Apache-2.0")
    return names


def _either(tokens: list[str], accepted: set[str]) -> tuple[bool, list[str]]:
    value, rest = _both(tokens, accepted)
    while rest and rest[0] == "OR":
        other, rest = _both(rest[1:], accepted)
        value = value or other
    return value, rest


def _both(tokens: list[str], accepted: set[str]) -> tuple[bool, list[str]]:
    value, rest = _one(tokens, accepted)
    while rest and rest[0] == "AND":
        other, rest = _one(rest[1:], accepted)
        value = value and other
    return value, rest


def _one(tokens: list[str], accepted: set[str]) -> tuple[bool, list[str]]:
    if not tokens:
        return False, []
    if tokens[0] == "(":
        value, rest = _either(tokens[1:], accepted)
        return (value, rest[1:]) if rest[:1] == [")"] else (False, rest)
    name = tokens[0].lower()
    return name in accepted or name.partition(" with ")[0] in accepted, tokens[1:]


def _in_head(root: Path, file: Path) -> License | None:
    try:
        with file.open("rb") as stream:
            head = stream.read(HEAD_BYTES).decode("utf-8", "replace")
    except OSError:
        return None
    name = _relative(root, file)
    spdx = _SPDX.search(head)
    if spdx and _EXPRESSION.match(spdx[1].strip()):
        return License(expression=spdx[1].strip(), files=(name,), source="header")
    if _DUAL.search(" ".join(head.replace("*", " ").split())):
        return License(expression="BSD-3-Clause OR GPL-2.0-only", files=(name,), source="header-text")
    comment = re.sub(r"^\s*(?:[*#;]|//+)+", " ", head, flags=re.MULTILINE)
    known = identify(comment)
    return License(expression=known, files=(name,), source="header-text") if known else None


@lru_cache(maxsize=4096)
def _in_folder(root: Path, folder: Path) -> License | None:
    texts = _license_texts(root, folder)
    for name, read in (("Cargo.toml", _cargo), ("pyproject.toml", _pyproject), ("PKG-INFO", _pkg_info)):
        path = folder / name
        expression = read(_text(path)) if path.is_file() else None
        if expression and _EXPRESSION.match(expression):
            return License(expression=expression, files=(_relative(root, path), *texts), source="metadata")
    if not texts or None in texts.values():
        return None
    distinct = sorted({str(expression) for expression in texts.values()})
    dual = len(distinct) > 1 and all(re.search(r"licen[cs]e[-_.]\w", name, re.IGNORECASE) for name in texts)
    return License(expression=(" OR " if dual else " AND ").join(distinct), files=tuple(texts), source="license-file")


def _license_texts(root: Path, folder: Path) -> dict[str, str | None]:
    """Licence files of a folder, sorted, with what each is."""
    try:
        paths = sorted(path for path in folder.iterdir() if _LICENSE_FILE.match(path.name) and path.is_file())
    except OSError:
        return {}
    return {
        _relative(root, path): identify(_text(path)) for path in paths if path.suffix not in (".py", ".c", ".h", ".rs")
    }


def _cargo(text: str) -> str | None:
    value = _toml(text).get("package", {}).get("license")
    return value.replace("/", " OR ") if isinstance(value, str) else None


def _pyproject(text: str) -> str | None:
    value = _toml(text).get("project", {}).get("license")
    return value if isinstance(value, str) else None


def _pkg_info(text: str) -> str | None:
    head = text.partition("\n\n")[0]
    match = re.search(r"^License-Expression: (.+)$", head, re.MULTILINE)
    if match:
        return match[1].strip()
    found = [
        _CLASSIFIERS.get(name.strip()) for name in re.findall(r"^Classifier: License ::.*:: (.+)$", head, re.MULTILINE)
    ]
    return " AND ".join(name for name in found if name) if found and all(found) else None


def _toml(text: str) -> dict[str, dict[str, object]]:
    try:
        return {key: value for key, value in tomllib.loads(text).items() if isinstance(value, dict)}
    except tomllib.TOMLDecodeError:
        return {}


def _text(path: Path) -> str:
    try:
        return path.read_bytes()[: 1 << 18].decode("utf-8", "replace")
    except OSError:
        return ""


def _relative(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
