"""An ONNX model rebuilt from kernels against onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from costmodel.runtime.artifact import load
from costmodel.search.artifact import ArtifactBuilder, Port, function_source
from costmodel.search.artifact.default import default_function
from costmodel.search.artifact.endtoend import compare_end_to_end
from costmodel.toolchain.isolation import call_isolated
from costmodel.toolchain.link import find_linker
from costmodel.toolchain.onnx_import import TensorInfo, import_onnx

pytest.importorskip("onnx", reason="the onnx extra is not installed")
pytest.importorskip("onnxruntime", reason="the onnx extra is not installed")
pytest.importorskip("torch_mlir", reason="the onnx extra is not installed")
pytestmark = pytest.mark.skipif(find_linker() is None, reason="no linker: install gcc or the link extra")

ROWS, WIDTH, CLASSES = 12, 16, 8


def write_model(path: Path) -> None:
    """Rows of a table by index, times a matrix, as probabilities."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(11)
    weights = {
        "table": rng.standard_normal((ROWS, WIDTH)).astype(np.float32),
        "matrix": rng.standard_normal((WIDTH, CLASSES)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Gather", ["table", "index"], ["rows"], axis=0),
        helper.make_node("MatMul", ["rows", "matrix"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["chance"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("index", TensorProto.INT64, [6])],
        [helper.make_tensor_value_info("chance", TensorProto.FLOAT, [6, CLASSES])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)


def port(info: TensorInfo) -> Port:
    return Port(name=info.name, shape=info.shape, dtype=info.dtype)


def test_a_model_equals_onnxruntime(tmp_path: Path) -> None:
    from costmodel.ir.mlir import parse_generic

    write_model(tmp_path / "small.onnx")
    model = import_onnx(tmp_path / "small.onnx")
    text = call_isolated("costmodel.toolchain.normalize:normalize_linalg", model.mlir)
    source = function_source(
        parse_generic(text).body[0],
        inputs=[port(i) for i in model.inputs],
        outputs=[port(o) for o in model.outputs],
        weights=list(model.weights.values()),
    )
    with ArtifactBuilder() as builder:
        builder.build([source], {}, tmp_path / "tuned", name="small")
        builder.build_steps([default_function(source, model.mlir)], tmp_path / "default", name="small")
    chances = load(tmp_path / "tuned")(np.arange(6, dtype=np.int64) * 2)
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-5)
    # random indices up to 255 would lie outside of the table: onnxruntime refuses them, so smaller ones are drawn
    found = compare_end_to_end(
        tmp_path / "tuned", default=tmp_path / "default", onnx=tmp_path / "small.onnx", budget_s=0.05
    )
    assert found.equal
    assert found.reference == "onnxruntime"
    assert found.max_abs_error < 1e-5
    assert found.onnxruntime_s is not None
    assert found.onnxruntime_s > 0
    assert found.default_s is not None
