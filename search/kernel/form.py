"""The structured form that is scheduled: stages of affine loops over statically shaped buffers.

Owns the data classes only. Invariant: a `Kernel` is well formed if every access names a buffer, has one `Linear` for
each dimension of that buffer, and stages stand in an order in which writers precede readers.
Sources: linalg's structured operations (MLIR); the stage-and-schedule split is Halide's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Literal

ELEMENT_BYTES = {"f64": 8, "f32": 4, "f16": 2, "bf16": 2, "i64": 8, "i32": 4, "i16": 2, "i8": 1, "i1": 1, "index": 8}


@dataclass(frozen=True, slots=True)
class Linear:
    """`sum(coeffs[d] * dim[d]) + const`, one coefficient for each loop dimension of the stage."""

    coeffs: tuple[int, ...]
    const: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffer:
    """A dense row-major array. `alias_of` names the buffer whose memory it shares (a reshape)."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    constant: bool = False
    alias_of: str | None = None

    @property
    def elements(self) -> int:
        """Number of elements; 1 for a scalar."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        """Size in bytes."""
        return self.elements * ELEMENT_BYTES[self.dtype]


@dataclass(frozen=True, slots=True)
class Access:
    """One element of `buffer` for each point of the loop nest; `maps[i]` indexes dimension `i` of the buffer."""

    buffer: str
    maps: tuple[Linear, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dim:
    """A loop dimension: `name` is unique in the stage; a reduction dimension does not appear in the writes."""

    name: str
    extent: int
    reduction: bool


@dataclass(frozen=True, slots=True)
class Ref:
    """A value in a stage body: a read, the accumulator, the result of an operation, or a loop index."""

    kind: Literal["read", "acc", "op", "index"]
    index: int


@dataclass(frozen=True, slots=True)
class Const:
    """A scalar literal in a body, `value` as Python number, of MLIR type `dtype`."""

    value: float | int
    dtype: str


Operand = Ref | Const


@dataclass(frozen=True, slots=True)
class ScalarOp:
    """One scalar operation of a body. `attrs` is MLIR text between the name and the operands (`ogt, ` for compares)."""

    name: str
    operands: tuple[Operand, ...]
    dtype: str
    operand_dtype: str
    attrs: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One loop nest: for every point of `dims`, read, compute `body`, write `yields[i]` through `writes[i]`.

    A stage with a reduction dimension has one write; its last body operation combines the accumulator
    (`Ref("acc", 0)`) with a value, and `init` says what the accumulator starts from: a constant, or a read of its own.
    `prefill` is written to the whole written buffer first (padding).
    """

    name: str
    dims: tuple[Dim, ...]
    reads: tuple[Access, ...]
    writes: tuple[Access, ...]
    body: tuple[ScalarOp, ...]
    yields: tuple[Operand, ...]
    init: Const | Access | None = None
    prefill: Const | None = None

    @property
    def is_reduction(self) -> bool:
        """Whether any dimension is reduced."""
        return any(d.reduction for d in self.dims)

    @property
    def points(self) -> int:
        """Number of iterations of the whole nest."""
        return prod(d.extent for d in self.dims)


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """A function over buffers: arguments `inputs`, results `outputs`, everything else temporary."""

    name: str
    buffers: tuple[Buffer, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    stages: tuple[Stage, ...]
    family: str = field(default="", compare=False)

    @cached_property
    def by_name(self) -> dict[str, Buffer]:
        """Buffers by name."""
        return {b.name: b for b in self.buffers}

    def root(self, name: str) -> str:
        """The buffer that owns the memory of `name`."""
        alias = self.by_name[name].alias_of
        return name if alias is None else self.root(alias)

    @property
    def flops(self) -> int:
        """Floating-point operations, each body operation counted once for each point (a fused multiply-add is two)."""
        return sum(s.points * sum(1 for op in s.body if op.dtype.startswith(("f", "bf"))) for s in self.stages)

    @property
    def bytes(self) -> int:
        """Compulsory traffic: every argument read once, every result written once."""
        return sum(self.by_name[n].bytes for n in (*self.inputs, *self.outputs))


def flatten(shape: tuple[int, ...], maps: tuple[Linear, ...], num_dims: int) -> tuple[tuple[int, ...], int]:
    """Element strides for each loop dimension, and the constant offset, of a row-major access."""
    strides = [0] * num_dims
    offset = 0
    scale = 1
    for extent, linear in zip(reversed(shape), reversed(maps), strict=True):
        for d, c in enumerate(linear.coeffs):
            strides[d] += c * scale
        offset += linear.const * scale
        scale *= extent
    return tuple(strides), offset
