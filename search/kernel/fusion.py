"""Fusion of nests: a consumer into a reduction's epilogue, a producer into its reader.

Owns rewrites of `Nest` sequences that keep meaning. Each returns None where the rewrite does not apply.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from costmodel.search.kernel.form import Operand, Ref, ScalarOp
from costmodel.search.kernel.nest import FlatAccess, LoopProgram, Nest, Write


def _reads_of(nest: Nest, buffer: str) -> list[FlatAccess]:
    init = [nest.init] if isinstance(nest.init, FlatAccess) else []
    return [a for a in (*nest.reads, *init) if a.buffer == buffer]


def _used_elsewhere(program: LoopProgram, buffer: str, reader: Nest) -> bool:
    if buffer in program.kernel.outputs:
        return True
    return any(_reads_of(n, buffer) for n in program.nests if n is not reader)


def _writers(program: LoopProgram, buffer: str) -> int:
    return sum(w.access.buffer == buffer for n in program.nests for w in n.writes)


def _rewire(op: ScalarOp, change: Callable[[Operand], Operand]) -> ScalarOp:
    return replace(op, operands=tuple(change(o) for o in op.operands))


def fuse_pair(program: LoopProgram, first: Nest, second: Nest) -> Nest | None:
    """One nest that does both, or None.

    Applies where `second` reads what `first` writes at exactly the point at which it is written, over the same parallel
    dimensions: elementwise into elementwise, elementwise into reduction, or elementwise onto a reduction's result.
    """
    if second.prefill is not None or first.prefill is not None or len([w for w in first.writes if not w.inside]) != 1:
        return None
    write = next(w for w in first.writes if not w.inside)
    buffer = write.access.buffer
    reads = _reads_of(second, buffer)
    if (
        not reads
        or any(a != write.access and not _same(a, write.access) for a in reads)
        or _writers(program, buffer) != 1
    ):
        return None
    if isinstance(second.init, FlatAccess) and second.init.buffer == buffer:
        return None
    keep = _used_elsewhere(program, buffer, second)
    if first.combine is None and set(first.parallel) == set(second.dims):
        return _into_reader(first, second, write, keep)
    if first.combine is not None and second.combine is None and set(first.parallel) == set(second.parallel):
        return _epilogue(first, second, write, keep)
    return None


def _same(a: FlatAccess, b: FlatAccess) -> bool:
    return a.buffer == b.buffer and a.offset == b.offset and set(a.strides) == set(b.strides)


def _merge_reads(first: Nest, second: Nest, buffer: str) -> tuple[tuple[FlatAccess, ...], dict[int, int]]:
    """Reads of both without those of `buffer` in `second`, and where each kept read of `second` went."""
    reads = list(first.reads)
    moved = {}
    for i, access in enumerate(second.reads):
        if access.buffer == buffer:
            continue
        if access not in reads:
            reads.append(access)
        moved[i] = reads.index(access)
    return tuple(reads), moved


def _index_dims(first: Nest, second: Nest) -> tuple[str | None, ...]:
    return (*first.index_dims, *second.index_dims)


def _shift(
    second: Nest, moved: dict[int, int], value: Operand, op_shift: int, index_shift: int
) -> Callable[[Operand], Operand]:
    def change(o: Operand) -> Operand:
        if not isinstance(o, Ref) or o.kind == "acc":
            return o
        if o.kind == "read":
            return Ref("read", moved[o.index]) if o.index in moved else value
        if o.kind == "index":
            return Ref("index", o.index + index_shift)
        return Ref("op", o.index + op_shift)

    return change


def _into_reader(first: Nest, second: Nest, write: Write, keep: bool) -> Nest:
    """`first` is elementwise over all dimensions of `second`: compute it at every point of `second`."""
    reads, moved = _merge_reads(first, second, write.access.buffer)
    change = _shift(second, moved, write.value, first.pre, len(first.index_dims))
    ops = (*first.ops, *(_rewire(op, change) for op in second.ops))
    writes = tuple(replace(w, value=change(w.value)) for w in second.writes)
    if keep:
        writes = (*writes, replace(write, inside=second.combine is not None))
    combined = change(second.combined) if second.combined is not None else None
    return replace(
        second, name=f"{first.name}+{second.name}", reads=reads, ops=ops, pre=first.pre + second.pre, writes=writes,
        combined=combined, index_dims=_index_dims(first, second),
    )  # fmt: skip


def _epilogue(first: Nest, second: Nest, write: Write, keep: bool) -> Nest | None:
    """`second` is elementwise over the parallel dimensions of the reduction `first`: run it on the finished value."""
    reads, moved = _merge_reads(first, second, write.access.buffer)
    change = _shift(second, moved, write.value, len(first.ops), len(first.index_dims))
    ops = (*first.ops, *(_rewire(op, change) for op in second.ops))
    writes = [w for w in first.writes if w is not write or keep]
    new = [replace(w, value=change(w.value)) for w in second.writes]
    return replace(
        first,
        name=f"{first.name}+{second.name}",
        reads=reads,
        ops=ops,
        writes=(*new, *writes),
        index_dims=_index_dims(first, second),
    )


def fuse_consumers(program: LoopProgram, depth: int) -> LoopProgram:
    """Fold up to `depth` following elementwise nests into each reduction."""
    for _ in range(depth):
        merged = _fuse_once(program, lambda a, b: a.combine is not None and b.combine is None)
        if merged is None:
            break
        program = merged
    return program


def fuse_producers(program: LoopProgram, depth: int) -> LoopProgram:
    """Fold up to `depth` elementwise nests into the nest that reads them."""
    for _ in range(depth):
        merged = _fuse_once(program, lambda a, b: a.combine is None)
        if merged is None:
            break
        program = merged
    return program


def _fuse_once(program: LoopProgram, wanted: Callable[[Nest, Nest], bool]) -> LoopProgram | None:
    nests = program.nests
    for i, first in enumerate(nests):
        for j in range(i + 1, len(nests)):
            second = nests[j]
            if not wanted(first, second) or not _movable(nests, i, j):
                continue
            merged = fuse_pair(program, first, second)
            if merged is not None:
                at = j if first.combine is None else i
                kept = [n for k, n in enumerate(nests) if k not in (i, j)]
                kept.insert(at - (1 if at == j else 0), merged)
                return replace(program, nests=tuple(kept))
    return None


def _movable(nests: tuple[Nest, ...], i: int, j: int) -> bool:
    """Whether nothing between the two depends on the first, and the second depends on nothing between."""
    written = {w.access.buffer for w in nests[i].writes}
    needed = {a.buffer for a in nests[j].accesses}
    for n in nests[i + 1 : j]:
        if written & {a.buffer for a in n.accesses} or needed & {w.access.buffer for w in n.writes}:
            return False
    return True
