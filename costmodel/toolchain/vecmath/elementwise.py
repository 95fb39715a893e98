"""A whole MLIR function around one elementary function, for tests and benchmarks.

Owns the loop and a plain `Emitter`. Does not compile: give the text to `toolchain.lower.compile_object`.
"""

from __future__ import annotations

from costmodel.core.errors import UsageError
from costmodel.toolchain.vecmath.builder import constant_text
from costmodel.toolchain.vecmath.functions import FUNCTIONS, lower_math

ENTRY = "elementwise"


class TextEmitter:
    """Collects lines; constants are kept apart, each once, to be placed before the loop."""

    def __init__(self) -> None:
        self.body: list[str] = []
        self._constants: dict[str, str] = {}

    def op(self, text: str, result_type: str) -> str:
        """Append a line; `result_type` is part of `text` already."""
        name = f"%v{len(self.body)}"
        self.body.append(f"{name} = {text}")
        return name

    def const(self, value: float | int, type_: str) -> str:
        """One name for each distinct constant."""
        return self._constants.setdefault(constant_text(value, type_), f"%k{len(self._constants)}")

    @property
    def constants(self) -> list[str]:
        """The lines that define the constants."""
        return [f"{name} = {text}" for text, name in self._constants.items()]


def elementwise_module(op_name: str, *, lanes: int, count: int) -> str:
    """MLIR text of `elementwise(in..., out)` on memrefs of `count` f32: out[i] = op(in[i]...), `lanes` at a time.

    `lanes` 0 stands for scalar f32. Raises `UsageError` unless `lanes` divides `count`.
    """
    step = max(lanes, 1)
    if count % step:
        raise UsageError(f"{count} elements cannot be walked {lanes} at a time; choose a multiple")
    buffer, type_ = f"memref<{count}xf32>", f"vector<{lanes}xf32>" if lanes else "f32"
    emitter = TextEmitter()
    arguments = [f"%x{i}" for i in range(FUNCTIONS[op_name].arity)]
    result = lower_math(op_name, emitter, arguments, type_)
    if lanes:
        loads = [f"{x} = vector.load %in{i}[%i] : {buffer}, {type_}" for i, x in enumerate(arguments)]
        store = f"vector.store {result}, %out[%i] : {buffer}, {type_}"
    else:
        loads = [f"{x} = memref.load %in{i}[%i] : {buffer}" for i, x in enumerate(arguments)]
        store = f"memref.store {result}, %out[%i] : {buffer}"
    parameters = ", ".join([*(f"%in{i}: {buffer}" for i in range(len(arguments))), f"%out: {buffer}"])
    bounds = [f"%{name} = arith.constant {v} : index" for name, v in (("zero", 0), ("end", count), ("step", step))]
    loop = ["scf.for %i = %zero to %end step %step {", *loads, *emitter.body, store, "}"]
    return "\n".join([f"func.func @{ENTRY}({parameters}) {{", *bounds, *emitter.constants, *loop, "return", "}"])
