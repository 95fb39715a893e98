"""What every model of programs promises, run over the registry."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from costmodel.core.errors import CheckpointError, UsageError
from costmodel.models import MODELS

sys.path.insert(0, str(Path(__file__).parent))
from program_samples import METRICS, sample

NAMES = [name for name in MODELS if MODELS.get(name).takes == "examples"]
NEURAL = ("conv1d", "fully-connected", "graph-network", "hybrid", "lstm", "transformer")
SMALL = {"epochs": 2, "width": 16, "hidden": 16, "max_tokens": 64}
OPTIONS = {
    **{name: dict(SMALL) for name in NEURAL},
    "boosted-trees": {"rounds": 20},
    "conformal": {"folds": 2, "base": {"model": "boosted-trees", "rounds": 10}},
    "ensemble": {"members": 2, "base": {"model": "boosted-trees", "rounds": 10}},
}


def make(name: str):
    if name in NEURAL:
        pytest.importorskip("torch")
    if name in ("graph-network", "hybrid"):
        pytest.importorskip("torch_geometric")
    return MODELS.get(name)(METRICS, seed=1, **OPTIONS.get(name, {}))


@pytest.fixture(params=NAMES, scope="module")
def fitted(request):
    model = make(request.param)
    model.fit(*sample())
    return model


def arrays(prediction):
    return [prediction.mean, prediction.std, prediction.low, prediction.high, prediction.nonzero, prediction.distance]


def test_predictions_are_distributions_in_units(fitted):
    examples = sample(8, seed=3)[0]
    found = fitted.predict(examples)
    assert found.metrics == METRICS
    assert found.unit == ("instructions", "spills", "fraction")
    for values in (found.mean, found.std, found.low, found.high):
        assert values.shape == (16, 3)
        assert np.isfinite(values).all()
    assert (found.std > 0).all()
    assert (found.low >= 0).all()
    assert (found.low <= found.mean).all()
    assert (found.mean <= found.high).all()
    assert (found.mean[:, 2] <= 1).all()
    assert (found.high[:, 2] <= 1).all()
    assert found.known.shape == (16,)


def test_only_zero_inflated_metrics_have_a_probability(fitted):
    nonzero = fitted.predict(sample(8, seed=3)[0]).nonzero
    assert np.isnan(nonzero[:, [0, 2]]).all()
    assert ((nonzero[:, 1] >= 0) & (nonzero[:, 1] <= 1)).all()


def test_no_rows_give_no_predictions(fitted):
    found = fitted.predict(sample(4)[0].take(np.zeros(0, int)))
    assert found.mean.shape == (0, 3)


def test_rows_do_not_depend_on_their_neighbours(fitted):
    examples = sample(16, seed=4)[0]
    whole = fitted.predict(examples)
    for row in (0, 7, 31):
        alone = fitted.predict(examples.take(np.array([row])))
        np.testing.assert_allclose(alone.mean[0], whole.mean[row], rtol=2e-4, atol=1e-5)


def test_fitting_is_repeatable(fitted):
    again = make(fitted.name)
    again.fit(*sample())
    examples = sample(8, seed=3)[0]
    for one, other in zip(arrays(fitted.predict(examples)), arrays(again.predict(examples)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_was_saved_predicts_the_same(fitted, tmp_path):
    fitted.save(tmp_path / "m", {"note": "kept"})
    again = type(fitted).load(tmp_path / "m")
    examples = sample(8, seed=3)[0]
    for one, other in zip(arrays(fitted.predict(examples)), arrays(again.predict(examples)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    card = json.loads((tmp_path / "m" / "model.json").read_text())
    assert card["note"] == "kept"
    assert card["versions"]["vocabulary"] == 1
    assert MODELS.get(card["model"]) is type(fitted)
    assert {path.suffix for path in (tmp_path / "m").iterdir()} <= {".json", ".safetensors", ".xz"}


def test_update_moves_predictions_towards_what_was_seen(fitted, tmp_path):
    fitted.save(tmp_path / "m", {})
    model = type(fitted).load(tmp_path / "m")
    examples, targets, _ = sample(12, seed=5)
    shifted = targets * np.array([3.0, 1.0, 1.0])
    before = np.abs(np.log(model.predict(examples).mean[:, 0] / shifted[:, 0])).mean()
    model.update(examples, shifted)
    after = np.abs(np.log(model.predict(examples).mean[:, 0] / shifted[:, 0])).mean()
    assert after < before
    model.save(tmp_path / "adapted", {})
    again = type(fitted).load(tmp_path / "adapted")
    np.testing.assert_allclose(again.predict(examples).mean, model.predict(examples).mean, rtol=1e-6)


def test_every_damaged_file_is_refused(fitted, tmp_path):
    fitted.save(tmp_path, {})
    for path in sorted(tmp_path.iterdir()):
        good = path.read_bytes()
        path.write_bytes(good[: len(good) // 2])
        with pytest.raises(CheckpointError):
            type(fitted).load(tmp_path)
        path.write_bytes(good)
    type(fitted).load(tmp_path)


@pytest.mark.parametrize("version", ["features", "vocabulary", "tokens", "graph", "encoding", "context"])
def test_another_version_is_refused(fitted, tmp_path, version):
    fitted.save(tmp_path, {})
    card = json.loads((tmp_path / "model.json").read_text())
    card["versions"][version] += 1
    (tmp_path / "model.json").write_text(json.dumps(card))
    with pytest.raises(CheckpointError, match=version):
        type(fitted).load(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema_version": 99}', '{"schema_version": 1}'])
def test_a_foreign_card_is_refused(fitted, tmp_path, text):
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(CheckpointError):
        type(fitted).load(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_predicting_before_fitting_is_refused(name):
    with pytest.raises(UsageError, match="never fitted"):
        make(name).predict(sample(2)[0])


@pytest.mark.parametrize("name", NAMES)
def test_saving_before_fitting_is_refused(name, tmp_path):
    with pytest.raises(UsageError, match="never fitted"):
        make(name).save(tmp_path, {})


@pytest.mark.parametrize("name", NAMES)
def test_targets_of_another_shape_are_refused(name):
    examples, targets, groups = sample(4)
    with pytest.raises(UsageError, match="shape"):
        make(name).fit(examples, targets[:, :2], groups)


def test_another_context_is_refused(fitted):
    examples = sample(2)[0]
    other = replace(examples, context=examples.context[:, :3], context_names=examples.context_names[:3])
    with pytest.raises(UsageError, match="context"):
        fitted.predict(other)


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_option_is_refused(name):
    with pytest.raises(UsageError, match="colour"):
        MODELS.get(name)(METRICS, colour=3)
