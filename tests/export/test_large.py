"""Exports against Python on numbers of the size that real programs have, under schedules, with trees of their own."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from costmodel.core.target import Target
from costmodel.export import evaluate, flatten, pack
from costmodel.export.evaluate import main_matrix
from costmodel.export.native import NUMBERS, NativeModel, build
from costmodel.export.onnx_graph import build as build_onnx
from costmodel.export.unasked import without_unasked
from costmodel.models import MODELS, conformal, kinds, regimes
from costmodel.models.context import CODEGEN, SCHEDULE_PIPELINE, context_names, context_rows
from costmodel.models.examples import Encoding, Examples
from costmodel.models.pairs import PAIR_NAMES, pair_numbers
from costmodel.models.realised import WIDTHS, Block

sys.path.insert(0, str(Path(__file__).parent))
from export_samples import ASKED, needs_cc, question, row

METRICS = ("instructions", "spills", "cycles")
COUNTS = ("count:arith.mulf", "count:arith.addf", "count:vector.load", "count:scf.for", "static:machine_loads")
NEST = {"is_reduction": (0, 2), "bits_out": (8, 65), "inputs": (1, 4), "inputs_broadcast": (0, 2), "fused": (0, 3),
        "float": (0, 4), "divisions": (0, 2), "reduction": (1, 2000)}  # fmt: skip
SCHEDULE = (
    "v1; order(n, k, m); tile(level=register, n={lanes}, m={rows}); vectorize({lanes}, dim=n); unroll(k={unroll})"
)
ROWS = 600


def encoding(rng: np.random.Generator) -> Encoding:
    """A function of up to 1e7 operations."""
    numbers = {name: float(np.floor(10 ** rng.uniform(0, 7))) for name in COUNTS}
    numbers |= {f"static:nest_{name}": float(rng.integers(*bounds)) for name, bounds in NEST.items()}
    numbers["static:structured_ops"] = float(rng.integers(0, 2))
    numbers["static:ops"] = float(sum(numbers[name] for name in COUNTS[:-1]) + rng.integers(0, 9))
    return Encoding(numbers={**numbers, f"count:rare.op{rng.integers(99)}": 3.0})


def schedule(rng: np.random.Generator) -> str:
    lanes, rows, unroll = (2 ** rng.integers(low, high) for low, high in ((1, 6), (0, 4), (0, 4)))
    return SCHEDULE.format(lanes=lanes, rows=rows, unroll=unroll)


def blocks(rng: np.random.Generator, target: Target, pipeline: str, schedule: str | None) -> tuple[Block, ...]:
    """Of a loop, for half of the rows whose code an optimiser sees."""
    if pipeline == CODEGEN or rng.random() < 0.5:
        return ()
    sums = {"fma": tuple(int(n) for n in rng.integers(1, 64, len(WIDTHS)))}
    counts = {"loop": 1.0, "scalar_load": float(rng.integers(9))}
    return (Block(executions=float(rng.integers(1, 1 << 40)), trips_known=True, vectors=sums, counts=counts),)


@cache
def rows() -> Examples:
    """One of each function: structured ones under schedules, the others through two pipelines, some with blocks."""
    rng = np.random.default_rng(3)
    encodings = [encoding(rng) for _ in range(ROWS)]
    asked = []
    for i, one in enumerate(encodings):
        target = Target.parse(ASKED[i % len(ASKED)])
        if one.numbers["static:structured_ops"]:
            asked.append((target, SCHEDULE_PIPELINE, schedule(rng)))
        else:
            asked.append((target, (CODEGEN, "p-v1")[i // 2 % 2], None))
    return Examples(
        encodings=encodings, program=np.arange(ROWS), context=context_rows(asked, [blocks(rng, *one) for one in asked]),
        context_names=context_names(),
        archs=np.array([target.arch for target, _, _ in asked]),
    )  # fmt: skip


@cache
def fitted():
    """A model whose trees of each regime are joined by root splits; schedules say much of the labels."""
    examples = rows()
    numbers = {name: np.array([e.numbers[name] for e in examples.encodings]) for name in (*COUNTS, "static:ops")}
    raw = np.concatenate([np.array([list(e.numbers.values())[: len(COUNTS) + len(NEST)] for e in examples.encodings],
                                   np.float32), examples.context], axis=1)  # fmt: skip
    pairs = pair_numbers((*list(examples.encodings[0].numbers)[: len(COUNTS) + len(NEST)], *context_names()), raw)
    told = dict(zip(PAIR_NAMES, pairs.T.astype(float), strict=True))
    size = numbers["static:ops"] * (1 + told["bound_cycles"]) / (1 + told["split"])
    spills = np.where(told["overflow"] > 0, told["pressure"], np.maximum(0, numbers[COUNTS[0]] / 1e6 - 3).round())
    noise = np.where(examples.context[:, context_names().index(kinds.BLOCKS)] > 0, 3.0, 1.0)
    values = np.stack([size * noise ** np.sin(np.arange(ROWS)), spills, size * (1 + told["port_share"])], axis=1)
    smaller = [replace(regime, least_rows=30) for regime in regimes.REGIMES]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(regimes, "REGIMES", tuple(smaller))
        patch.setattr(conformal, "MIN_CATEGORY", 20)
        model = MODELS.get("conformal")(
            METRICS, seed=0, folds=2, base={"model": "boosted-trees", "rounds": 30, "threads": 1}
        )
        model.fit(examples, values, np.arange(ROWS) % 12)
    return model


@cache
def compact():
    return flatten(fitted(), name="large", pipelines=("p-v1", CODEGEN))


def features() -> np.ndarray:
    return np.stack([row(compact().numbers, one) for one in rows().encodings])


def answers(model: bytes, onnxruntime) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    found = session.run(None, {"features": features().astype(np.float32), "context": rows().context})
    return dict(zip([output.name for output in session.get_outputs()], found, strict=True))


def test_trees_are_of_four_regimes_and_read_what_a_schedule_gives():
    assert "static:structured_ops" in compact().numbers
    names = (*compact().numbers, "", *compact().context)
    trees = [slot.trees for slot in compact().slots[: len(METRICS)]]
    asked = {names[i] for one in trees for i in one.feature if 0 <= i < len(names)}
    assert {"static:structured_ops", kinds.STANDS, kinds.BLOCKS} <= asked
    assert max(int(one.feature.max()) for one in trees) >= compact().width


def test_each_kind_of_rows_has_intervals_of_its_own():
    assert compact().intervals.factors.shape == (len(compact().kinds), len(METRICS))
    by_kind = dict(zip(compact().kinds, compact().intervals.factors[:, 0], strict=True))
    assert len({by_kind[f"x86-64{ending}"] for ending in kinds.ENDINGS}) == len(kinds.ENDINGS)
    assert by_kind["any other+loops"] == by_kind["any other"]
    found, names = evaluate(compact(), rows()), kinds.kinds_of(rows())
    asked = fitted().predict(rows())
    np.testing.assert_allclose(found.low, asked.low, rtol=1e-5)
    assert {kinds.ending_of(name) for name in names.tolist()} == set(kinds.ENDINGS)


def test_onnx_agrees_to_single_precision():
    pytest.importorskip("onnx")
    found = answers(build_onnx(compact()), pytest.importorskip("onnxruntime"))
    expected = evaluate(compact(), rows())
    for name in (*NUMBERS, "distance"):
        np.testing.assert_allclose(found[name], getattr(expected, name), rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(found["known"], expected.known)


def test_onnx_trees_see_the_matrix_of_python_to_the_bit():
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    model = onnx.load_from_string(build_onnx(compact()))
    seen = next(node.input[0] for node in model.graph.node if node.op_type == "TreeEnsemble")
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(seen))
    found = answers(model.SerializeToString(), onnxruntime)[seen]
    expected = main_matrix(compact(), fitted().columns.functions(rows().encodings), rows().context)
    assert expected[:, compact().width :].any()
    np.testing.assert_array_equal(found, expected)


def test_c_holds_no_trees_of_code_whose_blocks_it_is_never_told():
    own = sum(len(slot.trees) for slot in compact().slots)
    packed = without_unasked(compact(), np.array([len(compact().numbers) + 1 + compact().context.index(kinds.BLOCKS)]))
    left = sum(len(slot.trees) for slot in packed.slots)
    assert 0.5 * own < left < 0.95 * own
    silent = replace(rows(), context=rows().context * ~np.char.startswith(context_names(), "schedule:bound"))
    np.testing.assert_array_equal(evaluate(packed, silent).mean, evaluate(compact(), silent).mean)


@needs_cc
def test_c_agrees_to_double_precision(tmp_path):
    model = NativeModel(build(tmp_path), pack(compact()))
    asked = features()
    for i, one in enumerate(rows().encodings[:120]):
        target, pipeline = ASKED[i % len(ASKED)], (CODEGEN, "p-v1")[i // 2 % 2]
        expected = fitted().predict(question(one, target, pipeline))
        numbers, known, distance = model.predict(asked[i], model.target(target), pipeline)
        exists = ~np.isnan(numbers[:, 0])
        wanted = np.stack([getattr(expected, name)[0] for name in NUMBERS], axis=1)[exists]
        np.testing.assert_allclose(numbers[exists], wanted, rtol=1e-9, atol=1e-9)
        assert known == bool(expected.known[0]) or abs(distance - 1) < 1e-6
    model.close()
