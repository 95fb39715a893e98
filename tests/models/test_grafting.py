"""Trees of two regimes in one booster, and what a checkpoint keeps of boosters."""

import lzma

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.core.errors import CheckpointError
from costmodel.core.target import Target
from costmodel.models.boosting import Boosters
from costmodel.models.context import CODEGEN, context_names, context_rows
from costmodel.models.examples import Encoding, Examples
from costmodel.models.grafting import joined
from costmodel.models.tree_arrays import TreeArrays, library
from costmodel.models.trees import BoostedTrees

SIDE = 5
STANDING, OPTIMISED = 1100, 400


MARK = b'"sizes"'


def rows(seed):
    x = np.random.default_rng(seed).normal(size=(400, SIDE + 1)).astype(np.float32)
    x[:, SIDE] = x[:, SIDE] > 0
    return x


def boosters(x, objective):
    xgb = library()
    y = np.where(x[:, SIDE] > 0, 40 + 9 * x[:, 0], x[:, 1])
    y = y + 20 * x[:, 2] > np.median(y) if objective == "binary:logistic" else y
    parameters = {"objective": objective, "max_depth": 3, "nthread": 1}
    sides = (x[:, SIDE] == 0, x[:, SIDE] > 0)
    return [TreeArrays.of(xgb.train(parameters, xgb.DMatrix(x[side], y[side]), 12)) for side in sides]


@pytest.mark.parametrize("objective", ["reg:squarederror", "binary:logistic"])
@pytest.mark.parametrize("few", [True, False])
def test_answers_as_the_booster_of_each_side(objective, few):
    x = rows(1)
    below, above = boosters(x, objective)
    both = TreeArrays.unpack(joined(below, above, SIDE).pack())
    asked = rows(2)[: 20 if few else None]
    of_sides = Boosters([below, above]).margins(asked)
    expected = np.where(asked[:, SIDE] > 0, of_sides[:, 1], of_sides[:, 0])
    np.testing.assert_allclose(Boosters([both]).margins(asked)[:, 0], expected, rtol=1e-5, atol=1e-5)


def first_half(trees):
    sizes = trees.sizes[: len(trees) // 2]
    nodes = slice(0, int(sizes.sum()))
    return TreeArrays(
        head=trees.head, sizes=sizes, leaf=trees.leaf[nodes], column=trees.column[nodes], number=trees.number[nodes]
    )


def test_half_of_the_trees_is_half_of_each_side():
    below, above = boosters(rows(1), "reg:squarederror")
    asked = rows(2)[:20]
    of_sides = Boosters([first_half(below), first_half(above)]).margins(asked)
    expected = np.where(asked[:, SIDE] > 0, of_sides[:, 1], of_sides[:, 0])
    found = Boosters([first_half(joined(below, above, SIDE))]).margins(asked)[:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_three_regimes_by_joining_twice():
    x = rows(3)
    (below, above), third = boosters(x, "reg:squarederror"), boosters(rows(4), "reg:squarederror")[1]
    found = Boosters([joined(joined(below, above, SIDE), third, 0, threshold=1.0)]).margins(x)[:, 0]
    each = Boosters([below, above, third]).margins(x)
    expected = np.where(x[:, 0] >= 1, each[:, 2], np.where(x[:, SIDE] > 0, each[:, 1], each[:, 0]))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("objective", ["reg:squarederror", "binary:logistic"])
def test_a_checkpoint_answers_as_what_was_trained(objective):
    x, xgb = rows(5), library()
    trained = xgb.train({"objective": objective, "nthread": 1}, xgb.DMatrix(x, x[:, 0] > x[:, 1]), 20)
    found = TreeArrays.unpack(TreeArrays.of(trained).pack())
    data = xgb.DMatrix(x)
    assert (found.booster.predict(data) == trained.predict(data)).all()
    np.testing.assert_allclose(
        Boosters([found]).margins(x[:20])[:, 0], trained.predict(data, output_margin=True)[:20], rtol=1e-5, atol=1e-5
    )
    assert TreeArrays.of(found.booster).pack() == found.pack()


PACKED = lzma.decompress(boosters(rows(1), "reg:squarederror")[0].pack())


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_damaged_file_is_refused_or_answers_finitely(place, bit):
    header, body = PACKED.split(MARK)
    position = place % len(body)
    damaged = body[:position] + bytes([body[position] ^ 1 << bit]) + body[position + 1 :]
    try:
        found = TreeArrays.unpack(lzma.compress(header + MARK + damaged))
    except CheckpointError:
        return
    assert np.isfinite(Boosters([found]).margins(rows(6)[:5])).all()


def functions(counts):
    target = Target.parse("x86-64/znver4")
    pipelines = [CODEGEN] * STANDING + ["O3-retarget-v1"] * OPTIMISED
    return Examples(
        encodings=[Encoding(numbers={"static:ops": float(c)}, tokens=None, graph=None) for c in counts],
        program=np.arange(len(counts)),
        context=context_rows([(target, pipeline, None) for pipeline in pipelines]),
        context_names=context_names(),
        archs=np.array([target.arch] * len(counts)),
    )


@pytest.mark.parametrize("metric", ["instructions", "registers_general"])
def test_what_optimisers_do_does_not_reach_ir_that_stands(metric):
    counts = np.random.default_rng(0).integers(1, 40, STANDING + OPTIMISED).astype(float)
    asked, answers = functions(counts), []
    for optimised in (0.25, 4.0):
        y = counts + np.where(np.arange(len(counts)) < STANDING, 0.0, optimised * counts)
        model = BoostedTrees((metric,), rounds=8, threads=1)
        model.fit(asked, y[:, None], np.arange(len(counts)) % 7)
        answers.append(model.predict(asked).mean[:, 0])
    np.testing.assert_allclose(answers[0][:STANDING], answers[1][:STANDING], rtol=1e-6)
    assert np.abs(answers[0][STANDING:] / answers[1][STANDING:] - 1).min() > 0.2


def kernels(numbers, laid_out):
    target = Target.parse("nvptx64/sm_90")
    named = [
        {"static:ops": float(n), "static:gpu_has_layouts": float(own)} for n, own in zip(numbers, laid_out, strict=True)
    ]
    return Examples(
        encodings=[Encoding(numbers=own, tokens=None, graph=None) for own in named],
        program=np.arange(len(named)),
        context=context_rows([(target, "triton-3.6.0", None)] * len(named)),
        context_names=context_names(),
        archs=np.array([target.arch] * len(named)),
    )


def test_kernels_with_layouts_have_trees_and_gates_of_their_own():
    numbers = np.random.default_rng(0).integers(1, 40, 2400).astype(float)
    laid_out = np.arange(len(numbers)) % 3 == 0
    asked, answers = kernels(numbers, laid_out), []
    for others in (2.0, 30.0):
        y = np.where(numbers > np.where(laid_out, 20.0, others), 8.0 * numbers, 0.0)
        model = BoostedTrees(("spills",), rounds=8, threads=1)
        model.fit(asked, y[:, None], np.arange(2400) % 7)
        answers.append(model.predict(asked))
    for name in ("mean", "nonzero"):
        first, second = (getattr(answer, name)[:, 0] for answer in answers)
        np.testing.assert_allclose(first[laid_out], second[laid_out], rtol=1e-5)
        assert np.abs(first - second)[~laid_out].max() > 0.2


def test_few_kernels_with_layouts_share_the_trees_of_all():
    numbers = np.random.default_rng(0).integers(1, 40, 900).astype(float)
    few = np.arange(900) < 90
    model, told = BoostedTrees(("registers_general",), rounds=8, threads=1), np.arange(900) % 7
    model.fit(kernels(numbers, few), numbers[:, None], told)
    alike = BoostedTrees(("registers_general",), rounds=8, threads=1)
    alike.fit(kernels(numbers, few), np.where(few, numbers, 2 * numbers)[:, None], told)
    found = [m.predict(kernels(numbers, few)).mean[few, 0] for m in (model, alike)]
    assert np.abs(found[0] - found[1]).max() > 0.5
