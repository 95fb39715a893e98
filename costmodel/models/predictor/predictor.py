"""`Predictor`: programs and targets in, answers in order out.

Lifetime: loaded once, asked many times, from any number of threads; it holds no state that asking changes.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from math import isfinite
from pathlib import Path
from typing import Any, Self

import numpy as np

from costmodel.core.errors import UnknownNameError, UnsupportedError, UsageError
from costmodel.core.metrics import get_metric, metric_names
from costmodel.core.target import Target
from costmodel.ir import collector
from costmodel.ir.program import Function, Program
from costmodel.models import MODELS, Model, Prediction
from costmodel.models.context import SCHEDULE_PIPELINE, context_names, context_rows
from costmodel.models.encode import check_finite, encode_function
from costmodel.models.examples import Encoding, Examples
from costmodel.models.levels import level_of
from costmodel.models.metric_model import MetricModel, Needs
from costmodel.models.predictor.answer import Answer, MetricAnswer
from costmodel.models.predictor.shipped import DEFAULT_MODEL, read_card, resolve
from costmodel.models.realised import Block, realised

Programs = Program | Function | Encoding | Iterable["Program | Function | Encoding"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictor:
    """A loaded model with its card."""

    name: str
    model: Model
    card: Mapping[str, Any]

    @classmethod
    def load(cls, name_or_path: str | Path = DEFAULT_MODEL) -> Self:
        """Load a shipped model by name, or a checkpoint folder.

        Raises:
            UnknownNameError: neither a folder nor shipped.
            CheckpointError: damaged, foreign, or of another version of features or vocabulary.
            MissingDependencyError: the model needs torch, which is absent.
            UsageError: the model does not predict metrics of programs.
        """
        folder = resolve(name_or_path)
        card = read_card(folder)
        kind = MODELS.get(card["model"])
        if kind.takes == "features":
            raise UsageError(
                f"{folder.name!r} ranks the tuner's schedules; give a model that predicts metrics of programs"
            )
        return cls(name=str(card.get("name") or folder.name), model=kind.load(folder), card=card)

    @property
    def metrics(self) -> tuple[str, ...]:
        """What it predicts."""
        return tuple(self.card.get("metrics") or ())

    @property
    def targets(self) -> tuple[str, ...]:
        """What it was trained on; others can be asked about by their numbers."""
        return tuple(self.card.get("targets") or ())

    def predict(
        self,
        programs: Programs,
        target: str | Target | Sequence[str | Target],
        metrics: Sequence[str] = (),
        *,
        pipeline: str | None = None,
        schedule: str | None = None,
    ) -> list[Answer]:
        """Answers for each function, and for each target within a function, in the order given.

        Args:
            programs: a program, a function, an encoding, or several of them.
            target: `arch/cpu`, `native`, or several.
            metrics: names; by default all that the model has and the target's architecture knows.
            pipeline: the lowering that is meant; by default the one that the model knows best for the function's level.
            schedule: a schedule's text, instead of a pipeline.

        Raises:
            UnknownNameError: an unknown target or metric.
            UnsupportedError: a metric that the model was not trained for or the architecture does not have.
            UsageError: an empty function, a feature that is not finite, both a pipeline and a schedule, a text that was
                not read.
        """
        functions = list(_functions(programs))
        with collector.paused():
            return self._predict(functions, target, metrics, pipeline, schedule)

    def _predict(
        self,
        functions: Sequence[Function | Encoding],
        target: str | Target | Sequence[str | Target],
        metrics: Sequence[str],
        pipeline: str | None,
        schedule: str | None,
    ) -> list[Answer]:
        several = [target] if isinstance(target, str | Target) else list(target)
        targets = [_target(one) for one in several]
        chosen = {one.name: self._metrics(one, metrics) for one in targets}
        pipeline = self._pipeline(pipeline, schedule)
        needs = self.model.needs if isinstance(self.model, MetricModel) else Needs()
        encodings = [_encoding(function, needs) for function in functions]
        pipelines = [pipeline or self._default_pipeline(encoding) for encoding in encodings]
        rows = [(one, through, schedule) for through in pipelines for one in targets]
        blocks = [own for function in functions for own in repeat(_blocks(function, schedule), len(targets))]
        examples = Examples(
            encodings=encodings, program=np.arange(len(functions)).repeat(len(targets)),
            context=context_rows(rows, blocks), context_names=context_names(),
            archs=np.array([one.arch for one, _, _ in rows]),
        )  # fmt: skip
        if not rows:
            return []
        found = self.model.predict(examples)
        names = [_name(function, i) for i, function in enumerate(functions) for _ in targets]
        metrics_of = _metric_answers(found)
        known = [True] * len(rows) if found.known is None else found.known.tolist()
        return [
            Answer(name=names[i], target=one.name, pipeline=through, known=known[i],
                   metrics={name: metrics_of(i, name) for name in chosen[one.name]})
            for i, (one, through, _) in enumerate(rows)
        ]  # fmt: skip

    def _metrics(self, target: Target, metrics: Sequence[str]) -> tuple[str, ...]:
        if not metrics:
            return tuple(name for name in self.metrics if get_metric(name).exists_for(target.arch))
        for name in metrics:
            if not get_metric(name).exists_for(target.arch):
                raise UnsupportedError(
                    f"metric {name!r} does not exist on {target.name}; there: {', '.join(metric_names(target.arch))}"
                )
            if name not in self.metrics:
                raise UnsupportedError(
                    f"model {self.name!r} was not trained on metric {name!r}; it has {', '.join(self.metrics)}; "
                    "name another model (see `costmodel models`)"
                )
        return tuple(dict.fromkeys(metrics))

    def _pipeline(self, pipeline: str | None, schedule: str | None) -> str | None:
        known = list(self.card.get("pipelines") or ())
        if schedule is not None:
            if pipeline is not None:
                raise UsageError("give a pipeline or a schedule, not both")
            return SCHEDULE_PIPELINE
        if known and pipeline is not None and pipeline not in known:
            close = difflib.get_close_matches(pipeline, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise UnknownNameError(
                f"model {self.name!r} was not trained on pipeline {pipeline!r}; known: {', '.join(known)}{hint}"
            )
        return pipeline

    def _default_pipeline(self, encoding: Encoding) -> str | None:
        known = list(self.card.get("pipelines") or ())
        if len(known) == 1:
            return str(known[0])
        by_level: Mapping[str, str] = self.card.get("default_pipelines") or {}
        return by_level.get(level_of(encoding.numbers))


def _functions(programs: Programs | str | bytes) -> Iterable[Function | Encoding]:
    if isinstance(programs, Function | Encoding):
        yield programs
    elif isinstance(programs, Program):
        yield from programs.functions
    elif isinstance(programs, str | bytes):
        raise UsageError("a text is no program; give what `costmodel.ir.read` makes of it")
    else:
        for one in programs:
            yield from _functions(one)


def _target(target: str | Target) -> Target:
    return target if isinstance(target, Target) else _named(target)


_named = lru_cache(maxsize=256)(Target.parse)
"""Targets by name: parsing one takes longer than looking at a tiny function."""


def _encoding(function: Function | Encoding, needs: Needs) -> Encoding:
    if isinstance(function, Function):
        return encode_function(function, scheme=needs.scheme, graph=needs.graph)
    check_finite(function.numbers, "an encoding")
    return function


def _blocks(function: Function | Encoding, schedule: str | None) -> tuple[Block, ...]:
    return realised(function, schedule) if isinstance(function, Function) else ()


def _name(function: Function | Encoding, position: int) -> str:
    return function.name if isinstance(function, Function) else f"#{position}"


def _metric_answers(found: Prediction) -> Callable[[int, str], MetricAnswer]:
    """What gives the answer of a row and a metric; arrays become lists once for all of them."""
    nothing = np.full(found.mean.shape, np.nan)
    means, deviations, lows, highs, chances = (
        (nothing if values is None else values).tolist()
        for values in (found.mean, found.std, found.low, found.high, found.nonzero)
    )
    places = {name: i for i, name in enumerate(found.metrics)}

    def answer(row: int, name: str) -> MetricAnswer:
        i = places[name]
        chance = chances[row][i]
        return MetricAnswer(
            mean=means[row][i], std=deviations[row][i], low=lows[row][i], high=highs[row][i], unit=found.unit[i],
            nonzero=chance if isfinite(chance) else None,
        )  # fmt: skip

    return answer
