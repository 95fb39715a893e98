"""The normal form: what is fused, what is not, and what bad text says."""

from __future__ import annotations

import re

import pytest

from costmodel.core.errors import ParseError, UnsupportedError
from costmodel.toolchain.isolation import call_isolated

pytest.importorskip("mlir")

CHAIN_INTO_MATMUL = """
func.func @main(%a: tensor<8x16xf32>, %b: tensor<16x4xf32>, %d: tensor<8x16xf32>) -> tensor<8x4xf32> {
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<8x16xf32>
  %s = linalg.add ins(%a, %d : tensor<8x16xf32>, tensor<8x16xf32>) outs(%e : tensor<8x16xf32>) -> tensor<8x16xf32>
  %x = linalg.exp ins(%s : tensor<8x16xf32>) outs(%e : tensor<8x16xf32>) -> tensor<8x16xf32>
  %o = tensor.empty() : tensor<8x4xf32>
  %f = linalg.fill ins(%z : f32) outs(%o : tensor<8x4xf32>) -> tensor<8x4xf32>
  %m = linalg.matmul ins(%x, %b : tensor<8x16xf32>, tensor<16x4xf32>) outs(%f : tensor<8x4xf32>) -> tensor<8x4xf32>
  return %m : tensor<8x4xf32>
}
"""
UNIT_DIMS = """
func.func @main(%a: tensor<1x8x1x16xf32>, %b: tensor<1x8x1x16xf32>) -> tensor<1x8x1x32xf32> {
  %e = tensor.empty() : tensor<1x8x1x16xf32>
  %x = linalg.exp ins(%a : tensor<1x8x1x16xf32>) outs(%e : tensor<1x8x1x16xf32>) -> tensor<1x8x1x16xf32>
  %c = tensor.concat dim(3) %x, %b : (tensor<1x8x1x16xf32>, tensor<1x8x1x16xf32>) -> tensor<1x8x1x32xf32>
  return %c : tensor<1x8x1x32xf32>
}
"""
TWO_FILLS = """
func.func @main(%a: tensor<8x8xf32>) -> (tensor<8x8xf32>, tensor<8x8xf32>) {
  %z = arith.constant 0.0 : f32
  %o = tensor.empty() : tensor<8x8xf32>
  %f = linalg.fill ins(%z : f32) outs(%o : tensor<8x8xf32>) -> tensor<8x8xf32>
  %m = linalg.matmul ins(%a, %a : tensor<8x8xf32>, tensor<8x8xf32>) outs(%f : tensor<8x8xf32>) -> tensor<8x8xf32>
  %n = linalg.matmul ins(%m, %a : tensor<8x8xf32>, tensor<8x8xf32>) outs(%f : tensor<8x8xf32>) -> tensor<8x8xf32>
  return %m, %n : tensor<8x8xf32>, tensor<8x8xf32>
}
"""


def normalize(text: str) -> str:
    result = call_isolated("costmodel.toolchain.normalize:normalize_linalg", text, "k.mlir")
    assert isinstance(result, str)
    return result


def count(text: str, op: str) -> int:
    return len(re.findall(rf'"{re.escape(op)}"\(', text))


def test_chains_fuse_but_never_into_a_contraction() -> None:
    text = normalize(CHAIN_INTO_MATMUL)
    assert count(text, "linalg.generic") == 2
    assert count(text, "linalg.fill") == 1
    bodies = text.split('"linalg.generic"')
    assert "math.exp" in bodies[1]
    assert "arith.addf" in bodies[1]
    assert "math.exp" not in bodies[2]
    assert "costmodel.barrier" not in text


def test_unit_dimensions_go() -> None:
    text = normalize(UNIT_DIMS)
    assert re.search(r'"tensor.concat".*\(tensor<8x16xf32>, tensor<8x16xf32>\) -> tensor<8x32xf32>', text)
    assert count(text, "tensor.expand_shape") == 1


def test_every_contraction_has_its_own_fill() -> None:
    text = normalize(TWO_FILLS)
    assert count(text, "linalg.fill") == 2
    assert count(text, "tensor.empty") == 2


@pytest.mark.parametrize("source", [CHAIN_INTO_MATMUL, UNIT_DIMS, TWO_FILLS])
def test_the_normal_form_is_stable(source: str) -> None:
    once = normalize(source)
    assert normalize(once) == once


def test_generics_capture_no_constants() -> None:
    scaled = """
    func.func @main(%a: tensor<8xf32>) -> tensor<8xf32> {
      %two = arith.constant 2.0 : f32
      %e = tensor.empty() : tensor<8xf32>
      %r = linalg.map ins(%a : tensor<8xf32>) outs(%e : tensor<8xf32>) (%x: f32, %o: f32) {
        %y = arith.mulf %x, %two : f32
        linalg.yield %y : f32
      }
      return %r : tensor<8xf32>
    }"""
    text = normalize(scaled)
    assert text.index("arith.constant") > text.index("linalg.generic")


@pytest.mark.parametrize(
    ("source", "where", "message"),
    [
        ("", "k.mlir:1:1", "empty"),
        ("hello world", "k.mlir:1:1", "hello"),
        ("func.func @f() {\n  %0 = foo.bar %x : i32\n  return\n}", "k.mlir:2:8", "unknown dialect 'foo'.*'foo.bar'"),
        (
            '"func.func"() ({\n  "foo.bar"() : () -> ()\n}) {sym_name="f", function_type=()->()} : () -> ()',
            "k.mlir:2:12",
            "'foo.bar'",
        ),
        ("func.func @f(%a: tensor<4xf32>) -> tensor<5xf32> {\n return %a : tensor<4xf32>\n}", "k.mlir:2:2", "type"),
    ],
)
def test_bad_text_has_a_place(source: str, where: str, message: str) -> None:
    with pytest.raises(ParseError, match=message) as caught:
        normalize(source)
    assert str(caught.value.location) == where
    assert str(caught.value).startswith(where)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("module {}", "no function"),
        ("func.func @f(%a: tensor<?x4xf32>) {\n return\n}", "dynamic"),
        ("func.func @f(%a: tensor<0x4xf32>) {\n return\n}", "size zero"),
        ("func.func @f(%a: memref<4xf32>) {\n return\n}", "expected ranked tensors"),
        ("func.func @f(%a: i32) {\n return\n}", "expected ranked tensors"),
        ("func.func @f(%a: tensor<*xf32>) {\n return\n}", "expected ranked tensors"),
    ],
)
def test_unsupported_functions(source: str, message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        normalize(source)
