"""Rows of a data set with their labels, for students to learn from beside what their teacher says.

Owns which rows those are: of the functions that the teacher itself learned from, where the data set is the teacher's
own; what its training held out stays held out. Rows that a schedule decides are left out: an export is told none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from costmodel.core.errors import UsageError
from costmodel.export.soft import Labelled
from costmodel.models.base import Array
from costmodel.models.context import SCHEDULE_PIPELINE
from costmodel.models.metric_model import Needs
from costmodel.models.predictor import Predictor
from costmodel.training.config import TrainConfig
from costmodel.training.encodings import encode_all
from costmodel.training.examples import UNREALISED, Prepared, groups_of, prepare
from costmodel.training.run import load_table
from costmodel.training.table import TrainingTable


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """Rows of a data set by whether the teacher learned from them; `same`: the data set is the teacher's."""

    learned: Labelled
    held_out: Labelled
    same: bool


def rows_of(
    folder: Path, predictor: Predictor, metrics: tuple[str, ...], *, level: str = "", most: int = 0,
    cache: Path | None = None, seed: int = 0,
) -> Rows:  # fmt: skip
    """Read and encode.

    Args:
        folder: the data set.
        predictor: the teacher, with its card.
        metrics: those of the values' columns.
        level: of functions to be kept alone; empty: all.
        most: functions that are drawn at most, a quarter of them of those held out; 0: all.
        cache: file of encodings.
        seed: of the draw.

    Raises:
        UsageError: no data set, nothing in it of that level, or a teacher that does not say how it was trained.
    """
    if "config" not in predictor.card:
        raise UsageError(
            f"the card of {predictor.name!r} does not say what its training held out; use --unlabelled, or a model "
            "that `costmodel train` made"
        )
    config = TrainConfig.of(dict(predictor.card["config"]))
    table = load_table(folder, replace(config, most_functions=0))
    groups, held = groups_of(table, config.split), list(predictor.card.get("held_out") or ())
    out = np.isin(groups, held)
    kept = table.column("level") == level if level else np.ones(len(table), bool)
    kept &= ~(np.isin(table.column("level"), UNREALISED) & (table.pipelines == SCHEDULE_PIPELINE))
    if not kept.any():
        raise UsageError(f"{folder} holds no function of level {level!r}; give another data set")
    rng = np.random.default_rng(seed)
    parts = [_drawn(table, kept & ~out, most - most // 4, rng), _drawn(table, kept & out, most // 4, rng)]
    learned, others = (_labelled(table.take(rows), predictor, metrics, cache) for rows in parts)
    return Rows(learned=learned, held_out=others, same=table.sha256 == predictor.card.get("data_sha256"))


def _drawn(table: TrainingTable, mask: Array, most: int, rng: np.random.Generator) -> Array:
    """Rows of a mask, of at most so many functions."""
    functions = np.unique(table.function[mask])
    if most > 0 and len(functions) > most:
        functions = rng.choice(functions, most, replace=False)
    return np.flatnonzero(mask & np.isin(table.function, functions))


def _labelled(table: TrainingTable, predictor: Predictor, metrics: tuple[str, ...], cache: Path | None) -> Labelled:
    needs = getattr(predictor.model, "needs", Needs())
    ready: Prepared = prepare(table, encode_all(table.functions, table.function_ids, needs, cache=cache))
    columns = [table.metrics.index(metric) for metric in metrics]
    return Labelled(examples=ready.examples, values=ready.table.values[:, columns])
