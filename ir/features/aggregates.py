"""Members of aggregates that were put in and are taken out again, which cost no machine code.

Owns what stands for such a member, and which operations nobody needs then. Descriptors of buffers, which lowerings to
LLVM IR put together from arguments and take apart at each access, are nothing but these. Linear time: a chain is
followed so far and no further.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain

from costmodel.ir.mlir.structure import Block, Operation, Value

_TAKE, _PUT = "llvm.extractvalue", "llvm.insertvalue"
_POSITION = re.compile(r"\bposition\s*=\s*(?:array<i64:|\[)([\d,\s:i]+)[>\]]")
_MOST_STEPS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """By result of an `extractvalue` the value that was put there; operations without use once that is known."""

    values: dict[Value, Value] = field(default_factory=dict)
    needless: frozenset[Operation] = frozenset()


def members(blocks: Iterable[Block]) -> Members:
    """What is known of the aggregates in all blocks of a function."""
    every = [operation for block in blocks for operation in block.operations]
    values: dict[Value, Value] = {}
    known: dict[tuple[Value, tuple[str, str]], Value | None] = {}
    for operation in [operation for operation in every if operation.name == _TAKE]:
        if len(operation.results) == 1 and len(operation.operands) == 1:
            key = operation.operands[0], operation.dictionary_texts
            if key not in known:
                known[key] = _member(operation)
            value = known[key]
            if value is not None and value.type_text == operation.results[0].type_text:
                values[operation.results[0]] = value
    values = _ends(values)
    return Members(values=values, needless=_needless(every, values)) if values else Members()


def _member(operation: Operation) -> Value | None:
    """What an `extractvalue` takes, None where it was not put in nearby."""
    path, value = _path(*operation.dictionary_texts), operation.operands[0]
    for _ in range(_MOST_STEPS):
        if not path:
            return value
        owner = value.owner
        if not isinstance(owner, Operation) or owner.name != _PUT or len(owner.operands) != 2:
            return None
        place = _path(*owner.dictionary_texts)
        if not place:
            return None
        if path[: len(place)] == place:
            value, path = owner.operands[1], path[len(place) :]
        elif place[: len(path)] == path:
            return None
        else:
            value = owner.operands[0]
    return None


@lru_cache(maxsize=1024)
def _path(properties: str, attributes: str) -> tuple[int, ...]:
    """Indices of a member, from the outside in; empty where none are given."""
    found = _POSITION.search(properties) or _POSITION.search(attributes)
    return tuple(int(part.partition(":")[0]) for part in found[1].split(",")) if found else ()


def _ends(values: dict[Value, Value]) -> dict[Value, Value]:
    """Chains of members of members as one step each; rings, which only dead code has, are left out."""
    ends: dict[Value, Value] = {}
    for first in values:
        chain, seen, value = [first], {first}, values[first]
        while value in values and value not in ends and value not in seen:
            chain.append(value)
            seen.add(value)
            value = values[value]
        if value in seen:
            continue
        for one in chain:
            ends[one] = ends.get(value, value)
    return ends


def _needless(operations: Sequence[Operation], values: dict[Value, Value]) -> frozenset[Operation]:
    """Every `extractvalue` that is known, and each `insertvalue` whose result only needless ones use."""
    gone = {operation for operation in operations if operation.name == _TAKE and operation.results[0] in values}
    made = {op.results[0]: op for op in operations if op.name == _PUT and len(op.results) == 1}
    uses = Counter(chain.from_iterable([operation.operands for operation in operations if operation not in gone]))
    for value, member in values.items():
        uses[member] += uses[value]
    stack = [operation for value, operation in made.items() if not uses[value]]
    while stack:
        operation = stack.pop()
        gone.add(operation)
        for value in operation.operands:
            value = values.get(value, value)
            if value in made:
                uses[value] -= 1
                if not uses[value]:
                    stack.append(made[value])
    return frozenset(gone)
