"""Folds that do not leak, and what a model is told to be on them."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from evaluation_samples import TARGETS, by_family, cases, trees

from costmodel.core.errors import UsageError
from costmodel.evaluation import examine_fold, make_fold, over_seeds
from costmodel.evaluation.run import enough_labels
from costmodel.models import MODELS


def test_a_fold_holds_whole_groups_out():
    groups, held = by_family()
    fold = make_fold(cases(), groups, held, seed=0)
    assert set(groups[fold.held]) == {"family-0", "family-3"} == set(fold.groups)
    assert not set(groups[fold.train]) & set(fold.groups)
    assert fold.refused == 0


def test_new_functions_of_training_groups_are_not_trained_on():
    groups, held = by_family()
    fold = make_fold(cases(), groups, held, seed=0)
    programs = cases().examples.program
    assert len(fold.seen)
    assert not set(programs[fold.seen]) & set(programs[fold.train])
    assert not set(groups[fold.seen]) & set(fold.groups)


def test_near_duplicates_of_training_functions_are_refused():
    groups, held = by_family()
    likeness = cases().likeness.copy()
    copy = np.flatnonzero(held)[:2]
    likeness[copy] = likeness[np.flatnonzero(~held)[0]]
    fold = make_fold(replace(cases(), likeness=likeness), groups, held, seed=0, seen_share=0.0)
    assert fold.refused == 2
    assert not set(copy) & set(fold.held)


def test_by_target_a_function_stands_on_both_sides():
    groups = cases().columns["target"]
    fold = make_fold(cases(), groups, groups == TARGETS[1], seed=0, seen_share=0.0)
    assert fold.refused == 0
    assert len(fold.held) == 60


def test_a_group_on_both_sides_is_refused():
    groups, held = by_family()
    torn = held.copy()
    torn[np.flatnonzero(held)[0]] = False
    with pytest.raises(UsageError, match="both sides"):
        make_fold(cases(), groups, torn, seed=0)


def test_nothing_left_to_train_on_is_an_error():
    groups, _ = by_family()
    with pytest.raises(UsageError, match="nothing is left to train on"):
        make_fold(cases(), groups, np.ones(len(groups), bool), seed=0)


def test_metrics_with_few_labels_are_left_out():
    groups, held = by_family()
    values = cases().values.copy()
    values[held, 1] = np.nan
    sparse = replace(cases(), values=values)
    assert enough_labels(sparse, make_fold(sparse, groups, held, seed=0)) == ("instructions", "port_utilisation")


def test_a_model_that_learned_beats_the_mean_on_held_out_families():
    groups, held = by_family()
    tested = examine_fold(cases(), groups, make_fold(cases(), groups, held, seed=0), trees, 0)
    figures = tested.document["metrics"]["instructions"]
    assert figures["rmse_percent_of_range"] < 0.5 * figures["mean_row_rmse_percent_of_range"]
    assert figures["unit"] == "instructions"
    assert figures["rows"] == int(held.sum())
    assert figures["by"]["target"].keys() == set(TARGETS)
    assert tested.document["metrics"]["spills"]["auc_nonzero"] > 0.8
    assert 0 <= tested.document["seen"]["known_auroc"] <= 1
    assert any("instructions" in name for name in tested.curves)


def test_the_mean_model_is_the_mean_row():
    groups, held = by_family()
    tested = examine_fold(
        cases(), groups, make_fold(cases(), groups, held, seed=0), lambda m, s: MODELS.get("mean")(m, seed=s), 0
    )
    figures = tested.document["metrics"]["instructions"]
    assert figures["rmse_percent_of_range"] == pytest.approx(figures["mean_row_rmse_percent_of_range"])
    assert figures["kendall_tau"] is None


def test_equal_seeds_give_equal_figures():
    groups, held = by_family()
    fold = make_fold(cases(), groups, held, seed=0)
    first, second = (examine_fold(cases(), groups, fold, trees, 3).document for _ in range(2))
    assert first == second


def test_schedules_of_one_workload_are_ranked():
    groups, held = by_family(("family-0", "family-3", "family-4", "family-5"))
    values = cases().values[:, :1] + 1.0
    workloads = np.where(np.arange(len(values)) % 4 < 2, "w1", "w2")
    columns = {**cases().columns, "workload": workloads}
    ranked = replace(cases(), values=values, metrics=("instructions",), columns=columns)
    fold = make_fold(ranked, groups, held, seed=0)
    found = examine_fold(ranked, groups, fold, trees, 0).document["metrics"]["instructions"]["schedules"]
    assert (found["workloads"], found["schedules"]) == (4, int(held.sum()))
    assert found["pairwise_accuracy"] > 0.8
    assert 1.0 >= found["top_5_score"] >= found["top_1_score"] > 0
    assert found["regret_percent"]["mean"] == pytest.approx(found["top_1_slowdown_percent"])


def test_seeds_are_put_together():
    together = over_seeds([{"a": 1.0, "b": {"c": None, "d": 2}}, {"a": 3.0, "b": {"c": 5.0}, "text": "x"}])
    assert together["a"] == {"mean": 2.0, "std": pytest.approx(np.sqrt(2)), "seeds": 2}
    assert together["b"]["c"] == {"mean": 5.0, "std": 0.0, "seeds": 1}
    assert together["b"]["d"]["mean"] == 2.0
    assert "text" not in together
