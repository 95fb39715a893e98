"""Syntax of older LLVM versions, rewritten to what LLVM 22 would print: typed pointers, old load and getelementptr.

Owns `upgrade`. Invariant: text without typed pointers comes back unchanged; a pointer keeps its address space only.
Works on the text of one instruction, so it needs no declaration and no type table.
"""

from __future__ import annotations

import re

_OPENERS = {")": "(", "]": "[", "}": "{", ">": "<"}
_WORD = re.compile(r'(?:%"[^"]*"|[\w$.%\-]+)$')
_SPACE = re.compile(r" addrspace\((\d+)\)$")
_STAR = re.compile(r'"[^"]*"|\*')
_POINTEE = re.compile(r"\*\s+(?:%|@|null\b|undef\b|getelementptr|bitcast|inttoptr|addrspacecast|select)")
_CALLEE_TYPE = re.compile(r"\)(?: addrspace\(\d+\))?\*+ $")
_CALLEE = re.compile(r"@|%(?!\"?(?:struct|class|union)\.)")
_LEADING_WORDS = re.compile(r"(?:(?:inbounds|volatile|atomic|nuw|nusw|inalloca) )*")


def upgrade(opcode: str, rest: str) -> str:
    """What follows an opcode with every `T*` as `ptr`; a pointee that old syntax leaves in `T*` is spelled out."""
    if "*" not in rest:
        return rest
    if opcode in ("load", "getelementptr"):
        rest = _spell_pointee(rest)
    elif opcode in ("call", "invoke"):
        rest = _spell_function(rest)
    return opaque(rest)


def opaque(text: str) -> str:
    """`text` with each typed pointer as `ptr`, innermost first; stars in strings stay."""
    position = 0
    while True:
        star = _STAR.search(text, position)
        if star is None:
            return text
        if star[0] != "*":
            position = star.end()
            continue
        before = text[: star.start()]
        space = _SPACE.search(before)
        start = type_start(before[: space.start()] if space is not None else before)
        pointer = f"ptr addrspace({space[1]})" if space is not None else "ptr"
        text = f"{text[:start]}{pointer}{text[star.end() :]}"
        position = start + len(pointer)


def type_start(text: str) -> int:
    """Offset at which the type that ends `text` begins."""
    end = len(text)
    if text[-1:] in _OPENERS:
        start = _opening(text)
        if text[-1] == ")" and text[:start].endswith(" addrspace"):
            return type_start(text[: start - len(" addrspace")])
        if text[-1] == ")" and text[:start].endswith(" "):
            return type_start(text[: start - 1])
        if text[-1] == ")" and text[:start].endswith("target"):
            return start - len("target")
        if text[-1] == "}" and text[:start].endswith("<"):
            return start - 1
        return start
    word = _WORD.search(text)
    return word.start() if word is not None else end


def _opening(text: str) -> int:
    depth = 0
    for position in range(len(text) - 1, -1, -1):
        character = text[position]
        if character in ")]}>":
            depth += 1
        elif character in "([{<":
            depth -= 1
            if depth == 0:
                return position
    return 0


def _spell_pointee(rest: str) -> str:
    """`i32* %p` to `i32, i32* %p` (up to LLVM 3.6)."""
    words = _LEADING_WORDS.match(rest)
    start = words.end() if words is not None else 0
    value = _POINTEE.search(rest, start)
    comma = _top_level_comma(rest, start)
    if value is None or (comma >= 0 and comma < value.start()):
        return rest
    kind = rest[start : value.start()]
    return f"{rest[:start]}{kind}, {rest[start:]}"


def _top_level_comma(text: str, start: int) -> int:
    depth = 0
    for position in range(start, len(text)):
        character = text[position]
        if character in "([{<":
            depth += 1
        elif character in ")]}>":
            depth -= 1
        elif character == "," and depth == 0:
            return position
    return -1


def _spell_function(rest: str) -> str:
    """`i32 (i8*, ...)* @f(` to `i32 (i8*, ...) @f(` (up to LLVM 3.6)."""
    callee = _CALLEE.search(rest)
    if callee is None or "bitcast (" in rest[: callee.start()]:
        return rest
    found = _CALLEE_TYPE.search(rest[: callee.start()])
    if found is None:
        return rest
    return f"{rest[: found.start() + 1]} {rest[callee.start() :]}"
