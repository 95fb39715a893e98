"""Iteration spaces of operations that carry indexing maps: linalg and vector.contract.

Owns the inference of loop sizes from operand shapes. Invariant: a size is exact or None (dynamic).
"""

from __future__ import annotations

from functools import lru_cache

from costmodel.core.errors import ParseError
from costmodel.ir.mlir.affine import AffineMap, parse_affine_map
from costmodel.ir.mlir.attributes import Attribute, parse_int_array
from costmodel.ir.mlir.structure import Operation
from costmodel.ir.mlir.types import ShapedType, parse_type


def indexing_maps(operation: Operation) -> list[AffineMap] | None:
    """The maps of an operation, one for each operand; None where it has none in its text."""
    return maps_of(operation.name, maps_text(operation))


def maps_text(operation: Operation) -> str | None:
    """The attribute that holds an operation's maps, None without one."""
    return operation.attribute("indexing_maps") or operation.attribute("linalg.memoized_indexing_maps")


def maps_of(name: str, text: str | None) -> list[AffineMap] | None:
    """`indexing_maps` of an operation of this name with this attribute."""
    if text is None:
        return _implied_maps(name)
    try:
        return _maps(text)
    except ParseError:
        return None


@lru_cache(maxsize=4096)
def _maps(text: str) -> list[AffineMap]:
    return [item.as_affine_map() for item in Attribute(text).as_list()]


_IMPLIED = {
    "linalg.matmul": "(m, n, k) -> (m, k); (m, n, k) -> (k, n); (m, n, k) -> (m, n)",
    "linalg.matmul_transpose_a": "(m, n, k) -> (k, m); (m, n, k) -> (k, n); (m, n, k) -> (m, n)",
    "linalg.matmul_transpose_b": "(m, n, k) -> (m, k); (m, n, k) -> (n, k); (m, n, k) -> (m, n)",
    "linalg.batch_matmul": "(b, m, n, k) -> (b, m, k); (b, m, n, k) -> (b, k, n); (b, m, n, k) -> (b, m, n)",
    "linalg.matvec": "(m, k) -> (m, k); (m, k) -> (k); (m, k) -> (m)",
    "linalg.vecmat": "(n, k) -> (k); (n, k) -> (k, n); (n, k) -> (n)",
    "linalg.dot": "(k) -> (k); (k) -> (k); (k) -> ()",
    "linalg.conv_2d_nhwc_hwcf": "(n, h, w, f, p, q, c) -> (n, h + p, w + q, c); "
    "(n, h, w, f, p, q, c) -> (p, q, c, f); (n, h, w, f, p, q, c) -> (n, h, w, f)",
    "linalg.conv_2d_nchw_fchw": "(n, f, h, w, c, p, q) -> (n, c, h + p, w + q); "
    "(n, f, h, w, c, p, q) -> (f, c, p, q); (n, f, h, w, c, p, q) -> (n, f, h, w)",
}
"""Maps of operations whose text does not carry them (unit strides where the text tells none)."""


@lru_cache(maxsize=64)
def _implied_maps(name: str) -> list[AffineMap] | None:
    text = _IMPLIED.get(name)
    return [parse_affine_map(f"affine_map<{item}>") for item in text.split("; ")] if text is not None else None


def loop_sizes(operation: Operation) -> tuple[int | None, ...]:
    """Size of each loop. Without maps (fill, add, reduce, ...) the operand of highest rank is the space."""
    types = tuple([value.type_text for value in operation.operands])
    return _loop_sizes(operation.name, maps_text(operation), types)


@lru_cache(maxsize=4096)
def _loop_sizes(name: str, text: str | None, types: tuple[str, ...]) -> tuple[int | None, ...]:
    shapes = [operand_shape(kind) for kind in types]
    maps = maps_of(name, text)
    if maps is None:
        ranks = [len(shape) for shape in shapes]
        return shapes[ranks.index(max(ranks))] if shapes else ()
    sizes: list[int | None] = [None] * (maps[0].num_dims if maps else 0)
    for shape, affine_map in zip(shapes, maps, strict=False):
        for size, result in zip(shape, affine_map.results, strict=False):
            if result.kind == "dim" and size is not None:
                sizes[result.value] = size
    return tuple(sizes)


@lru_cache(maxsize=4096)
def operand_shape(type_text: str) -> tuple[int | None, ...]:
    """Shape of a shaped type, `()` for others."""
    kind = parse_type(type_text)
    return (kind.shape or ()) if isinstance(kind, ShapedType) else ()


def num_inputs(operation: Operation) -> int:
    """Number of input operands (`ins`) of a linalg operation."""
    attribute = operation.attribute("operandSegmentSizes")
    if attribute is not None:
        return _first(attribute)
    return len(operation.operands) - max(1, len(operation.results))


@lru_cache(maxsize=4096)
def _first(text: str) -> int:
    return parse_int_array(text)[0]


def reads_output(operation: Operation, index: int) -> bool:
    """Whether the body uses the old value of operand `index`."""
    if not operation.regions or not operation.regions[0].blocks:
        return False
    body = operation.regions[0].blocks[0]
    if index >= len(body.args):
        return False
    argument = body.args[index]
    return any(argument in inner.operands for inner in body.operations)
