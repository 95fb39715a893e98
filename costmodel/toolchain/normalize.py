"""Linalg on tensors in, the one normal form that everything downstream reads out.

Owns the pass list of the normal form and the messages for text that cannot be brought to it. Invariant: the result is
generic-form text of static linalg generics on tensors. The MLIR bindings may abort the process on odd input: call
`normalize_linalg` through an isolated worker.
"""

from __future__ import annotations

from mlir import ir
from mlir.passmanager import PassManager

SIMPLIFY = (
    "builtin.module(inline,symbol-dce,canonicalize,cse,"
    "func.func(linalg-generalize-named-ops),canonicalize,cse,"
    "linalg-fold-unit-extent-dims,canonicalize,cse)"
)
FUSE = "builtin.module(linalg-fuse-elementwise-ops,canonicalize,cse)"
FINISH = "builtin.module(canonicalize,cse)"
BARRIER = "costmodel.barrier"


def normalize_linalg(text: str) -> str:
    with ir.Context() as context, ir.Location.unknown():
        module = ir.Module.parse(text)
        PassManager.parse(SIMPLIFY).run(module.operation)
        context.allow_unregistered_dialects = True
        for copies_only in (True, False):
            _insert_barriers(module, copies_only)
            PassManager.parse(FUSE).run(module.operation)
            _erase_barriers(module)
        PassManager.parse(FINISH).run(module.operation)
        return str(module.operation.get_asm(print_generic_op_form=True))


def _top_level(module):
    for function in module.body.operations:
        if function.operation.name == "func.func":
            for region in function.regions:
                for block in region.blocks:
                    yield from list(block.operations)


def _insert_barriers(module, copies_only):
    """Give a producer that must not be fused a second use: the fusion pass takes producers of one use only."""
    for op in _top_level(module):
        op = op.operation
        if op.name == "linalg.generic":
            maps = [a.value for a in op.attributes["indexing_maps"]]
            for operand, amap in zip(op.operands, maps):
                if isinstance(operand.owner, ir.Block):
                    continue
                producer = operand.owner
                if producer.name in RESHAPES or (producer.name == "linalg.generic" and not _fusable(producer, amap, copies_only)):
                    ir.Operation.create(BARRIER, operands=[operand], ip=ir.InsertionPoint.after(producer))
        elif op.name in RESHAPES:
            for operand in op.operands:
                if not isinstance(operand.owner, ir.Block):
                    ir.Operation.create(BARRIER, operands=[operand], ip=ir.InsertionPoint.after(operand.owner))

RESHAPES = ("tensor.expand_shape", "tensor.collapse_shape")

def _fusable(producer, amap, copies_only):
    if amap.is_permutation and not copies_only:
        return True
    body = [o.operation.name for o in producer.regions[0].blocks[0].operations]
    return body == ["linalg.yield"]


def _erase_barriers(module):
    for op in _top_level(module):
        if op.operation.name == BARRIER:
            op.operation.erase()
