"""`docs/features.md`, written from the table: `python -m costmodel.ir.features.document > docs/features.md`."""

from __future__ import annotations

from costmodel.ir.features.opcodes import GROUPS
from costmodel.ir.features.table import FEATURES, FEATURES_VERSION, FUNCTION_FEATURES_V1

_HEAD = """# Static features

`function.features()` gives {count} numbers, version {version}; `costmodel inspect FILE --format json` prints them by
name. This page is written by `python -m costmodel.ir.features.document`. Features marked V1 belong to
`FUNCTION_FEATURES_V1` ({count_v1} numbers, in this order), which a compiler pass recomputes from an `llvm::Function`.

```python
from costmodel import ir
from costmodel.ir.features import FUNCTION_FEATURES_V1

features = ir.read("kernel.ll").functions[0].features()
features["flops"], features.to_dict(), features.to_vector(FUNCTION_FEATURES_V1)
```

## Rules that the definitions rest on

1. **Operations** are instructions; a phi is an argument of its block and no operation. Constants that are operands are
   no operations in LLVM IR; in MLIR they are operations of group `constant`.
2. **Type classes.** The type is that of the first result; of the first operand for comparisons and for operations
   without result (the stored value for stores). `i32`: integers of up to 32 bits; `i64`: wider ones, `index` and, for
   integer groups, pointers; `f32`: floats of up to 32 bits; `f64`: wider; `vec`: vectors (and tensors); `int`,
   `float`, `ptr`, `vec` split memory operations and phis alike, everything else counting as `int`.
3. **Loops** are natural loops (an edge to a dominator; loops with one header are one loop; irreducible cycles are
   none) and the loops of scf and affine.
4. **Trip count** of a natural loop: it has one latch, one exiting block, which is the header or the latch and ends in a
   conditional branch on an integer comparison (`llvm.icmp`) with a constant on either side; the other side is a phi of
   the header that starts at one constant from outside and grows by a constant (`add phi, constant`), or that sum.
   The trip count is how often the body runs: if the test stands in the latch (and the header is not the latch's own
   test), the number of passed tests plus one. `ne` must meet the bound exactly. Anything else is unknown.
   Of an scf or affine loop: its constant bounds and step.
5. **Executed** counts (`x_*`, `critical_path_executed`, `work_executed`) multiply by the trip counts of all loops
   around, unknown ones as 16, the product being at most 1e15; `flops`, `bytes_touched` and `trip_count_max` take
   unknown ones as 1.
6. **Alive** before an instruction: what a path from there uses before any redefinition. Phis are defined where their
   block begins (before its first point), their incoming values are used by the terminator of the incoming block.
   Constants, functions and globals are never alive. What a nested region uses lives throughout the operation that
   holds the region. A register is 64 bits (general, predicate) or 128 bits (float_vector).
7. **Strides**: the address's change in bytes for one iteration of the innermost loop around the access, for accesses
   whose innermost loop has no loops inside. Known through: counters (arguments of a header with one back edge, one
   start value and a constant step by `add`, `sub` or `getelementptr`), `add`, `sub`, `mul` and `shl` by a constant,
   `or` with a constant (as `add`), `sext`, `zext`, `trunc`, `bitcast`, `freeze`, pointer casts, `getelementptr`
   (element sizes by natural alignment; a dynamic index over a named struct is unknown), affine maps, and tensor or
   memref layouts. What is computed in another way from a changing value is unknown; so is what is loaded or returned
   by a call inside the loop. Chains of over 48 steps are unknown.
8. **Critical path**: over operands inside one block; each operation adds its group's latency (table below).
9. **Reuse distance**: an access touches, during one execution of a loop, the smaller of width x product of the trips
   that move it, and width + sum of |stride| (trips - 1). Accesses with one start and the same strides share. A loop's
   working set is the sum; an access is reused in the innermost loop that does not move it, at the distance of one
   iteration's working set. linalg operations count as loops over their iteration space.

What rewrites may change: none of the features under renaming, reformatting, debug locations and commuted operands;
`live_*`, `*pressure*` and the estimates of machine code that rest on them alone under another order of independent
operations.

## Groups of operations

| group | operations | latency, cycles | LLVM operations and their kin in MLIR (without dialect, without `intr.`) |
|---|---|---|---|
"""


def document() -> str:
    """The page."""
    lines = [_HEAD.format(count=len(FEATURES), version=FEATURES_VERSION, count_v1=len(FUNCTION_FEATURES_V1)).rstrip()]
    for group in GROUPS:
        names = " ".join(f"`{name}`" for name in group.names.split()) or "see the definition"
        lines.append(f"| {group.name} | {group.what} | {group.latency_cycles} | {names} |")
    lines += ["", "## Features", "", "| feature | unit | definition | source | V1 |", "|---|---|---|---|---|"]
    lines += [
        f"| `{item.name}` | {item.unit} | {item.definition} | {item.source} | {'yes' if item.in_v1 else ''} |"
        for item in FEATURES
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(document(), end="")
