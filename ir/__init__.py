"""Read programs: MLIR and LLVM IR to one program form, then graph, tokens and static features."""

from typing import TYPE_CHECKING

if __name__ != "costmodel.ir":
    raise ImportError(f"this package is 'costmodel.ir', imported as {__name__!r}: install the project and import that")

from costmodel.ir.graph import EdgeKind, NodeKind, ProgramGraph
from costmodel.ir.program import Diagnostic, Function, Program
from costmodel.ir.reading import READERS, Reader, read

if TYPE_CHECKING:
    from costmodel.ir.features import StaticFeatures

__all__ = [
    "READERS",
    "Diagnostic",
    "EdgeKind",
    "Function",
    "NodeKind",
    "Program",
    "ProgramGraph",
    "Reader",
    "StaticFeatures",
    "read",
]


def __getattr__(name: str) -> object:
    if name == "StaticFeatures":
        from costmodel.ir.features import StaticFeatures

        return StaticFeatures
    raise AttributeError(f"module 'costmodel.ir' has no attribute {name!r}")
