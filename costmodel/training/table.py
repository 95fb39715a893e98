"""The two Parquet tables of a data set as arrays to train on.

Owns reading and joining. A row of a `TrainingTable` is one function on one target through one pipeline; labels of the
same metric by several tools or devices are averaged. Invariant: rows stand in canonical order (function, target,
pipeline), so equal tables give equal models.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from costmodel.core.errors import MissingDependencyError, ParseError, UsageError
from costmodel.core.hashing import sha256_file
from costmodel.core.splits import SPLIT_FILE, Split
from costmodel.core.tables import FUNCTION_COLUMNS, LABEL_COLUMNS, FunctionRow
from costmodel.models.base import Array

FUNCTIONS, LABELS = "functions.parquet", "labels.parquet"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingTable:
    """n rows over N functions; `values[n, M]` in the metrics' units, NaN where there is no label."""

    functions: tuple[FunctionRow, ...]
    function_ids: tuple[str, ...]
    function: Array
    """`[n]` i64: position in `functions`."""
    targets: Array
    """`[n]` names."""
    pipelines: Array
    """`[n]` names."""
    metrics: tuple[str, ...]
    values: Array
    sha256: str
    """Of the data set: hash of the two files' hashes."""
    split: Split | None = None
    """The one that lies in the data set's folder."""

    def __len__(self) -> int:
        return len(self.function)

    def take(self, rows: Array) -> TrainingTable:
        """Some rows (numbers or a mask); functions without a row are dropped."""
        used, index = np.unique(self.function[rows], return_inverse=True)
        return replace(
            self,
            functions=tuple(self.functions[i] for i in used),
            function_ids=tuple(self.function_ids[i] for i in used),
            function=index.astype(np.int64),
            targets=self.targets[rows],
            pipelines=self.pipelines[rows],
            values=self.values[rows],
        )

    def column(self, name: str) -> Array:
        """A column of the functions, for each row, as texts; `` where there is none."""
        texts = np.array([str(getattr(row, name) or "") for row in self.functions] or [""])
        return texts[self.function]


def read_table(
    folder: Path,
    *,
    metrics: Sequence[str] = (),
    targets: Collection[str] = (),
    pipelines: Collection[str] = (),
    levels: Collection[str] = (),
    most_functions: int = 0,
    seed: int = 0,
) -> TrainingTable:
    """Read a data set's folder; empty filters take everything.

    Args:
        folder: holds `functions.parquet` and `labels.parquet`.
        metrics: columns of `values`, in this order; by default all that have a label, sorted.
        targets: names of targets to keep.
        pipelines: names of pipelines to keep.
        levels: levels of functions to keep.
        most_functions: draw at most so many functions; 0 for all.
        seed: of that draw.

    Raises:
        MissingDependencyError: pyarrow is absent.
        UsageError: files are missing or not of the contract, `split.json` is no split, or nothing is left.
    """
    functions, labels = _read(folder / FUNCTIONS, FUNCTION_COLUMNS), _read(folder / LABELS, LABEL_COLUMNS)
    wanted = {name: set(choice) for name, choice in (("target", targets), ("pipeline", pipelines))}
    kept = _kept_functions(functions, levels, most_functions, seed)
    rows = [i for i in range(len(labels["value"])) if labels["function_id"][i] in kept]
    rows = [i for i in rows if all(not choice or labels[name][i] in choice for name, choice in wanted.items())]
    rows = [i for i in rows if labels["value"][i] is not None]
    names = tuple(metrics) or tuple(sorted({labels["metric"][i] for i in rows}))
    rows = [i for i in rows if labels["metric"][i] in set(names)]
    if not rows:
        raise UsageError(
            f"{folder} holds no label of the metrics, targets, pipelines and levels asked for; it has metrics "
            f"{_some(labels['metric'])}, targets {_some(labels['target'])}, pipelines {_some(labels['pipeline'])}"
        )
    return _joined(folder, functions, labels, rows, names)


def _some(values: Sequence[str]) -> str:
    return ", ".join(sorted(set(values))[:12]) or "none"


def _read(path: Path, columns: Sequence[str]) -> dict[str, list[Any]]:
    try:
        from pyarrow import ArrowException
        from pyarrow import parquet as pq
    except ImportError as error:
        raise MissingDependencyError("reading a data set needs pyarrow; pip install 'costmodel-ir[train]'") from error
    try:
        table = pq.read_table(path)
    except (OSError, ArrowException) as error:
        raise UsageError(f"cannot read {path}: {error}; give the folder of a data set") from None
    if missing := [name for name in columns if name not in table.column_names]:
        raise UsageError(f"{path} lacks the column {missing[0]!r}; it is no table of a data set of this version")
    return {name: table.column(name).to_pylist() for name in columns if name != "samples"}


def _kept_functions(functions: Mapping[str, list[Any]], levels: Collection[str], most: int, seed: int) -> set[str]:
    ids = [
        i
        for i, level in zip(functions["function_id"], functions["level"], strict=True)
        if not levels or level in levels
    ]
    ids.sort()
    if most and len(ids) > most:
        ids = [ids[i] for i in np.random.default_rng(seed).choice(len(ids), most, replace=False)]
    return set(ids)


def _joined(
    folder: Path, functions: Mapping[str, list[Any]], labels: Mapping[str, list[Any]], rows: Sequence[int],
    metrics: tuple[str, ...],
) -> TrainingTable:  # fmt: skip
    position = {function_id: i for i, function_id in enumerate(functions["function_id"])}
    keys = sorted({(labels["function_id"][i], labels["target"][i], labels["pipeline"][i]) for i in rows})
    if unknown := next((key[0] for key in keys if key[0] not in position), None):
        raise UsageError(f"{folder / LABELS} labels function {unknown}, which {FUNCTIONS} does not hold")
    index = {key: row for row, key in enumerate(keys)}
    column = {metric: i for i, metric in enumerate(metrics)}
    sums, counts = np.zeros((2, len(keys), len(metrics)))
    for i in rows:
        at = index[labels["function_id"][i], labels["target"][i], labels["pipeline"][i]], column[labels["metric"][i]]
        sums[at] += labels["value"][i]
        counts[at] += 1
    ids = sorted({key[0] for key in keys})
    place = {function_id: i for i, function_id in enumerate(ids)}
    fields = [name for name in FUNCTION_COLUMNS if name != "function_id"]
    digest = hashlib.sha256((sha256_file(folder / FUNCTIONS) + sha256_file(folder / LABELS)).encode()).hexdigest()
    return TrainingTable(
        functions=tuple(FunctionRow(**{name: functions[name][position[i]] for name in fields}) for i in ids),
        function_ids=tuple(ids),
        function=np.array([place[key[0]] for key in keys], np.int64),
        targets=np.array([key[1] for key in keys]),
        pipelines=np.array([key[2] for key in keys]),
        metrics=metrics,
        values=np.where(counts > 0, sums / np.maximum(counts, 1), np.nan),
        sha256=digest,
        split=_split(folder / SPLIT_FILE),
    )


def _split(path: Path) -> Split | None:
    if not path.is_file():
        return None
    try:
        return Split.from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ParseError) as error:
        raise UsageError(f"{path}: {error}; write it anew with `costmodel data split`, or remove it") from error
