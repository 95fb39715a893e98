"""Flattened models answer as the models do; the file of weights is the same twice; what cannot be exported says so."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from costmodel.core.errors import UnknownNameError, UnsupportedError, UsageError
from costmodel.core.target import Target
from costmodel.export import evaluate, export_c, flatten, pack
from costmodel.export.flatten import figures_of, target_table
from costmodel.export.layout import context_kind
from costmodel.models import MODELS
from costmodel.models.context import context_names, encode_context

sys.path.insert(0, str(Path(__file__).parent))
from export_samples import ASKED, KINDS_OF_MODELS, METRICS, compact, fitted, odd, question, sample


@pytest.mark.parametrize("kind", KINDS_OF_MODELS)
def test_a_compact_answers_as_its_model(kind):
    for i, encoding in enumerate(odd(12)):
        examples = question(encoding, ASKED[i % len(ASKED)])
        ours, theirs = evaluate(compact(kind), examples), fitted(kind).predict(examples)
        for name in ("mean", "std", "low", "high", "nonzero", "distance"):
            np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-9, atol=1e-9)
        assert ours.known.tolist() == theirs.known.tolist()
        assert ours.unit == theirs.unit


def test_the_same_model_gives_the_same_bytes():
    again = flatten(fitted("conformal"), name="small", pipelines=("p-v1",))
    assert pack(again) == pack(compact())


def test_metrics_can_be_left_out():
    part = flatten(fitted("conformal"), metrics=["spills"])
    examples = question(odd(1)[0], ASKED[0])
    ours, theirs = evaluate(part, examples), fitted("conformal").predict(examples)
    assert part.metrics == ("spills",)
    assert ours.mean[0, 0] == pytest.approx(theirs.mean[0, METRICS.index("spills")], rel=1e-12)
    assert ours.high[0, 0] == pytest.approx(theirs.high[0, METRICS.index("spills")], rel=1e-12)
    assert len(pack(part)) < len(pack(compact()))


def test_a_metric_the_model_lacks_is_named():
    with pytest.raises(UsageError, match="not trained on metric 'cycles'; it has instructions, spills"):
        flatten(fitted("boosted-trees"), metrics=["cycles"])
    with pytest.raises(UnknownNameError, match="did you mean 'spills'"):
        flatten(fitted("boosted-trees"), metrics=["spill"])


def test_a_model_of_another_kind_says_which_can_be_exported():
    with pytest.raises(UnsupportedError, match=r"'MeanModel' model cannot be exported; those that can: boosted-trees"):
        flatten(MODELS.get("mean")(METRICS))
    inside = MODELS.get("ensemble")(METRICS, members=1, base={"model": "conformal", "folds": 2, "base": {"rounds": 2}})
    inside.fit(*sample(10))
    with pytest.raises(UnsupportedError, match="wraps 'conformal'"):
        flatten(inside)


def test_an_unfitted_and_an_adapted_model_are_refused():
    with pytest.raises(UsageError, match="never fitted"):
        flatten(MODELS.get("boosted-trees")(METRICS))
    model = MODELS.get("boosted-trees")(METRICS, rounds=2)
    examples, targets, groups = sample(10)
    model.fit(examples, targets, groups)
    model.update(examples, targets)
    with pytest.raises(UnsupportedError, match="adapted by `update`"):
        flatten(model)


def test_every_context_column_of_every_target_can_be_computed_from_the_figures():
    names, archs = context_names(), compact().archs
    for name, (arch, figures) in target_table().items():
        target = Target.parse(name)
        assert figures_of(target) == figures
        expected = encode_context(target)
        for column, value in zip(names, expected, strict=True):
            kind, index = context_kind(column, archs)
            found = [np.log2(1 + figures[index]) if kind == 0 else 0, archs[index] == arch if kind == 1 else 0, 0, 0][
                kind
            ]
            assert np.float32(found) == value, (name, column)


def test_a_folder_that_is_taken_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        export_c(compact(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(UsageError, match="is a file"):
        export_c(compact(), tmp_path / "mine.txt")
