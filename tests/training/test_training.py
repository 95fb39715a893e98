"""Training: from a data set to a checkpoint, repeatable, resumable, and with clear refusals."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow")

sys.path.insert(0, str(Path(__file__).parents[1] / "contracts"))
sys.path.insert(0, str(Path(__file__).parent))
from table_samples import write_dataset

from costmodel.core.errors import ParseError, UnknownNameError, UnsupportedError, UsageError
from costmodel.models import MODELS
from costmodel.models.base import Prediction
from costmodel.models.conformal import fold_of, separable
from costmodel.models.examples import Encoding, Examples
from costmodel.models.metric_model import Needs
from costmodel.models.novelty import Novelty
from costmodel.models.predictor import Predictor
from costmodel.training import TrainConfig, read_table, train
from costmodel.training.encodings import encode_all, from_bytes, to_bytes
from costmodel.training.examples import groups_of, hold_out
from costmodel.training.figures import area_under_curve, card_figures
from costmodel.training.keeper import Clock, Keeper

TREES = TrainConfig(model="boosted-trees", test_share=0.3, options={"rounds": 20})


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("data"), broken=2)


def model_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_rows_are_functions_on_targets(dataset):
    table = read_table(dataset)
    assert table.metrics == ("instructions", "spills")
    assert len(table) == 15 * 2 + 2
    assert table.values.shape == (len(table), 2)
    assert np.isnan(table.values).sum() == 2
    assert set(table.column("family")) == {f"family-{i}" for i in range(4)}


def test_filters_choose_rows(dataset):
    table = read_table(dataset, metrics=["spills"], targets=["x86-64/znver4"])
    assert len(table) == 15
    assert set(table.targets) == {"x86-64/znver4"}


def test_a_filter_that_leaves_nothing_is_refused(dataset):
    with pytest.raises(UsageError, match=r"no label.*it has metrics instructions, spills"):
        read_table(dataset, metrics=["cycles"])


def test_a_folder_without_tables_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot read"):
        read_table(tmp_path)


def test_training_writes_a_checkpoint_with_its_card(dataset, tmp_path):
    done = train(dataset, TREES, tmp_path / "m")
    card = json.loads((tmp_path / "m" / "model.json").read_text())
    assert sum(done.dropped.values()) == 2
    assert card["families"]
    assert set(card["held_out"]).isdisjoint(card["families"])
    assert card["data_sha256"] == read_table(dataset).sha256
    assert card["figures"]["instructions"]["rmse_percent_of_range"] > 0
    assert json.loads((tmp_path / "m" / "curves.json").read_text())["instructions/mean/train"]
    assert Predictor.load(tmp_path / "m").metrics == ("instructions", "spills")
    assert not (tmp_path / "m.partial").exists()


def test_training_twice_gives_the_same_files(dataset, tmp_path):
    for name in "ab":
        train(dataset, TREES, tmp_path / name)
    assert model_files(tmp_path / "a") == model_files(tmp_path / "b")


class KilledError(Exception):
    """Stands for a kill."""


class Killer:
    """A screen that kills the run at a given call."""

    def __init__(self, calls: int) -> None:
        self.calls = calls

    def show(self, part, share_done, figures):
        if not part.startswith("reading"):
            self.calls -= 1
            if self.calls < 0:
                raise KilledError


@pytest.mark.parametrize(
    ("model", "options", "calls"),
    [
        ("conformal", {"folds": 2, "base": {"model": "boosted-trees", "rounds": 10}}, 4),
        ("conv1d", {"epochs": 4, "width": 8, "hidden": 8, "optimizer": "adamw"}, 2),
        ("conv1d", {"epochs": 3, "width": 8, "hidden": 8, "optimizer": "lion", "pretraining": "masked+execution",
                    "pretraining_epochs": 2}, 1),
    ],
)  # fmt: skip
def test_a_killed_run_goes_on_to_the_same_model(dataset, tmp_path, model, options, calls):
    if model == "conv1d":
        pytest.importorskip("pytorch_optimizer")
    config = TrainConfig(model=model, test_share=0.3, options=options)
    train(dataset, config, tmp_path / "whole")
    with pytest.raises(KilledError):
        train(dataset, config, tmp_path / "cut", screen=Killer(calls))
    assert (tmp_path / "cut.partial").is_dir()
    assert train(dataset, config, tmp_path / "cut").resumed
    assert model_files(tmp_path / "whole") == model_files(tmp_path / "cut")


def test_work_of_another_configuration_is_not_taken_over(tmp_path):
    first = Keeper(tmp_path / "k", "one")
    first.monitor().keep("part", b"data")
    assert Keeper(tmp_path / "k", "one").monitor().recall("part") == b"data"
    assert Keeper(tmp_path / "k", "two").monitor().recall("part") is None


def test_work_cut_short_is_not_taken_over(tmp_path):
    keeper = Keeper(tmp_path / "k", "one")
    keeper.monitor().keep("part", b"data" * 10)
    path = keeper.path("part")
    path.write_bytes(path.read_bytes()[:-1])
    assert keeper.monitor().recall("part") is None


def test_encodings_are_read_once(dataset, tmp_path, monkeypatch):
    table = read_table(dataset)
    needs = Needs(scheme="ops", graph=True)
    first = encode_all(table.functions, table.function_ids, needs, cache=tmp_path / "c.sqlite")
    monkeypatch.setattr("costmodel.training.encodings.encode_row", None)
    again = encode_all(table.functions, table.function_ids, needs, cache=tmp_path / "c.sqlite")
    assert [to_bytes(one) for one in first] == [to_bytes(one) for one in again]
    whole = next(one for one in first if isinstance(one, Encoding))
    kept = from_bytes(to_bytes(whole))
    assert kept.numbers == whole.numbers
    assert kept.graph.equals(whole.graph)


@pytest.mark.parametrize("split", ["by_family", "by_target", "by_function"])
def test_a_split_holds_out_whole_groups(dataset, split):
    table = read_table(dataset)
    groups = groups_of(table, split)
    held = hold_out(groups, 0.3, seed=4)
    assert 0 < held.sum() < len(table)
    assert set(groups[held]).isdisjoint(groups[~held])
    np.testing.assert_array_equal(held, hold_out(groups, 0.3, seed=4))


def test_a_split_without_two_groups_is_refused(dataset):
    with pytest.raises(UsageError, match="two groups"):
        hold_out(groups_of(read_table(dataset), "by_project"), 0.3, seed=0)


@pytest.mark.parametrize(
    ("document", "error", "message"),
    [
        ({"model": "oracle"}, UnknownNameError, "unknown model"),
        ({"colour": 3}, UsageError, "unknown field 'colour'"),
        ({"seed": "one"}, UsageError, "seed is 'one'"),
        ({"seed": True}, UsageError, "seed is True"),
        ({"metrics": "spills"}, UsageError, "list of texts"),
        ({"metrics": ["spils"]}, UnknownNameError, "spills"),
        ({"targets": ["x86-64/znver9"]}, UnknownNameError, "znver"),
        ({"split": "by_moon"}, UsageError, "by_moon"),
        ({"test_share": 1.5}, UsageError, "test_share"),
        ({"model": "boosted-ranker"}, UsageError, "ranks schedules"),
        ({"options": {"colour": 3}}, UsageError, "colour"),
        ({"model": "lstm", "options": {"scheme": "morse"}}, UsageError, "morse"),
        ({"model": "lstm", "options": {"optimizer": "adamw-8bit"}}, UnsupportedError, "GPUs only"),
        ({"model": "lstm", "options": {"optimizer": "magic"}}, UnknownNameError, "apollo"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(document, error, message):
    with pytest.raises(error, match=message):
        TrainConfig.of(document)


def test_a_file_that_is_no_toml_is_refused(tmp_path):
    (tmp_path / "c.toml").write_text("model = ")
    with pytest.raises(ParseError, match=r"c\.toml"):
        TrainConfig.read(tmp_path / "c.toml")


def test_a_reading_job_does_not_change_the_model(dataset):
    assert TREES.sha256 == TrainConfig(**{**TREES.to_dict(), "workers": 2, "metrics": ()}).sha256


def test_time_left_follows_the_share_that_is_done():
    clock = Clock(now=100.0)
    assert clock.left_s(0.0, now=110.0) is None
    assert clock.left_s(0.25, now=110.0) == pytest.approx(30.0)


def test_area_under_curve_counts_pairs():
    assert area_under_curve(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])) == 0.75
    assert area_under_curve(np.array([0.5, 0.5]), np.array([False, True])) == 0.5
    assert area_under_curve(np.array([0.5]), np.array([True])) is None


def test_a_folder_of_something_else_is_not_removed(tmp_path):
    (tmp_path / "k").mkdir()
    (tmp_path / "k" / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match=r"is no unfinished run \(there is thesis.tex\)"):
        Keeper(tmp_path / "k", "one")
    assert (tmp_path / "k" / "thesis.tex").read_text() == "years of work"


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "k").mkdir()
    assert not Keeper(tmp_path / "k", "one").resumed


@pytest.mark.parametrize("text", ["", "[]", '{"a": 3}', "{"])
def test_curves_that_were_lost_are_begun_anew(tmp_path, text):
    first = Keeper(tmp_path / "k", "one")
    first.monitor().step(1, 2, {"loss": 0.5})
    first.monitor().keep("part", b"data")
    (tmp_path / "k" / "curves.json").write_text(text)
    again = Keeper(tmp_path / "k", "one")
    assert (again.curves, again.monitor().recall("part")) == ({}, b"data")


def test_another_split_is_another_run(tmp_path, monkeypatch):
    folder, told = write_dataset(tmp_path / "data"), []

    def stop(_path, identity, _screen):
        told.append(identity)
        raise InterruptedError

    monkeypatch.setattr("costmodel.training.run.Keeper", stop)
    monkeypatch.setattr("costmodel.training.table._split", lambda path: None)
    for text in (None, '{"of": 1}', '{"of": 2}'):
        if text is not None:
            (folder / "split.json").write_text(text)
        with pytest.raises(InterruptedError):
            train(folder, TREES, tmp_path / "m")
    assert len(set(told)) == 3


def test_labels_without_a_range_have_no_error_in_percent_of_it():
    flat = np.ones((4, 1))
    prediction = Prediction(metrics=("spills",), mean=flat, std=flat, unit=("count",))
    found = card_figures(prediction, np.zeros((4, 1)), np.zeros((9, 1)))
    assert found == {"spills": {"rows": 4.0, "mae": 1.0}}


@pytest.mark.parametrize(
    ("name", "value"),
    [("rounds", 0), ("rounds", 2.5), ("depth", 0), ("eta", 0.0), ("eta", float("nan")), ("subsample", 1.5),
     ("validation_share", 1.0), ("threads", True), ("l2", -1.0), ("colsample", "all")],
)  # fmt: skip
def test_options_that_no_booster_can_have_are_refused(name, value):
    with pytest.raises(UsageError, match=f"option {name} of boosted trees is"):
        MODELS.get("boosted-trees")(("spills",), **{name: value})


def test_a_negative_seed_is_refused():
    with pytest.raises(UsageError, match="seed -1 is negative"):
        MODELS.get("boosted-trees")(("spills",), seed=-1)


def test_one_family_is_cut_between_functions():
    groups, program = np.zeros(12, np.int64), np.repeat(np.arange(4), 3)
    examples = Examples(
        encodings=[Encoding(numbers={})] * 4, program=program, context=np.zeros((12, 0)), context_names=(),
        archs=np.full(12, "x86-64"),
    )  # fmt: skip
    fold = fold_of(separable(groups, examples), 3, seed=0)
    assert set(fold.tolist()) == {0, 1, 2}
    assert all(len(set(fold[program == number].tolist())) == 1 for number in range(4))


def test_only_its_own_reference_is_left_out():
    functions = np.random.default_rng(0).normal(size=(60, 9))
    functions[:, -1] = 0.0
    novelty = Novelty.fit(functions[:40])
    inside, outside = functions[:40], functions[40:]
    assert (novelty.distance(inside, leave_one_out=True) > novelty.distance(inside)).all()
    np.testing.assert_array_equal(novelty.distance(outside, leave_one_out=True), novelty.distance(outside))
