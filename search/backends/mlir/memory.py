"""Loads and stores of one element or one vector through a flat access.

Owns the choice of instruction: scalar, contiguous, masked, de-interleaved (stride two), or gathered.
Invariant: no lane outside `active` touches memory.
"""

from __future__ import annotations

from dataclasses import dataclass

from costmodel.search.backends.mlir.text import Text
from costmodel.search.backends.mlir.values import Value, broadcast, vector_type


@dataclass(frozen=True, slots=True)
class Memory:
    """A flat buffer as the function sees it: SSA name, element count, element type in memory."""

    name: str
    elements: int
    dtype: str

    @property
    def stored(self) -> str:
        """Element type in memory: i1 lives in a byte."""
        return "i8" if self.dtype == "i1" else self.dtype

    @property
    def type(self) -> str:
        """MLIR type of the argument."""
        return f"memref<{self.elements}x{self.stored}>"


@dataclass(frozen=True, slots=True)
class Lanes:
    """A vector position: `width` lanes of which the first `active` count; width 0 is a scalar."""

    width: int
    active: int

    @property
    def full(self) -> bool:
        """Whether no mask is needed."""
        return self.active == self.width


SCALAR = Lanes(0, 0)


def _mask(text: Text, lanes: Lanes) -> str:
    type_ = f"vector<{lanes.width}xi1>"
    return text.constant(f"vector.constant_mask [{lanes.active}] : {type_}", type_)


def _zero(text: Text, memory: Memory, lanes: int) -> str:
    return text.const(0, vector_type(lanes, memory.stored))


def load(text: Text, memory: Memory, index: str, stride: int, lanes: Lanes) -> Value:
    """Read `lanes` elements `stride` apart from `index`; a scalar where the stride is zero."""
    if stride == 0 or lanes.width == 0:
        name = text.op(f"memref.load {memory.name}[{index}] : {memory.type}", memory.stored)
        return _as_bool(text, memory, Value(name, memory.stored, 0))
    if stride == 1:
        name = _contiguous(text, memory, index, lanes)
    elif stride == 2 and lanes.width > 1:
        name = _deinterleaved(text, memory, index, lanes)
    else:
        name = _gathered(text, memory, index, stride, lanes)
    return _as_bool(text, memory, Value(name, memory.stored, lanes.width))


def _as_bool(text: Text, memory: Memory, value: Value) -> Value:
    if memory.dtype != "i1":
        return value
    type_ = vector_type(value.lanes, "i1")
    return Value(text.op(f"arith.trunci {value.name} : {value.type} to {type_}", type_), "i1", value.lanes)


def _contiguous(text: Text, memory: Memory, index: str, lanes: Lanes) -> str:
    type_ = vector_type(lanes.width, memory.stored)
    if lanes.full:
        return text.op(f"vector.load {memory.name}[{index}] : {memory.type}, {type_}", type_)
    mask, fill = _mask(text, lanes), _zero(text, memory, lanes.width)
    types = f"{memory.type}, vector<{lanes.width}xi1>, {type_} into {type_}"
    return text.op(f"vector.maskedload {memory.name}[{index}], {mask}, {fill} : {types}", type_)


def _deinterleaved(text: Text, memory: Memory, index: str, lanes: Lanes) -> str:
    """Two contiguous loads and a shuffle; elements 0, 2, 4, … of which the last pair may end the buffer."""
    width, needed = lanes.width, 2 * lanes.active - 1
    type_ = vector_type(width, memory.stored)
    low = _contiguous(text, memory, index, Lanes(width, min(width, needed)))
    if needed <= width:
        high = _zero(text, memory, width)
    else:
        high = _contiguous(text, memory, text.offset(index, width), Lanes(width, needed - width))
    picks = ", ".join(str(2 * i) for i in range(width))
    return text.op(f"vector.shuffle {low}, {high} [{picks}] : {type_}, {type_}", type_)


def _steps(text: Text, stride: int, width: int) -> str:
    values = ", ".join(str(i * stride) for i in range(width))
    return text.constant(f"arith.constant dense<[{values}]> : vector<{width}xi32>", f"vector<{width}xi32>")


def _gathered(text: Text, memory: Memory, index: str, stride: int, lanes: Lanes) -> str:
    type_ = vector_type(lanes.width, memory.stored)
    steps, mask, fill = _steps(text, stride, lanes.width), _mask(text, lanes), _zero(text, memory, lanes.width)
    types = f"{memory.type}, vector<{lanes.width}xi32>, vector<{lanes.width}xi1>, {type_} into {type_}"
    return text.op(f"vector.gather {memory.name}[{index}] [{steps}], {mask}, {fill} : {types}", type_)


def store(text: Text, memory: Memory, index: str, stride: int, lanes: Lanes, value: Value) -> None:
    """Write `value` to `lanes` elements `stride` apart; a scalar value is broadcast to the active lanes."""
    if memory.dtype == "i1":
        type_ = vector_type(value.lanes, "i8")
        value = Value(text.op(f"arith.extui {value.name} : {value.type} to {type_}", type_), "i8", value.lanes)
    if lanes.width == 0 or stride == 0:
        text.line(f"memref.store {value.name}, {memory.name}[{index}] : {memory.type}")
        return
    wide = broadcast(text, value, lanes.width)
    where = f"{memory.name}[{index}]"
    mask_type = f"vector<{lanes.width}xi1>"
    if stride == 1 and lanes.full:
        text.line(f"vector.store {wide.name}, {where} : {memory.type}, {wide.type}")
    elif stride == 1:
        text.line(
            f"vector.maskedstore {where}, {_mask(text, lanes)}, {wide.name} : {memory.type}, {mask_type}, {wide.type}"
        )
    else:
        steps = _steps(text, stride, lanes.width)
        types = f"{memory.type}, vector<{lanes.width}xi32>, {mask_type}, {wide.type}"
        text.line(f"vector.scatter {where} [{steps}], {_mask(text, lanes)}, {wide.name} : {types}")
