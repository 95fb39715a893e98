import math

import numpy as np
import pytest

from costmodel.core.errors import ParseError, UnsupportedError
from costmodel.ir.mlir import (
    MemRefType,
    OtherType,
    ScalarType,
    TensorType,
    VectorType,
    parse_affine_map,
    parse_dense,
    parse_float,
    parse_int,
    parse_int_array,
    parse_iterator_types,
    parse_string,
    parse_type,
)


@pytest.mark.parametrize(("text", "value"), [("5", 5), ("-5 : i64", -5), ("0x1F : i32", 31), ("true", 1), ("false", 0)])
def test_integers(text, value):
    assert parse_int(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.5 : f32", 1.5),
        ("-1.0e+03", -1000.0),
        ("0x7F800000 : f32", math.inf),
        ("0x3F80 : bf16", 1.0),
        ("0xC000 : f16", -2.0),
    ],
)
def test_floats(text, value):
    assert parse_float(text) == value


def test_hexadecimal_nan_and_default_width():
    assert math.isnan(parse_float("0x7FC00000 : f32"))
    assert parse_float("0x3FF0000000000000") == 1.0
    assert parse_float("0x3F800000", dtype="f32") == 1.0


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("array<i64: 1, -2>", (1, -2)),
        ("array<i32>", ()),
        ("dense<[1, 2]> : tensor<2xi64>", (1, 2)),
        ("dense<3> : vector<3xi64>", (3, 3, 3)),
        ("[1 : i64, 2 : i64]", (1, 2)),
        ("array<i1: true, false>", (1, 0)),
    ],
)
def test_integer_arrays(text, values):
    assert parse_int_array(text) == values


@pytest.mark.parametrize("text", ["x", "1.5", "{}", "dense<1>", "array<i64: a>"])
def test_what_is_no_integer_array_is_refused(text):
    with pytest.raises(ParseError):
        parse_int_array(text)


def test_iterator_types_of_both_spellings():
    new = "[#linalg.iterator_type<parallel>, #linalg.iterator_type<reduction>]"
    assert parse_iterator_types(new) == parse_iterator_types('["parallel", "reduction"]') == ("parallel", "reduction")


def test_strings():
    assert parse_string(r'"a\22b\\c\n\C3\A9"') == 'a"b\\c\né'


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("tensor<4x?xf32>", TensorType((4, None), ScalarType("f32"))),
        ("tensor<*xf16>", TensorType(None, ScalarType("f16"))),
        ("tensor<f32>", TensorType((), ScalarType("f32"))),
        ("memref<8xi1, strided<[2], offset: ?>, 3>", MemRefType((8,), ScalarType("i1"), "strided<[2], offset: ?>, 3")),
        ("vector<[4]x2xbf16>", VectorType((4, 2), ScalarType("bf16"))),
        ("tensor<2x!tt.ptr<f32>, #enc>", TensorType((2,), OtherType("!tt.ptr<f32>"), "#enc")),
        ("index", ScalarType("index")),
        ("!llvm.ptr", OtherType("!llvm.ptr")),
        ("(i32) -> f32", OtherType("(i32) -> f32")),
    ],
)
def test_types(text, kind):
    assert parse_type(text) == kind


def test_bits_and_bytes():
    assert [parse_type(name).bits for name in ("i1", "ui8", "bf16", "f8E4M3FN", "index", "f64")] == [
        1,
        8,
        16,
        8,
        64,
        64,
    ]
    assert parse_type("tensor<3x5xf16>").num_bytes == 30
    assert parse_type("memref<?xf32>").num_bytes is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dense<[[1.0, 2.0], [3.0, 4.5]]> : tensor<2x2xf32>", np.array([[1, 2], [3, 4.5]], "f4")),
        ("dense<[1.0, 0x7F800000]> : tensor<2xf32>", np.array([1, np.inf], "f4")),
        ('dense<"0x0000803F00000040"> : tensor<2xf32>', np.array([1, 2], "f4")),
        ('dense<"0x803F0040"> : tensor<2xbf16>', np.array([1, 2], "f4")),
        ('dense<"0x05"> : tensor<4xi1>', np.array([1, 0, 1, 0], bool)),
        ("dense<[true, false]> : vector<2xi1>", np.array([1, 0], bool)),
        ("dense<-7> : tensor<2x2xi8>", np.full((2, 2), -7, "i1")),
        ("dense<> : tensor<0x3xf32>", np.zeros((0, 3), "f4")),
        ("dense<1.0> : tensor<f64>", np.array(1.0)),
    ],
)
def test_dense_constants(text, expected):
    array = parse_dense(text)
    assert array.dtype == expected.dtype
    np.testing.assert_array_equal(array, expected, strict=True)


def test_dense_resource_takes_its_blob_from_the_caller():
    blob = {"w": '"0x040000000000803F00000040"'}
    np.testing.assert_array_equal(parse_dense("dense_resource<w> : tensor<2xf32>", blob), [1, 2])
    with pytest.raises(ParseError, match="no blob of that name"):
        parse_dense("dense_resource<w> : tensor<2xf32>")


@pytest.mark.parametrize(
    "text", ["dense<[1, 2]> : tensor<3xi32>", "dense<x> : tensor<1xi32>", "dense<1> : tensor<?xi32>", "7"]
)
def test_dense_constants_that_are_none(text):
    with pytest.raises(ParseError):
        parse_dense(text)


def test_dense_of_a_type_numpy_lacks():
    with pytest.raises(UnsupportedError, match="f8E4M3FN"):
        parse_dense("dense<1.0> : tensor<2xf8E4M3FN>")


def test_affine_maps():
    parsed = parse_affine_map(
        "affine_map<(d0, x)[s0] -> (d0 * 2 + x - 3, x floordiv 4, s0, 4 * (d0 - 1), -d0, d0 mod 8)>"
    )
    assert (parsed.num_dims, parsed.num_symbols) == (2, 1)
    assert [result.linear() for result in parsed.results] == [
        ((2, 1), -3),
        None,
        None,
        ((4, 0), -4),
        ((-1, 0), 0),
        None,
    ]
    assert [result.evaluate((9, 7), (5,)) for result in parsed.results] == [22, 1, 5, 32, -9, 1]
    assert parse_affine_map("affine_map<(d0) -> (d0 ceildiv 4)>").results[0].evaluate((9,)) == 3


@pytest.mark.parametrize(
    "text",
    [
        "affine_map<(d0) -> (d1)>",
        "affine_map<(d0) -> (d0",
        "affine_map<(d0) -> (d0 +)>",
        "d0",
        "affine_map<(d0) -> (d0 ; 1)>",
    ],
)
def test_affine_maps_that_are_none(text):
    with pytest.raises(ParseError):
        parse_affine_map(text)


def test_deeply_nested_affine_expression_is_refused_not_overflowed():
    with pytest.raises(ParseError, match="nested over"):
        parse_affine_map(f"affine_map<(d0) -> ({'(' * 5000}d0{')' * 5000})>")
