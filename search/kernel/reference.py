"""What a kernel means, computed by numpy in double precision: the judge of every candidate.

Owns the reference semantics. It shares nothing with code generation but the structured form itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np

from costmodel.search.kernel.form import Access, Const, Kernel, Operand, Ref, ScalarOp, Stage, flatten

Array = np.ndarray[Any, Any]
NUMPY_DTYPES = {
    "f64": "f8",
    "f32": "f4",
    "f16": "f2",
    "i64": "i8",
    "i32": "i4",
    "i16": "i2",
    "i8": "i1",
    "i1": "?",
    "index": "i8",
}
_CHUNK = 1 << 22


def numpy_dtype(dtype: str) -> np.dtype[Any]:
    """The numpy type of an element; KeyError for one numpy has not."""
    return np.dtype(NUMPY_DTYPES[dtype])


def _wide(dtype: str) -> np.dtype[Any]:
    return np.dtype("f8") if dtype.startswith("f") else numpy_dtype(dtype)


def _erf(x: Array) -> Array:
    import math

    return np.vectorize(math.erf, otypes=[float])(x) if x.size else x


_UNARY: dict[str, Callable[..., Any]] = {
    "arith.negf": np.negative, "math.exp": np.exp, "math.exp2": np.exp2, "math.expm1": np.expm1, "math.tanh": np.tanh,
    "math.erf": _erf, "math.rsqrt": lambda x: 1 / np.sqrt(x), "math.log": np.log, "math.log2": np.log2,
    "math.log1p": np.log1p, "math.sin": np.sin, "math.cos": np.cos, "math.sqrt": np.sqrt, "math.absf": np.abs,
    "math.floor": np.floor, "math.ceil": np.ceil, "math.roundeven": np.rint,
}  # fmt: skip
BINARY: dict[str, Callable[..., Any]] = {
    "arith.addf": np.add, "arith.subf": np.subtract, "arith.mulf": np.multiply, "arith.divf": np.divide,
    "arith.maximumf": np.maximum, "arith.minimumf": np.minimum, "arith.maxnumf": np.fmax, "arith.minnumf": np.fmin,
    "arith.remf": np.fmod, "arith.addi": np.add, "arith.subi": np.subtract, "arith.muli": np.multiply,
    "arith.divsi": lambda a, b: np.trunc(a / b).astype(a.dtype), "arith.remsi": np.fmod, "arith.andi": np.bitwise_and,
    "arith.ori": np.bitwise_or, "arith.xori": np.bitwise_xor, "arith.maxsi": np.maximum, "arith.minsi": np.minimum,
    "arith.shli": np.left_shift, "arith.shrsi": np.right_shift, "math.powf": np.power, "math.copysign": np.copysign,
}  # fmt: skip
_COMPARE: dict[str, Callable[..., Any]] = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
}  # fmt: skip


def _compare(op: ScalarOp, a: Array, b: Array) -> Array:
    predicate = op.attrs.strip(", ")
    if op.name == "arith.cmpi":
        if predicate.startswith("u"):
            a, b = (np.asarray(v).astype(f"u{np.asarray(v).dtype.itemsize}") for v in (a, b))
        return np.asarray(_COMPARE[predicate[-2:]](a, b))
    nan = np.isnan(a) | np.isnan(b)
    if predicate in ("ord", "uno"):
        return np.asarray(~nan if predicate == "ord" else nan)
    result = _COMPARE[predicate[-2:]](a, b)
    return np.asarray(result & ~nan if predicate.startswith("o") else result | nan)


def operation(op: ScalarOp, args: list[Any]) -> Any:
    """The value of one body operation on arrays."""
    if op.name in ("arith.cmpf", "arith.cmpi"):
        return _compare(op, *args)
    if op.name == "arith.select":
        return np.where(*args)
    if op.name == "math.fma":
        return args[0] * args[1] + args[2]
    if op.name in _UNARY:
        return _UNARY[op.name](*args)
    if op.name in BINARY:
        return BINARY[op.name](*args)
    return _cast(op, args[0])


def _cast(op: ScalarOp, value: Any) -> Any:
    value = np.asarray(value)
    if op.name in ("arith.truncf", "arith.extf"):
        return value.astype(numpy_dtype(op.dtype)).astype("f8") if op.dtype in NUMPY_DTYPES else value
    if op.name in ("arith.fptosi", "arith.fptoui"):
        with np.errstate(invalid="ignore"):
            return np.trunc(value).astype(_wide(op.dtype))
    if op.name in ("arith.uitofp", "arith.extui") and value.dtype != bool:
        value = value.view(f"u{value.dtype.itemsize}")
    return value.astype(_wide(op.dtype))


def _view(array: Array, shape: tuple[int, ...], access: Access, extents: list[int]) -> Array:
    """The array as seen from the loops: no copy, one axis for each dimension, stride 0 where it does not move."""
    strides, offset = flatten(shape, access.maps, len(extents))
    flat = array.reshape(-1)
    step = flat.itemsize
    return np.lib.stride_tricks.as_strided(flat[offset:], extents, [s * step for s in strides])


class _Evaluator:
    def __init__(self, kernel: Kernel, inputs: Mapping[str, Array], absolute: bool) -> None:
        self.kernel = kernel
        self.absolute = absolute
        self.memory: dict[str, Array] = {}
        for name, array in inputs.items():
            wide = array.astype(_wide(kernel.by_name[name].dtype))
            self.memory[name] = np.ascontiguousarray(np.abs(wide) if absolute and wide.dtype.kind == "f" else wide)

    def array(self, name: str) -> Array:
        root = self.kernel.root(name)
        if root not in self.memory:
            buffer = self.kernel.by_name[root]
            fill = np.nan if buffer.dtype.startswith("f") else 0
            self.memory[root] = np.full(buffer.shape, fill, _wide(buffer.dtype))
        return self.memory[root]

    def view(self, access: Access, extents: list[int]) -> Array:
        return _view(self.array(access.buffer), self.kernel.by_name[access.buffer].shape, access, extents)

    def stage(self, stage: Stage) -> None:
        extents = [d.extent for d in stage.dims]
        if stage.prefill is not None:
            self.array(stage.writes[0].buffer)[...] = stage.prefill.value
        kept = tuple(i for i, d in enumerate(stage.dims) if not d.reduction)
        outs = [self._parallel(self.view(w, extents), kept, len(extents)) for w in stage.writes]
        if not stage.is_reduction:
            for out, value in zip(outs, self.values(stage, extents, stage.yields), strict=True):
                out[...] = value
            return
        outs[0][...] = self.reduce(stage, extents, kept)

    @staticmethod
    def _parallel(view: Array, kept: tuple[int, ...], rank: int) -> Array:
        return view[(*(slice(None) if i in kept else 0 for i in range(rank)), ...)]

    def values(
        self,
        stage: Stage,
        extents: list[int],
        wanted: tuple[Operand, ...],
        reads: list[Array] | None = None,
        base: int = 0,
    ) -> list[Any]:
        views = reads if reads is not None else [self.view(a, extents) for a in stage.reads]
        done: list[Any] = []

        def operand(o: Operand) -> Any:
            if isinstance(o, Const):
                return np.asarray(o.value, _wide(o.dtype))
            if o.kind == "read":
                return views[o.index]
            if o.kind == "op":
                return done[o.index]
            shape = [1] * len(extents)
            shape[o.index] = extents[o.index]
            start = base if o.index == 0 else 0
            return np.arange(start, start + extents[o.index]).reshape(shape)

        for op in stage.body[: -1 if stage.is_reduction else None]:
            done.append(operation(op, [operand(o) for o in op.operands]))
        return [operand(w) for w in wanted]

    def reduce(self, stage: Stage, extents: list[int], kept: tuple[int, ...]) -> Array:
        last = stage.body[-1]
        combined = next(o for o in last.operands if o != Ref("acc", 0))
        init = self._init(stage, extents, kept)
        axes = tuple(i for i in range(len(extents)) if i not in kept)
        views = [self.view(a, extents) for a in stage.reads]
        total = self._product_sum(stage, views, kept, combined)
        if total is None:
            total = self._chunked(stage, extents, kept, axes, combined, views)
        return np.asarray(BINARY[last.name](init, total))

    def _init(self, stage: Stage, extents: list[int], kept: tuple[int, ...]) -> Any:
        if isinstance(stage.init, Access):
            return self._parallel(self.view(stage.init, extents), kept, len(extents)).copy()
        assert stage.init is not None
        value = stage.init.value
        return abs(value) if self.absolute and np.isfinite(value) else value

    def _product_sum(self, stage: Stage, views: list[Array], kept: tuple[int, ...], combined: Operand) -> Array | None:
        """Sums of products of two reads go through einsum."""
        body = stage.body
        if len(body) != 2 or body[0].name != "arith.mulf" or body[1].name != "arith.addf" or combined != Ref("op", 0):
            return None
        if any(not isinstance(o, Ref) or o.kind != "read" for o in body[0].operands):
            return None
        letters = list(range(views[0].ndim))
        operands: list[Any] = []
        for o in body[0].operands:
            assert isinstance(o, Ref)
            view = views[o.index]
            used = [i for i in letters if view.strides[i] != 0 or view.shape[i] == 1]
            operands += [view[tuple(slice(None) if i in used else 0 for i in letters)], used]
        covered = set(operands[1]) | set(operands[3])
        if covered != set(letters):
            return None
        return np.asarray(np.einsum(*operands, list(kept), optimize=True))

    def _chunked(
        self,
        stage: Stage,
        extents: list[int],
        kept: tuple[int, ...],
        axes: tuple[int, ...],
        combined: Operand,
        views: list[Array],
    ) -> Array:
        """Evaluate slices of the first dimension so that the iteration space never lies in memory whole."""
        reducer = BINARY[stage.body[-1].name]
        rows = max(1, _CHUNK // max(1, prod(extents[1:]))) if extents else 1
        parts: list[Array] = []
        for start in range(0, extents[0] if extents else 1, rows):
            stop = min(start + rows, extents[0]) if extents else 1
            part = [v[start:stop] if v.ndim else v for v in views]
            shape = [stop - start, *extents[1:]] if extents else []
            value = self.values(stage, shape, (combined,), part, start)[0]
            parts.append(reducer.reduce(np.broadcast_to(value, shape), axis=axes))  # type: ignore[attr-defined]
        if 0 in kept:
            return np.concatenate(parts, axis=0)
        return np.asarray(reducer.reduce(np.stack(parts), axis=0))  # type: ignore[attr-defined]


def evaluate(kernel: Kernel, inputs: Mapping[str, Array], *, absolute: bool = False) -> dict[str, Array]:
    """Outputs of a kernel in double precision (integers in their own type).

    With `absolute`, inputs and initial values enter by magnitude: for sums of products the result bounds the rounding
    error of any order of summation up to a factor (Higham, Accuracy and Stability, section 3.1).
    """
    evaluator = _Evaluator(kernel, inputs, absolute)
    with np.errstate(all="ignore"):
        for stage in kernel.stages:
            evaluator.stage(stage)
    return {name: evaluator.array(name) for name in kernel.outputs}
