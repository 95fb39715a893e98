"""One training run: data set and configuration in, checkpoint folder out.

Owns the order of steps and the card. A killed run continues where its last kept part ended.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import costmodel
from costmodel.core.hashing import sha256_text
from costmodel.core.splits import SPLIT_FILE
from costmodel.models import MODELS, Model
from costmodel.models.context import SCHEDULE_PIPELINE
from costmodel.models.encode import versions
from costmodel.models.levels import default_pipelines
from costmodel.models.metric_model import MetricModel, Needs
from costmodel.training.config import TrainConfig
from costmodel.training.encodings import encode_all
from costmodel.training.examples import UNREALISED, Prepared, groups_of, prepare
from costmodel.training.figures import card_figures
from costmodel.training.held import Held, hold
from costmodel.training.keeper import Keeper, Screen
from costmodel.training.table import TrainingTable, read_table

CURVES = "curves.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a run gave; `figures` by metric on the held-out rows, empty where none were."""

    model: Model
    figures: dict[str, dict[str, float]]
    dropped: dict[str, int]
    rows: int
    resumed: bool


def load_table(folder: Path, config: TrainConfig) -> TrainingTable:
    """The part of a data set that a configuration asks for."""
    return read_table(
        folder, metrics=config.metrics, targets=config.targets, pipelines=config.pipelines, levels=config.levels,
        most_functions=config.most_functions, seed=config.seed,
    )  # fmt: skip


def build(config: TrainConfig, metrics: tuple[str, ...]) -> Model:
    """The model of a configuration, not fitted."""
    return MODELS.get(config.model)(metrics, seed=config.seed, **config.options)  # type: ignore[call-arg]


def train(
    folder: Path, config: TrainConfig, out: Path, *, cache: Path | None = None, screen: Screen | None = None
) -> Trained:
    """Train, test on what the split holds out, and write the checkpoint to `out`.

    Args:
        folder: the data set.
        config: see `TrainConfig`.
        out: folder of the checkpoint, made anew.
        cache: file of encodings; kept between runs where it is given.
        screen: where progress goes.

    Raises:
        UsageError: data or configuration make no sense.
        MissingDependencyError: the model needs a package that is absent.
    """
    table = load_table(folder, config)
    model = build(config, table.metrics)
    keeper = Keeper(out.with_name(out.name + ".partial"), _identity(folder, config, table), screen)
    needs = model.needs if isinstance(model, MetricModel) else Needs()

    def told(done: int, total: int) -> None:
        if screen is not None:
            screen.show(f"reading functions {done}/{total}", 0.0, {})

    encodings = encode_all(table.functions, table.function_ids, needs, cache=cache, workers=config.workers, told=told)
    ready = prepare(table, encodings)
    groups = groups_of(ready.table, config.split)
    held = hold(ready.table, config.split, config.test_share, config.seed)
    _fit(model, ready, held.train, groups, keeper)
    figures = {}
    if held.test.any():
        prediction = model.predict(ready.examples.take(np.flatnonzero(held.test)))
        figures = card_figures(prediction, ready.table.values[held.test], ready.table.values[held.train])
    model.save(out, _card(config, ready, held, groups, figures))
    (out / CURVES).write_text(json.dumps(keeper.curves, sort_keys=True) + "\n")
    keeper.done()
    return Trained(
        model=model, figures=figures, dropped=ready.dropped, rows=int(held.train.sum()), resumed=keeper.resumed
    )


def _identity(folder: Path, config: TrainConfig, table: TrainingTable) -> str:
    """What a half-done run is of: configuration, data, the split that is held out, and how functions are encoded."""
    split = folder / SPLIT_FILE
    text = split.read_text(errors="replace") if split.is_file() else ""
    return sha256_text(json.dumps([config.sha256, table.sha256, text, versions()], sort_keys=True))


def _fit(model: Model, ready: Prepared, rows: Any, groups: Any, keeper: Keeper) -> None:
    chosen = np.flatnonzero(rows)
    examples, targets, inside = ready.examples.take(chosen), ready.table.values[chosen], groups[chosen]
    if isinstance(model, MetricModel):
        model.fit(examples, targets, inside, keeper.monitor())
    else:
        model.fit(examples, targets, inside)


def _card(
    config: TrainConfig, ready: Prepared, held: Held, groups: Any, figures: Mapping[str, object]
) -> dict[str, Any]:
    seen = ready.table.take(np.flatnonzero(held.train))
    workloads = sorted({row.workload_id for row in seen.functions if row.workload_id})
    return {
        "name": config.name or config.model,
        "costmodel": costmodel.__version__,
        "metrics": list(ready.table.metrics),
        "targets": sorted(set(seen.targets.tolist())),
        "pipelines": sorted(set(seen.pipelines.tolist())),
        "default_pipelines": _defaults(seen),
        "levels": sorted({row.level for row in seen.functions}),
        "versions": versions(),
        "data_sha256": ready.table.sha256,
        "config": config.to_dict(),
        "workload_ids": workloads,
        "families": sorted({row.family for row in seen.functions}),
        "projects": sorted({row.project for row in seen.functions}),
        "functions": len(seen.functions),
        "rows": len(seen),
        "split": config.split,
        "held_out": sorted(set(groups[held.test].tolist())),
        "held_out_by": held.origin,
        "refused_rows": held.refused,
        "figures": dict(figures),
    }


def _defaults(table: TrainingTable) -> dict[str, str]:
    """Pipeline by level where a question names none; a schedule that the code does not tell is none."""
    rows = zip(table.column("level").tolist(), table.pipelines.tolist(), strict=True)
    return default_pipelines(row for row in rows if not (row[0] in UNREALISED and row[1] == SCHEDULE_PIPELINE))
