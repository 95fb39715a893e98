"""Code compiled for one target by the wheel's LLVM: what every labeller of machine code starts from.

Owns re-targeting, optimising and code generation of one module, once for all labellers. Runs inside workers.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from costmodel.core.target import Target
from costmodel.datasets.labellers.assembly import AsmFunction, split_functions
from costmodel.ir.llvm.modules import llvm_module
from costmodel.toolchain.elf import symbol_bytes
from costmodel.toolchain.retarget import inline_bodies, optimise, retarget, target_machine

_FRAME = re.compile(r"stack frame size \((\d+)\) exceeds limit \(\d+\) in function '(.*)'$", re.MULTILINE)
_GROUPS = re.compile(r"^(attributes #\d+ = \{)", re.MULTILINE)


class Unit:
    """A module with all its functions, made out for `target`; every property is computed once."""

    def __init__(
        self, text: str, target: Target, only: frozenset[str] | None = None, *, middle_end: bool = True
    ) -> None:
        """`text` is LLVM IR of any target; see `retarget` for what is raised when it is first used.

        With `only`, functions of other names may vanish: for a module in which one function breaks the rest. Without
        the middle end the IR goes to code generation as it is.
        """
        self.text = text
        self.target = target
        self.only = only
        self.middle_end = middle_end

    @cached_property
    def optimised(self) -> str:
        """LLVM IR that is compiled; blocks without a name have got one, so that assembly names them."""
        module = retarget(self.text, self.target, self.only)
        if self.middle_end:
            optimise(module, self.target)
        elif self.target.is_gpu:
            inline_bodies(module, self.target)
        for function in module.functions:
            if function.is_declaration:
                continue
            if not list(function.attributes):
                function.add_function_attribute("mustprogress")  # no code depends on it: see `_emitted`
            for index, block in enumerate(function.blocks):
                if not block.name:
                    block.name = f"block{index}"
        return str(module)

    @cached_property
    def defined(self) -> frozenset[str]:
        """Names of the functions that have code."""
        module = llvm_module(self.optimised)
        return frozenset(function.name for function in module.functions if not function.is_declaration)

    @cached_property
    def _emitted(self) -> tuple[str, dict[str, int]]:
        """Assembly, and the frames that prologue insertion reports under an attribute that changes no code."""
        machine = target_machine(self.target.name)
        if self.target.is_gpu:  # their printers say it in the assembly, and a fatal error shall be seen
            return machine.emit_assembly(llvm_module(self.optimised)), {}
        module = llvm_module(_GROUPS.sub(r'\1 "warn-stack-size"="0"', self.optimised))
        with captured_stderr() as messages:
            text = machine.emit_assembly(module)
        return text, {name: int(size) for size, name in _FRAME.findall(messages[0])}

    @property
    def assembly(self) -> str:
        """Verbose assembly."""
        return self._emitted[0]

    @property
    def frames(self) -> dict[str, int]:
        """Function to the bytes of its stack frame, for those that have one."""
        return self._emitted[1]

    @cached_property
    def functions(self) -> dict[str, AsmFunction]:
        """The assembly by function."""
        return split_functions(self.assembly, self.target.arch)

    @cached_property
    def code_bytes(self) -> dict[str, int]:
        """Function to bytes of code in the object file."""
        return symbol_bytes(target_machine(self.target.name).emit_object(llvm_module(self.optimised)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """One function of a unit, by its symbol."""

    unit: Unit
    name: str

    @property
    def asm(self) -> AsmFunction | None:
        """Its assembly; None where there is none."""
        return self.unit.functions.get(self.name)


@contextmanager
def captured_stderr() -> Iterator[list[str]]:
    """What native code writes to standard error; the list gets its one text at the end."""
    texts: list[str] = []
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield texts
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
