"""Students: what is distilled, C and Python alike, budgets that are kept or refused."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from costmodel.core.errors import UnsupportedError, UsageError
from costmodel.export import evaluate, pack
from costmodel.export.budget import Scales, inside
from costmodel.export.compact import Part
from costmodel.export.flatten import flatten, skeleton
from costmodel.export.genetic import Budget, NetworkShape, TreeShape, cost_of, promise, search, shape_cost
from costmodel.export.graph_inputs import of_graphs, pooled
from costmodel.export.native import NativeModel, build
from costmodel.export.soft import Labelled, ask_teacher
from costmodel.export.student import first_rounds, quantised, rounded_leaves, train_student
from costmodel.ir.vocabulary import VOCABULARY_VERSION
from costmodel.models import MODELS

sys.path.insert(0, str(Path(__file__).parent))
from export_samples import (
    ASKED,
    METRICS,
    compact,
    fitted,
    needs_cc,
    odd,
    programs,
    question,
    row,
    sample,
    soft,
    student,
)  # fmt: skip

PLENTY = Budget(size_bytes=1e9, latency_us=1e9)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return build(tmp_path_factory.mktemp("native"))


@pytest.fixture(scope="module")
def scales(tmp_path_factory):
    return Scales(tmp_path_factory.mktemp("scales"))


def agree(found, library, pairs, ask):
    model = NativeModel(library, pack(found))
    for encoding, target in pairs:
        expected = evaluate(found, question(encoding, target))
        numbers, _, distance = ask(model, encoding, model.target(target))
        exists = ~np.isnan(numbers[:, 0])
        for column, name in enumerate(("mean", "std", "low", "high")):
            np.testing.assert_allclose(
                numbers[exists, column], getattr(expected, name)[0][exists], rtol=1e-4, atol=1e-4
            )
        assert distance == pytest.approx(expected.distance[0], rel=1e-3, abs=1e-3)
    model.close()


@needs_cc
@pytest.mark.parametrize("bits", [4, 8, 32])
def test_networks_agree_in_c(library, bits):
    pairs = [(encoding, ASKED[i % len(ASKED)]) for i, encoding in enumerate(odd(20))]
    found = student(bits)
    agree(found, library, pairs, lambda model, e, target: model.predict(row(found.numbers, e), target))


@needs_cc
@pytest.mark.parametrize("bits", [8, 16, 32])
def test_trees_with_coarse_leaves_agree_in_c(library, bits):
    found = train_student(compact(), soft(), TreeShape(rounds=12, depth=8, leaf_bits=bits)).compact
    pairs = [(encoding, ASKED[i % len(ASKED)]) for i, encoding in enumerate(odd(20))]
    agree(found, library, pairs, lambda model, e, target: model.predict(row(found.numbers, e), target))


@needs_cc
def test_a_student_of_graphs_takes_the_arrays(library):
    encodings = programs(30, 9)[1]
    found, seen = of_graphs(compact(), encodings)
    taught = ask_teacher(found, fitted("conformal"), encodings, seen=seen, seed=1)
    learned = train_student(found, taught, NetworkShape(inputs=24, hidden=(16,), bits=8)).compact
    graphs = [encoding.graph for encoding in programs(12, 4)[1]]
    pairs = [(pooled(graph), ASKED[i % len(ASKED)]) for i, graph in enumerate(graphs)]
    agree(learned, library, pairs, lambda m, e, target: m.predict_graph(e.graph, VOCABULARY_VERSION, target))
    model = NativeModel(library, pack(learned))
    with pytest.raises(Exception, match="another vocabulary"):
        model.predict_graph(graphs[0], VOCABULARY_VERSION + 1, model.target(ASKED[0]))
    with pytest.raises(Exception, match="another kind of input"):
        model.predict(np.ones(len(learned.numbers) + 1), model.target(ASKED[0]))
    model.close()


@pytest.mark.parametrize(
    ("shape", "share"),
    [(TreeShape(rounds=30, depth=5, leaf_bits=16), 0.45), (NetworkShape(inputs=40, hidden=(32, 16), bits=8), 0.75)],
)
def test_a_student_says_about_what_its_teacher_says(shape, share):
    learned = train_student(compact(), soft(), shape)
    spread = soft().teacher.mean.std(axis=0)
    assert (learned.disagreement < share * spread).all()
    assert (learned.compact.intervals.factors >= compact().intervals.factors).all()


def test_the_same_seed_gives_the_same_student():
    shape = NetworkShape(inputs=24, hidden=(16, 8), bits=8)
    assert pack(train_student(compact(), soft(), shape).compact) == pack(student())


def test_a_teacher_that_cannot_be_flattened_can_be_distilled():
    model = MODELS.get("analytic")(METRICS, seed=1)
    model.fit(*sample(24))
    with pytest.raises(UnsupportedError, match="--unlabelled"):
        flatten(model)
    hollow = skeleton(model, name="analytic")
    taught = ask_teacher(hollow, model, programs(40, 9)[1])
    learned = train_student(hollow, taught, TreeShape(rounds=20, depth=4, leaf_bits=16))
    spread = np.maximum(taught.teacher.mean.std(axis=0), 0.1)
    assert (learned.disagreement < 0.6 * spread).all()
    assert (learned.compact.deviations > 0).all()


def test_rounding_leaves_changes_little_and_shrinks():
    whole, half, eighth = (pack(rounded_leaves(compact(), bits)) for bits in (32, 16, 8))
    assert len(whole) > len(half) > len(eighth)
    examples = question(odd(1)[0], ASKED[0])
    expected = evaluate(compact(), examples).mean
    np.testing.assert_allclose(evaluate(rounded_leaves(compact(), 8), examples).mean, expected, rtol=0.03, atol=0.02)


def test_a_prefix_keeps_the_intervals_trees():
    short = first_rounds(compact(), 0.25)
    for before, after in zip(compact().slots, short.slots, strict=True):
        assert len(after.trees) == (
            len(before.trees) if before.part is Part.WIDTH else max(1, round(len(before.trees) / 4))
        )


def test_weights_of_few_bits_are_whole_and_near():
    weights = np.random.default_rng(0).normal(size=(30, 5))
    for bits, error in ((4, 0.08), (8, 0.005)):
        whole, scale = quantised(weights, bits)
        assert np.abs(whole).max() <= 2 ** (bits - 1) - 1
        assert (whole == np.rint(whole)).all()
        assert (np.abs(whole * scale - weights) <= error * np.abs(weights).max(axis=0)).all()


@pytest.mark.parametrize("kind", [TreeShape, NetworkShape])
def test_the_search_keeps_the_budget_and_its_seed(kind):
    smallest = shape_cost(compact(), TreeShape(rounds=5, depth=3, leaf_bits=8))
    budget = Budget(size_bytes=smallest.size_bytes + 8000, latency_us=smallest.latency_us + 3)
    fitness = lambda shape: shape_cost(compact(), shape).size_bytes  # noqa: E731
    found = search(compact(), fitness, kind, budget, seed=3)
    assert isinstance(found, kind)
    assert budget.excess(shape_cost(compact(), found)) == 0
    assert found == search(compact(), fitness, kind, budget, seed=3)
    drawn = search(compact(), fitness, kind, PLENTY, seed=3)
    assert shape_cost(compact(), drawn).size_bytes > shape_cost(compact(), found).size_bytes


def test_what_fits_is_left_as_it_is(scales):
    found = inside(compact(), PLENTY, scales=scales)
    assert found.how == "exact"
    assert found.compact is compact()


def test_without_functions_the_trees_are_shortened(scales):
    whole = scales.cost(rounded_leaves(compact(), 8))
    found = inside(compact(), replace(PLENTY, size_bytes=whole.size_bytes - 1), scales=scales)
    assert found.how.startswith("the first 85 %")
    assert len(pack(found.compact)) == found.cost.size_bytes < whole.size_bytes


def test_with_functions_a_student_is_made(scales):
    whole = scales.cost(rounded_leaves(compact(), 8))
    budget = replace(PLENTY, size_bytes=whole.size_bytes - 1000)
    found = inside(compact(), budget, model=fitted("conformal"), unlabelled=programs(40, 9)[1], scales=scales)
    assert found.student is not None
    assert found.cost.size_bytes <= budget.size_bytes
    assert found.how == str(found.student.shape)


def test_a_budget_that_cannot_be_met_names_the_nearest_point(scales):
    with pytest.raises(UsageError, match=r"no student fits 100 bytes and 1e\+09 µs; the nearest takes \d+ bytes and"):
        inside(compact(), replace(PLENTY, size_bytes=100), scales=scales)


def test_too_few_functions_are_refused():
    with pytest.raises(UsageError, match="got 3 functions, at least 20"):
        ask_teacher(compact(), fitted("conformal"), programs(40, 9)[1][:3])


def test_the_estimate_of_bytes_is_near():
    for found in (compact(), student(), rounded_leaves(compact(), 8)):
        assert cost_of(found).size_bytes == pytest.approx(len(pack(found)), rel=0.25)


def test_labels_are_learned_where_there_are_some():
    examples, targets, _ = sample(40)
    labelled = Labelled(examples=examples, values=3 * targets)
    taught = ask_teacher(compact(), fitted("conformal"), [], seed=1, labelled=labelled)
    learned = train_student(compact(), taught, TreeShape(rounds=30, depth=5, leaf_bits=16)).compact
    column = METRICS.index("instructions")
    found, theirs = evaluate(learned, examples).mean[:, column], fitted("conformal").predict(examples).mean[:, column]
    assert 2 < np.median(found / theirs) < 4


def test_the_fitness_prefers_networks_that_can_say_more():
    small, large = (NetworkShape(inputs=n, hidden=(w,), bits=8) for n, w in ((16, 8), (128, 96)))
    assert promise(soft(), large) > promise(soft(), small)
