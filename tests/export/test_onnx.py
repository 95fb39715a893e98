"""The ONNX graph against Python, run by onnxruntime."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from costmodel.core.errors import UnsupportedError
from costmodel.core.target import Target
from costmodel.export import evaluate, export_onnx
from costmodel.export.compact import GraphInputs
from costmodel.export.onnx_graph import build
from costmodel.models.context import context_rows

sys.path.insert(0, str(Path(__file__).parent))
from export_samples import ASKED, KINDS_OF_MODELS, METRICS, compact, odd, question, row, student


@pytest.fixture(scope="module")
def onnxruntime():
    pytest.importorskip("onnx")
    return pytest.importorskip("onnxruntime")


def ask(onnxruntime, model: bytes, found, encodings, targets):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    features = np.stack([row(found.numbers, encoding) for encoding in encodings]).astype(np.float32)
    context = context_rows([(Target.parse(target), "p-v1", None) for target in targets])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"features": features, "context": context}), strict=True))


@pytest.mark.parametrize("what", [*KINDS_OF_MODELS, "network"])
def test_onnx_and_python_agree(onnxruntime, what):
    found, close = (student(), 1e-5) if what == "network" else (compact(what), 1e-6)
    encodings = odd(20)
    targets = [ASKED[i % len(ASKED)] for i in range(len(encodings))]
    answers = ask(onnxruntime, build(found), found, encodings, targets)
    for i, (encoding, target) in enumerate(zip(encodings, targets, strict=True)):
        expected = evaluate(found, question(encoding, target))
        for name in ("mean", "std", "low", "high", "nonzero"):
            np.testing.assert_allclose(answers[name][i], getattr(expected, name)[0], rtol=close, atol=close)
        assert answers["distance"][i] == pytest.approx(expected.distance[0], rel=1e-4, abs=1e-4)
        if abs(expected.distance[0] - 1) > 1e-3:
            assert bool(answers["known"][i]) == bool(expected.known[0])


def test_the_file_names_its_metrics(onnxruntime, tmp_path):
    files = export_onnx(compact(), tmp_path / "out")
    assert sorted(path.name for path in files) == ["costmodel.json", "costmodel.onnx"]
    session = onnxruntime.InferenceSession(str(tmp_path / "out" / "costmodel.onnx"))
    assert session.get_modelmeta().custom_metadata_map["metrics"].split("\n") == list(METRICS)


def test_a_model_of_graphs_is_for_c():
    graph = GraphInputs(vocabulary=1, columns=1, pools=np.zeros((len(compact().numbers), 2), np.int64))
    with pytest.raises(UnsupportedError, match="export it to C"):
        build(replace(compact(), graph=graph))


def test_columns_that_only_a_schedule_fills_are_zero_without_one(onnxruntime):
    plain = compact("boosted-trees")
    first = plain.slots[0]
    feature = first.trees.feature.copy()
    feature[0] = plain.width + 1
    trees = replace(
        first.trees, feature=feature, threshold=np.where(np.arange(len(feature)) == 0, 0.5, first.trees.threshold)
    )
    found = replace(plain, slots=(replace(first, trees=trees), *plain.slots[1:]))
    encodings = odd(4)
    answers = ask(onnxruntime, build(found), found, encodings, [ASKED[0]] * len(encodings))
    for i, encoding in enumerate(encodings):
        expected = evaluate(found, question(encoding, ASKED[0]))
        np.testing.assert_allclose(answers["mean"][i], expected.mean[0], rtol=1e-6, atol=1e-6)
