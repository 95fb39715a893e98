"""Named lowerings give LLVM IR that computes the right numbers, returns its memory and needs only libc and libm."""

from __future__ import annotations

import ctypes
import re
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from costmodel.core.errors import ParseError, ToolchainError, UnknownNameError
from costmodel.toolchain.isolation import call_isolated

pytest.importorskip("mlir")
llvm = pytest.importorskip("llvmlite.binding")

Run = Callable[[], None]


def lower(text: str, pipeline: str = "linalg-default-v1") -> str:
    result = call_isolated("costmodel.toolchain.pipelines:lower_to_llvm_ir", text, pipeline)
    assert isinstance(result, str)
    return result


class Loaded:
    """Code of one module in this process; keeps everything alive that it needs."""

    def __init__(self, llvm_ir: str) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        self.machine = llvm.Target.from_default_triple().create_target_machine(opt=1, jit=True)
        data = self.machine.emit_object(llvm.parse_assembly(llvm_ir))
        self.jit = llvm.create_lljit_compiler(self.machine)
        names = re.findall(r"define void @(_mlir_ciface_\w+)", llvm_ir)
        builder = llvm.JITLibraryBuilder().add_object_img(data).add_current_process()
        for name in names:
            builder = builder.export_symbol(name)
        self.library = builder.link(self.jit, "test")

    def bind(self, name: str, arrays: list[np.ndarray[Any, Any]]) -> Run:
        descriptors = [descriptor(array) for array in arrays]
        prototype = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(arrays))
        function = prototype(self.library[f"_mlir_ciface_{name}"])

        def run(owners: Any = (self, arrays)) -> None:  # code and data live as long as what runs them
            function(*[ctypes.addressof(d) for d in descriptors])

        return run


def descriptor(array: np.ndarray[Any, Any]) -> ctypes.Structure:
    numbers = [0, *array.shape, *(s // array.itemsize for s in array.strides)]

    class Descriptor(ctypes.Structure):
        _fields_ = (
            ("allocated", ctypes.c_void_p),
            ("aligned", ctypes.c_void_p),
            ("numbers", ctypes.c_int64 * len(numbers)),
        )

    return Descriptor(array.ctypes.data, array.ctypes.data, (ctypes.c_int64 * len(numbers))(*numbers))


def fresh(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    return np.full(shape, np.nan, dtype=np.float32)


def undefined_symbols(llvm_ir: str) -> set[str]:
    return {n for n in re.findall(r"declare .*?@([\w.]+)\(", llvm_ir) if not n.startswith("llvm.")}


MATMUL = """
func.func @mm(%a: tensor<8x16xf32>, %b: tensor<16x4xf32>) -> tensor<8x4xf32> {
  %z = arith.constant 0.0 : f32
  %o = tensor.empty() : tensor<8x4xf32>
  %f = linalg.fill ins(%z : f32) outs(%o : tensor<8x4xf32>) -> tensor<8x4xf32>
  %m = linalg.matmul ins(%a, %b : tensor<8x16xf32>, tensor<16x4xf32>) outs(%f : tensor<8x4xf32>) -> tensor<8x4xf32>
  return %m : tensor<8x4xf32>
}
"""
SOFTMAX = """
func.func @softmax(%a: tensor<4x32xf32>) -> tensor<4x32xf32> {
  %o = tensor.empty() : tensor<4x32xf32>
  %s = linalg.softmax dimension(1) ins(%a : tensor<4x32xf32>) outs(%o : tensor<4x32xf32>) -> tensor<4x32xf32>
  return %s : tensor<4x32xf32>
}
"""
PADDED_CONCAT = """
func.func @pc(%a: tensor<2x6xf32>) -> (tensor<4x8xf32>, tensor<2x6xf32>) {
  %z = arith.constant 0.0 : f32
  %p = tensor.pad %a low[0, 1] high[0, 1] {
  ^bb0(%i: index, %j: index):
    tensor.yield %z : f32
  } : tensor<2x6xf32> to tensor<2x8xf32>
  %c = tensor.concat dim(0) %p, %p : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<4x8xf32>
  return %c, %a : tensor<4x8xf32>, tensor<2x6xf32>
}
"""


def test_matmul() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((8, 16), dtype=np.float32), rng.standard_normal((16, 4), dtype=np.float32)
    out = fresh((8, 4))
    Loaded(lower(MATMUL)).bind("mm", [a, b, out])()
    np.testing.assert_allclose(out, a @ b, rtol=1e-5, atol=1e-5)


def test_softmax_writes_its_destination_and_not_its_input() -> None:
    a = np.random.default_rng(0).standard_normal((4, 32), dtype=np.float32)
    before, out = a.copy(), fresh((4, 32))
    Loaded(lower(SOFTMAX)).bind("softmax", [a, out])()
    expected = np.exp(a - a.max(1, keepdims=True))
    np.testing.assert_allclose(out, expected / expected.sum(1, keepdims=True), rtol=1e-5)
    np.testing.assert_array_equal(a, before)


def test_copies_of_slices_need_no_runtime_library() -> None:
    text = lower(PADDED_CONCAT)
    a = np.random.default_rng(0).standard_normal((2, 6), dtype=np.float32)
    padded, same = fresh((4, 8)), fresh((2, 6))
    Loaded(text).bind("pc", [a, padded, same])()
    once = np.pad(a, ((0, 0), (1, 1)))
    np.testing.assert_array_equal(padded, np.concatenate([once, once]))
    np.testing.assert_array_equal(same, a)
    assert undefined_symbols(text) <= {"malloc", "free", "aligned_alloc", "memcpy", "memset"}


def test_temporary_memory_is_given_back() -> None:
    big = PADDED_CONCAT.replace("2x6", "64x4094").replace("2x8", "64x4096").replace("4x8", "128x4096")
    a = np.ones((64, 4094), dtype=np.float32)
    run = Loaded(lower(big)).bind("pc", [a, fresh((128, 4096)), fresh((64, 4094))])
    run()
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(200):
        run()
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib
    assert grown_kib < 20 << 10  # a leak of one temporary a call would be 200 MiB


def test_scheduled_code_is_lowered_as_it_stands() -> None:
    text = """
    func.func @scale(%a: memref<32xf32>, %b: memref<32xf32>) attributes {llvm.emit_c_interface} {
      %c0 = arith.constant 0 : index
      %c8 = arith.constant 8 : index
      %c32 = arith.constant 32 : index
      scf.for %i = %c0 to %c32 step %c8 {
        %v = vector.load %a[%i] : memref<32xf32>, vector<8xf32>
        %w = arith.addf %v, %v : vector<8xf32>
        vector.store %w, %b[%i] : memref<32xf32>, vector<8xf32>
      }
      return
    }"""
    llvm_ir = lower(text, "kernel-v1")
    assert "fadd <8 x float>" in llvm_ir
    a, out = np.arange(32, dtype=np.float32), fresh((32,))
    Loaded(llvm_ir).bind("scale", [a, out])()
    np.testing.assert_array_equal(out, 2 * a)


def test_misuse() -> None:
    with pytest.raises(UnknownNameError, match="linalg-default-v1"):
        lower(MATMUL, "fast")
    with pytest.raises(ParseError, match="2:"):
        lower("func.func @f() {\n  bogus\n}")
    with pytest.raises(ToolchainError, match="linalg-default-v1"):
        lower("func.func @f(%a: memref<4xf32>) {\n  func.call @f(%a) : (memref<4xf32>) -> ()\n gpu.barrier\n return\n}")


def test_onnx_to_machine_code_equals_onnxruntime(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("torch_mlir")
    from costmodel.toolchain.onnx_import import import_onnx

    path = tmp_path / "m.onnx"
    path.write_bytes(small_network(onnx).SerializeToString())
    x = np.random.default_rng(1).standard_normal((2, 4, 9, 9), dtype=np.float32)
    model = import_onnx(path, input_shapes={"x": x.shape})
    normal = call_isolated("costmodel.toolchain.normalize:normalize_linalg", model.mlir)
    outputs = [fresh(info.shape) for info in model.outputs]
    Loaded(lower(normal)).bind("main", [x, *model.weights.values(), *outputs])()
    expected = runtime.InferenceSession(str(path)).run([info.name for info in model.outputs], {"x": x})
    assert len(outputs) == 2
    for ours, theirs in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_embedding_by_one_hot_product_equals_onnxruntime(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("torch_mlir")
    from costmodel.toolchain.onnx_import import import_onnx

    path = tmp_path / "m.onnx"
    path.write_bytes(embedding(onnx).SerializeToString())
    x = np.array([[-1, 0, 1, 2, 3, 4, 5, 6, 7, 300, 2, 2]], dtype=np.int32)
    model = import_onnx(path)
    normal = call_isolated("costmodel.toolchain.normalize:normalize_linalg", model.mlir)
    assert "arith.mulf" not in normal  # neither a product nor the scaling is left to run time
    out = fresh(model.outputs[0].shape)
    Loaded(lower(normal)).bind("main", [x, *model.weights.values(), out])()
    expected = runtime.InferenceSession(str(path)).run(None, {"x": x})[0]
    np.testing.assert_allclose(out, expected, rtol=1e-6, atol=1e-6)


def embedding(onnx: Any) -> Any:
    """`tanh(onehot(x) @ W + b) * 2` as exporters write it."""
    make, rng = onnx.helper.make_node, np.random.default_rng(3)
    constants = {
        "column": np.array([1, 12, 1]),
        "line": np.arange(5, dtype=np.int32).reshape(1, 1, 5),
        "wide": np.array([1, 12, 5]),
        "w": rng.standard_normal((5, 3)).astype(np.float32),
        "b": rng.standard_normal((1, 1, 3)).astype(np.float32),
        "two": np.array(2, dtype=np.float32),
    }
    nodes = [
        make("Reshape", ["x", "column"], ["r"]),
        make("Expand", ["r", "wide"], ["e"]),
        make("Equal", ["e", "line"], ["q"]),
        make("Cast", ["q"], ["h"], to=1),
        make("MatMul", ["h", "w"], ["m"]),
        make("Add", ["m", "b"], ["a"]),
        make("Tanh", ["a"], ["t"]),
        make("Mul", ["two", "t"], ["y"]),
    ]
    weights = [onnx.numpy_helper.from_array(v, k) for k, v in constants.items()]
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(nodes, "g", [info("x", 6, [1, 12])], [info("y", 1, None)], initializer=weights)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


def small_network(onnx: Any) -> Any:
    """Convolutions plain, strided, depthwise and transposed, batch norm, pooling, reshapes, matmul, softmax."""
    make, rng = onnx.helper.make_node, np.random.default_rng(2)
    constants = {
        "w1": rng.standard_normal((8, 4, 3, 3)),
        "b1": rng.standard_normal(8),
        **{k: rng.uniform(0.5, 2.0, 8) for k in ("scale", "shift", "mean", "variance")},
        "w2": rng.standard_normal((8, 1, 3, 3)),
        "w3": rng.standard_normal((8, 4, 2, 2)),
        "b3": rng.standard_normal(4),
        "w4": rng.standard_normal((25, 5)),
        "half": np.array(0.5),
    }
    nodes = [
        make("Conv", ["x", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1], strides=[2, 2]),
        make("BatchNormalization", ["c1", "scale", "shift", "mean", "variance"], ["n"]),
        make("HardSwish", ["n"], ["h"]),
        make("Conv", ["h", "w2"], ["d"], group=8, pads=[1, 1, 1, 1]),
        make("Mul", ["d", "half"], ["m"]),
        make("Add", ["m", "h"], ["r"]),
        make("GlobalAveragePool", ["r"], ["g"]),
        make("Mul", ["r", "g"], ["s"]),
        make("Reshape", ["s", "flat"], ["f"]),
        make("MatMul", ["f", "w4"], ["mm"]),
        make("Softmax", ["mm"], ["y"], axis=-1),
        make("ConvTranspose", ["s", "w3", "b3"], ["t"], strides=[2, 2]),
        make("Resize", ["t", "", "scales"], ["u"], mode="nearest", nearest_mode="floor",
             coordinate_transformation_mode="asymmetric"),
        make("Concat", ["u", "u"], ["k"], axis=1),
        make("Concat", ["u", "k"], ["z"], axis=1),
    ]  # fmt: skip
    weights = [onnx.numpy_helper.from_array(v.astype(np.float32), k) for k, v in constants.items()]
    weights.append(onnx.numpy_helper.from_array(np.array([2, 8, 25]), "flat"))
    weights.append(onnx.numpy_helper.from_array(np.array([1, 1, 2, 2], dtype=np.float32), "scales"))
    info = onnx.helper.make_tensor_value_info
    results = [info("y", 1, None), info("z", 1, None)]
    graph = onnx.helper.make_graph(nodes, "g", [info("x", 1, ["n", 4, 9, 9])], results, initializer=weights)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
