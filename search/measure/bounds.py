"""What a kernel must compute, and how far from it rounding may take any correct candidate.

Owns the analysis: every value is carried in double precision together with a bound on the error of a candidate that
computes it in its own type, in any order of summation, with or without fused multiply-add, flushing denormals or not.
What one operation adds is `rounding.py`'s affair; here are reductions:

- a sum of K terms adds g u max(|S|, sqrt(sum of squares)), g = min(K, 4 sqrt(K) + 4) for inputs of independent draws:
  rounding errors then add up like a random walk whose steps are the partial sums. Otherwise (many equal terms are
  rounded the same way each time) g = K. Errors of the terms themselves add up linearly;
- maxima and minima are exact but for their terms' errors; relative errors of products add up.

Where the bound is infinite the lane is not compared: an infinity or NaN there says nothing about the schedule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod, sqrt
from typing import Any

import numpy as np

from costmodel.search.kernel import reference
from costmodel.search.kernel.form import Access, Const, Kernel, Operand, Ref, Stage, flatten
from costmodel.search.kernel.reference import Array, numpy_dtype
from costmodel.search.measure.rounding import ARITHMETIC_ROUNDINGS, Bounded, error_of, limits, operate, rounded

_CHUNK_POINTS = 1 << 21


def evaluate_bounded(kernel: Kernel, inputs: Mapping[str, Array], *, independent: bool) -> dict[str, Bounded]:
    """Outputs of `kernel` with the tolerance of each element.

    Args:
        kernel: What is computed.
        inputs: Its inputs by name, each in its own shape and type.
        independent: Whether the inputs' elements are independent draws from a continuous distribution.
    """
    evaluator = _Evaluator(kernel, inputs, independent)
    with np.errstate(all="ignore"):
        for stage in kernel.stages:
            evaluator.stage(stage)
        return {name: evaluator.output(name) for name in kernel.outputs}


def _flushed(array: Array, dtype: str) -> Bounded:
    """An input: exact, but for denormals that a candidate may take for zero."""
    if not dtype.startswith("f"):
        return Bounded(array.astype(numpy_dtype(dtype)))
    tiny = limits(dtype)[1]
    wide = np.ascontiguousarray(array.astype("f8"))
    small = (wide != 0) & (np.abs(wide) < tiny)
    return Bounded(wide, np.where(small, tiny, 0.0) if small.any() else None)


class _Evaluator:
    """Runs the stages of one kernel; `memory` and `errors` hold values and bounds by root buffer."""

    def __init__(self, kernel: Kernel, inputs: Mapping[str, Array], independent: bool) -> None:
        self.kernel = kernel
        self.independent = independent
        self.memory: dict[str, Array] = {}
        self.errors: dict[str, Array | None] = {}
        for name, array in inputs.items():
            flushed = _flushed(array, kernel.by_name[name].dtype)
            self.memory[name], self.errors[name] = flushed.value, flushed.error

    def output(self, name: str) -> Bounded:
        root = self.kernel.root(name)
        shape = self.kernel.by_name[name].shape
        error = self.errors.get(root)
        return Bounded(self.memory[root].reshape(shape), None if error is None else error.reshape(shape))

    def _allocate(self, name: str, inexact: bool) -> None:
        root = self.kernel.root(name)
        buffer = self.kernel.by_name[root]
        if root not in self.memory:
            floating = buffer.dtype.startswith("f")
            kind = np.dtype("f8") if floating else numpy_dtype(buffer.dtype)
            self.memory[root] = np.full(buffer.shape, np.nan if floating else 0, kind)
        if inexact and self.errors.get(root) is None:
            self.errors[root] = np.zeros(buffer.shape)

    def _view(self, array: Array | None, access: Access, extents: list[int]) -> Array | None:
        if array is None:
            return None
        strides, offset = flatten(self.kernel.by_name[access.buffer].shape, access.maps, len(extents))
        flat = array.reshape(-1)
        return np.lib.stride_tricks.as_strided(flat[offset:], extents, [s * flat.itemsize for s in strides])

    def _read(self, access: Access, extents: list[int]) -> Bounded:
        root = self.kernel.root(access.buffer)
        self._allocate(access.buffer, inexact=False)
        value = self._view(self.memory[root], access, extents)
        return Bounded(value, self._view(self.errors.get(root), access, extents))

    def stage(self, stage: Stage) -> None:
        """Compute one stage and store it."""
        extents = [d.extent for d in stage.dims]
        if stage.prefill is not None:
            self._allocate(stage.writes[0].buffer, inexact=False)
            root = self.kernel.root(stage.writes[0].buffer)
            self.memory[root][...] = stage.prefill.value
        kept = tuple(i for i, d in enumerate(stage.dims) if not d.reduction)
        if stage.is_reduction:
            results = [self._reduced(stage, extents, kept)]
        else:
            reads = [self._read(a, extents) for a in stage.reads]
            results = self._values(stage, extents, stage.yields, reads, 0)
        for write, result in zip(stage.writes, results, strict=True):
            self._store(write, result, extents, kept)

    def _store(self, write: Access, result: Bounded, extents: list[int], kept: tuple[int, ...]) -> None:
        self._allocate(write.buffer, inexact=result.error is not None)
        root = self.kernel.root(write.buffer)
        for array, source in ((self.memory[root], result.value), (self.errors.get(root), error_of(result))):
            view = self._view(array, write, extents)
            if view is not None:
                _outer(view, kept)[...] = source

    def _values(
        self, stage: Stage, extents: list[int], wanted: tuple[Operand, ...], reads: list[Bounded], base: int
    ) -> list[Bounded]:
        done: list[Bounded] = []

        def operand(o: Operand) -> Bounded:
            if isinstance(o, Const):
                floating = o.dtype.startswith(("f", "bf"))
                return Bounded(np.asarray(o.value, "f8" if floating else numpy_dtype(o.dtype)))
            if o.kind == "read":
                return reads[o.index]
            if o.kind == "op":
                return done[o.index]
            shape = [1] * len(extents)
            shape[o.index] = extents[o.index]
            start = base if o.index == 0 else 0
            return Bounded(np.arange(start, start + extents[o.index]).reshape(shape))

        for op in stage.body[: -1 if stage.is_reduction else None]:
            done.append(operate(op, [operand(o) for o in op.operands]))
        return [operand(w) for w in wanted]

    # -- reductions --------------------------------------------------------------------------------------------

    def _reduced(self, stage: Stage, extents: list[int], kept: tuple[int, ...]) -> Bounded:
        last = stage.body[-1]
        combined = next(o for o in last.operands if o != Ref("acc", 0))
        reads = [self._read(a, extents) for a in stage.reads]
        terms = prod(d.extent for d in stage.dims if d.reduction)
        if last.name == "arith.addf":
            parts = _product_sums(stage, reads, kept, combined) or self._chunked(stage, extents, kept, combined, reads)
            total = _summed(parts, terms, last.dtype, self.independent)
        else:
            total = self._chunked_exact(stage, extents, kept, combined, reads)
        return operate(last, [self._init(stage, extents, kept), total])

    def _init(self, stage: Stage, extents: list[int], kept: tuple[int, ...]) -> Bounded:
        if isinstance(stage.init, Access):
            read = self._read(stage.init, extents)
            error = None if read.error is None else _outer(read.error, kept).copy()
            return Bounded(_outer(read.value, kept).copy(), error)
        assert stage.init is not None
        return Bounded(np.asarray(stage.init.value))

    def _chunked(
        self, stage: Stage, extents: list[int], kept: tuple[int, ...], combined: Operand, reads: list[Bounded]
    ) -> tuple[Array, Array, Array]:
        """Sum, sum of squares and sum of errors of the terms."""

        def parts(term: Bounded, axes: tuple[int, ...], shape: tuple[int, ...]) -> tuple[Array, ...]:
            value, error = np.broadcast_to(term.value, shape), np.broadcast_to(error_of(term), shape)
            return value.sum(axes), np.square(value).sum(axes), error.sum(axes)

        sums = self._folded(stage, extents, kept, combined, reads, parts, (np.add, np.add, np.add))
        return sums[0], sums[1], sums[2]

    def _chunked_exact(
        self, stage: Stage, extents: list[int], kept: tuple[int, ...], combined: Operand, reads: list[Bounded]
    ) -> Bounded:
        """Everything but sums; see the module's rules."""
        last = stage.body[-1]
        reducer = reference.BINARY[last.name]
        product = last.name == "arith.mulf"

        def parts(term: Bounded, axes: tuple[int, ...], shape: tuple[int, ...]) -> tuple[Array, ...]:
            value, error = np.broadcast_to(term.value, shape), np.broadcast_to(error_of(term), shape)
            folded = reducer.reduce(value, axis=axes)  # type: ignore[attr-defined]
            if product:
                return folded, np.sum(error / np.abs(value), axis=axes)
            return folded, np.max(error, axis=axes)

        value, error = self._folded(
            stage, extents, kept, combined, reads, parts, (reducer, np.add if product else np.maximum)
        )
        if product:
            terms = prod(d.extent for d in stage.dims if d.reduction)
            return rounded(value, np.abs(value) * np.expm1(error), last.dtype, float(terms))
        return Bounded(value, error if np.any(error) else None)

    def _folded(
        self,
        stage: Stage,
        extents: list[int],
        kept: tuple[int, ...],
        combined: Operand,
        reads: list[Bounded],
        parts: Callable[[Bounded, tuple[int, ...], tuple[int, ...]], tuple[Array, ...]],
        join: tuple[Callable[..., Any], ...],
    ) -> list[Array]:
        """Slices of the first dimension in turn, so that the iteration space never lies in memory whole."""
        axes = tuple(i for i in range(len(extents)) if i not in kept)
        rows = max(1, _CHUNK_POINTS // max(1, prod(extents[1:])))
        pieces: list[tuple[Array, ...]] = []
        for start in range(0, extents[0], rows):
            stop = min(start + rows, extents[0])
            shape = (stop - start, *extents[1:])
            part = [Bounded(r.value[start:stop], None if r.error is None else r.error[start:stop]) for r in reads]
            term = self._values(stage, list(shape), (combined,), part, start)[0]
            pieces.append(parts(term, axes, shape))
        if 0 in kept:
            return [np.concatenate(column, axis=0) for column in zip(*pieces, strict=True)]
        stacked = [np.stack(column) for column in zip(*pieces, strict=True)]
        return [f.reduce(column, axis=0) for f, column in zip(join, stacked, strict=True)]  # type: ignore[attr-defined]


def _outer(view: Array, kept: tuple[int, ...]) -> Array:
    return np.asarray(view[(*(slice(None) if i in kept else 0 for i in range(view.ndim)), ...)])


def _summed(parts: tuple[Array, Array, Array], terms: int, dtype: str, independent: bool) -> Bounded:
    """A sum in any order; see the module's rules."""
    total, squares, errors = parts
    unit, tiny, _ = limits(dtype)
    growth = min(float(terms), 4 * sqrt(terms) + 4) if independent else float(terms)
    walk = growth * unit * (2 if dtype == "f64" else 1)
    scale = np.maximum(np.abs(total), np.sqrt(squares))
    return rounded(total, errors + walk * scale + tiny * terms, dtype, ARITHMETIC_ROUNDINGS)


def _product_sums(
    stage: Stage, reads: list[Bounded], kept: tuple[int, ...], combined: Operand
) -> tuple[Array, Array, Array] | None:
    """Sums of products of two reads by matrix multiplication; None where the stage is none."""
    body = stage.body
    if len(body) != 2 or body[0].name != "arith.mulf" or combined != Ref("op", 0):
        return None
    factors = [o for o in body[0].operands if isinstance(o, Ref) and o.kind == "read"]
    if len(factors) != 2:
        return None
    operands = [_compact(reads[o.index]) for o in factors]
    if {*operands[0][1], *operands[1][1]} != set(range(len(stage.dims))):
        return None

    def contract(f: Callable[[Bounded], Any], g: Callable[[Bounded], Any]) -> Array:
        (a, used_a), (b, used_b) = operands
        return np.asarray(np.einsum(f(a), used_a, g(b), used_b, list(kept), optimize=True))

    total = contract(lambda v: v.value, lambda v: v.value)
    squares = contract(lambda v: np.square(v.value), lambda v: np.square(v.value))
    terms = prod(d.extent for d in stage.dims if d.reduction)
    errors = sqrt(terms) * ARITHMETIC_ROUNDINGS * limits(body[0].dtype)[0] * np.sqrt(squares)
    (a, _), (b, _) = operands
    if a.error is not None:
        errors = errors + contract(lambda v: v.error, lambda v: np.abs(v.value) + error_of(v))
    if b.error is not None:
        errors = errors + contract(lambda v: np.abs(v.value), lambda v: v.error)
    return total, squares, errors


def _compact(read: Bounded) -> tuple[Bounded, list[int]]:
    """The read without the axes it does not move along, and the axes it keeps."""
    used = [i for i in range(read.value.ndim) if read.value.strides[i] != 0 or read.value.shape[i] == 1]
    at = tuple(slice(None) if i in used else 0 for i in range(read.value.ndim))
    return Bounded(read.value[at], None if read.error is None else read.error[at]), used
