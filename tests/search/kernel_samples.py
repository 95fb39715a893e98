"""Small functions for tests of kernels, schedules and generated code, and what reads and measures them.

MLIR runs in isolated workers only, and so does generated code: `graph_of` normalises in one, `Measurer` builds and runs
in two.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from costmodel.core.target import Target
from costmodel.datasets.linalg import FAMILIES
from costmodel.ir.mlir import parse_generic
from costmodel.search.backends.mlir.backend import MlirBackend
from costmodel.search.kernel.form import Kernel
from costmodel.search.kernel.graph import Graph
from costmodel.search.kernel.partition import KernelCall, Partition, partition
from costmodel.search.kernel.read import read_function
from costmodel.search.kernel.reference import evaluate
from costmodel.search.measure.measurer import Measurer
from costmodel.search.measure.trial import MeasureSpec
from costmodel.search.schedule.text import parse_schedule
from costmodel.toolchain.isolation import call_isolated

SMALL = {
    "matmul": {"m": 7, "n": 19, "k": 11},
    "matmul_bias_relu": {"m": 6, "n": 17, "k": 9},
    "matmul_transposed": {"m": 7, "n": 13, "k": 19},
    "batch_matmul": {"b": 3, "m": 5, "n": 17, "k": 7},
    "matvec": {"m": 13, "k": 37},
    "conv2d_nhwc": {"o": 7, "c": 5, "f": 17, "w": 3, "stride": 2},
    "conv2d_nchw": {"o": 9, "c": 3, "f": 5, "w": 3, "stride": 2},
    "depthwise_nchw": {"o": 9, "c": 5, "w": 3, "stride": 2},
    "depthwise_nhwc": {"o": 5, "c": 19, "w": 3, "stride": 1},
    "conv1d": {"o": 17, "c": 3, "f": 7, "w": 3, "stride": 2},
    "pooling_max": {"o": 9, "c": 5, "w": 3, "stride": 2},
    "softmax": {"m": 5, "n": 37},
    "layer_norm": {"m": 5, "n": 37},
    "reduce_rows": {"m": 7, "n": 53},
    "reduce_columns": {"m": 11, "n": 29},
    "elementwise_gelu": {"m": 5, "n": 23},
    "elementwise_chain": {"m": 5, "n": 23},
    "transpose": {"m": 13, "n": 21},
}
"""Sizes of every family, odd or prime."""


def graph_of(text: str) -> Graph:
    """The graph of the only function of `text`."""
    normal = call_isolated("costmodel.toolchain.normalize:normalize_linalg", text)
    return read_function(parse_generic(str(normal)).body[0])


def parts_of(text: str) -> Partition:
    """The function cut into kernels."""
    return partition(graph_of(text))


def kernel_of(text: str) -> Kernel:
    """The only kernel of a function that has nothing else."""
    steps = parts_of(text).steps
    assert len(steps) == 1
    assert isinstance(steps[0], KernelCall)
    return steps[0].kernel


@cache
def family(name: str, **sizes: int) -> Kernel:
    """The kernel of a generated function, of its small sizes where none are given."""
    return kernel_of(FAMILIES[name].text({**SMALL[name], **sizes}))


def evaluate_parts(parts: Partition, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """What the whole function computes: each kernel by the reference, in order."""
    graph = parts.graph
    memory = {graph.root(n): a for n, a in zip(graph.inputs, arrays, strict=True)} | graph.constants
    for call in parts.steps:
        assert isinstance(call, KernelCall)
        kernel = call.kernel
        given = zip(kernel.inputs, call.inputs, strict=True)
        found = evaluate(kernel, {k: memory[g].reshape(kernel.by_name[k].shape) for k, g in given})
        memory |= {g: found[k] for k, g in zip(kernel.outputs, call.outputs, strict=True)}
    return [memory[graph.root(n)].reshape(graph.buffers[n].shape) for n in graph.outputs]


def draw_small(name: str, rng: np.random.Generator) -> dict[str, int]:
    """Small sizes, many of them odd or one."""
    largest = {"stride": 2, "w": 3, "o": 11, "b": 3, "c": 19}
    return {key: int(rng.integers(1, largest.get(key, 39) + 1)) for key in SMALL[name]}


def measurer() -> Measurer:
    """Builds and checks candidates in workers; times them as little as it can."""
    spec = MeasureSpec(budget_s=0.0, min_samples=1, max_samples=1, sample_s=0.0)
    return Measurer(MlirBackend(), Target.parse("native"), overlap=False, spec=spec)


def assert_right(measurer: Measurer, kernel: Kernel, schedules: list[str]) -> None:
    """Every schedule computes the reference on every set of inputs and writes nowhere else."""
    trials = measurer.measure(kernel, [parse_schedule(s) for s in schedules])
    wrong = {t.schedule: f"{t.status}: {t.cause}"[:400] for t in trials if not t.ok}
    assert not wrong


def generic(
    maps: list[str],
    kinds: str,
    ins: list[str],
    out: str,
    body: str,
    *,
    dims: str = "i, j",
    init: str | None = None,
) -> str:
    """A function of one `linalg.generic`: `maps` of inputs and output, `kinds` p or r, types, a body that yields %q.

    Inputs of the body are %x0, %x1, …, its accumulator is %y; `init` is the literal the output is filled with.
    """
    affine = ", ".join(f"affine_map<({dims}) -> {m}>" for m in maps)
    iterators = ", ".join('"parallel"' if k == "p" else '"reduction"' for k in kinds)
    element = out.removesuffix(">").split("x")[-1].split("<")[-1]
    types = [t.removesuffix(">").split("x")[-1].split("<")[-1] for t in ins]
    head = ", ".join(f"%a{i}: {t}" for i, t in enumerate(ins))
    start = f"  %e = tensor.empty() : {out}\n"
    if init is not None:
        start += f"  %c = arith.constant {init} : {element}\n"
        start += f"  %f = linalg.fill ins(%c : {element}) outs(%e : {out}) -> {out}\n"
    operands = f"ins({', '.join(f'%a{i}' for i in range(len(ins)))} : {', '.join(ins)}) " if ins else ""
    args = ", ".join([*(f"%x{i}: {t}" for i, t in enumerate(types)), f"%y: {element}"])
    return (
        f"func.func @main({head}) -> {out} {{\n{start}"
        f"  %r = linalg.generic {{indexing_maps = [{affine}], iterator_types = [{iterators}]}}\n"
        f"    {operands}outs(%{'e' if init is None else 'f'} : {out}) {{\n  ^bb0({args}):\n"
        f"    {body}\n    linalg.yield %q : {element}\n  }} -> {out}\n  return %r : {out}\n}}\n"
    )
