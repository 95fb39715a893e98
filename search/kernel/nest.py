"""Loop nests over flat buffers, dimension names shared by a whole kernel: what scheduler and code generator see.

Owns the flattening of `Stage` to `Nest`, the naming of dimensions across stages, and their coalescing.
Invariant: a dimension name has one extent in the whole kernel; dimensions of extent one are gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import prod

from costmodel.search.kernel.form import Access, Const, Kernel, Linear, Operand, Ref, ScalarOp, Stage, flatten


@dataclass(frozen=True, slots=True)
class FlatAccess:
    """Element `offset + sum(strides[d] * d)` of the buffer; dimensions with stride zero are left out."""

    buffer: str
    strides: tuple[tuple[str, int], ...]
    offset: int = 0

    def stride(self, dim: str) -> int:
        """Elements between neighbours along `dim`; 0 when the access does not depend on it."""
        return next((s for n, s in self.strides if n == dim), 0)

    @property
    def dims(self) -> frozenset[str]:
        """Dimensions the access depends on."""
        return frozenset(n for n, _ in self.strides)


@dataclass(frozen=True, slots=True)
class Write:
    """`value` is stored through `access`; `inside` means at every point, also those of reduction dimensions."""

    access: FlatAccess
    value: Operand
    inside: bool = False


@dataclass(frozen=True, kw_only=True)
class Nest:
    """One loop nest.

    `ops[:pre]` run at every point and may use reads and indices. With `combine` set, the value `combined` is then
    folded into the accumulator over `reduction` dimensions and `ops[pre:]` run once for each parallel point on
    `Ref("acc", 0)`.
    """

    name: str
    parallel: tuple[str, ...]
    reduction: tuple[str, ...]
    reads: tuple[FlatAccess, ...]
    ops: tuple[ScalarOp, ...]
    pre: int
    writes: tuple[Write, ...]
    index_dims: tuple[str | None, ...] = ()
    combine: str | None = None
    combined: Operand | None = None
    acc_dtype: str = ""
    init: Const | FlatAccess | None = None
    prefill: Const | None = None

    @property
    def dims(self) -> tuple[str, ...]:
        """All dimensions, parallel ones first."""
        return (*self.parallel, *self.reduction)

    @property
    def accesses(self) -> tuple[FlatAccess, ...]:
        """Every access, reads, then writes, then the initial value."""
        init = (self.init,) if isinstance(self.init, FlatAccess) else ()
        return (*self.reads, *(w.access for w in self.writes), *init)


@dataclass(frozen=True, kw_only=True)
class LoopProgram:
    """A kernel as nests in execution order, `extents` by dimension name."""

    kernel: Kernel
    extents: dict[str, int]
    nests: tuple[Nest, ...]

    def points(self, nest: Nest) -> int:
        """Iterations of the whole nest."""
        return prod(self.extents[d] for d in nest.dims)

    @property
    def anchor(self) -> Nest:
        """The nest with the most iterations; a reduction wins a tie, then the first."""
        return max(self.nests, key=lambda n: (self.points(n) * max(1, n.pre), n.combine is not None))


def loop_program(kernel: Kernel) -> LoopProgram:
    """Flatten, name, drop unit dimensions, and coalesce those that every nest walks as one."""
    from costmodel.search.kernel.naming import name_dims

    names = name_dims(kernel)
    extents = {names[s.name][i]: d.extent for s in kernel.stages for i, d in enumerate(s.dims)}
    nests = tuple(_flatten_stage(kernel, s, names[s.name]) for s in kernel.stages)
    return _coalesce(LoopProgram(kernel=kernel, extents={n: e for n, e in extents.items() if e > 1}, nests=nests))


def _flat(kernel: Kernel, access: Access, names: tuple[str, ...], stage: Stage) -> FlatAccess:
    strides, offset = flatten(kernel.by_name[access.buffer].shape, access.maps, len(names))
    kept = tuple((n, s) for n, s, d in zip(names, strides, stage.dims, strict=True) if s and d.extent > 1)
    return FlatAccess(kernel.root(access.buffer), kept, offset)


def _flatten_stage(kernel: Kernel, stage: Stage, names: tuple[str, ...]) -> Nest:
    flat = [_flat(kernel, a, names, stage) for a in stage.reads]
    writes = [_flat(kernel, a, names, stage) for a in stage.writes]
    kept = [(n, d) for n, d in zip(names, stage.dims, strict=True) if d.extent > 1]
    index_dims = tuple(n if d.extent > 1 else None for n, d in zip(names, stage.dims, strict=True))
    plain = Nest(
        name=stage.name,
        parallel=tuple(n for n, d in kept if not d.reduction),
        reduction=tuple(n for n, d in kept if d.reduction),
        reads=tuple(flat),
        ops=stage.body,
        pre=len(stage.body),
        writes=tuple(Write(w, y) for w, y in zip(writes, stage.yields, strict=True)),
        index_dims=index_dims,
        prefill=stage.prefill,
    )
    if not stage.is_reduction:
        return plain
    last = stage.body[-1]
    combined = next(o for o in last.operands if o != Ref("acc", 0))
    init = _flat(kernel, stage.init, names, stage) if isinstance(stage.init, Access) else stage.init
    return replace(
        plain,
        ops=stage.body[:-1],
        pre=len(stage.body) - 1,
        writes=(Write(writes[0], Ref("acc", 0)),),
        combine=last.name,
        combined=combined,
        acc_dtype=last.dtype,
        init=init,
    )


def _coalesce(program: LoopProgram) -> LoopProgram:
    """Merge dimension pairs (outer, inner) that every nest with one of them walks contiguously, until none is left."""
    while (pair := _mergeable(program)) is not None:
        program = _merge(program, *pair)
    return program


def _mergeable(program: LoopProgram) -> tuple[str, str] | None:
    names = list(program.extents)
    for outer in names:
        for inner in names:
            if outer != inner and all(_nest_allows(n, outer, inner, program.extents[inner]) for n in program.nests):
                return outer, inner
    return None


def _nest_allows(nest: Nest, outer: str, inner: str, extent: int) -> bool:
    has = [(d in nest.parallel, d in nest.reduction) for d in (outer, inner)]
    if has[0] != has[1]:
        return False
    used = {
        nest.index_dims[r.index] for op in nest.ops for r in op.operands if isinstance(r, Ref) and r.kind == "index"
    }
    if outer in used or inner in used:
        return False
    return all(a.stride(outer) == a.stride(inner) * extent for a in nest.accesses)


def _merge(program: LoopProgram, outer: str, inner: str) -> LoopProgram:
    joined = f"{outer}_{inner}"

    def rename(dims: Iterable[str]) -> tuple[str, ...]:
        return tuple(joined if d == inner else d for d in dims if d != outer)

    def access(a: FlatAccess) -> FlatAccess:
        return replace(a, strides=tuple((joined if n == inner else n, s) for n, s in a.strides if n != outer))

    nests = tuple(
        replace(
            n,
            parallel=rename(n.parallel),
            reduction=rename(n.reduction),
            reads=tuple(access(a) for a in n.reads),
            writes=tuple(replace(w, access=access(w.access)) for w in n.writes),
            init=access(n.init) if isinstance(n.init, FlatAccess) else n.init,
            index_dims=tuple(None if d == outer else joined if d == inner else d for d in n.index_dims),
        )
        for n in program.nests
    )
    size = program.extents[outer] * program.extents[inner]
    extents = {joined if n == inner else n: size if n == inner else e for n, e in program.extents.items() if n != outer}
    return replace(program, extents=extents, nests=nests)


__all__ = ["FlatAccess", "Linear", "LoopProgram", "Nest", "Write", "loop_program"]
