"""Whether predictions hang on how a program is written: drift under rewrites that keep its meaning.

Owns the protocol, after ReCode (Wang et al. 2023, arXiv 2212.10264): each program is rewritten in every way, and what
counts is the worst case beside the mean. Renaming, reformatting and locations must change nothing at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from costmodel.core.errors import CostModelError, UnsupportedError
from costmodel.core.metrics import get_metric
from costmodel.core.tables import FunctionRow
from costmodel.core.target import Target
from costmodel.evaluation.figures import Json
from costmodel.evaluation.ranking import pairwise_accuracy
from costmodel.ir.program import Function
from costmodel.ir.reading import read
from costmodel.ir.rewrites import KINDS, Format, rewrite
from costmodel.ir.rewrites.printing import print_generic
from costmodel.models.base import Array, Model
from costmodel.models.context import context_names, encode_context
from costmodel.models.encode import encode_function
from costmodel.models.examples import Encoding, Examples
from costmodel.models.metric_model import MetricModel, Needs
from costmodel.models.realised import realised

INVISIBLE = ("rename", "reformat", "locations")
"""Rewrites that change nothing but the text."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A function as data sets hold it, and what it is asked about for."""

    row: FunctionRow
    target: Target
    pipeline: str | None = None
    schedule: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """What a model sees of a function: its encoding and the context `[C]`, which blocks of its code are part of."""

    encoding: Encoding
    context: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """One function as it was, and after each rewrite that applied."""

    plain: Seen
    after: Mapping[str, Seen]


def rewrite_function(asked: Asked, needs: Needs, rng: np.random.Generator) -> Rewritten | None:
    """Read a function, rewrite it in every way, read it again; None where it cannot be read as a graph."""
    row = asked.row
    form: Format = "llvm" if row.format == "llvm" else "mlir"
    try:
        text = row.ir if form == "llvm" else _generic(row.ir, row)
        plain = _seen(text, asked, needs)
    except CostModelError:
        return None
    after = {}
    for kind in KINDS:
        try:
            changed = rewrite(text, kind, rng, form=form)
            if changed is not None:
                after[kind] = _seen(changed, asked, needs)
        except CostModelError:
            continue
    return Rewritten(plain=plain, after=after)


def _generic(text: str, row: FunctionRow) -> str:
    """The module of a function in generic form, which the rewrites take."""
    top = _entry(text, row).operation
    if top is None:
        raise UnsupportedError(f"{row.entry!r} was read as tokens only, so it cannot be rewritten")
    while top.parent is not None:
        top = top.parent.parent.parent
    return print_generic([top])


def _entry(text: str, row: FunctionRow) -> Function:
    return read(text.encode(), format=row.format).entry(row.entry)


def _seen(text: str, asked: Asked, needs: Needs) -> Seen:
    function = _entry(text, asked.row)
    blocks = realised(function, asked.schedule)
    return Seen(
        encoding=encode_function(function, scheme=needs.scheme, graph=needs.graph),
        context=encode_context(asked.target, asked.pipeline, asked.schedule, blocks),
    )


def robustness(model: Model, asked: Sequence[Asked], seed: int) -> Json:
    """Drift and flips of ranks of a model's answers under every rewrite.

    Args:
        model: takes examples.
        asked: functions to rewrite.
        seed: of the rewrites.

    Returns:
        By metric and rewrite: how many functions it applied to, drift in per cent (mean, worst), and the share of
        pairs of functions whose predicted order it flips; `visible` and `invisible` together, where the worst case of
        each function is its largest drift over all rewrites. Drift is |after - before| over |before|, or over one
        unit (0.01 of a fraction, 1 ns) where that is more.
    """
    needs = model.needs if isinstance(model, MetricModel) else Needs()
    rng = np.random.default_rng(seed)
    found = [(one, rewritten) for one in asked if (rewritten := rewrite_function(one, needs, rng)) is not None]
    before = _predict(model, [(one, rewritten.plain) for one, rewritten in found])
    metrics = model.metrics if isinstance(model, MetricModel) else ()
    after = {kind: [i for i, (_, r) in enumerate(found) if kind in r.after] for kind in KINDS}
    values = {
        kind: _predict(model, [(found[i][0], found[i][1].after[kind]) for i in rows])
        for kind, rows in after.items() if rows
    }  # fmt: skip
    document: Json = {"functions": len(found), "unreadable": len(asked) - len(found), "metrics": {}}
    for column, metric in enumerate(metrics):
        document["metrics"][metric] = _of_metric(metric, before[:, column], after,
                                                 {k: v[:, column] for k, v in values.items()})  # fmt: skip
    return document


def _predict(model: Model, pairs: Sequence[tuple[Asked, Seen]]) -> Array:
    if not pairs:
        return np.zeros((0, len(model.metrics) if isinstance(model, MetricModel) else 0))
    examples = Examples(
        encodings=[seen.encoding for _, seen in pairs], program=np.arange(len(pairs)),
        context=np.stack([seen.context for _, seen in pairs]), context_names=context_names(),
        archs=np.array([asked.target.arch for asked, _ in pairs]),
    )  # fmt: skip
    return model.predict(examples).mean


def drift_percent(metric: str, before: Array, after: Array) -> Array:
    """Change over what was before, or over one unit (0.01 of a fraction, 1 ns) where that is more; shapes as given."""
    floor = {"fraction": 0.01, "s": 1e-9}.get(get_metric(metric).unit, 1.0)
    return np.asarray(100 * np.abs(after - before) / np.maximum(np.abs(before), floor))


def _of_metric(metric: str, before: Array, rows: Mapping[str, Sequence[int]], after: Mapping[str, Array]) -> Json:
    document: Json = {"by_rewrite": {}}
    drifts = {name: np.full((len(KINDS), len(before)), np.nan) for name in ("visible", "invisible")}
    for number, kind in enumerate(KINDS):
        if kind not in after:
            continue
        own = np.asarray(rows[kind])
        drift = drift_percent(metric, before[own], after[kind])
        drifts["invisible" if kind in INVISIBLE else "visible"][number, own] = drift
        agreement = pairwise_accuracy(after[kind], before[own])
        document["by_rewrite"][kind] = {
            "functions": len(own), "mean_percent": float(drift.mean()), "worst_percent": float(drift.max()),
            "flipped_pairs_percent": None if agreement is None else 100 * (1 - agreement),
        }  # fmt: skip
    return document | {name: _together(drift) for name, drift in drifts.items()}


def _together(drift: Array) -> Json | None:
    there = ~np.isnan(drift)
    if not there.any():
        return None
    worst = np.where(there, drift, -np.inf).max(axis=0)[there.any(axis=0)]
    return {
        "mean_percent": float(drift[there].mean()), "mean_of_worst_percent": float(worst.mean()),
        "worst_percent": float(worst.max()), "share_unchanged_percent": 100 * float((drift[there] == 0).mean()),
    }  # fmt: skip
