"""Direct reader of MLIR's custom form: any dialect, no definitions."""

from costmodel.ir.mlir.custom.reader import parse_custom
from costmodel.ir.mlir.custom.state import CustomModule

__all__ = ["CustomModule", "parse_custom"]
