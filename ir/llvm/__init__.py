"""LLVM IR, text and bitcode, as the operations that MLIR's LLVM dialect would give."""

from costmodel.ir.llvm.functions import parse_module
from costmodel.ir.llvm.reader import LlvmReader

__all__ = ["LlvmReader", "parse_module"]
