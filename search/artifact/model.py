"""Functions to build, from normal-form MLIR text with or without weights.

Owns names and types of ports. Reading text is ours; nothing foreign runs here.
"""

from __future__ import annotations

from collections.abc import Sequence

from costmodel.core.errors import UnsupportedError
from costmodel.ir.mlir import Operation, parse_generic
from costmodel.search.artifact.form import Array, FunctionSource, Port
from costmodel.search.kernel.form import Buffer
from costmodel.search.kernel.graph import Graph
from costmodel.search.kernel.partition import partition
from costmodel.search.kernel.read import read_function

PORT_DTYPES = {
    "f64": "float64", "f32": "float32", "f16": "float16", "bf16": "bfloat16", "i64": "int64", "i32": "int32",
    "i16": "int16", "i8": "int8", "i1": "bool", "index": "int64",
}  # fmt: skip


def mlir_functions(text: str, *, file: str = "<text>") -> list[FunctionSource]:
    """Every function with a body of a module in normal form; ports are called `in0`, `out0` and so on."""
    functions = [op for op in parse_generic(text, file=file).body if op.name == "func.func" and op.regions[0].blocks]
    return [function_source(op) for op in functions]


def function_source(
    function: Operation,
    *,
    inputs: Sequence[Port] | None = None,
    outputs: Sequence[Port] | None = None,
    weights: Sequence[Array] = (),
) -> FunctionSource:
    """One function, cut into kernels.

    Args:
        function: a `func.func` in normal form.
        inputs: what callers pass, one for each argument that is no weight; None derives them from the types.
        outputs: what they get; None derives them.
        weights: values of the last arguments, built in.
    """
    graph = read_function(function)
    first = len(graph.inputs) - len(weights)
    names = graph.inputs[first:]
    runtime = graph.inputs[:first]
    return FunctionSource(
        name=graph.name,
        partition=partition(graph, frozenset(names)),
        inputs=tuple(inputs) if inputs is not None else _ports(graph, runtime, "in"),
        outputs=tuple(outputs) if outputs is not None else _ports(graph, graph.outputs, "out"),
        weights=dict(zip(names, weights, strict=True)),
    )


def _ports(graph: Graph, names: Sequence[str], prefix: str) -> tuple[Port, ...]:
    return tuple(port_of(graph.buffers[n], f"{prefix}{i}") for i, n in enumerate(names))


def port_of(buffer: Buffer, name: str) -> Port:
    """The port for a buffer; raises `UnsupportedError` for an element type that callers cannot pass."""
    if buffer.dtype not in PORT_DTYPES:
        raise UnsupportedError(f"{name} has the element type {buffer.dtype}, which callers cannot pass")
    return Port(name=name, shape=buffer.shape, dtype=PORT_DTYPES[buffer.dtype])
