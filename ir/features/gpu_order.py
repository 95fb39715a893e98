"""The order that a kernel's operations are counted in: each value computed where it is first wanted.

Owns `demanded`. What reads or writes memory, crosses threads or holds regions keeps the text's order; what only
computes follows from it, since LLVM and ptxas put it where they like, near its use where that costs no registers.
So the order of independent operations in the text changes nothing, nor do operations that nothing wants.
Source: code generation by demand, Aho, Sethi and Ullman, Compilers, 1986, 9.10.
"""

from __future__ import annotations

from collections.abc import Sequence

from costmodel.ir.mlir.structure import Block, Operation, Value

_PURE_DIALECTS = ("arith.", "math.")
_PURE = frozenset(
    """tt.splat tt.broadcast tt.expand_dims tt.make_range tt.addptr tt.get_program_id tt.get_num_programs tt.trans
    tt.reshape tt.bitcast tt.int_to_ptr tt.ptr_to_int tt.fp_to_fp tt.join tt.split""".split()
)


def demanded(block: Block) -> list[Operation]:
    """Operations of a block: those that must keep their order, each after what it wants that was not wanted before."""
    found: list[Operation] = []
    reached: set[Operation] = set()
    for operation in block.operations:
        if not _only_computes(operation):
            _place(_wanted(operation), block, reached, found)
            found.append(operation)
    return found


def _only_computes(operation: Operation) -> bool:
    return (operation.name in _PURE or operation.name.startswith(_PURE_DIALECTS)) and not operation.regions


def _wanted(operation: Operation) -> list[Value]:
    """Values that an operation, or what is inside it, reads."""
    if not operation.regions:
        return operation.operands
    return [operand for inner in operation.walk() for operand in inner.operands]


def _place(values: Sequence[Value], block: Block, reached: set[Operation], found: list[Operation]) -> None:
    """Append what computes the values, operands first; what was `reached` before stands in `found` already."""
    stack: list[tuple[Operation | Block | None, bool]] = [(value.owner, False) for value in reversed(values)]
    while stack:
        owner, ready = stack.pop()
        if not isinstance(owner, Operation):
            continue
        if ready:
            found.append(owner)
        elif owner not in reached and owner.parent is block and _only_computes(owner):
            reached.add(owner)
            stack.append((owner, True))
            stack += [(operand.owner, False) for operand in reversed(owner.operands)]
