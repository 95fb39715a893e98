"""Fusing elementwise operations without computing anything twice.

Upstream's `linalg-fuse-elementwise-ops` also moves a producer into a contraction or under a broadcast, where it is
computed once for each reuse, and pulls reshapes into convolutions. Its control is fixed: a producer of one use is
fused. So a producer that must stay gets a second use, a barrier, while the pass runs.
"""

from __future__ import annotations

from typing import Any

from mlir import ir
from mlir.passmanager import PassManager

from costmodel.toolchain.normalize_ops import RESHAPES, defining_op, top_level

FUSE = "builtin.module(linalg-fuse-elementwise-ops,canonicalize,cse)"
BARRIER = "costmodel.barrier"


def fuse_elementwise(module: ir.Module) -> None:
    """First fold pure copies (broadcasts, transposes) into their readers, then chains over one iteration space."""
    context = module.context
    context.allow_unregistered_dialects = True
    for copies_only in (True, False):
        _insert_barriers(module, copies_only)
        PassManager.parse(FUSE).run(module.operation)
        for op in top_level(module):
            if op.name == BARRIER:
                op.erase()
    context.allow_unregistered_dialects = False


def _insert_barriers(module: ir.Module, copies_only: bool) -> None:
    for op in top_level(module):
        if op.name == "linalg.generic":
            maps = [attribute.value for attribute in op.attributes["indexing_maps"]]
            edges = list(zip(op.operands, maps, strict=True))
        elif op.name in RESHAPES:
            edges = [(operand, None) for operand in op.operands]
        else:
            continue
        for operand, access in edges:
            producer = defining_op(operand)
            if producer is not None and not _may_fuse(producer, access, copies_only):
                ir.Operation.create(BARRIER, operands=[operand], ip=ir.InsertionPoint.after(producer))


def _may_fuse(producer: Any, access: ir.AffineMap | None, copies_only: bool) -> bool:
    """Whether `producer` may be computed inside a reader that accesses it through `access` (None: a reshape)."""
    if producer.name != "linalg.generic":
        return producer.name not in RESHAPES
    if access is None:
        return False
    if copies_only:
        return _is_copy(producer)
    return bool(access.is_permutation) and "tensor.extract" not in _body(producer)


def _is_copy(op: Any) -> bool:
    return _body(op) == ["linalg.yield"]


def _body(op: Any) -> list[str]:
    return [inner.operation.name for inner in op.regions[0].blocks[0].operations]
