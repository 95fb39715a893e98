"""Operands of instructions and what stands around them: typed values, flags, alignments, labels.

Owns `Parsed`, what the rules for instructions give. Invariant: a value without a type of its own takes the one that is
handed to it.
"""

from __future__ import annotations

import re
from functools import lru_cache

from costmodel.ir.llvm.types import TYPE, mlir_type
from costmodel.ir.mlir.syntax import split_items

Operand = tuple[str, str]
"""(MLIR type, value text as written)."""

FLAGS = re.compile(
    r"(?:(?:nuw|nsw|exact|fast|nnan|ninf|nsz|arcp|contract|afn|reassoc|inbounds|nusw|disjoint|nneg|samesign|volatile"
    r"|inrange\([^)]*\)|atomic|weak) )+"
)
ATTRIBUTE = r"(?:[a-z_]\w*(?:\((?:[^()]|\([^()]*\))*\))?(?: \d+(?=[ ]))?|\"[^\"]*\"(?:=\"[^\"]*\")?)"
_EXPRESSION = (
    r"(?!(?:getelementptr|splat|ptrtoint|inttoptr|trunc|bitcast|addrspacecast|add|sub|mul|xor|blockaddress"
    r"|dso_local_equivalent|no_cfi|ptrauth|asm|c)\b)"
)
_TYPED = re.compile(rf"({TYPE})\s+(?:{_EXPRESSION}{ATTRIBUTE}\s+)*+(\S.*)", re.DOTALL)
TYPED_QUICKLY = re.compile(r"(i\d+|float|double|ptr|<\d+ x [\w]+>) ([%@]?[\w.\-]+)")
LABEL = re.compile(r"label (%\"[^\"]*\"|%[\w$.\-]+)")
ONE_TYPE = re.compile(TYPE)
_ALIGN = re.compile(r"align (\d+)")
ORDERING = re.compile(
    r"(?: syncscope\(\"[^\"]*\"\)| singlethread)?(?: (?:unordered|monotonic|acquire|release|acq_rel|seq_cst))+$"
)


class Parsed:
    """What one instruction says. `labels` are successors; `incoming` is a phi's (value, label) pairs."""

    __slots__ = ("incoming", "labels", "name", "operands", "properties", "result_type")

    def __init__(self, name: str, operands: list[Operand], result_type: str | None, properties: str = "") -> None:
        self.name = name
        self.operands = operands
        self.result_type = result_type
        self.properties = properties
        self.labels: list[str] = []
        self.incoming: list[tuple[str, str]] = []


def operand(text: str, inherited: str = "") -> Operand:
    """`float %x` to ("f32", "%x"); a bare `%x` takes the `inherited` MLIR type."""
    quick = TYPED_QUICKLY.fullmatch(text)
    if quick is not None:
        return mlir_type(quick[1]), quick[2]
    match = _TYPED.fullmatch(text)
    if match is not None:
        return mlir_type(match[1]), match[2]
    return inherited, text


def items_of(text: str) -> list[str]:
    """Items between commas, brackets and strings kept whole."""
    if any(mark in text for mark in '(<[{"'):
        return split_items(text)
    return text.split(", ")


@lru_cache(maxsize=1024)
def _flag_words(flags: str) -> str:
    words = flags.split()
    wrap = [word for word in words if word in ("nuw", "nsw")]
    fast = [word for word in words if word in ("fast", "nnan", "ninf", "nsz", "arcp", "contract", "afn", "reassoc")]
    parts = [f"overflowFlags = #llvm.overflow<{', '.join(wrap)}>"] if wrap else []
    parts += [f"fastmathFlags = #llvm.fastmath<{', '.join(fast)}>"] if fast else []
    return ", ".join(parts)


def flag_text(flags: re.Match[str] | None) -> str:
    """Properties of overflow and fast-math flags."""
    return _flag_words(flags[0]) if flags is not None else ""


def alignment(items: list[str]) -> str:
    """The property of the first `align N` among items, or nothing."""
    for item in items:
        match = _ALIGN.fullmatch(item)
        if match is not None:
            return f"alignment = {match[1]} : i64"
    return ""
