"""Rules for control flow: phis, branches, calls, returns, and exception handling."""

from __future__ import annotations

import re
from functools import lru_cache

from costmodel.core.errors import ParseError
from costmodel.ir.llvm.operands import ATTRIBUTE, FLAGS, LABEL, ONE_TYPE, Parsed, flag_text, items_of, operand
from costmodel.ir.llvm.types import TYPE, UNKNOWN_TYPE, mlir_type
from costmodel.ir.mlir.syntax import split_items

_SWITCH = re.compile(r"([^,]*+), (label [^\[]*+)\[(.*)\]", re.DOTALL)
_CALL = re.compile(
    rf"(?:{ATTRIBUTE} )*?({TYPE}) (?:\([^()]*\) )?(@\"[^\"]*\"|@[\w$.\-]+|%[\w$.\-]+|asm .*?\"[^\"]*\"(?=\())\(",
    re.DOTALL,
)
_SUFFIX = re.compile(r"(?:\.(?:[vp]?\d*[if]\d+|nxv\d+\w+|p\d+|v\d+\w+|bf16|isVoid))+$")
_WITHIN = re.compile(r"within (none|%\S+) \[(.*?)\](?:\s|$)", re.DOTALL)


def phi(opcode: str, rest: str) -> Parsed:
    """`T [ %a, %from ], ...`."""
    flags = FLAGS.match(rest)
    rest = rest[flags.end() :] if flags is not None else rest
    kind = ONE_TYPE.match(rest)
    if kind is None:
        raise ParseError(f"expected a type after phi, found {rest[:60]!r}")
    parsed = Parsed("llvm.phi", [], mlir_type(kind[0]))
    for item in split_items(rest[kind.end() :]):
        if not (item.startswith("[") and item.endswith("]")):
            raise ParseError(f"expected '[ value, %block ]' in a phi, found {item[:60]!r}")
        value, _, label = item[1:-1].rpartition(", ")
        parsed.incoming.append((value.strip(), label.strip()))
    return parsed


def branch(opcode: str, rest: str) -> Parsed:
    """With or without a condition."""
    labels = LABEL.findall(rest)
    conditional = not rest.startswith("label")
    parsed = Parsed("llvm.cond_br" if conditional else "llvm.br", [], None)
    if conditional:
        parsed.operands.append(("i1", items_of(rest)[0].removeprefix("i1 ")))
    parsed.labels = labels
    return parsed


def switch(opcode: str, rest: str) -> Parsed:
    """`i32 %x, label %default [ ... ]`."""
    match = _SWITCH.match(rest)
    if match is None:
        raise ParseError(f"expected 'TYPE VALUE, label %default [ ... ]' after switch, found {rest[:60]!r}")
    parsed = Parsed("llvm.switch", [operand(match[1])], None)
    parsed.labels = LABEL.findall(match[2]) + LABEL.findall(match[3])
    return parsed


def return_(opcode: str, rest: str) -> Parsed:
    """`void`, or a typed value."""
    return Parsed("llvm.return", [] if rest == "void" else [operand(rest)], None)


def call(opcode: str, rest: str) -> Parsed:
    """`call`, `invoke` and `callbr`; intrinsics become operations of their own."""
    flags = FLAGS.match(rest)
    match = _CALL.match(rest, flags.end() if flags is not None else 0)
    if match is None:
        raise ParseError(f"expected 'TYPE @function(arguments)' after {opcode}, found {rest[:80]!r}")
    result, callee = mlir_type(match[1]), match[2]
    stop = _close(rest, match.end() - 1)
    inside = rest[match.end() : stop]
    operands = [operand(item) for item in items_of(inside)] if inside else []
    operands = [item for item in operands if item[0] != "!llvm.metadata"]
    name, properties = f"llvm.{opcode}", flag_text(flags)
    if callee.startswith("@llvm."):
        name = f"llvm.intr.{_intrinsic(callee[6:])}"
    elif callee.startswith("@"):
        properties = ", ".join(part for part in (f"callee = {callee}", properties) if part)
    elif callee.startswith("%"):
        operands.insert(0, ("!llvm.ptr", callee))
    else:
        name = "llvm.inline_asm"
    parsed = Parsed(name, operands, None if result == "!llvm.void" else result, properties)
    if opcode in ("invoke", "callbr"):
        parsed.labels = LABEL.findall(rest, stop)
    return parsed


@lru_cache(maxsize=4096)
def _intrinsic(name: str) -> str:
    """`fma.v4f32` to `fma`; `vector.reduce.fadd.v8f32` to `vector.reduce.fadd`."""
    return _SUFFIX.sub("", name)


def _close(text: str, start: int) -> int:
    """Offset of the parenthesis that closes the one at `start`, strings skipped."""
    depth, quoted = 0, False
    for position in range(start, len(text)):
        character = text[position]
        if character == '"':
            quoted = not quoted
        elif not quoted and character in "()":
            depth += 1 if character == "(" else -1
            if depth == 0:
                return position
    raise ParseError(f"'(' is never closed in {text[start : start + 60]!r}")


def landingpad(opcode: str, rest: str) -> Parsed:
    """Only its type counts."""
    kind = ONE_TYPE.match(rest)
    return Parsed("llvm.landingpad", [], mlir_type(kind[0]) if kind else UNKNOWN_TYPE)


def pad(opcode: str, rest: str) -> Parsed:
    """catchpad, cleanuppad `within PARENT [arguments]`; catchswitch `within PARENT [label ...] unwind ...`."""
    match = _WITHIN.match(rest)
    if match is None:
        raise ParseError(f"expected 'within PARENT [ ... ]' after {opcode}, found {rest[:60]!r}")
    operands = [] if match[1] == "none" else [("!llvm.token", match[1])]
    parsed = Parsed(f"llvm.{opcode}", operands, "!llvm.token")
    parsed.labels = LABEL.findall(rest)
    if not parsed.labels:
        typed = [operand(item) for item in split_items(match[2])]
        operands += [item for item in typed if item[0] and item[0] != "!llvm.metadata"]
    return parsed


def pad_return(opcode: str, rest: str) -> Parsed:
    """`catchret from %pad to label %b`, `cleanupret from %pad unwind label %b`."""
    parsed = Parsed(f"llvm.{opcode}", [("!llvm.token", rest.split(" ")[1])], None)
    parsed.labels = LABEL.findall(rest)
    return parsed


def indirectbr(opcode: str, rest: str) -> Parsed:
    """`ptr %address, [label %a, ...]`."""
    address, _, labels = rest.partition(", [")
    parsed = Parsed("llvm.indirectbr", [operand(address)], None)
    parsed.labels = LABEL.findall(labels)
    return parsed
