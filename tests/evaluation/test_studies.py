"""Size studies, adaptation to a new target, and drift under rewrites."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from evaluation_samples import TARGETS, by_family, cases, text, trees

from costmodel.core.errors import UsageError
from costmodel.core.tables import FunctionRow
from costmodel.core.target import Target
from costmodel.evaluation import make_fold
from costmodel.evaluation.robustness import Asked, robustness
from costmodel.evaluation.run import fit
from costmodel.evaluation.studies import data_scaling, few_shot, model_scaling, resized, size_bytes
from costmodel.models import MODELS


def _fold():
    groups, held = by_family()
    return groups, make_fold(cases(), groups, held, seed=0)


def test_more_data_comes_with_the_same_test_rows():
    groups, fold = _fold()
    points = data_scaling(cases(), groups, fold, trees, seed=0, shares=(0.25, 1.0))
    assert [p["share"] for p in points] == [0.25, 1.0]
    assert points[0]["rows"] < points[1]["rows"] == len(fold.train)
    first, last = (p["metrics"]["instructions"]["mae"] for p in points)
    assert last < first


def test_larger_models_have_larger_checkpoints():
    groups, fold = _fold()

    def make(factor):
        return lambda metrics, seed: MODELS.get("boosted-trees")(metrics, seed=seed, rounds=int(40 * factor), threads=1)

    points = model_scaling(cases(), groups, fold, make, seed=0, factors=(0.1, 1.0))
    assert points[0]["size_bytes"] < points[1]["size_bytes"]
    assert points[1]["metrics"]["instructions"]["mae"] < points[0]["metrics"]["instructions"]["mae"]


def test_options_are_resized_inside_wrappers():
    options = {"folds": 4, "base": {"model": "boosted-trees", "rounds": 400, "depth": 6}, "width": 48}
    assert resized(options, 0.25) == {
        "folds": 4, "base": {"model": "boosted-trees", "rounds": 100, "depth": 6}, "width": 12
    }  # fmt: skip
    assert resized({"rounds": 8}, 0.01) == {"rounds": 4}


def test_models_without_a_state_have_no_size():
    assert size_bytes(MODELS.get("mean")(("instructions",))) is None


def test_a_few_labels_of_a_new_target_help():
    groups, held = by_family()
    found = few_shot(cases(), groups, TARGETS[0], held, trees, seed=0, shots=(0, 16))
    assert [point["labels"] for point in found["shots"]] == [0, 16]
    before, after = (point["metrics"]["instructions"]["mae"] for point in found["shots"])
    assert after < before
    assert found["ratio"]["instructions"] == pytest.approx(before / found["seen"]["metrics"]["instructions"]["mae"])
    assert found["test_rows"] == int((held & (cases().columns["target"] == TARGETS[0])).sum())


def test_near_duplicates_of_training_functions_are_no_test_of_a_new_target():
    groups, held = by_family()
    plain = few_shot(cases(), groups, TARGETS[0], held, trees, seed=0, shots=(0,))
    likeness = cases().likeness.copy()
    twin = np.flatnonzero(held & (cases().columns["target"] == TARGETS[0]))[0]
    alike = cases().likeness == likeness[twin]
    likeness[alike] = likeness[np.flatnonzero(~held)[0]]
    found = few_shot(replace(cases(), likeness=likeness), groups, TARGETS[0], held, trees, seed=0, shots=(0,))
    lost = int((alike & held & (cases().columns["target"] == TARGETS[0])).sum())
    assert found["test_rows"] == plain["test_rows"] - lost < plain["test_rows"]


def test_shots_that_the_pool_cannot_give_are_left_out():
    groups, held = by_family()
    found = few_shot(cases(), groups, TARGETS[1], held, trees, seed=0, shots=(0, 10000))
    assert [point["labels"] for point in found["shots"]] == [0]


def test_a_target_without_rows_is_an_error():
    groups, held = by_family()
    with pytest.raises(UsageError, match="no rows on both sides"):
        few_shot(cases(), groups, "riscv64/sifive-p670", held, trees, seed=0)


def _asked(ir, entry="f", format_="llvm"):
    row = FunctionRow(ir=ir, format=format_, level="llvm", stage="source", entry=entry, project="p", family="f",
                      license="MIT")  # fmt: skip
    return Asked(row=row, target=Target.parse(TARGETS[0]), pipeline="p-v1")


@pytest.fixture(scope="module")
def model():
    groups, fold = _fold()
    return fit(trees(cases().metrics, 0), cases().take(fold.train), groups[fold.train])


def test_names_and_layout_change_nothing(model):
    asked = [_asked(text(n, 3 + n)) for n in range(4, 12)]
    found = robustness(model, asked, seed=0)
    assert (found["functions"], found["unreadable"]) == (8, 0)
    for figures in found["metrics"].values():
        assert figures["invisible"]["worst_percent"] == 0.0
        assert figures["by_rewrite"]["rename"] == {
            "functions": 8, "mean_percent": 0.0, "worst_percent": 0.0, "flipped_pairs_percent": 0.0
        }  # fmt: skip


def test_added_dead_code_is_a_drift_and_the_worst_case_is_no_less_than_the_mean(model):
    found = robustness(model, [_asked(text(n, 4)) for n in range(4, 12)], seed=0)
    figures = found["metrics"]["instructions"]
    assert figures["by_rewrite"]["dead"]["functions"] == 8
    visible = figures["visible"]
    assert visible["worst_percent"] >= visible["mean_of_worst_percent"] >= visible["mean_percent"] >= 0


def test_mlir_in_custom_form_is_rewritten_too(model):
    ir = """func.func @f(%a: f32, %b: f32) -> f32 {
  %0 = arith.addf %a, %b : f32
  %1 = arith.mulf %0, %b : f32
  return %1 : f32
}
"""
    found = robustness(model, [_asked(ir, format_="mlir")], seed=0)
    assert found["functions"] == 1
    assert found["metrics"]["instructions"]["by_rewrite"]["rename"]["mean_percent"] == 0.0


def test_what_cannot_be_read_is_counted(model):
    found = robustness(model, [_asked("define nonsense")], seed=0)
    assert (found["functions"], found["unreadable"]) == (0, 1)
