"""Splits that do not leak: whole families, projects, networks or targets are held out, never rows.

Owns the assignment of groups to parts, and the refusal of near-duplicates: a function whose structure, constants
erased, also occurs in an earlier part is in no part at all, and counted. Pure logic over rows; a training run reads the
`costmodel.core.splits.Split` that is made here. Same seed, same split, whatever the order of the rows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from costmodel.core.errors import UsageError
from costmodel.core.splits import PARTS, Split
from costmodel.core.tables import FunctionRow, LabelRow
from costmodel.ir.structure import near_hash

BY = ("family", "project", "network", "target")
FRACTIONS = (0.8, 0.1, 0.1)


def split(
    functions: Iterable[FunctionRow],
    by: str,
    *,
    seed: int,
    fractions: Sequence[float] = FRACTIONS,
    labels: Iterable[LabelRow] = (),
) -> Split:
    """Hold out whole groups.

    Args:
        functions: All rows of a data set.
        by: `family`, `project`, `network` or `target`.
        seed: Of the order in which groups are dealt out.
        fractions: Of functions wanted in train, validation and test; met as well as whole groups allow.
        labels: Needed by `target`.

    Returns:
        The split; a part that gets no group is empty.

    Raises:
        UsageError: an unknown `by`, bad fractions, or fewer than two groups.
    """
    if by not in BY:
        raise UsageError(f"cannot split by {by!r}; known: {', '.join(BY)} (never by row: rows of one group are alike)")
    if len(fractions) != len(PARTS) or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6 or fractions[0] == 0:
        raise UsageError(f"fractions {tuple(fractions)}: wanted three (train, validation, test) that add up to 1")
    rows = sorted(functions, key=lambda row: row.function_id)
    members = _by_target(rows, labels) if by == "target" else _by_column(rows, by)
    if len(members) < 2:
        raise UsageError(f"all functions have one {by} ({', '.join(members) or 'none'}); nothing can be held out by it")
    groups = _deal(members, seed, fractions)
    parts = {part: {identity for name in names for identity in members[name]} for part, names in groups.items()}
    refused = set() if by == "target" else _near_duplicates(rows, parts)
    return Split(
        by=by,
        seed=seed,
        fractions=tuple(fractions),
        groups={part: tuple(sorted(names)) for part, names in groups.items()},
        parts={part: tuple(sorted(ids - refused)) for part, ids in parts.items()},
        refused=len(refused),
    )


def leakage_check(functions: Iterable[FunctionRow], made: Split) -> list[str]:
    """What leaks: groups, equal functions or near-duplicates in two parts. Empty where nothing does."""
    if made.by == "target":
        common = Counter(name for names in made.groups.values() for name in names)
        return [f"target {name} is in {count} parts" for name, count in sorted(common.items()) if count > 1]
    part_of: dict[str, str] = {}
    found = []
    for part, ids in made.parts.items():
        for identity in ids:
            if identity in part_of:
                found.append(f"function {identity} is in {part_of[identity]} and in {part}")
            part_of[identity] = part
    seen: dict[tuple[str, str], str] = {}
    for row in sorted(functions, key=lambda row: row.function_id):
        part = part_of.get(row.function_id, "")
        for kind, value in ((made.by, str(getattr(row, made.by) or "")), ("near-duplicate", near_hash(row))):
            first = seen.setdefault((kind, value), part) if part else part
            if part and first != part and (value or kind == "near-duplicate"):
                found.append(f"{kind} {value[:16]} of {row.entry} is in {first} and in {part}")
    return found


def _by_column(rows: Sequence[FunctionRow], by: str) -> dict[str, list[str]]:
    members: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        members[getattr(row, by) or f"(no {by})"].append(row.function_id)
    return dict(members)


def _by_target(rows: Sequence[FunctionRow], labels: Iterable[LabelRow]) -> dict[str, list[str]]:
    known = {row.function_id for row in rows}
    members: dict[str, set[str]] = defaultdict(set)
    for label in labels:
        if label.function_id in known:
            members[label.target].add(label.function_id)
    return {name: sorted(ids) for name, ids in members.items()}


def _deal(members: Mapping[str, Sequence[str]], seed: int, fractions: Sequence[float]) -> dict[str, list[str]]:
    """Give each group, in a seeded order, to the part that is furthest below its share; every wanted part gets one."""
    rng = np.random.default_rng(seed)
    names = sorted(members)
    total = sum(len(ids) for ids in members.values())
    missing = {part: share * total for part, share in zip(PARTS, fractions, strict=True)}
    order = [names[index] for index in rng.permutation(len(names))]
    order.sort(key=lambda name: -len(members[name]))  # stable: large groups first, the seed decides among equals
    groups: dict[str, list[str]] = {part: [] for part in PARTS}
    wanted = [part for part in ("train", "test", "validation") if missing[part] > 0]
    for index, name in enumerate(order):
        empty = [part for part in wanted if not groups[part]]
        must = len(order) - index <= len(empty)
        part = max(empty if must else wanted, key=lambda part: (missing[part], -wanted.index(part)))
        groups[part].append(name)
        missing[part] -= len(members[name])
    return groups


def _near_duplicates(rows: Sequence[FunctionRow], parts: Mapping[str, set[str]]) -> set[str]:
    """Functions of a later part whose near hash occurs in an earlier one (train, then test, then validation)."""
    hashes = {row.function_id: near_hash(row) for row in rows}
    refused: set[str] = set()
    seen: set[str] = set()
    for part in ("train", "test", "validation"):
        refused |= {identity for identity in parts[part] if hashes[identity] in seen}
        seen |= {hashes[identity] for identity in parts[part]}
    return refused
