"""MLIR text: the generic-form reader, attributes, types, affine maps, dense constants."""

from costmodel.ir.mlir.affine import AffineExpr, AffineMap, parse_affine_map
from costmodel.ir.mlir.attributes import (
    Attribute,
    parse_float,
    parse_int,
    parse_int_array,
    parse_iterator_types,
    parse_string,
)
from costmodel.ir.mlir.dense import parse_dense
from costmodel.ir.mlir.generic import parse_generic
from costmodel.ir.mlir.structure import Block, MlirModule, Operation, Region, Value
from costmodel.ir.mlir.types import (
    MemRefType,
    OtherType,
    ScalarType,
    ShapedType,
    TensorType,
    Type,
    VectorType,
    parse_type,
)

__all__ = [
    "AffineExpr",
    "AffineMap",
    "Attribute",
    "Block",
    "MemRefType",
    "MlirModule",
    "Operation",
    "OtherType",
    "Region",
    "ScalarType",
    "ShapedType",
    "TensorType",
    "Type",
    "Value",
    "VectorType",
    "parse_affine_map",
    "parse_dense",
    "parse_float",
    "parse_generic",
    "parse_int",
    "parse_int_array",
    "parse_iterator_types",
    "parse_string",
    "parse_type",
]
