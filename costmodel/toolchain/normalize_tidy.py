"""Steps of the normal form that upstream has no pass for: unit dimensions, chains of reshapes, fills, constants.

Invariant: each step keeps every function's results, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mlir import ir
from mlir.dialects import linalg

from costmodel.toolchain.normalize_ops import RESHAPES, defining_op, reshaped, shape_of, top_level, typed


def compose_reshapes(module: ir.Module) -> None:
    """Replace a chain of reshapes by at most one collapse and one expand from its root."""
    for op in top_level(module):
        source = defining_op(op.operands[0]) if op.name in RESHAPES else None
        if source is None or source.name not in RESHAPES:
            continue
        root = op.operands[0]
        while (above := defining_op(root)) is not None and above.name in RESHAPES:
            root = above.operands[0]
        with ir.InsertionPoint(op):
            replacement = reshaped(root, shape_of(op.result))
        if _length(replacement, root) < _length(op.result, root):
            op.result.replace_all_uses_with(replacement)


def _length(value: Any, root: Any) -> int:
    """How many reshapes lie between `root` and `value`."""
    count = 0
    while value != root:
        count += 1
        value = value.owner.operands[0]
    return count


def drop_unit_dims(module: ir.Module) -> None:
    """Let concat, pad, extract_slice and insert_slice work on tensors without their idle unit dimensions."""
    for op in top_level(module):
        rewrite = _UNIT_REWRITES.get(op.name)
        if rewrite is None:
            continue
        with ir.InsertionPoint(op):
            replacement = rewrite(op)
        if replacement is not None:
            op.result.replace_all_uses_with(replacement)
            op.erase()


def _kept(idle: Sequence[bool]) -> list[int] | None:
    kept = [index for index, is_idle in enumerate(idle) if not is_idle]
    return kept if 0 < len(kept) < len(idle) else None


def _pick(values: Sequence[int], kept: list[int]) -> list[int]:
    return [values[index] for index in kept]


def _concat(op: Any) -> Any | None:
    axis = ir.IntegerAttr(op.attributes["dim"]).value
    shapes = [shape_of(value) for value in op.operands]
    kept = _kept([i != axis and all(s[i] == 1 for s in shapes) for i in range(len(shapes[0]))])
    if kept is None:
        return None
    parts = [reshaped(value, _pick(s, kept)) for value, s in zip(op.operands, shapes, strict=True)]
    dim = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), kept.index(axis))
    kind = typed(op.result, _pick(shape_of(op.result), kept))
    joined = ir.Operation.create("tensor.concat", results=[kind], operands=parts, attributes={"dim": dim})
    return reshaped(joined.result, shape_of(op.result))


def _pad(op: Any) -> Any | None:
    before, after = shape_of(op.operands[0]), shape_of(op.result)
    kept = _kept([b == 1 and a == 1 for b, a in zip(before, after, strict=True)])
    body = op.regions[0].blocks[0]
    fill = body.operations[0].operands[0]
    if kept is None or len(op.operands) != 1 or fill.owner == body or len(list(body.operations)) != 1:
        return None
    low, high = (list(ir.DenseI64ArrayAttr(op.attributes[key])) for key in ("static_low", "static_high"))
    attributes = (
        dict(op.attributes.items()) if hasattr(op.attributes, "items") else {a.name: a.attr for a in op.attributes}
    )
    attributes["static_low"] = ir.DenseI64ArrayAttr.get(_pick(low, kept))
    attributes["static_high"] = ir.DenseI64ArrayAttr.get(_pick(high, kept))
    padded = ir.Operation.create(
        "tensor.pad",
        results=[typed(op.result, _pick(after, kept))],
        operands=[reshaped(op.operands[0], _pick(before, kept))],
        attributes=attributes,
        regions=1,
    )
    index = ir.IndexType.get()
    block = padded.regions[0].blocks.append(*[index] * len(kept), arg_locs=[ir.Location.unknown()] * len(kept))
    ir.Operation.create("tensor.yield", operands=[fill], ip=ir.InsertionPoint(block))
    return reshaped(padded.result, after)


def _slice_arrays(op: Any) -> dict[str, list[int]]:
    return {key: list(ir.DenseI64ArrayAttr(op.attributes[key])) for key in _SLICE_KEYS}


_SLICE_KEYS = ("static_offsets", "static_sizes", "static_strides")


def _slice_attributes(op: Any, arrays: dict[str, list[int]], kept: list[int]) -> dict[str, ir.Attribute]:
    picked = {key: ir.DenseI64ArrayAttr.get(_pick(values, kept)) for key, values in arrays.items()}
    return {**picked, "operandSegmentSizes": op.attributes["operandSegmentSizes"]}


def _extract_slice(op: Any) -> Any | None:
    shape, arrays = shape_of(op.operands[0]), _slice_arrays(op)
    kept = _kept([size == 1 for size in shape])
    if kept is None or len(op.operands) != 1:
        return None
    taken = ir.Operation.create(
        "tensor.extract_slice",
        results=[typed(op.result, _pick(arrays["static_sizes"], kept))],
        operands=[reshaped(op.operands[0], _pick(shape, kept))],
        attributes=_slice_attributes(op, arrays, kept),
    )
    return reshaped(taken.result, shape_of(op.result))


def _insert_slice(op: Any) -> Any | None:
    shape, arrays = shape_of(op.result), _slice_arrays(op)
    kept = _kept([size == 1 for size in shape])
    if kept is None or len(op.operands) != 2:
        return None
    source = reshaped(op.operands[0], _pick(arrays["static_sizes"], kept))
    inner = _pick(shape, kept)
    above = defining_op(op.operands[1])
    is_empty = above is not None and above.name == "tensor.empty"
    into = _empty(typed(op.result, inner)) if is_empty else reshaped(op.operands[1], inner)
    put = ir.Operation.create(
        "tensor.insert_slice",
        results=[typed(op.result, inner)],
        operands=[source, into],
        attributes=_slice_attributes(op, arrays, kept),
    )
    return reshaped(put.result, shape)


def _empty(kind: ir.RankedTensorType) -> Any:
    return ir.Operation.create("tensor.empty", results=[kind]).result


_UNIT_REWRITES: dict[str, Callable[[Any], Any | None]] = {
    "tensor.concat": _concat,
    "tensor.pad": _pad,
    "tensor.extract_slice": _extract_slice,
    "tensor.insert_slice": _insert_slice,
}


def fills_by_name(module: ir.Module) -> None:
    """Write generics that only store one scalar as `linalg.fill`."""
    for op in top_level(module):
        scalar = _stored_scalar(op) if op.name == "linalg.generic" else None
        if scalar is None:
            continue
        with ir.InsertionPoint(op):
            filled = linalg.fill(scalar, outs=[op.operands[len(op.operands) - 1]])
        op.result.replace_all_uses_with(filled)
        op.erase()


def _stored_scalar(op: Any) -> Any | None:
    """The scalar that generic `op` stores everywhere: captured, or its only input."""
    body = op.regions[0].blocks[0]
    inner = list(body.operations)
    if len(inner) != 1 or len(inner[0].operands) != 1 or len(op.operands) > 2:
        return None
    stored = inner[0].operands[0]
    if stored.owner != body:
        return stored if len(op.operands) == 1 else None
    is_input = len(op.operands) == 2 and stored == body.arguments[0]
    return op.operands[0] if is_input and not isinstance(op.operands[0].type, ir.RankedTensorType) else None


def own_fills(module: ir.Module) -> None:
    """Give every reader of a `linalg.fill` or `tensor.empty` its own one, right before it."""
    for name in ("linalg.fill", "tensor.empty"):
        for op in top_level(module):
            if op.name != name:
                continue
            for use in sorted(op.result.uses, key=lambda use: use.operand_number):
                with ir.InsertionPoint(use.owner):
                    use.owner.operands[use.operand_number] = op.clone().result
            op.erase()


def own_outputs(module: ir.Module) -> None:
    """Let generics that overwrite all of a tensor without reading it as output write to an empty one.

    Such a body may still read the tensor by `tensor.extract`, at other places: bufferization in place would be wrong.
    """
    for op in top_level(module):
        if op.name != "linalg.generic":
            continue
        arguments = list(op.regions[0].blocks[0].arguments)
        maps = [ir.AffineMapAttr(m).value for m in ir.ArrayAttr(op.attributes["indexing_maps"])]
        for index, (argument, access) in enumerate(zip(arguments, maps, strict=True)):
            value = op.operands[index]
            is_output = index >= len(arguments) - len(op.results)
            if not is_output or list(argument.uses) or not access.is_permutation:
                continue
            source = defining_op(value)
            if source is None or source.name != "tensor.empty":
                with ir.InsertionPoint(op):
                    op.operands[index] = _empty(value.type)


def own_constants(module: ir.Module) -> None:
    """Copy scalar constants into the bodies of the generics that capture them, then drop those without readers."""
    for op in top_level(module):
        if op.name == "linalg.generic":
            _sink_constants(op.operation)
    for op in top_level(module):
        if op.name == "arith.constant" and not list(op.result.uses):
            op.erase()


def _sink_constants(op: Any) -> None:
    block = op.regions[0].blocks[0]
    copies: dict[Any, Any] = {}
    for inner in list(block.operations):
        for index, operand in enumerate(inner.operation.operands):
            source = defining_op(operand)
            if source is None or source.name != "arith.constant" or source.parent == op:
                continue
            if isinstance(operand.type, ir.ShapedType):
                continue
            if source not in copies:
                copies[source] = source.clone(ip=ir.InsertionPoint.at_block_begin(block)).result
            inner.operation.operands[index] = copies[source]
