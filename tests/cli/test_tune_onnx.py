"""`costmodel tune` on ONNX models: built here, so that every mistake in them is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import costmodel
from costmodel.cli.main import main
from costmodel.search.artifact.endtoend import EndToEnd
from costmodel.search.tuner import run as tuner

onnx = pytest.importorskip("onnx", reason="needs the onnx extra")
pytest.importorskip("onnxruntime", reason="needs the onnx extra")
pytest.importorskip("torch_mlir", reason="needs the onnx extra")


@pytest.fixture
def model(tmp_path, monkeypatch):
    """`relu(x @ w)` with a batch that is not known; `w` is a weight."""
    monkeypatch.chdir(tmp_path)
    weights = np.random.default_rng(0).standard_normal((24, 40), np.float32)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["x", "w"], ["y"]), onnx.helper.make_node("Relu", ["y"], ["z"])],
        "small",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 24])],
        [onnx.helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, ["n", 40])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    opset = onnx.helper.make_opsetid("", 17)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=9), "in.onnx")
    return weights


def tune(*arguments: object) -> int:
    return main(["tune", "in.onnx", "-o", "OUT", *map(str, arguments)])


def refused(capsys, *arguments: object) -> str:
    assert tune(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert not Path("OUT").exists()
    return captured.err.removeprefix("costmodel: error: ").removeprefix(f"{Path.cwd()}/").strip()


def test_a_model_becomes_an_artifact_that_was_compared_with_onnxruntime(model, capsys):
    assert tune("--trials", 4, "--seconds", 60, "--input", "x=6,24") == 0
    assert "end to end: default" in capsys.readouterr().out
    document = json.loads(Path("OUT/report.json").read_text())
    end_to_end = document["end_to_end"]
    assert set(end_to_end) == {"default_s", "tuned_s", "onnxruntime_s", "max_abs_error", "max_rel_error"}
    assert all(value is not None for value in end_to_end.values())
    assert end_to_end["max_rel_error"] < 1e-4
    assert sum(document["time"].values()) == pytest.approx(document["wall_s"], rel=0.02)
    assert document["time"]["other"] <= 0.05 * document["wall_s"]
    x = np.random.default_rng(1).standard_normal((6, 24), np.float32)
    np.testing.assert_allclose(costmodel.load("OUT")(x), np.maximum(x @ model, 0), rtol=1e-4, atol=1e-4)


def comparison(equal: bool) -> EndToEnd:
    return EndToEnd(
        default_s=1.0, tuned_s=1.0, onnxruntime_s=1.0, max_abs_error=0.5, max_rel_error=0.5, equal=equal,
        reference="onnxruntime", rounds=3,
    )  # fmt: skip


def test_default_lowering_ships_where_the_tuned_model_is_wrong(model, monkeypatch, capsys):
    found = iter([comparison(False), comparison(True)])
    monkeypatch.setattr(tuner, "compare_end_to_end", lambda *_, **__: next(found))
    assert tune("--trials", 2, "--input", "x=6,24") == 0
    document = json.loads(Path("OUT/report.json").read_text())
    assert [w["best_schedule"] for w in document["workloads"]] == [None] * len(document["workloads"])
    assert "default shipped" in document["warnings"][0]
    assert "warning: tuned outputs differ from onnxruntime" in capsys.readouterr().out


def test_a_model_that_no_lowering_gets_right_is_a_bug_of_ours(model, monkeypatch, capsys):
    monkeypatch.setattr(tuner, "compare_end_to_end", lambda *_, **__: comparison(False))
    assert tune("--trials", 0, "--input", "x=6,24") == 1
    captured = capsys.readouterr()
    assert "do not use this artifact" in captured.out
    assert "bug of ours" in captured.err


class TestBadInput:
    def test_a_dynamic_shape_without_input(self, model, capsys):
        message = refused(capsys)
        assert message.startswith("in.onnx: input 'x' has the dynamic shape")
        assert "--input x=" in message

    def test_an_input_that_does_not_fit_or_does_not_exist(self, model, capsys):
        assert "does not fit the model's ?x24" in refused(capsys, "--input", "x=6,25")
        assert "'y'" in refused(capsys, "--input", "x=6,24", "--input", "y=1")

    def test_a_zero_sized_dimension(self, model, capsys):
        assert "positive sizes" in refused(capsys, "--input", "x=0,24")
        made = onnx.load("in.onnx")
        made.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 0
        onnx.save(made, "in.onnx")
        assert "zero" in refused(capsys) or "0x24" in refused(capsys)

    def test_a_truncated_file_and_one_of_another_kind(self, model, capsys):
        whole = Path("in.onnx").read_bytes()
        Path("in.onnx").write_bytes(whole[: len(whole) // 2])
        assert refused(capsys, "--input", "x=6,24").startswith("in.onnx: not a complete ONNX model")
        Path("in.onnx").write_text("func.func @f() {}")
        assert refused(capsys, "--input", "x=6,24").startswith("in.onnx: ")

    def test_an_unknown_operator(self, model, capsys):
        made = onnx.load("in.onnx")
        made.graph.node[1].op_type = "Nonsense"
        onnx.save(made, "in.onnx")
        assert "Nonsense" in refused(capsys, "--input", "x=6,24")
