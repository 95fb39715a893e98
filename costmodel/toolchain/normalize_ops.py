"""Small helpers over the MLIR bindings that the steps of the normal form share.

Invariant: `reshaped` creates at most one collapse and one expand, and none where the type is right already.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

from mlir import ir

RESHAPES = ("tensor.expand_shape", "tensor.collapse_shape")


def top_level(module: ir.Module) -> Iterator[Any]:
    """Operations directly in the bodies of the module's functions, safe against changes while iterating."""
    for function in list(module.body.operations):
        if function.operation.name == "func.func":
            for block in function.operation.regions[0].blocks:
                yield from [op.operation for op in block.operations]


def defining_op(value: Any) -> Any | None:
    """The operation whose result `value` is; None for a block argument."""
    return None if isinstance(value.owner, ir.Block) else value.owner.operation


def shape_of(value: Any) -> tuple[int, ...]:
    """The static shape of a ranked tensor value."""
    return tuple(ir.RankedTensorType(value.type).shape)


def typed(value: Any, shape: Sequence[int]) -> ir.RankedTensorType:
    """A tensor type of `shape` with the element type of `value`."""
    return ir.RankedTensorType.get(list(shape), ir.RankedTensorType(value.type).element_type)


def reshaped(value: Any, shape: Sequence[int]) -> Any:
    """`value` with another shape of as many elements, by reshape operations at the current insertion point."""
    before, after = shape_of(value), tuple(shape)
    if before == after:
        return value
    if len(before) > len(after) and (groups := reassociation(before, after)) is not None:
        return _collapse(value, after, groups)
    if len(before) < len(after) and (groups := reassociation(after, before)) is not None:
        return _expand(value, after, groups)
    flat = _collapse(value, (prod(before),), [list(range(len(before)))]) if len(before) > 1 else value
    return flat if len(after) == 1 else _expand(flat, after, [list(range(len(after)))] if after else [])


def reassociation(fine: Sequence[int], coarse: Sequence[int]) -> list[list[int]] | None:
    """Groups of adjacent dimensions of `fine` whose products are `coarse`, or None."""
    if not coarse:
        return [] if prod(fine) == 1 else None
    groups: list[list[int]] = []
    position = 0
    for index, size in enumerate(coarse):
        group: list[int] = []
        product = 1
        while position < len(fine) and (not group or product < size):
            product *= fine[position]
            group.append(position)
            position += 1
        left = len(coarse) - index - 1
        while (
            position < len(fine) and fine[position] == 1 and len(fine) - position > left and not _needs(coarse, index)
        ):
            group.append(position)
            position += 1
        if product != size or not group:
            return None
        groups.append(group)
    return groups if position == len(fine) else None


def _needs(coarse: Sequence[int], index: int) -> bool:
    return index + 1 < len(coarse) and coarse[index + 1] == 1


def _groups_attr(groups: list[list[int]]) -> ir.ArrayAttr:
    integer = ir.IntegerType.get_signless(64)
    return ir.ArrayAttr.get([ir.ArrayAttr.get([ir.IntegerAttr.get(integer, d) for d in group]) for group in groups])


def _collapse(value: Any, shape: Sequence[int], groups: list[list[int]]) -> Any:
    attributes = {"reassociation": _groups_attr(groups)}
    return ir.Operation.create(
        "tensor.collapse_shape", results=[typed(value, shape)], operands=[value], attributes=attributes
    ).result


def _expand(value: Any, shape: Sequence[int], groups: list[list[int]]) -> Any:
    attributes = {"reassociation": _groups_attr(groups), "static_output_shape": ir.DenseI64ArrayAttr.get(list(shape))}
    return ir.Operation.create(
        "tensor.expand_shape", results=[typed(value, shape)], operands=[value], attributes=attributes
    ).result
