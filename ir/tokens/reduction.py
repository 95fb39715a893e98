"""Long token sequences made shorter, the least informative tokens first.

Owns `reduce`. A sequence is read as units: an operation, a block's head, the begin and end of a region. While it is too
long, one stage after another takes tokens away, each from the outermost units to the innermost and in textual order,
and stops as soon as the rest fits:

1. runs of operations that differ in names alone become one, followed by `<repeat>` and their number's magnitude;
2. words of attributes (flags, modes, strings); numbers and affine maps stay;
3. the other attributes;
4. types equal to the type before them in the same block;
5. operations that only bring a constant into being (its uses say `c:` and the number);
6. operands, and the arguments of blocks;
7. operations outside the innermost regions: an even sample stays, first and last among it;
8. operations of the innermost regions, likewise;
9. blocks, likewise; then what is nested deepest, level by level, with one `<cut>` where something went.

Invariant: deterministic; at most the length asked for; a sequence that fits comes back as it is; `<function>`,
`<region>` and `<end>` stay balanced. Never a blind cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from costmodel.core.errors import UsageError
from costmodel.ir.semantics import CONSTANT_NAMES
from costmodel.ir.tokens.names import BLOCK, CUT, END, FUNCTION, REGION, REPEAT, magnitude

MIN_TOKENS = 4
"""`<function> <cut> <end>` and one to spare."""

_TYPE = re.compile(r"(?:tensor|memref|vector|[su]?i\d+|index|none|complex|tuple|b?f\d+\w*|tf32|[a-z]+<.*>|!.*)")
_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[\w$]+)+")
_MAGNITUDE = re.compile(r"(?:f:)?-?(?:2\^-?)?\d+")


class _Unit:
    """One operation (`op`), block head (`block`), begin (`open`) or end (`end`) of a region."""

    __slots__ = ("attributes", "depth", "heads_region", "innermost", "kind", "name", "operands", "results")

    def __init__(self, kind: str, depth: int) -> None:
        self.kind = kind
        self.depth = depth
        self.name: list[str] = []
        self.results: list[str] = []
        self.operands: list[str] = []
        self.attributes: list[str] = []
        self.heads_region = False
        self.innermost = True

    def tokens(self) -> list[str]:
        if self.kind == "block":
            return [*self.name, *self.results]
        return [*self.results, *self.name, *self.operands, *self.attributes]

    def size(self) -> int:
        return len(self.results) + len(self.name) + len(self.operands) + len(self.attributes)


def reduce(tokens: Sequence[str], max_tokens: int) -> list[str]:
    """At most `max_tokens` of a function's tokens (any scheme but `bpe`: reduce before cutting into pieces).

    Raises:
        UsageError: `max_tokens` is below `MIN_TOKENS`.
    """
    if max_tokens < MIN_TOKENS:
        raise UsageError(f"a sequence cannot be reduced to {max_tokens} tokens; give at least {MIN_TOKENS}")
    if len(tokens) <= max_tokens:
        return list(tokens)
    units = _collapse(_units(tokens), len(tokens) - max_tokens)
    for stage in _STAGES:
        excess = sum(unit.size() for unit in units) - max_tokens
        if excess <= 0:
            break
        units = stage(units, excess)
    if sum(unit.size() for unit in units) > max_tokens:
        units = _cut(units, max_tokens)
    return [token for unit in units for token in unit.tokens()]


# ---- reading ------------------------------------------------------------------------------------------------------


def _units(tokens: Sequence[str]) -> list[_Unit]:
    matched = _matched(tokens)
    units: list[_Unit] = []
    current: _Unit | None = None
    depth = 0
    for position, token in enumerate(tokens):
        if position in matched:
            opens = token != END
            depth -= not opens
            current = _Unit("open" if opens else "end", depth)
            current.name.append(token)
            units.append(current)
            depth += opens
            current = None
        elif token == BLOCK:
            current = _Unit("block", depth)
            current.name.append(token)
            units.append(current)
        else:
            following = tokens[position + 1] if position + 1 < len(tokens) else ""
            defines = token[:1] == "%" or token.startswith("c:")
            defines = defines and _TYPE.fullmatch(following) is not None
            if current is None or _begins(current, token, defines):
                current = _Unit("op", depth)
                units.append(current)
            _put(current, token, defines)
    return _marked(units)


def _matched(tokens: Sequence[str]) -> set[int]:
    """Positions of begins and ends that belong together."""
    stack: list[int] = []
    found: set[int] = set()
    for position, token in enumerate(tokens):
        if token in (FUNCTION, REGION):
            stack.append(position)
        elif token == END and stack:
            found.update((stack.pop(), position))
    return found


def _begins(current: _Unit, token: str, defines: bool) -> bool:
    if current.kind == "block":
        return bool(_NAME.fullmatch(token)) or (defines and not token.startswith("%arg"))
    return bool(current.name) and (defines or _NAME.fullmatch(token) is not None)


def _put(unit: _Unit, token: str, defines: bool) -> None:
    if unit.kind == "block":
        (unit.name if token[0] == "^" else unit.results).append(token)
    elif not unit.name:
        (unit.name if not defines and _NAME.fullmatch(token) else unit.results).append(token)
    elif token[0] in "%^" or token.startswith("c:"):
        unit.operands.append(token)
    else:
        unit.attributes.append(token)


def _marked(units: list[_Unit]) -> list[_Unit]:
    """Say which operations head a region, and which stand in regions that hold others."""
    open_units: list[list[_Unit]] = [[]]
    before: _Unit | None = None
    for unit in units:
        if unit.kind == "open":
            if before is not None and before.kind == "op":
                before.heads_region = True
            if len(open_units) > 1 or unit.name[0] == REGION:
                for outer in open_units[-1]:
                    outer.innermost = False
                open_units[-1] = [_OUTER]
            open_units.append([])
        elif unit.kind == "end":
            if len(open_units) > 1:
                open_units.pop()
        elif open_units[-1] and open_units[-1][0] is _OUTER:
            unit.innermost = False
        else:
            open_units[-1].append(unit)
        before = unit
    return units


_OUTER = _Unit("op", -1)
"""Stands first in a region's list once the region is known to hold another."""


# ---- stages -------------------------------------------------------------------------------------------------------


def _collapse(units: list[_Unit], excess: int) -> list[_Unit]:
    kept: list[_Unit] = []
    repeats = 1
    last_shape: list[str] | None = None
    for unit in units:
        shape = None if unit.kind != "op" or unit.heads_region or (excess <= 0 and repeats == 1) else _shape(unit)
        if shape is not None and shape == last_shape:
            repeats += 1
            excess -= unit.size() - (2 if repeats == 2 else 0)
            continue
        _say_repeats(kept, repeats)
        repeats, last_shape = 1, shape
        kept.append(unit)
    _say_repeats(kept, repeats)
    return kept


def _shape(unit: _Unit) -> list[str]:
    return [token.rstrip("0123456789") if token[0] in "%^@" else token for token in unit.tokens()]


def _say_repeats(kept: list[_Unit], repeats: int) -> None:
    if repeats > 1:
        said = _Unit("op", kept[-1].depth)
        said.innermost = kept[-1].innermost
        said.name += [REPEAT, magnitude(repeats)]
        kept.append(said)


def _outermost_first(units: Iterable[_Unit]) -> list[_Unit]:
    return sorted(units, key=lambda unit: unit.depth)


def _trim(change: Callable[[_Unit], None]) -> Callable[[list[_Unit], int], list[_Unit]]:
    """A stage that shortens units one by one."""

    def stage(units: list[_Unit], excess: int) -> list[_Unit]:
        for unit in _outermost_first(units):
            if excess <= 0:
                break
            size = unit.size()
            change(unit)
            excess -= size - unit.size()
        return units

    return stage


def _drop_words(unit: _Unit) -> None:
    unit.attributes = [
        token for token in unit.attributes if _MAGNITUDE.fullmatch(token) or "affine_" in token or token[0] == "@"
    ]


def _drop_attributes(unit: _Unit) -> None:
    unit.attributes = []


def _drop_operands(unit: _Unit) -> None:
    unit.operands = []
    if unit.kind == "block":
        unit.results = []


def _same_types(units: list[_Unit], excess: int) -> list[_Unit]:
    last: list[str] = []
    for unit in units:
        if unit.kind != "op" or not unit.name:
            last = []
            continue
        types = [token for token in unit.results if token[0] != "%" and not token.startswith("c:")]
        if types and types == last and excess > 0:
            unit.results = [token for token in unit.results if token[0] == "%" or token.startswith("c:")]
            excess -= len(types)
        last = types or last
    return units


def _drop_constants(units: list[_Unit], excess: int) -> list[_Unit]:
    gone: set[int] = set()
    for unit in _outermost_first(units):
        if excess <= 0:
            break
        if unit.kind == "op" and unit.name[:1] and unit.name[0] in CONSTANT_NAMES:
            gone.add(id(unit))
            excess -= unit.size()
    return [unit for unit in units if id(unit) not in gone]


def _sample(chosen: Callable[[_Unit], bool]) -> Callable[[list[_Unit], int], list[_Unit]]:
    """A stage that keeps an even sample of some units, with the first and the last."""

    def stage(units: list[_Unit], excess: int) -> list[_Unit]:
        found = [unit for unit in units if chosen(unit)]
        total = sum(unit.size() for unit in found)
        keep = _largest(lambda count: sum(found[k].size() for k in _spread(len(found), count)) <= total - excess, found)
        kept = {id(found[k]) for k in _spread(len(found), keep)}
        return [unit for unit in units if not chosen(unit) or id(unit) in kept]

    return stage


def _largest(fits: Callable[[int], bool], units: Sequence[_Unit]) -> int:
    """A count that fits, found by halving (sizes differ, so a larger one may fit as well)."""
    low, high = 0, len(units)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _spread(size: int, count: int) -> list[int]:
    """`count` distinct positions in [0, size), evenly spread, ends included from two on."""
    if count <= 1:
        return [0][:count] if size else []
    return [k * (size - 1) // (count - 1) for k in range(count)]


def _is_plain(unit: _Unit) -> bool:
    return unit.kind == "op" and not unit.heads_region


_STAGES: tuple[Callable[[list[_Unit], int], list[_Unit]], ...] = (
    _trim(_drop_words),
    _trim(_drop_attributes),
    _same_types,
    _drop_constants,
    _trim(_drop_operands),
    _sample(lambda unit: _is_plain(unit) and not unit.innermost),
    _sample(_is_plain),
    _sample(lambda unit: unit.kind == "block"),
)


def _cut(units: list[_Unit], max_tokens: int) -> list[_Unit]:
    """Keep the levels that fit whole, and one `<cut>` where the first unit went."""
    levels: dict[int, int] = {}
    for unit in units:
        levels[_level(unit)] = levels.get(_level(unit), 0) + unit.size()
    deepest, used = -1, 1
    for level in sorted(levels):
        if used + levels[level] > max_tokens:
            break
        used += levels[level]
        deepest = level
    if deepest < 0:  # what does not even fit with one level: several functions in a row, or text without structure
        return _bare()
    kept = [unit for unit in units if _level(unit) <= deepest]
    first = next(position for position, unit in enumerate(units) if _level(unit) > deepest)
    said = _Unit("op", deepest)
    said.name.append(CUT)
    kept.insert(first, said)
    return kept


def _level(unit: _Unit) -> int:
    """Begins and ends of a region go with the operation that holds it, so what is kept stays balanced."""
    return unit.depth


def _bare() -> list[_Unit]:
    units = [_Unit("open", 0), _Unit("op", 1), _Unit("end", 0)]
    for unit, token in zip(units, (FUNCTION, CUT, END), strict=True):
        unit.name.append(token)
    return units
