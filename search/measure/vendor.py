"""What numpy takes for the same workload, where it offers the operation: the vendor's baseline in the final comparison.

Owns the choice of the call. numpy's matrix product is the BLAS it was built with (OpenBLAS in the wheels).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from costmodel.search.kernel.form import Access, Const, Kernel, Ref, Stage
from costmodel.search.kernel.reference import Array

VENDOR = "vendor"
"""Stands for the vendor's call where a schedule's text is asked for."""


@dataclass(frozen=True, slots=True)
class _Roles:
    """Loop dimensions by the part they play in a product of matrices."""

    batch: tuple[int, ...]
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    summed: tuple[int, ...]


def vendor_call(kernel: Kernel, inputs: Mapping[str, Array]) -> Callable[[int], None] | None:
    """A function that runs the operation so many times in numpy, into memory of its own; None where it has none.

    Offered for a single (batched) product of matrices in f32 or f64 whose operands are dense, transposed or not.
    """
    if len(kernel.stages) != 1 or not _is_product_sum(kernel.stages[0]):
        return None
    stage = kernel.stages[0]
    first, second = (stage.reads[o.index] for o in stage.body[0].operands if isinstance(o, Ref))
    axes = [_axes(access, len(stage.dims)) for access in (first, second, stage.writes[0])]
    if any(found is None for found in axes):
        return None
    left, right, out = (found or () for found in axes)
    roles = _roles(stage, left, right, out)
    if roles is None or any(kernel.by_name[a.buffer].dtype not in ("f32", "f64") for a in (first, second)):
        return None
    a = _arranged(inputs[kernel.root(first.buffer)], left, roles.batch, roles.rows, roles.summed)
    b = _arranged(inputs[kernel.root(second.buffer)], right, roles.batch, roles.summed, roles.columns)
    result = np.empty((*a.shape[:-1], b.shape[-1]), a.dtype)

    def call(count: int) -> None:
        for _ in range(count):
            np.matmul(a, b, out=result)

    return call


def _is_product_sum(stage: Stage) -> bool:
    names = [op.name for op in stage.body]
    if (
        names != ["arith.mulf", "arith.addf"]
        or stage.init != Const(0.0, stage.body[1].dtype)
        or stage.prefill is not None
    ):
        return False
    factors = [o for o in stage.body[0].operands if isinstance(o, Ref) and o.kind == "read"]
    return len(factors) == 2 and len(stage.reads) == 2 and factors[0] != factors[1]


def _axes(access: Access, rank: int) -> tuple[int, ...] | None:
    """The loop dimension behind each axis of a dense operand; None where an axis is anything but one dimension."""
    found = []
    for linear in access.maps:
        used = [i for i in range(rank) if linear.coeffs[i]]
        if linear.const or len(used) != 1 or linear.coeffs[used[0]] != 1:
            return None
        found.append(used[0])
    return tuple(found) if len(set(found)) == len(found) else None


def _roles(stage: Stage, left: tuple[int, ...], right: tuple[int, ...], out: tuple[int, ...]) -> _Roles | None:
    batch = tuple(d for d in out if d in left and d in right)
    rows = tuple(d for d in out if d in left and d not in right)
    columns = tuple(d for d in out if d in right and d not in left)
    summed = tuple(i for i, d in enumerate(stage.dims) if d.reduction)
    complete = set(left) == {*batch, *rows, *summed} and set(right) == {*batch, *summed, *columns}
    if not complete or len(rows) > 1 or len(columns) > 1 or len(summed) != 1 or out != (*batch, *rows, *columns):
        return None
    return _Roles(batch, rows, columns, summed)


def _arranged(array: Array, axes: tuple[int, ...], batch: tuple[int, ...], *matrix: tuple[int, ...]) -> Array:
    """A view with the axes in the order matmul wants, a missing row or column dimension as one of extent 1."""
    wanted = [*batch, *(d for group in matrix for d in group)]
    view = np.transpose(array, [axes.index(d) for d in wanted])
    shape = [*view.shape[: len(batch)], *(view.shape[wanted.index(g[0])] if g else 1 for g in matrix)]
    return view.reshape(shape)
