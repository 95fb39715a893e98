"""Loop bounds and subscripts of affine, and bounds of scf's multi-dimensional loops, as the generic form prints them.

Owns the maps that the custom form writes in place. Invariant: what cannot be told leaves the operation without the
attribute, never with a wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from costmodel.ir.mlir.attributes import resolve_aliases
from costmodel.ir.mlir.structure import Operation
from costmodel.ir.mlir.syntax import BALANCED, split_items

_FOR = re.compile(r"\s*%[\w$.\-]+\s*=\s*(.*)", re.DOTALL)
_BOUND = re.compile(
    rf"\s*(?:(-?\d+)|(%[\w$.\-]+(?:#\d+)?)|(?:max|min)?\s*((?:#[\w$.\-]+|affine_map<{BALANCED}>)\s*\([^()]*\)(?:\s*\[[^\[\]]*\])?))"
)
_APPLIED = re.compile(rf"(#[\w$.\-]+|affine_map<{BALANCED}>)\s*(\([^()]*\))(\s*\[[^\[\]]*\])?", re.DOTALL)
_STEP = re.compile(r"\s*step\s+(\d+)")
_TO = re.compile(r"\s*to\b")
_ITER_ARGS = re.compile(r"iter_args\s*\(([^()]*)\)")
_SUBSCRIPT = re.compile(r"%[\w$.\-]+(?:#\d+)?\s*\[(.*?)\]", re.DOTALL)
_NAME = re.compile(r"(symbol\s*\(\s*)?(%[\w$.\-]+(?:#\d+)?)(?(1)\s*\))")
_GROUPS = re.compile(r"\(([^()]*)\)")
_DYNAMIC = -(2**63)


def _resolved(operation: Operation, text: str) -> str:
    return resolve_aliases(text, operation._chunk.aliases)


def _bound(operation: Operation, text: str, position: int) -> tuple[str, int, int] | None:
    """A bound's map, how many operands it has, and the offset past it."""
    match = _BOUND.match(text, position)
    if match is None:
        return None
    if match[1] is not None:
        return f"affine_map<() -> ({match[1]})>", 0, match.end()
    if match[2] is not None:
        return "affine_map<()[s0] -> (s0)>", 1, match.end()
    applied = _APPLIED.match(match[3])
    assert applied is not None
    return _resolved(operation, applied[1]), match[3].count("%"), match.end()


def _affine_for(operation: Operation, text: str) -> None:
    opened = _FOR.match(text)
    if opened is None:
        return
    rest = opened[1]
    lower = _bound(operation, rest, 0)
    to = _TO.match(rest, lower[2]) if lower is not None else None
    upper = _bound(operation, rest, to.end()) if to is not None else None
    if lower is None or upper is None:
        return
    step = _STEP.match(rest, upper[2])
    carried = _ITER_ARGS.search(rest, upper[2])
    count = carried[1].count("=") if carried is not None else 0
    operation._property_text = (
        f"lowerBoundMap = {lower[0]}, operandSegmentSizes = array<i32: {lower[1]}, {upper[1]}, {count}>, "
        f"step = {step[1] if step is not None else 1} : index, upperBoundMap = {upper[0]}"
    )


def _subscript(operation: Operation, text: str) -> None:
    match = _SUBSCRIPT.search(text)
    if match is None:
        return
    dims: dict[str, str] = {}
    symbols: dict[str, str] = {}

    def renamed(found: re.Match[str]) -> str:
        table, letter = (symbols, "s") if found[1] else (dims, "d")
        return table.setdefault(found[2], f"{letter}{len(table)}")

    body = _NAME.sub(renamed, match[1]).strip()
    names = f"[{', '.join(symbols.values())}]" if symbols else ""
    operation._property_text = f"map = affine_map<({', '.join(dims.values())}){names} -> ({body})>"


def _applied_map(operation: Operation, text: str) -> None:
    match = _APPLIED.search(text)
    if match is not None:
        operation._property_text = f"map = {_resolved(operation, match[1])}"


def _bounds_of_lists(text: str) -> list[list[str]]:
    return [split_items(group) for group in _GROUPS.findall(text)]


def _scf_parallel(operation: Operation, text: str) -> None:
    lists = _bounds_of_lists(text.partition("init")[0])
    if len(lists) < 4:
        return
    init = text.partition("init")[2]
    count = init.partition(")")[0].count("%")
    rank = len(lists[1])
    operation._property_text = f"operandSegmentSizes = array<i32: {rank}, {rank}, {rank}, {count}>"


def _scf_forall(operation: Operation, text: str) -> None:
    head, _, shared = text.partition("shared_outs")
    lists = _bounds_of_lists(head)
    if len(lists) == 2:
        rank = len(lists[1])
        lists = [lists[0], ["0"] * rank, lists[1], ["1"] * rank]
    if len(lists) != 4:
        return
    columns = [[_static(item) for item in items] for items in lists[1:]]
    sizes = [sum(value == _DYNAMIC for value in column) for column in columns]
    outs = shared.partition(")")[0].count("=")
    names = ("staticLowerBound", "staticUpperBound", "staticStep")
    arrays = {name: f"array<i64: {', '.join(map(str, column))}>" for name, column in zip(names, columns, strict=True)}
    operation._property_text = (
        f"operandSegmentSizes = array<i32: {sizes[0]}, {sizes[1]}, {sizes[2]}, {outs}>, "
        + ", ".join(f"{name} = {arrays[name]}" for name in sorted(arrays))
    )


def _static(item: str) -> int:
    item = item.strip()
    return int(item) if item.lstrip("-").isdigit() and len(item) < 19 else _DYNAMIC


def _affine_parallel(operation: Operation, text: str) -> None:
    head, _, tail = text.partition("step")
    lists = _bounds_of_lists(head)
    if len(lists) != 3 or any("max" in item or "min" in item for items in lists[1:] for item in items):
        return
    maps = [_list_map(items) for items in lists[1:]]
    steps = _bounds_of_lists(tail)[0] if tail.strip().startswith("(") else ["1"] * len(lists[0])
    groups = f"dense<1> : tensor<{len(lists[0])}xi32>"
    operation._property_text = (
        f"lowerBoundsGroups = {groups}, lowerBoundsMap = {maps[0]}, reductions = [], "
        f"steps = [{', '.join(step.strip() for step in steps)}], "
        f"upperBoundsGroups = {groups}, upperBoundsMap = {maps[1]}"
    )


def _list_map(items: list[str]) -> str:
    names: dict[str, str] = {}

    def renamed(found: re.Match[str]) -> str:
        return names.setdefault(found[2], f"d{len(names)}")

    body = ", ".join(_NAME.sub(renamed, item) for item in items)
    return f"affine_map<({', '.join(names.values())}) -> ({body})>"


INHERENT: dict[str, Callable[[Operation, str], None]] = {
    "affine.for": _affine_for,
    "affine.parallel": _affine_parallel,
    "affine.load": _subscript,
    "affine.store": _subscript,
    "affine.vector_load": _subscript,
    "affine.vector_store": _subscript,
    "affine.apply": _applied_map,
    "affine.min": _applied_map,
    "affine.max": _applied_map,
    "scf.forall": _scf_forall,
    "scf.parallel": _scf_parallel,
}
