"""Kernels and islands to units of code.

Owns symbols and the adaptation of generated text. Invariant: a unit's symbol names its content, so equal workloads with
equal schedules share one unit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from costmodel.core.hashing import sha256_text
from costmodel.search.artifact.form import FunctionSource, PackFunction, Role, Step, StepFunction, Unit, UnitArgument
from costmodel.search.artifact.islands import ENTRY as ISLAND_ENTRY
from costmodel.search.artifact.islands import island_function
from costmodel.search.backends.mlir.kernel import ENTRY, PREPACK, Argument, KernelCode, KernelEmitter
from costmodel.search.kernel.form import Buffer, Kernel
from costmodel.search.kernel.graph import Graph, Island
from costmodel.search.kernel.partition import KernelCall
from costmodel.search.kernel.printing import print_kernel
from costmodel.search.schedule.plan import apply_schedule
from costmodel.search.schedule.text import parse_schedule

_ID_DIGITS = 12


def step_function(source: FunctionSource, choices: Mapping[str, str | None], known: dict[str, Unit]) -> StepFunction:
    """The steps of a function.

    Args:
        source: the function.
        choices: schedule text by workload id; None, or no entry, means default lowering.
        known: units by symbol, shared between functions; new ones are added.

    Raises:
        UnsupportedError: a schedule does not fit its kernel.
        ParseError: a schedule's text is wrong.
    """
    graph = source.partition.graph
    steps = [_step(graph, item, choices, known) for item in source.partition.steps]
    return StepFunction(
        name=source.name,
        graph=graph,
        steps=tuple(steps),
        inputs=source.inputs,
        outputs=source.outputs,
        weights={**graph.constants, **source.weights},
    )


def _step(graph: Graph, item: KernelCall | Island, choices: Mapping[str, str | None], known: dict[str, Unit]) -> Step:
    if isinstance(item, Island):
        unit, inputs = island_unit(graph, item)
        return Step(unit=known.setdefault(unit.symbol, unit), inputs=inputs, outputs=item.writes)
    text = print_kernel(item.kernel)
    identity = sha256_text(text)
    schedule = choices.get(identity)
    symbol = _symbol(item.kernel.family or "kernel", identity if schedule is None else sha256_text(identity + schedule))
    if symbol not in known:
        if schedule is None:
            known[symbol] = default_unit(item.kernel, symbol, text)
        else:
            known[symbol] = scheduled_unit(item.kernel, symbol, identity, schedule)
    return Step(unit=known[symbol], inputs=item.inputs, outputs=item.outputs)


def _symbol(family: str, digest: str) -> str:
    return f"{re.sub('[^A-Za-z0-9_]', '_', family)}_{digest[:_ID_DIGITS]}"


def _pointers(buffers: list[Buffer], role: Role) -> tuple[UnitArgument, ...]:
    return tuple(UnitArgument(role=role, position=i, elements=b.elements, dtype=b.dtype) for i, b in enumerate(buffers))


def whole_unit(text: str, entry: str, symbol: str, title: str, inputs: list[Buffer], outputs: list[Buffer]) -> Unit:
    """A unit lowered by default from linalg on tensors that defines `entry`."""
    return Unit(
        symbol=symbol,
        kind="default",
        title=title,
        text=text,
        entry=entry,
        arguments=(*_pointers(inputs, "input"), *_pointers(outputs, "output")),
        shapes=tuple(b.shape for b in (*inputs, *outputs)),
    )


def default_unit(kernel: Kernel, symbol: str, text: str) -> Unit:
    """A kernel by default lowering."""
    inputs = [kernel.by_name[n] for n in kernel.inputs]
    outputs = [kernel.by_name[n] for n in kernel.outputs]
    unit = whole_unit(text, "kernel", symbol, f"{kernel.family}, default lowering", inputs, outputs)
    return replace(unit, workload_id=sha256_text(text))


def island_unit(graph: Graph, island: Island) -> tuple[Unit, tuple[str, ...]]:
    """An island by default lowering, and the buffers it reads."""
    text, reads = island_function(island)
    title = f"{island.operation.name}, default lowering: {island.reason}"
    inputs = [graph.buffers[n] for n in reads]
    outputs = [graph.buffers[n] for n in island.writes]
    return whole_unit(text, ISLAND_ENTRY, _symbol("island", sha256_text(text)), title, inputs, outputs), reads


def scheduled_unit(kernel: Kernel, symbol: str, identity: str, schedule: str) -> Unit:
    """A kernel by a schedule."""
    code = KernelEmitter(apply_schedule(kernel, parse_schedule(schedule))).emit()
    main, _, prepack = code.text.partition(f"\nfunc.func @{PREPACK}(")
    body = main.split("\n", 1)[1]
    used = [a for a in code.arguments if a.role != "input" or re.search(rf"%arg_{re.escape(a.name)}\b", body)]
    pack = _pack_function(kernel, code, f"func.func @{PREPACK}({prepack}") if prepack else None
    return Unit(
        symbol=symbol,
        kind="scheduled",
        title=f"{kernel.family}, {schedule}",
        text=_resigned(main, code.arguments, used, symbol),
        arguments=tuple(_argument(kernel, a, i) for i, a in enumerate(used)),
        workload_id=identity,
        schedule=schedule,
        pack=pack,
    )


def _resigned(text: str, arguments: tuple[Argument, ...], used: list[Argument], symbol: str) -> str:
    """The function under another name, without the arguments that nothing uses."""
    head, rest = text.split("\n", 1)
    declared = re.findall(r"%[\w]+: memref<[^>]*> \{llvm\.noalias\}", head)
    assert head.startswith(f"func.func @{ENTRY}("), head
    assert len(declared) == len(arguments), head
    kept = [d for d, a in zip(declared, arguments, strict=True) if a in used]
    return f"func.func @{symbol}({', '.join(kept)}) {{\n{rest}"


def _argument(kernel: Kernel, argument: Argument, number: int) -> UnitArgument:
    role: Role = "scratch"
    position = number
    if argument.role == "input":
        role, position = "input", kernel.inputs.index(argument.name)
    elif argument.role == "output":
        role, position = "output", kernel.outputs.index(argument.name)
    elif argument.role == "packed":
        assert argument.source is not None
        role, position = "packed", kernel.inputs.index(argument.source)
    return UnitArgument(role=role, position=position, elements=argument.elements, dtype=argument.dtype)


def _pack_function(kernel: Kernel, code: KernelCode, text: str) -> PackFunction:
    """Its inputs by position in the kernel, packed ones by their order among the kernel's packed arguments."""
    packed = [a.name for a in code.arguments if a.role == "packed"]
    arguments = tuple(
        UnitArgument(role="input", position=kernel.inputs.index(a.name), elements=a.elements, dtype=a.dtype)
        if a.role == "input"
        else UnitArgument(role="packed", position=packed.index(a.name), elements=a.elements, dtype=a.dtype)
        for a in code.prepack_arguments
    )
    return PackFunction(text=text, arguments=arguments)
