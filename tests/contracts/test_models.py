"""What every model promises, run over the registry."""

from __future__ import annotations

import json

import numpy as np
import pytest

from costmodel.core.errors import CheckpointError, UsageError
from costmodel.models import MODELS, Prediction

WIDTH = 5


def sample(rows=160, seed=0):
    """Features, targets and workload numbers of a smooth function."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, WIDTH)).astype(np.float32)
    groups = np.arange(rows) % 8
    return x, x[:, 0] - 0.5 * x[:, 1] ** 2 + groups / 4, groups


RANKERS = [name for name in MODELS if MODELS.get(name).takes != "examples"]
"""Models of plain features; `test_metric_models` holds models of programs to the same promises."""


@pytest.fixture(params=RANKERS)
def model_type(request):
    return MODELS.get(request.param)


@pytest.fixture(params=RANKERS, scope="module")
def fitted(request):
    model = MODELS.get(request.param)()
    model.fit(*sample())
    return model


def assert_well_formed(prediction: Prediction, rows: int):
    for values in (prediction.mean, prediction.std):
        assert values.shape == (rows,)
        assert np.isfinite(values).all()
    assert (prediction.std > 0).all()
    assert prediction.unit


def test_predictions_have_one_row_each_and_some_doubt(fitted):
    for rows in (1, 7, 300):
        assert_well_formed(fitted.predict(sample(rows, seed=1)[0]), rows)


def test_no_rows_give_no_predictions(fitted):
    assert_well_formed(fitted.predict(np.zeros((0, WIDTH), np.float32)), 0)


def test_it_predicts_before_any_data(model_type):
    assert_well_formed(model_type().predict(sample(9)[0]), 9)


def test_it_can_learn_before_it_was_fitted(model_type):
    model = model_type()
    x, y, _ = sample(12)
    model.update(x, y + 7)
    prediction = model.predict(x)
    assert_well_formed(prediction, 12)
    assert abs(prediction.mean.mean() - (y + 7).mean()) < 1.0


def test_one_measurement_is_enough_to_learn_from(model_type):
    model = model_type()
    x, y, _ = sample(1)
    model.update(x, y)
    assert_well_formed(model.predict(sample(5)[0]), 5)


def test_measurements_move_predictions_towards_them(model_type):
    model = model_type()
    model.fit(*sample())
    x, y, _ = sample(24, seed=3)
    shifted = y + 3
    before = np.abs(model.predict(x).mean - shifted).mean()
    for start in range(0, 24, 8):
        model.update(x[start : start + 8], shifted[start : start + 8])
    assert np.abs(model.predict(x).mean - shifted).mean() < before


def test_fitting_is_repeatable(model_type):
    first, second = model_type(), model_type()
    for model in (first, second):
        model.fit(*sample())
    x = sample(40, seed=2)[0]
    for a, b in zip(_arrays(first.predict(x)), _arrays(second.predict(x)), strict=True):
        np.testing.assert_array_equal(a, b)


def _arrays(prediction):
    return prediction.mean, prediction.std


def test_what_was_saved_predicts_the_same(fitted, tmp_path):
    fitted.save(tmp_path / "model", {"note": "kept"})
    again = type(fitted).load(tmp_path / "model")
    x = sample(40, seed=2)[0]
    for a, b in zip(_arrays(fitted.predict(x)), _arrays(again.predict(x)), strict=True):
        np.testing.assert_array_equal(a, b)
    card = json.loads((tmp_path / "model" / "model.json").read_text())
    assert card["note"] == "kept"
    assert MODELS.get(card["model"]) is type(fitted)
    assert card["files"]
    assert not any(p.suffix in (".pkl", ".pickle") for p in (tmp_path / "model").iterdir())


def test_saving_is_repeatable(fitted, tmp_path):
    for name in ("a", "b"):
        fitted.save(tmp_path / name, {})
    files = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert files == sorted(p.name for p in (tmp_path / "b").iterdir())
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_missing_checkpoint_is_refused(model_type, tmp_path):
    with pytest.raises(CheckpointError, match="no readable checkpoint"):
        model_type.load(tmp_path / "nowhere")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema_version": 99}', '{"schema_version": 1}'])
def test_a_foreign_card_is_refused(model_type, tmp_path, text):
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(CheckpointError):
        model_type.load(tmp_path)


def test_another_model_s_checkpoint_is_refused(fitted, tmp_path):
    fitted.save(tmp_path, {})
    card = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**card, "model": "someone-else"}))
    with pytest.raises(CheckpointError, match="someone-else"):
        type(fitted).load(tmp_path)


def test_a_damaged_file_is_refused(fitted, tmp_path):
    fitted.save(tmp_path, {})
    name = sorted(json.loads((tmp_path / "model.json").read_text())["files"])[0]
    data = bytearray((tmp_path / name).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / name).write_bytes(bytes(data))
    with pytest.raises(CheckpointError, match="sha256"):
        type(fitted).load(tmp_path)


def test_a_missing_file_is_refused(fitted, tmp_path):
    fitted.save(tmp_path, {})
    name = sorted(json.loads((tmp_path / "model.json").read_text())["files"])[0]
    (tmp_path / name).unlink()
    with pytest.raises(CheckpointError, match="missing"):
        type(fitted).load(tmp_path)


@pytest.mark.parametrize("files", [{}, [], None, {"../model.json": "0"}])
def test_a_card_without_its_files_is_refused(fitted, tmp_path, files):
    fitted.save(tmp_path, {})
    card = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**card, "files": files}))
    with pytest.raises(CheckpointError):
        type(fitted).load(tmp_path)


def test_another_number_of_features_is_refused(fitted):
    with pytest.raises(UsageError, match="5 features, got 3"):
        fitted.predict(np.zeros((4, 3), np.float32))
