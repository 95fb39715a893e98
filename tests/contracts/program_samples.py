"""Small programs with labels that follow from what they hold, for models of programs."""

from __future__ import annotations

from functools import cache

import numpy as np

from costmodel.core.target import Target
from costmodel.ir import read
from costmodel.models.context import context_names, context_rows
from costmodel.models.encode import encode_function
from costmodel.models.examples import Examples

METRICS = ("instructions", "spills", "port_utilisation")
TARGETS = ("x86-64/znver4", "aarch64/neoverse-n1")
KINDS = ("fadd", "fmul", "fsub")


def text(adds: int, loads: int, kind: str = "fadd") -> str:
    """A function of some loads and a chain of arithmetic."""
    lines = [f"  %l{i} = load float, ptr %p" for i in range(loads)]
    previous = "%a"
    for i in range(adds):
        lines.append(f"  %v{i} = {kind} float {previous}, {f'%l{i % loads}' if loads else '%a'}")
        previous = f"%v{i}"
    return f"define float @f(float %a, ptr %p) {{\n{chr(10).join(lines)}\n  ret float {previous}\n}}\n"


@cache
def programs(count: int, seed: int):
    """`count` functions: (adds, loads) and their encodings with everything in."""
    rng = np.random.default_rng(seed)
    sizes = [(int(a), int(n)) for a, n in zip(rng.integers(2, 40, count), rng.integers(1, 24, count), strict=True)]
    texts = [text(a, n, KINDS[i % 3]) for i, (a, n) in enumerate(sizes)]
    encodings = [encode_function(read(t).functions[0], scheme="ops-operands", graph=True) for t in texts]
    return sizes, encodings


def sample(count: int = 24, seed: int = 0):
    """Examples, targets `[n, 3]` and groups: each function on two targets."""
    sizes, encodings = programs(count, seed)
    targets = [Target.parse(name) for name in TARGETS]
    rows = [(target, "p-v1", None) for _ in sizes for target in targets]
    examples = Examples(
        encodings=encodings,
        program=np.repeat(np.arange(count), 2),
        context=context_rows(rows),
        context_names=context_names(),
        archs=np.array([target.arch for target, _, _ in rows]),
    )
    values = []
    for adds, loads in sizes:
        for arm in (0, 1):
            spills = max(0, loads - 10 - 4 * arm)
            values.append([adds + 2 * loads + 3 + 2 * arm, spills, adds / (adds + loads + 1)])
    groups = np.repeat(np.arange(count) % 10, 2)
    return examples, np.array(values, float), groups
