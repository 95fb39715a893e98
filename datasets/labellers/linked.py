"""Many units in one module, so that one process of a tool serves a batch.

Owns the names: a function or global of unit N is called `NAME__uN` and keeps its linkage, for code addresses a global
of another linkage otherwise; comdats go, for the linker would keep one of two functions that share one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from costmodel.core.errors import ToolchainError
from costmodel.datasets.labellers.compiled import Compiled, Unit
from costmodel.ir.llvm.modules import llvm_module
from costmodel.toolchain.retarget import binding

_COMDAT = re.compile(
    r'^\$[^\n]* = comdat [^\n]*\n|("[^"]*")|,? comdat(?:\(\$(?:"[^"]*"|[-\w$.]+)\))?(?![-\w$.])', re.MULTILINE
)
"""A comdat, its use by a function or variable, or a quoted text, which stays."""


def units_of(functions: Sequence[Compiled]) -> list[Unit]:
    """The distinct units, in order."""
    return list({id(function.unit): function.unit for function in functions}.values())


def linked_name(name: str, index: int) -> str:
    """What function `name` of the unit at `index` is called in the linked module."""
    return f"{name}__u{index}"


def linked_bitcode(units: Sequence[Unit]) -> bytes:
    """Bitcode of all units' optimised code; raises `ToolchainError` where they do not go together."""
    llvm = binding()
    context, whole = llvm.create_context(), None
    for index, unit in enumerate(units):
        module = llvm_module(_COMDAT.sub(lambda match: match[1] or "", unit.optimised), context)
        for function in [function for function in module.functions if not function.is_declaration]:
            function.name = linked_name(function.name, index)
        for variable in module.global_variables:
            if not variable.is_declaration and not variable.name.startswith("llvm."):
                variable.name = linked_name(variable.name, index)
        if whole is None:
            whole = module
            continue
        try:
            whole.link_in(module)
        except RuntimeError as error:
            raise ToolchainError(f"modules of a batch do not link: {' '.join(str(error).split())[:200]}") from error
    assert whole is not None
    return bytes(whole.as_bitcode())
