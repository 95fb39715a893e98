"""The scheme `ops` straight from MLIR text in generic form: names of operations, lines taken all at once.

Owns that fast path. Invariant: the tokens are those of `tree`, or `Unusual` is raised: every line has to be a whole
operation, the begin or end of a region, a label or an alias, as LLVM prints them.
"""

from __future__ import annotations

from itertools import accumulate

from costmodel.ir.tokens import generic_entries as lines
from costmodel.ir.tokens.names import END, FUNCTION
from costmodel.ir.tokens.rows import Unusual

_STEPS: dict[str, int] = {"}, {": 0}
"""What a rest of a line does to the depth of regions; filled as rests are met."""


def names_of_part(text: str, start: int, end: int) -> list[tuple[str, list[str]]]:
    """Name and tokens of each function between two offsets; Raises `Unusual`."""
    _, start = lines.aliases_before(text, start, end)
    found = lines.NAME_LINE.findall(text, start, end)
    lines.drop_aliases(found)
    if not found:
        return []
    names, rests = zip(*found, strict=True)
    try:
        steps = list(map(_STEPS.__getitem__, rests))
    except KeyError:
        known = _learn(set(rests))
        steps = list(map(known.__getitem__, rests))
    return _functions(names, rests, steps)


def _learn(rests: set[str]) -> dict[str, int]:
    """Steps of all of these."""
    if len(_STEPS) > lines.MAX_KNOWN:
        _STEPS.clear()
    known = {rest: _STEPS[rest] if rest in _STEPS else _step(rest) for rest in rests}
    _STEPS.update((rest, step) for rest, step in known.items() if len(rest) < lines.MAX_REMEMBERED)
    return known


def _step(rest: str) -> int:
    first = rest[0]
    if first == " ":
        if rest.endswith("({"):
            lines.opened(rest)
            return 1
        lines.whole_tail(rest)
        return 0
    if first == "^":
        lines.label_and_arguments(rest)
        return 0
    if rest.rstrip() == "}, {":
        return 0
    lines.closing_tail(rest, "")
    return -1


def _functions(names: tuple[str, ...], rests: tuple[str, ...], steps: list[int]) -> list[tuple[str, list[str]]]:
    """Modules are looked into; a function goes from its line to where the depth is that of its line again."""
    found: list[tuple[str, list[str]]] = []
    depths = list(accumulate(steps))
    at, modules = 0, 0
    while at < len(names):
        name, step = names[at], steps[at]
        if step < 0 and modules:
            modules -= 1
        elif not name:
            raise Unusual
        elif step > 0 and name.rpartition(".")[2] == "module":
            modules += 1
        elif step > 0:
            try:
                end = depths.index(modules, at + 1)
            except ValueError:
                raise Unusual from None
            found += _function(rests[at], names[at + 1 : end], rests[end])
            at = end
        at += 1
    if modules:
        raise Unusual
    return found


def _function(rest: str, inside: tuple[str, ...], closing: str) -> list[tuple[str, list[str]]]:
    """One without blocks or without a symbol is no function."""
    symbol = lines.symbol_of(lines.opened(rest))
    if closing[0] != "}" or (not symbol and "sym_name" in closing):
        raise Unusual
    if not inside or not symbol:
        return []
    tokens = [FUNCTION, *filter(None, inside), END]
    if len(tokens) == 2:
        raise Unusual
    return [(symbol, tokens)]
