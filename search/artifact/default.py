"""The same functions with nothing tuned: whole functions by default lowering, the baseline of a tuned artifact.

Owns nothing but the wrapping: one unit holds the whole original function, which shares no code with the tuned one.
"""

from __future__ import annotations

from dataclasses import replace

from costmodel.core.hashing import sha256_text
from costmodel.search.artifact.form import FunctionSource, Step, StepFunction
from costmodel.search.artifact.units import whole_unit
from costmodel.search.kernel.graph import Graph


def default_function(source: FunctionSource, text: str) -> StepFunction:
    """`source` lowered whole from `text`, the module it was read from (original or normal form)."""
    graph = source.partition.graph
    inputs = [graph.buffers[n] for n in graph.inputs]
    outputs = [replace(graph.buffers[n], name=f"result{i}", alias_of=None) for i, n in enumerate(graph.outputs)]
    digest = sha256_text(text + source.name)[:12]
    unit = whole_unit(text, source.name, f"default_{digest}", "the whole function, default lowering", inputs, outputs)
    names = [b.name for b in outputs]
    whole = Graph(
        name=source.name,
        buffers={b.name: b for b in (*inputs, *outputs)},
        inputs=list(graph.inputs),
        outputs=names,
    )
    step = Step(unit=unit, inputs=tuple(graph.inputs), outputs=tuple(names))
    return StepFunction(
        name=source.name,
        graph=whole,
        steps=(step,),
        inputs=source.inputs,
        outputs=source.outputs,
        weights=source.weights,
    )
