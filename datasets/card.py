"""`CARD.md` and its pictures: what a data set holds, for a person who decides whether to use it.

Owns the card's text. Invariant: made from the rows alone, so equal rows give equal bytes. `card_pictures` draws.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from costmodel.core.tables import FunctionRow, LabelRow
from costmodel.datasets.card_pictures import bars

CARD = "CARD.md"
PICTURES = "card"
MIX_SAMPLE = 4096
"""Functions whose instructions are counted, evenly spaced in canonical order."""
TOP = 15
_OPERATION = re.compile(
    r"^\s+(?:[%@][^\s=]*(?:\s*,\s*%\S+)*\s*=\s*)?\"?(?:(?:tail|musttail|notail) )?([a-z_][a-z0-9_.]*)\b(?!:)",
    re.MULTILINE,
)


def write_card(
    folder: Path,
    name: str,
    functions: Sequence[FunctionRow],
    labels: Sequence[LabelRow],
    *,
    command: Sequence[str],
    notes: Mapping[str, object],
) -> None:
    """Write `CARD.md` and the pictures it shows into `folder`."""
    (folder / PICTURES).mkdir()
    counts = _counts(functions)
    for title, counted in counts.items():
        (folder / PICTURES / f"{title}.svg").write_text(bars(title, _shown(title, counted)), encoding="utf-8")
    text = "\n\n".join(_sections(name, functions, labels, counts, command, notes)) + "\n"
    (folder / CARD).write_text(text, encoding="utf-8")


def sizes(functions: Sequence[FunctionRow]) -> Counter[int]:
    """Functions by the power of two at or below their number of lines."""
    return Counter(1 << max(row.ir.count("\n"), 1).bit_length() - 1 for row in functions)


def instruction_mix(functions: Sequence[FunctionRow]) -> Counter[str]:
    """Operations by name, over an evenly spaced sample."""
    step = -(-len(functions) // MIX_SAMPLE) or 1
    mix: Counter[str] = Counter()
    for row in functions[::step]:
        mix.update(_OPERATION.findall(row.ir))
    return mix


def _counts(functions: Sequence[FunctionRow]) -> dict[str, Counter[str]]:
    step = {1 << power: f"{1 << power}+" for power in range(40)}
    by_size = sizes(functions)
    by_duplicates = Counter(1 << row.duplicates.bit_length() - 1 if row.duplicates else 0 for row in functions)
    return {
        "sizes": Counter({step[size]: by_size[size] for size in sorted(by_size)}),
        "instructions": instruction_mix(functions),
        "duplicates": Counter({step.get(n, "none"): by_duplicates[n] for n in sorted(by_duplicates)}),
        "licences": Counter(row.license for row in functions),
        "languages": Counter(row.language or "none" for row in functions),
        "families": Counter(row.family for row in functions),
    }


def _shown(title: str, counted: Counter[str]) -> list[tuple[str, int]]:
    """Sizes and duplicates in their order, everything else by count; the rest in one bar."""
    if title in ("sizes", "duplicates"):
        return list(counted.items())
    ranked = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(count for _, count in ranked[TOP:])
    return ranked[:TOP] + ([(f"{len(ranked) - TOP} others", rest)] if rest else [])


def _sections(
    name: str,
    functions: Sequence[FunctionRow],
    labels: Sequence[LabelRow],
    counts: Mapping[str, Counter[str]],
    command: Sequence[str],
    notes: Mapping[str, object],
) -> list[str]:
    projects = len({row.project for row in functions})
    workloads = len({row.workload_id for row in functions if row.workload_id})
    dropped = sum(row.duplicates for row in functions)
    summary = (
        f"{len(functions)} functions of {projects} projects ({workloads} workloads), {dropped} duplicates dropped, "
        f"{len(labels)} labels on {len({row.target for row in labels})} targets."
    )
    captions = {
        "sizes": "Functions by lines of IR",
        "instructions": "Operations by name"
        + (
            f" (a sample of {len(functions[:: -(-len(functions) // MIX_SAMPLE)])} functions)"
            if len(functions) > MIX_SAMPLE
            else ""
        ),
        "duplicates": "Functions by how many structural duplicates were dropped in their favour",
        "licences": "Functions by licence",
        "languages": "Functions by source language",
        "families": "Functions by family",
    }
    parts = [f"# {name}", summary, f"Made by `{' '.join(command)}`; `manifest.json` holds the files' hashes."]
    for title, caption in captions.items():
        parts += [f"## {caption}", f"![{caption}]({PICTURES}/{title}.svg)", _table(_shown(title, counts[title]))]
    parts += ["## Labels", _label_table(labels)] if labels else []
    for title, value in sorted(notes.items()):
        if isinstance(value, Mapping) and value:
            parts += [
                f"## {title.replace('_', ' ').capitalize()}",
                _table([(str(k), v) for k, v in sorted(value.items())]),
            ]
    return parts


def _label_table(labels: Sequence[LabelRow]) -> str:
    cells: dict[tuple[str, str, str], list[int]] = {}
    for row in labels:
        cell = cells.setdefault((row.target, row.metric, row.tool), [0, 0])
        cell[row.value is None] += 1
    lines = ["| target | metric | tool | values | failures |", "|---|---|---|---|---|"]
    return "\n".join(lines + [f"| {' | '.join(key)} | {ok} | {bad} |" for key, (ok, bad) in sorted(cells.items())])


def _table(rows: Sequence[tuple[str, object]]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {_cell(name)} | {_cell(str(value))} |" for name, value in rows)])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
