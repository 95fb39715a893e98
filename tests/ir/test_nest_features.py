"""Features of the linalg operation with the most work, worked out by hand."""

from __future__ import annotations

from costmodel import ir
from costmodel.ir.features import FEATURES, extract_features
from costmodel.ir.features.nest import NEST_FEATURES, nest_numbers

MATMUL = """func.func @kernel(%a: tensor<48x64xf16>, %b: tensor<64x32xf16>, %c: tensor<48x32xf32>) -> tensor<48x32xf32> {
  %zero = arith.constant 0.0 : f32
  %f = linalg.fill ins(%zero : f32) outs(%c : tensor<48x32xf32>) -> tensor<48x32xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>, affine_map<(d0, d1, d2) -> (d0, d1)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%a, %b : tensor<48x64xf16>, tensor<64x32xf16>) outs(%f : tensor<48x32xf32>) {
  ^bb0(%x: f16, %y: f16, %z: f32):
    %p = arith.extf %x : f16 to f32
    %q = arith.extf %y : f16 to f32
    %m = arith.mulf %p, %q : f32
    %s = arith.addf %z, %m : f32
    linalg.yield %s : f32
  } -> tensor<48x32xf32>
  return %r : tensor<48x32xf32>
}
"""  # noqa: E501
CHAIN = """func.func @kernel(%a: tensor<64xf32>, %o: tensor<64xf32>) -> tensor<64xf32> {
  %r = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]} ins(%a : tensor<64xf32>) outs(%o : tensor<64xf32>) {
  ^bb0(%x: f32, %y: f32):
    %e = math.exp %x : f32
    %d = arith.divf %e, %x : f32
    %k = arith.cmpf ogt, %d, %x : f32
    %s = arith.select %k, %d, %x : f32
    linalg.yield %s : f32
  } -> tensor<64xf32>
  %t = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]} ins(%r : tensor<64xf32>) outs(%o : tensor<64xf32>) {
  ^bb0(%x: f32, %y: f32):
    %e = math.exp %x : f32
    linalg.yield %e : f32
  } -> tensor<64xf32>
  return %t : tensor<64xf32>
}
"""  # noqa: E501


def numbers(text: str) -> dict[str, float]:
    operation = ir.read(text.encode(), format="mlir").functions[0].operation
    assert operation is not None
    return {
        name.removeprefix("nest_"): value
        for name, value in extract_features(operation).to_dict().items()
        if name.startswith("nest_")
    }


def test_product_of_halves():
    found = numbers(MATMUL)
    assert (found["points"], found["reduction"], found["is_reduction"]) == (48 * 32 * 64, 64, 1)
    assert (found["inputs"], found["dims"], found["inputs_broadcast"]) == (2, 3, 2)
    assert (found["inputs_last"], found["inputs_reduced_last"], found["inputs_strided"]) == (1, 1, 0)
    assert (found["bits_in"], found["bits_out"], found["bits_body"]) == (16, 32, 32)
    assert (found["fused"], found["float"], found["converts"]) == (1, 0, 2)
    assert (found["has_f16"], found["has_bf16"], found["is_integer"]) == (1, 0, 0)
    assert (found["others"], found["share"]) == (0, 1)


def test_elementwise_chain_and_its_neighbour():
    found = numbers(CHAIN)
    assert (found["math"], found["divisions"], found["compares"]) == (1, 1, 2)
    assert (found["is_reduction"], found["inputs_broadcast"], found["reduction"]) == (0, 0, 1)
    assert (found["others"], found["other_math"]) == (1, 1)
    first, second = 1 + 16 + 8 + 2, 1 + 16
    assert found["share"] == first / (first + second)


def test_strided_input():
    text = (
        CHAIN.replace(
            "(d0) -> (d0)>, affine_map<(d0) -> (d0)>], iterator_types",
            "(d0) -> (d0 * 2)>, affine_map<(d0) -> (d0)>], iterator_types",
        )
        .replace("%a: tensor<64xf32>", "%a: tensor<128xf32>")
        .replace("ins(%a : tensor<64xf32>)", "ins(%a : tensor<128xf32>)")
    )
    assert numbers(text)["inputs_strided"] == 1


def test_nothing_without_linalg():
    assert nest_numbers([]) == {}
    assert not any(numbers("func.func @f(%a: f32) -> f32 {\n  return %a : f32\n}\n").values())


def test_table_names_them_all():
    operation = ir.read(MATMUL.encode(), format="mlir").functions[0].operation
    found = nest_numbers([one for one in operation.walk() if one.name.startswith("linalg.")])
    assert set(found) == {name for name, _, _ in NEST_FEATURES}
    assert sum(feature.name.startswith("nest_") for feature in FEATURES) == len(NEST_FEATURES)
