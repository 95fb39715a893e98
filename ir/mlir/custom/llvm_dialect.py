"""Attributes of MLIR's LLVM dialect that its custom form writes without braces.

Owns element types and indices of address computations, positions, masks and wrap flags. Invariant: what is added reads
as the reader of LLVM IR spells it, which is what the generic form means.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from costmodel.ir.mlir.attributes import resolve_aliases
from costmodel.ir.mlir.structure import Operation
from costmodel.ir.mlir.syntax import BALANCED, STRING, split_items

_DYNAMIC_INDEX = -(2**31)
_BRACKET = re.compile(r"\[([^\[\]<>]*)\]")
_ELEMENT = re.compile(r"[^:]*?\bx\s+(.*?)\s*(?:\{[^{}]*\}\s*)?:\s*\([^()]*\)\s*->", re.DOTALL)
_AGGREGATE = re.compile(
    rf"!llvm\.(?:struct<(?:{STRING},\s*)?(?:packed\s*)?\(({BALANCED})\)>|array<\d+ x ({BALANCED})>)", re.DOTALL
)
_NUMBER = re.compile(r"\b\d{1,9}\b")
_SHORT = re.compile(r"(?:ptr|array|struct|vec|func|void|x86_fp80|ppc_fp128)\b")
_OVERFLOW = re.compile(r"\boverflow<([^<>]*)>")


def _alloca(operation: Operation, text: str) -> None:
    match = _ELEMENT.match(text)
    if match is not None:
        operation._property_text = f"elem_type = {resolve_aliases(match[1], operation._chunk.aliases)}"


def _address(operation: Operation, text: str) -> None:
    indices = _BRACKET.search(text)
    if indices is None:
        return
    items = [item.strip() for item in split_items(indices[1])]
    numbers = [item if item.lstrip("-").isdigit() else str(_DYNAMIC_INDEX) for item in items]
    kinds = split_items(text.rpartition("->")[2])
    if len(kinds) > 1:
        element = resolve_aliases(", ".join(kinds[1:]).strip(), operation._chunk.aliases)
        operation._property_text = f"elem_type = {element}, rawConstantIndices = array<i32: {', '.join(numbers)}>"


def _listed(name: str, kind: str) -> Callable[[Operation, str], None]:
    def found(operation: Operation, text: str) -> None:
        match = _BRACKET.search(text)
        if match is not None:
            operation._property_text = f"{name} = array<{kind}: {match[1]}>"

    return found


def _wrapping(operation: Operation, text: str) -> None:
    match = _OVERFLOW.search(text)
    if match is not None and match[1] != "none":
        operation._property_text = f"overflowFlags = #llvm.overflow<{match[1]}>"


def extracted_type(operation: Operation, text: str) -> str:
    """Type of the member that an `llvm.extractvalue` takes from a struct or array; "" where the text does not tell."""
    for position in map(int, _NUMBER.findall(operation._property_text.partition(":")[2])):
        match = _AGGREGATE.fullmatch(text.strip())
        if match is None:
            return ""
        members = split_items(match[1]) if match[1] is not None else [match[2]]
        if match[1] is not None and position >= len(members):
            return ""
        text = members[position if match[1] is not None else 0].strip()
        text = f"!llvm.{text}" if _SHORT.match(text) else text
    return text


INHERENT: dict[str, Callable[[Operation, str], None]] = {
    "llvm.alloca": _alloca,
    "llvm.extractvalue": _listed("position", "i64"),
    "llvm.getelementptr": _address,
    "llvm.shufflevector": _listed("mask", "i32"),
    **{f"llvm.{name}": _wrapping for name in "add sub mul shl trunc".split()},
}
