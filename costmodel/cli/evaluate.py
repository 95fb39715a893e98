"""`costmodel evaluate`: how good a model is on groups it has not seen; tables, pictures and the same as JSON.

Owns arguments, the choice between testing a checkpoint as it is and training anew for each fold, and the report's
files. A checkpoint is tested as it is only on groups that its card proves it has not learned from.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from costmodel.cli.evaluate_cases import SPLITS, fold_of_seed, load_cases, own_split, split_groups
from costmodel.core.errors import UsageError
from costmodel.core.splits import SPLIT_FILE, Split
from costmodel.evaluation.cases import Cases, Fold, make_fold
from costmodel.evaluation.figures import Json
from costmodel.evaluation.report import markdown, summary_table
from costmodel.evaluation.robustness import Asked, robustness
from costmodel.evaluation.run import Make, Tested, examine, examine_fold, over_seeds
from costmodel.evaluation.studies import data_scaling, few_shot, model_scaling, resized
from costmodel.models import MODELS, Model
from costmodel.models.base import Array
from costmodel.models.metric_model import MetricModel, Needs
from costmodel.models.predictor import Predictor
from costmodel.training.config import TrainConfig
from costmodel.training.examples import Prepared, hold_out
from costmodel.training.run import load_table

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

SCHEMA_VERSION = 1
SEEDS = (0, 1, 2)
STUDIES = ("robustness", "scaling", "few-shot")
_CARD_LIST = {"by_family": "families", "by_project": "projects", "by_target": "targets"}
"""What a card says was trained on; it lists no networks."""


def add_parser(subparsers: Subparsers) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser("evaluate", help="say how good a model is on what it has not seen")
    parser.add_argument("model", metavar="MODEL", help="shipped name, checkpoint folder, or a training configuration")
    parser.add_argument("dataset", metavar="DATASET", type=Path, help="folder with functions.parquet, labels.parquet")
    parser.add_argument("--split", choices=SPLITS, required=True, help="what is held out whole")
    parser.add_argument("--report", metavar="DIR", type=Path, help="write tables, pictures and report.json there")
    parser.add_argument("--seeds", metavar="S[,S2]", help="train anew for each seed (default: 0,1,2 where needed)")
    parser.add_argument("--test-share", metavar="F", type=float, default=0.2, help="of rows held out (default: 0.2)")
    parser.add_argument("--no-retrain", action="store_true", help="refuse, where the card does not prove anything")
    parser.add_argument("--studies", metavar="NAME[,…]", default="robustness", help=f"{', '.join(STUDIES)}, all, none")
    parser.add_argument("--functions", metavar="N", type=int, default=100, help="rewritten for robustness")
    for name in ("metrics", "targets", "pipelines", "levels"):
        parser.add_argument(f"--{name}", metavar="X[,Y]", default="", help=f"only these {name}")
    parser.add_argument("--most-functions", metavar="N", type=int, help="draw so many functions of the data set")
    parser.add_argument("--cache", metavar="FILE", type=Path, help="where encodings are kept")
    parser.add_argument("--workers", metavar="N", type=int, default=1, help="processes that read functions")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="what to print (default: table)")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Subject:
    """What is evaluated: a configuration, and a trained model where one was given."""

    name: str
    config: TrainConfig
    trained: Model | None
    card: Mapping[str, Any]


def run(args: argparse.Namespace) -> int:
    """Evaluate and print.

    Raises:
        UsageError: model, data set, split or arguments make no sense together.
    """
    seeds = _seeds(args.seeds)
    studies = _studies(args.studies)
    if not 0 < args.test_share < 1:
        raise UsageError(f"--test-share is {args.test_share}, expected a share above 0 and below 1")
    if args.functions < 1 or args.workers < 1 or (args.most_functions or 1) < 1:
        raise UsageError("--functions, --workers and --most-functions must be at least 1")
    subject = _narrowed(_subject(args.model), args)
    table = load_table(args.dataset, subject.config)
    cases, ready = load_cases(table, _needs(subject, table.metrics), cache=args.cache, workers=args.workers)
    groups = split_groups(ready, args.split)
    fresh = _fresh(subject, groups, args.split)
    if subject.trained is not None and seeds is None and fresh.any():
        tested, notes = [_as_it_is(subject, cases, groups, fresh)], [_note_as_it_is(subject, groups, fresh)]
    else:
        notes = _notes_of_training(subject, args, seeds)
        own = own_split(ready, args.split)
        if own is not None:
            notes.append(f"{SPLIT_FILE} of {args.dataset.name} says what is held out; seeds differ in training alone")
        tested = [_anew(subject, cases, groups, args.test_share, seed, own) for seed in seeds or SEEDS]
    document = _document(subject, args, tested, notes, ready)
    _add_studies(document, studies, subject, cases, ready, groups, tested, args, seeds or SEEDS)
    pictures = _write(args.report, document, tested) if args.report else []
    for note in notes:
        print(f"costmodel: {note}", file=sys.stderr)
    print(json.dumps(document, indent=2) if args.format == "json" else summary_table(document["metrics"]))
    if args.report:
        print(f"costmodel: wrote {args.report} ({len(pictures)} pictures)", file=sys.stderr)
    return 0


def _seeds(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        seeds = tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        raise UsageError(f"--seeds is {text!r}, expected whole numbers with commas, such as 0,1,2") from None
    if min(seeds) < 0:
        raise UsageError(f"--seeds is {text!r}, expected numbers from 0 on")
    return seeds


def _studies(text: str) -> tuple[str, ...]:
    names = tuple(_names(text))
    if names == ("all",):
        return STUDIES
    if names == ("none",):
        return ()
    if unknown := sorted(set(names) - set(STUDIES)):
        raise UsageError(f"unknown study {unknown[0]!r}; known: {', '.join(STUDIES)}, all, none")
    return names


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _subject(text: str) -> _Subject:
    """A configuration file, or a trained model with the configuration in its card."""
    if text.endswith(".toml"):
        config = TrainConfig.read(Path(text))
        return _Subject(name=config.name or Path(text).stem, config=config, trained=None, card={})
    predictor = Predictor.load(text)
    document = predictor.card.get("config")
    config = (
        TrainConfig.of(document, text) if isinstance(document, Mapping) else TrainConfig(model=predictor.card["model"])
    )
    if predictor.metrics:
        config = replace(config, metrics=predictor.metrics)
    return _Subject(name=predictor.name, config=config, trained=predictor.model, card=predictor.card)


def _narrowed(subject: _Subject, args: argparse.Namespace) -> _Subject:
    """The configuration with the filters of the command line; a trained model keeps all its metrics."""
    chosen = {name: tuple(_names(getattr(args, name))) for name in ("metrics", "targets", "pipelines", "levels")}
    if missing := [m for m in chosen["metrics"] if subject.trained is not None and m not in subject.config.metrics]:
        raise UsageError(f"{subject.name} was not trained on {missing[0]}; it has {', '.join(subject.config.metrics)}")
    values: dict[str, Any] = {name: value for name, value in chosen.items() if value}
    if args.most_functions:
        values["most_functions"] = args.most_functions
    trained = subject.trained if not chosen["metrics"] or chosen["metrics"] == subject.config.metrics else None
    return replace(subject, config=replace(subject.config, **values), trained=trained)


def _build(config: TrainConfig, metrics: tuple[str, ...], seed: int) -> Model:
    return MODELS.get(config.model)(metrics, seed=seed, **config.options)  # type: ignore[call-arg]


def _make(config: TrainConfig) -> Make:
    return lambda metrics, seed: _build(config, metrics, seed)


def _needs(subject: _Subject, metrics: tuple[str, ...]) -> Needs:
    model = subject.trained or _build(subject.config, metrics, 0)
    return model.needs if isinstance(model, MetricModel) else Needs()


def _fresh(subject: _Subject, groups: Array, split: str) -> Array:
    """Mask of the rows whose group the card proves was not learned from."""
    learned = subject.card.get(_CARD_LIST.get(split, ""))
    if not isinstance(learned, list):
        return np.zeros(len(groups), bool)
    return ~np.isin(groups, np.array([str(name) for name in learned], dtype="U"))


def _as_it_is(subject: _Subject, cases: Cases, groups: Array, fresh: Array) -> Tested:
    """The checkpoint on groups it has not seen; the data set's other rows give the range of labels."""
    assert subject.trained is not None
    if fresh.all():
        fold = _fold_of_all(cases, groups)
    else:
        fold = make_fold(cases, groups, fresh, 0, seen_share=0.0)
    return examine(cases, fold, subject.trained, {}, None)


def _fold_of_all(cases: Cases, groups: Array) -> Fold:
    """Every row is tested; the range of labels is their own, for want of the training labels."""
    rows = np.arange(len(cases))
    return Fold(train=rows, seen=rows[:0], held=rows, groups=tuple(sorted(set(map(str, groups)))))


def _note_as_it_is(subject: _Subject, groups: Array, fresh: Array) -> str:
    names = sorted(set(map(str, groups[fresh])))
    shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    return f"{subject.name} is tested as it is, on {int(fresh.sum())} rows of groups its card does not list: {shown}"


def _notes_of_training(subject: _Subject, args: argparse.Namespace, seeds: Sequence[int] | None) -> list[str]:
    kind = args.split.removeprefix("by_")
    if subject.card and seeds is None:
        reason = (
            f"the card of {subject.name} does not prove that any {kind} of {args.dataset.name} "
            "was kept from its training"
        )
        if args.no_retrain:
            raise UsageError(f"{reason}; leave --no-retrain out, or give a data set it has not seen")
        return [f"{reason}; the figures are those of models trained anew from its configuration, one for each seed"]
    return ["the figures are those of models trained for each seed, with whole groups held out"]


def _anew(subject: _Subject, cases: Cases, groups: Array, share: float, seed: int, own: Split | None) -> Tested:
    fold = fold_of_seed(cases, groups, share, seed, own)
    return examine_fold(cases, groups, fold, _make(subject.config), seed)


def _document(
    subject: _Subject, args: argparse.Namespace, tested: Sequence[Tested], notes: Sequence[str], ready: Prepared
) -> Json:
    together = over_seeds([one.document for one in tested])
    document: Json = {
        "schema_version": SCHEMA_VERSION, "model": subject.name, "config": subject.config.to_dict(),
        "split": args.split, "data_sha256": ready.table.sha256, "seeds": [one.document["seed"] for one in tested],
        "notes": list(notes), "dropped_functions": ready.dropped,
        "metrics": together["metrics"], "folds": [one.document for one in tested],
    }  # fmt: skip
    return document | ({"seen": together["seen"]} if "seen" in together else {})


def _add_studies(
    document: Json, studies: Sequence[str], subject: _Subject, cases: Cases, ready: Prepared, groups: Array,
    tested: Sequence[Tested], args: argparse.Namespace, seeds: Sequence[int],
) -> None:  # fmt: skip
    if "robustness" in studies:
        document["robustness"] = _robustness(tested[0], cases, ready, groups, args, seeds[0])
    if "scaling" in studies:
        fold = fold_of_seed(cases, groups, args.test_share, seeds[0], own_split(ready, args.split))
        document["data_scaling"] = data_scaling(cases, groups, fold, _make(subject.config), seeds[0])
        document["model_scaling"] = model_scaling(
            cases, groups, fold, lambda f: _make(_resized(subject.config, cases.metrics, f)), seeds[0]
        )
    if "few-shot" in studies:
        document["few_shot"] = _few_shot(subject, cases, ready, args, seeds[0])


def _resized(config: TrainConfig, metrics: tuple[str, ...], factor: float) -> TrainConfig:
    model = _build(config, metrics, 0)
    options = model.options if isinstance(model, MetricModel) else dict(config.options)
    return replace(config, options=resized(options, factor))


def _robustness(one: Tested, cases: Cases, ready: Prepared, groups: Array, args: argparse.Namespace, seed: int) -> Json:
    """On held-out functions, each asked about as its first row does."""
    held = np.flatnonzero(np.isin(groups, np.array(one.document["held_out"])))
    _, first = np.unique(ready.table.function[held], return_index=True)
    rows = np.random.default_rng(seed).permutation(held[first])[: args.functions]
    asked = [Asked(*ready.question(i)) for i in rows]
    return robustness(one.model, asked, seed)


def _few_shot(subject: _Subject, cases: Cases, ready: Prepared, args: argparse.Namespace, seed: int) -> list[Json]:
    """Each target that shares its architecture with another; tested on held-out families."""
    families = split_groups(ready, "by_family")
    held_out = hold_out(families, args.test_share, seed)
    names = sorted(set(cases.columns["target"].tolist()))
    archs = [name.partition("/")[0] for name in names]
    alike = [name for name, arch in zip(names, archs, strict=True) if archs.count(arch) > 1]
    if not alike:
        raise UsageError("no two targets of one architecture have labels, so there is nothing to adapt from")
    return [few_shot(cases, families, name, held_out, _make(subject.config), seed) for name in alike]


def _write(folder: Path, document: Json, tested: Sequence[Tested]) -> list[str]:
    from costmodel.evaluation.pictures import draw_all

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"cannot write {folder}: {error}; choose another --report") from None
    pictures = draw_all(folder, tested, document)
    (folder / "report.json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    (folder / "report.md").write_text(markdown(document, pictures))
    return pictures
