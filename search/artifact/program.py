"""A function as straight-line calls over planned memory, in MLIR.

Owns which memory each buffer has: an argument, the weights, or a place in the workspace. Invariant: every result is in
its output when the function returns, also where it is an input, a constant, or a second view of another result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

from costmodel.core.errors import UsageError
from costmodel.search.artifact.form import Array, Port, StepFunction, Unit, UnitArgument
from costmodel.search.artifact.memory_plan import Request, plan_arena
from costmodel.search.artifact.weights import WeightBlock, stored
from costmodel.search.kernel.form import ELEMENT_BYTES, Buffer

WEIGHTS = "weights"


@dataclass(frozen=True, slots=True)
class Place:
    """Memory: argument number `at` for inputs and outputs, else an offset in bytes."""

    space: Literal["input", "output", "weights", "workspace"]
    at: int
    elements: int
    dtype: str

    @property
    def type(self) -> str:
        """As a one-dimensional memref."""
        return f"memref<{max(1, self.elements)}x{self.dtype}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Calls in order, then copies into outputs."""

    function: StepFunction
    symbol: str
    calls: tuple[tuple[Unit, tuple[Place, ...]], ...]
    copies: tuple[tuple[Place, Place], ...]
    inputs: tuple[Place, ...]
    outputs: tuple[Place, ...]
    workspace_bytes: int


class Planner:
    """Plans one function. `packed` holds the packed arrays of each step, in its unit's order."""

    def __init__(
        self, function: StepFunction, symbol: str, weights: WeightBlock, packed: Mapping[int, list[Array]]
    ) -> None:
        self.function = function
        self.graph = function.graph
        self.symbol = symbol
        self.weights = weights
        self.packed = packed
        self.places: dict[str, Place] = {}
        self.copies: list[tuple[str, Place]] = []
        self.offsets: dict[str, int] = {}

    def plan(self) -> Program:
        """Assign memory; raises `UsageError` where ports or weights do not fit the graph."""
        inputs = self._place_inputs()
        outputs = self._place_outputs()
        size = self._place_temporaries()
        calls = [(step.unit, self._operands(i)) for i, step in enumerate(self.function.steps)]
        return Program(
            function=self.function,
            symbol=self.symbol,
            calls=tuple(calls),
            copies=tuple((self._place(s), t) for s, t in self.copies if s in self.places or s in self.function.weights),
            inputs=inputs,
            outputs=outputs,
            workspace_bytes=size,
        )

    def _place_inputs(self) -> tuple[Place, ...]:
        names = [n for n in self.graph.inputs if n not in self.function.weights]
        if len(names) != len(self.function.inputs):
            raise UsageError(
                f"function {self.function.name!r} takes {len(names)} inputs beside its weights, "
                f"{len(self.function.inputs)} were described"
            )
        for i, (name, port) in enumerate(zip(names, self.function.inputs, strict=True)):
            buffer = self.graph.buffers[name]
            _check_port(self.function.name, port, buffer)
            self.places[name] = Place("input", i, buffer.elements, buffer.dtype)
        return tuple(self.places[n] for n in names)

    def _place_outputs(self) -> tuple[Place, ...]:
        written = {self.graph.root(n) for step in self.function.steps for n in step.outputs}
        outputs = []
        for i, (name, port) in enumerate(zip(self.graph.outputs, self.function.outputs, strict=True)):
            buffer, root = self.graph.buffers[name], self.graph.root(name)
            _check_port(self.function.name, port, buffer)
            place = Place("output", i, buffer.elements, buffer.dtype)
            outputs.append(place)
            if root in written and root not in self.places:
                self.places[root] = place
            else:
                self.copies.append((root, place))
        return tuple(outputs)

    def _place_temporaries(self) -> int:
        lives: dict[str, list[int]] = {}
        requests: list[Request] = []
        for i, step in enumerate(self.function.steps):
            for name in (*step.inputs, *step.outputs):
                root = self.graph.root(name)
                if root not in self.places and root not in self.function.weights:
                    lives.setdefault(root, []).append(i)
            for argument in step.unit.arguments:
                if argument.role == "scratch":
                    size = argument.elements * ELEMENT_BYTES[argument.dtype]
                    requests.append(Request(name=_scratch(i, argument), size_bytes=size, first=i, last=i))
        for root, at in lives.items():
            requests.append(Request(name=root, size_bytes=self.graph.buffers[root].bytes, first=at[0], last=at[-1]))
        arena = plan_arena(requests)
        for root in lives:
            buffer = self.graph.buffers[root]
            self.places[root] = Place("workspace", arena.offsets[root], buffer.elements, buffer.dtype)
        self.offsets = arena.offsets
        return arena.size_bytes

    def _operands(self, step: int) -> tuple[Place, ...]:
        call = self.function.steps[step]
        packed = iter(self.packed.get(step, ()))
        places = []
        for argument in call.unit.arguments:
            if argument.role == "scratch":
                offset = self.offsets[_scratch(step, argument)]
                places.append(Place("workspace", offset, argument.elements, argument.dtype))
            elif argument.role == "packed":
                places.append(Place("weights", self.weights.add(next(packed)), argument.elements, argument.dtype))
            else:
                names = call.inputs if argument.role == "input" else call.outputs
                places.append(self._place(names[argument.position]))
        return tuple(places)

    def _place(self, name: str) -> Place:
        root = self.graph.root(name)
        if root not in self.places:
            if root not in self.function.weights:
                raise UsageError(f"function {self.function.name!r}: buffer {root} has no value")
            buffer = self.graph.buffers[root]
            offset = self.weights.add(stored(self.function.weights[root], buffer))
            self.places[root] = Place("weights", offset, buffer.elements, buffer.dtype)
        return self.places[root]


def _check_port(function: str, port: Port, buffer: Buffer) -> None:
    item_bytes = 2 if port.dtype == "bfloat16" else np.dtype(port.dtype).itemsize
    if prod(port.shape) != buffer.elements or item_bytes != ELEMENT_BYTES[buffer.dtype]:
        raise UsageError(
            f"function {function!r}: {port.name!r} is described as {port.dtype} {port.shape}, "
            f"but its buffer is {buffer.dtype} {buffer.shape}"
        )


def _scratch(step: int, argument: UnitArgument) -> str:
    return f"scratch {step} {argument.position}"


def program_text(program: Program, weights_bytes: int) -> str:
    """MLIR of the function over bare pointers: inputs, outputs, workspace."""
    return _Driver(program, weights_bytes).text()


class _Driver:
    def __init__(self, program: Program, weights_bytes: int) -> None:
        self.program = program
        self.weights_bytes = max(1, weights_bytes)
        self.workspace_bytes = max(1, program.workspace_bytes)
        self.lines: list[str] = []
        self.values: dict[Place, str] = {}

    def text(self) -> str:
        program = self.program
        arguments = [self._argument(p, f"%in{i}") for i, p in enumerate(program.inputs)]
        arguments += [self._argument(p, f"%out{i}") for i, p in enumerate(program.outputs)]
        arguments.append(f"%workspace: memref<{self.workspace_bytes}xi8>")
        if any(p.space == "weights" for p in self._places()):
            self.lines.append(f"  %weights = memref.get_global @{WEIGHTS} : memref<{self.weights_bytes}xi8>")
        for unit, places in program.calls:
            values = [self._value(p) for p in places]
            types = ", ".join(p.type for p in places)
            self.lines.append(f"  // {_comment(unit.title)}")
            self.lines.append(f"  call @{unit.symbol}({', '.join(values)}) : ({types}) -> ()")
        for source, target in program.copies:
            value = self._value(source)
            self.lines.append(f"  memref.copy {value}, {self._value(target)} : {source.type} to {target.type}")
        units = {unit.symbol: unit for unit, _ in program.calls}
        declared = [f"func.func private @{u.symbol}({_types(u)})" for u in units.values()]
        head = [f"memref.global @{WEIGHTS} : memref<{self.weights_bytes}xi8>", *declared]
        return (
            "\n".join([*head, f"func.func @{program.symbol}({', '.join(arguments)}) {{", *self.lines, "  return", "}"])
            + "\n"
        )

    def _places(self) -> list[Place]:
        return [p for _, places in self.program.calls for p in places] + [s for s, _ in self.program.copies]

    def _argument(self, place: Place, name: str) -> str:
        self.values[place] = name
        return f"{name}: {place.type}"

    def _value(self, place: Place) -> str:
        if place not in self.values:
            n = len(self.values)
            size = self.weights_bytes if place.space == "weights" else self.workspace_bytes
            self.lines.append(f"  %at{n} = arith.constant {place.at} : index")
            self.lines.append(f"  %v{n} = memref.view %{place.space}[%at{n}][] : memref<{size}xi8> to {place.type}")
            self.values[place] = f"%v{n}"
        return self.values[place]


def _types(unit: Unit) -> str:
    return ", ".join(f"memref<{max(1, a.elements)}x{a.dtype}>" for a in unit.arguments)


def _comment(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)
