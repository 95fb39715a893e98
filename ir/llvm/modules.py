"""LLVM modules, each in a context of its own.

Owns how text and bitcode become a module. Invariant: what a module prints as does not depend on what was parsed before:
LLVM tells types of one name apart by a number that it counts in the context.
"""

from __future__ import annotations

from typing import Any


def llvm_module(data: str | bytes, context: Any = None) -> Any:
    """LLVM's module for text or bitcode; `context` only where modules shall be linked.

    Raises:
        RuntimeError: LLVM cannot read it.
    """
    import llvmlite.binding as llvm

    own = llvm.create_context() if context is None else context
    return llvm.parse_assembly(data, own) if isinstance(data, str) else llvm.parse_bitcode(data, own)
