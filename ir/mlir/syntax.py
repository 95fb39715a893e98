"""Regular expressions of MLIR's textual syntax, shared by the reader, the attribute helpers and the tokenizer.

Owns the lexical rules. Invariant: every pattern is possessive, so matching is linear and never backtracks into a
string. Does not know any dialect: an attribute or type is text with balanced brackets.
"""

from __future__ import annotations

import re

SPACE = r"(?:\s++|//[^\n]*+)*+"
"""White space and line comments."""

STRING = r'"(?:[^"\\\n]++|\\.)*+"'

_MAX_FAST_DEPTH = 8


def _balanced(depth: int, extra_stops: str = "") -> str:
    """Pattern of text whose brackets nest at most `depth` deep; `->` and `>=` are no brackets."""
    stops = rf'[^"(){{}}\[\]<>/\-{extra_stops}]++'
    atoms = rf"{stops}|->|-|//[^\n]*+|/|>=|{STRING}"
    if depth == 0:
        return rf"(?:{atoms})*+"
    return rf"(?:{atoms}|[(\[{{<]{_balanced(depth - 1)}[)\]}}>])*+"


BALANCED = _balanced(_MAX_FAST_DEPTH)
"""Text with balanced brackets, nested at most eight deep (deeper text goes through `balanced_end`)."""

BALANCED_ITEM = _balanced(_MAX_FAST_DEPTH, extra_stops=",")
"""Like `BALANCED`, up to a comma outside all brackets."""

_SUFFIX = r"[\w$.\-]++"
VALUE_NAME = rf"%{_SUFFIX}"
_RESULT_NAME = rf"{VALUE_NAME}(?:{SPACE}:{SPACE}\d++)?+"
RESULT_NAMES = rf"{_RESULT_NAME}(?:{SPACE},{SPACE}{_RESULT_NAME})*+"
RESULT_TYPES = rf"(?:\({BALANCED}\)|!?[\w$.]++(?:<{BALANCED}>)?)"
_LOC = rf"(?:{SPACE}loc{SPACE}\({BALANCED}\))?"
_SIGNATURE = rf"{SPACE}:{SPACE}\(({BALANCED})\){SPACE}->{SPACE}({RESULT_TYPES}){_LOC}"
_ATTRIBUTES = rf"(?:\{{({BALANCED})\}})?"

OPERATION = re.compile(
    rf"{SPACE}(?:({RESULT_NAMES}){SPACE}={SPACE})?({STRING}){SPACE}\(([^()\"]*+)\)"
    rf"(?:{SPACE}\[([^\]\"]*+)\])?(?:{SPACE}<\{{({BALANCED})\}}>)?{SPACE}"
    rf"(?:(\({SPACE}\{{)|{_ATTRIBUTES}{_SIGNATURE})"
)
"""Groups: results, quoted name, operands, successors, properties, `({`, attributes, operand types, result types."""

TAIL = re.compile(rf"{SPACE}{_ATTRIBUTES}{_SIGNATURE}")
"""What follows the regions of an operation. Groups: attributes, operand types, result types."""

BLOCK = re.compile(rf"{SPACE}(\^{_SUFFIX}){SPACE}(?:\(({BALANCED})\){SPACE})?:")
REGION_END = re.compile(rf"{SPACE}\}}{SPACE}(?:(,{SPACE}\{{)|(\)))")
"""Group 1: another region follows; group 2: the list of regions ends."""

ALIAS = re.compile(rf"{SPACE}([#!]{_SUFFIX}){SPACE}={SPACE}(loc{SPACE}\({BALANCED}\)|[^\n]*+)")
LOCATION_ALIASES = re.compile(r"(?:#loc\d*+ = loc\([^\n]*+(?<=\))\n(?=[#!a-z\"%\n]))++")
"""Lines that define nothing but locations."""
SKIP = re.compile(SPACE)
OPERAND = re.compile(rf"({VALUE_NAME})(?:#(\d{{1,9}}+))?")
RESULT = re.compile(rf"({VALUE_NAME})(?:{SPACE}:{SPACE}(\d{{1,9}}+))?")
ITEM = re.compile(BALANCED_ITEM)
BRACKET = re.compile(rf"[(\[{{<]|[)\]}}]|->|>=|>|//[^\n]*+|{STRING}|\"")
COMMENT = re.compile(rf"({STRING})|//[^\n]*+")
_OPENER = re.compile(rf"[(\[{{<]|//[^\n]*+|{STRING}")
_TRAILING_LOCATION = re.compile(rf"\s+loc\s*\({BALANCED}\)\s*$")
SPLIT_MARK = re.compile(r"^// -----.*$", re.MULTILINE)

_CLOSERS = {"(": ")", "[": "]", "{": "}", "<": ">"}


def balanced_end(text: str, start: int, end: int) -> int:
    """Offset just past the bracket that closes the one at `start`; -1 if it never closes or brackets are crossed.

    Iterative: any depth is fine.
    """
    stack: list[str] = []
    for match in BRACKET.finditer(text, start, end):
        token = match[0]
        if token in _CLOSERS:
            stack.append(_CLOSERS[token])
        elif token in (")", "]", "}", ">"):
            if not stack or stack.pop() != token:
                return -1
            if not stack:
                return match.end()
        elif token == '"':
            return -1
    return -1


def uncommented(text: str) -> str:
    """`text` with a space for each comment; what looks like one inside a string stays."""
    return COMMENT.sub(lambda match: match[1] or " ", text) if "//" in text else text


def split_items(text: str) -> list[str]:
    """Split at commas outside brackets and strings; `""` gives an empty list. Items are stripped."""
    text = uncommented(text)
    if "," not in text:
        item = text.strip()
        return [item] if item else []
    items: list[str] = []
    position, size = 0, len(text)
    while True:
        start = position
        match = ITEM.match(text, position)
        position = match.end() if match else position
        while position < size and text[position] != ",":
            closed = balanced_end(text, position, size) if text[position] in _CLOSERS else position + 1
            if closed < 0:
                position = size
                break
            match = ITEM.match(text, closed)
            position = match.end() if match else closed
        items.append(text[start:position].strip())
        if position >= size:
            break
        position += 1
    if not items[-1]:
        items.pop()
    return items


def alias_end(text: str, start: int, end: int) -> int:
    """Offset just past an alias value that starts at `start`: the end of its line, or later while a bracket is open.

    The offset of a bracket that never closes comes back negative, as `-1 - offset`.
    """
    line_end = text.find("\n", start, end)
    line_end = end if line_end < 0 else line_end
    position = start
    while position < line_end:
        opener = _OPENER.search(text, position, line_end)
        if opener is None:
            return line_end
        if opener[0] not in _CLOSERS:
            position = opener.end()
            continue
        position = balanced_end(text, opener.start(), end)
        if position < 0:
            return -1 - opener.start()
        if position > line_end:
            line_end = text.find("\n", position, end)
            line_end = end if line_end < 0 else line_end
    return line_end


def drop_location(text: str) -> str:
    """A block argument's type without a trailing `loc(...)`."""
    return _TRAILING_LOCATION.sub("", text) if "loc" in text else text
