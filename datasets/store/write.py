"""Writing a data set. Owns canonical order and what is refused; the same rows give the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from costmodel.core.errors import UsageError
from costmodel.core.tables import FunctionRow, LabelRow
from costmodel.datasets.card import write_card
from costmodel.datasets.store import arrow
from costmodel.datasets.store.files import MANIFEST, check_place, replacing
from costmodel.datasets.store.manifest import Manifest, current_versions, file_hashes, relative_command

FUNCTIONS, LABELS = "functions.parquet", "labels.parquet"


def write_dataset(
    folder: Path,
    functions: Iterable[FunctionRow],
    labels: Iterable[LabelRow],
    *,
    seed: int | None,
    command: Sequence[str],
    notes: Mapping[str, object] | None = None,
    extra: Callable[[Path], None] | None = None,
) -> Manifest:
    """Write `functions.parquet`, `labels.parquet`, `CARD.md` with pictures and `manifest.json`, all or nothing.

    Args:
        folder: New, empty, or a data set, which is replaced in one step.
        functions: Rows with distinct `function_id`s, in any order.
        labels: Rows of these functions, in any order.
        seed: What reproduces generated rows, or None.
        command: What made it; absolute paths in it are made relative.
        notes: JSON values that the maker adds to the manifest (dropped inputs by cause, for example).
        extra: Called with the scratch folder, to add files of its own; they are hashed with the others.

    Returns:
        The manifest.

    Raises:
        UsageError: two equal functions or labels, a label of a function that is not there, a place that is taken.
        DatasetError: the place cannot be written (the disk is full, for example); what was there is untouched.
    """
    check_place(folder)
    function_rows = _canonical_functions(functions)
    label_rows = _canonical_labels(labels, {identity for identity, _ in function_rows})
    rows = [row for _, row in function_rows]
    kept_notes = dict(notes or {})
    with replacing(folder) as scratch:
        arrow.write_table(arrow.function_table(rows), scratch / FUNCTIONS)
        arrow.write_table(arrow.label_table(label_rows), scratch / LABELS)
        if extra is not None:
            extra(scratch)
        write_card(scratch, folder.name, rows, label_rows, command=relative_command(command), notes=kept_notes)
        manifest = Manifest(
            seed=seed,
            command=relative_command(command),
            files=file_hashes(scratch),
            counts={"functions": len(rows), "labels": len(label_rows)},
            versions=current_versions(),
            notes=kept_notes,
        )
        (scratch / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    return manifest


def _canonical_functions(rows: Iterable[FunctionRow]) -> list[tuple[str, FunctionRow]]:
    keyed = sorted(((row.project, row.family, row.function_id, row) for row in rows), key=lambda item: item[:3])
    seen: dict[str, FunctionRow] = {}
    for _, _, identity, row in keyed:
        if identity in seen:
            raise UsageError(
                f"function {row.entry!r} of {row.project} equals {seen[identity].entry!r} of "
                f"{seen[identity].project}; drop equal functions first (costmodel.datasets.dedup.drop_equal)"
            )
        seen[identity] = row
    return [(identity, row) for _, _, identity, row in keyed]


def _canonical_labels(rows: Iterable[LabelRow], functions: set[str]) -> list[LabelRow]:
    ordered = sorted(rows, key=lambda row: row.sort_key)
    for row in ordered:
        if row.function_id not in functions:
            raise UsageError(f"a label of {row.metric} belongs to function {row.function_id}, which is not given")
    for first, second in pairwise(ordered):
        if first.sort_key == second.sort_key:
            raise UsageError(
                f"two labels of {first.metric} by {first.tool} for function {first.function_id} on {first.target}"
            )
    return ordered
