"""ONNX models become linalg on tensors with the weights beside the text; bad ones give one clear line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from costmodel.core.errors import CostModelError, ParseError, UnsupportedError, UsageError
from costmodel.toolchain.onnx_import import import_onnx

onnx = pytest.importorskip("onnx")
pytest.importorskip("torch_mlir")
helper = pytest.importorskip("onnx.helper")


def value(name: str, shape: list[Any] | None, dtype: int = 1) -> Any:
    return helper.make_tensor_value_info(name, dtype, shape)


def save(path: Path, nodes: list[Any], shape: list[Any] | None, constants: dict[str, Any], opset: int = 17) -> Path:
    graph = helper.make_graph(
        nodes,
        "g",
        [value("x", shape)],
        [value("y", None)],
        initializer=[onnx.numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.acme", 1)]
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    return path


def convolution(path: Path) -> Path:
    rng = np.random.default_rng(0)
    constants = {
        "w": rng.standard_normal((8, 3, 3, 3), dtype=np.float32),
        **{k: rng.uniform(0.5, 2.0, 8).astype(np.float32) for k in ("scale", "shift", "mean", "variance")},
    }
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c", "scale", "shift", "mean", "variance"], ["b"]),
        helper.make_node("Identity", ["b"], ["i"]),
        helper.make_node("Relu", ["i"], ["y"]),
    ]
    return save(path, nodes, ["n", 3, 8, 8], constants)


def test_weights_are_arguments_after_the_inputs(tmp_path: Path) -> None:
    model = import_onnx(convolution(tmp_path / "m.onnx"), input_shapes={"x": (1, 3, 8, 8)})
    assert [info.name for info in model.inputs] == ["x"]
    assert [(info.name, info.shape, info.dtype) for info in model.outputs] == [("y", (1, 8, 8, 8), "float32")]
    signature = re.search(r"function_type = \((.*?)\) ->", model.mlir)
    assert signature is not None
    types = [f"tensor<{'x'.join(map(str, w.shape))}xf32>" for w in model.weights.values()]
    assert signature[1] == ", ".join(["tensor<1x3x8x8xf32>", *types])
    assert model.arguments == ("x", *model.weights)
    assert "dense_resource" not in model.mlir
    assert len(model.mlir) < 10_000


def test_batch_norm_goes_into_the_convolution(tmp_path: Path) -> None:
    model = import_onnx(convolution(tmp_path / "m.onnx"), input_shapes={"x": (1, 3, 8, 8)})
    assert sorted(w.shape for w in model.weights.values()) == [(8, 1, 1), (8, 3, 3, 3)]
    assert "sqrt" not in model.mlir


def test_shape_arithmetic_vanishes(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n"]),
        helper.make_node("Concat", ["n", "minus"], ["d"], axis=0),
        helper.make_node("Reshape", ["x", "d"], ["r"]),
        helper.make_node("Relu", ["r"], ["y"]),
    ]
    constants = {"zero": np.array([0]), "minus": np.array([-1])}
    model = import_onnx(save(tmp_path / "m.onnx", nodes, [2, 3, 4], constants))
    assert model.outputs[0].shape == (2, 12)
    assert not model.weights
    assert "tensor.extract" not in model.mlir


def test_old_opset_is_converted(tmp_path: Path) -> None:
    nodes = [helper.make_node("Squeeze", ["x"], ["y"], axes=[0])]
    model = import_onnx(save(tmp_path / "m.onnx", nodes, [1, 4], {}, opset=11))
    assert model.outputs[0].shape == (4,)


def test_constant_output_is_returned(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["a", "a"], ["y"])]
    model = import_onnx(save(tmp_path / "m.onnx", nodes, [4], {"a": np.arange(40, dtype=np.float32)}))
    assert model.outputs[0].shape == (40,)
    np.testing.assert_array_equal(next(iter(model.weights.values())), 2 * np.arange(40, dtype=np.float32))


def test_dynamic_input_without_a_shape_names_the_flag(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"input 'x' has the dynamic shape \[n, 3, 8, 8\].*--input x=1,3,8,8"):
        import_onnx(convolution(tmp_path / "m.onnx"))


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"x": (1, 3, 8)}, "does not fit"),
        ({"x": (1, 4, 8, 8)}, "does not fit"),
        ({"x": (0, 3, 8, 8)}, "size zero"),
        ({"x": (1, 3, 8, 8), "z": (1,)}, "no input 'z'; the model's inputs are 'x'"),
    ],
)
def test_unfit_shapes(tmp_path: Path, shapes: dict[str, tuple[int, ...]], message: str) -> None:
    with pytest.raises(CostModelError, match=message):
        import_onnx(convolution(tmp_path / "m.onnx"), input_shapes=shapes)


@pytest.mark.parametrize("size", [0, 1, 30, 400, -1])
def test_truncated_files(tmp_path: Path, size: int) -> None:
    whole = convolution(tmp_path / "m.onnx").read_bytes()
    path = tmp_path / "cut.onnx"
    path.write_bytes(whole[:size])
    with pytest.raises(ParseError) as caught:
        import_onnx(path, input_shapes={"x": (1, 3, 8, 8)})
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_no_onnx_at_all(tmp_path: Path) -> None:
    path = tmp_path / "text.onnx"
    path.write_text("module { }")
    with pytest.raises(ParseError, match="not a complete ONNX model"):
        import_onnx(path)
    with pytest.raises(UsageError, match="no such file"):
        import_onnx(tmp_path / "absent.onnx")


BRANCH = helper.make_graph([helper.make_node("Relu", ["x"], ["b"])], "branch", [], [value("b", [4])])
UNUSABLE = [
    ([helper.make_node("If", ["c"], ["y"], then_branch=BRANCH, else_branch=BRANCH)], r"control flow \(If\)"),
    ([helper.make_node("Foo", ["x"], ["y"])], "operator Foo is not known in opset 17"),
    ([helper.make_node("Foo", ["x"], ["y"], domain="com.acme")], "Foo of the domain 'com.acme'"),
    ([helper.make_node("NonZero", ["x"], ["y"])], "result of NonZero .* depends on the data"),
    ([helper.make_node("Slice", ["x", "two", "two"], ["y"])], "size zero"),
    ([helper.make_node("Hardmax", ["x"], ["h"]), helper.make_node("StringNormalizer", ["h"], ["y"])], "fails|lower"),
]


@pytest.mark.parametrize(("nodes", "message"), UNUSABLE)
def test_unusable_graphs(tmp_path: Path, nodes: list[Any], message: str) -> None:
    path = save(tmp_path / "m.onnx", nodes, [4], {"c": np.array(True), "two": np.array([2])})
    with pytest.raises(UnsupportedError, match=message) as caught:
        import_onnx(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_what_torch_mlir_cannot_lower_is_named(tmp_path: Path) -> None:
    path = save(tmp_path / "m.onnx", [helper.make_node("DFT", ["x"], ["y"])], [1, 16, 1], {})
    with pytest.raises(UnsupportedError, match=r"onnx\.DFT"):
        import_onnx(path)


def test_undefined_value(tmp_path: Path) -> None:
    path = save(tmp_path / "m.onnx", [helper.make_node("Add", ["x", "w"], ["y"])], [4], {})
    with pytest.raises(ParseError, match="reads 'w', which nothing defines"):
        import_onnx(path)
