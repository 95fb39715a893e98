"""Runs in a worker as well as here: what a seed makes of a space."""

from __future__ import annotations

import numpy as np

from costmodel.core.target import Target
from costmodel.search.kernel.form import Access, Buffer, Const, Dim, Kernel, Linear, Ref, ScalarOp, Stage
from costmodel.search.space import build_space
from costmodel.search.strategies import STRATEGIES, Scores


def _access(buffer: str, *dims: int) -> Access:
    return Access(buffer, tuple(Linear(tuple(int(i == d) for i in range(3))) for d in dims))


def matmul(m: int = 97, n: int = 211, k: int = 131) -> Kernel:
    """Written out, so that no MLIR is needed."""
    sizes = {"m": m, "n": n, "k": k}
    multiply = ScalarOp("arith.mulf", (Ref("read", 0), Ref("read", 1)), "f32", "f32")
    add = ScalarOp("arith.addf", (Ref("acc", 0), Ref("op", 0)), "f32", "f32")
    stage = Stage(
        name="s0",
        dims=tuple(Dim(name=d, extent=e, reduction=d == "k") for d, e in sizes.items()),
        reads=(_access("in0", 0, 2), _access("in1", 2, 1)),
        writes=(_access("out0", 0, 1),),
        body=(multiply, add),
        yields=(Ref("op", 1),),
        init=Const(0.0, "f32"),
    )
    shapes = {"in0": (m, k), "in1": (k, n), "out0": (m, n)}
    buffers = tuple(Buffer(name=name, shape=shape, dtype="f32") for name, shape in shapes.items())
    return Kernel(
        name="kernel", buffers=buffers, inputs=("in0", "in1"), outputs=("out0",), stages=(stage,), family="matmul"
    )


def trace(name: str, seed: int, count: int) -> list[str]:
    """Schedules of samples and of what becomes of them."""
    assert name == "matmul"
    space = build_space(matmul(), Target.parse("x86-64/znver4"))
    rng = np.random.default_rng(seed)
    found, candidate = [], space.sample(rng)
    for _ in range(count):
        candidate = space.mutate(space.crossover(candidate, space.sample(rng), rng), rng)
        found.append(str(space.schedule(candidate)))
    return found


def search_trace(strategy: str, seed: int, rounds: int = 2) -> list[list[str]]:
    """What a strategy asks for when it is told what `cost` says."""
    space = build_space(matmul(), Target.parse("x86-64/znver4"))
    chosen = STRATEGIES.get(strategy)(space, np.random.default_rng(seed))
    asked = []
    for _ in range(rounds):
        batch = chosen.ask(8, lambda cs: scores(space, cs))
        chosen.tell([(c, cost(space, c)) for c in batch])
        asked.append([str(space.schedule(c)) for c in batch])
    return asked


def cost(space, candidate) -> float:
    """A repeatable stand-in for a run time: near to a hidden best encoding."""
    code = np.array(space.encode(candidate))
    return float(1e-3 * (1 + np.abs(code - np.linspace(0, 1, len(code))).sum()))


def scores(space, found) -> Scores:
    """A model that is right."""
    mean = np.log([cost(space, c) for c in found])
    return Scores(mean, np.full(len(mean), 0.1))
