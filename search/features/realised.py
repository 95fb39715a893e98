"""Stage 2: features of the realised IR, counted in the text of the scheduled kernel, no code generation.

Owns `IR_FEATURES`. Counts are logarithms base 2 of 1 + x; shares are of all operations.
"""

from __future__ import annotations

import re
from math import log2

_OP = re.compile(r"(?:= |^)([a-z_]+\.[a-z_]+)", re.M)
_COUNTED = (
    "scf.for", "scf.if", "scf.yield", "math.fma", "vector.load", "vector.store", "vector.maskedload",
    "vector.maskedstore", "vector.gather", "vector.scatter", "vector.broadcast", "vector.shuffle", "vector.reduction",
    "memref.load", "memref.store", "arith.addi", "arith.muli", "arith.addf", "arith.mulf", "arith.divf",
    "arith.select", "arith.minsi",
)  # fmt: skip
IR_FEATURES: tuple[str, ...] = (
    *(f"log_{name}" for name in _COUNTED),
    "log_operations", "log_bytes_of_text", "fma_share", "memory_share", "index_share", "max_carried", "depth",
)  # fmt: skip


def ir_features(text: str) -> list[float]:
    """Values of `IR_FEATURES` for scheduled MLIR text."""
    counts: dict[str, int] = {}
    for name in _OP.findall(text):
        counts[name] = counts.get(name, 0) + 1
    total = max(1, sum(counts.values()))
    memory = sum(
        n
        for k, n in counts.items()
        if k.startswith(("memref.", "vector.load", "vector.store", "vector.mask", "vector.gather"))
    )
    index = counts.get("arith.addi", 0) + counts.get("arith.muli", 0)
    carried = max((int(m) for m in re.findall(r":(\d+) = scf\.for", text)), default=0)
    depth = nesting = 0
    for line in text.splitlines():
        if line.endswith("{"):
            nesting += 1
            depth = max(depth, nesting)
        elif line.startswith("}"):
            nesting -= 1
    return [
        *(log2(1 + counts.get(name, 0)) for name in _COUNTED),
        log2(1 + total), log2(1 + len(text)), counts.get("math.fma", 0) / total, memory / total, index / total, carried,
        depth,
    ]  # fmt: skip
