"""Direct reader of MLIR's custom form: any dialect, no definitions."""

from costmodel.ir.mlir.custom.reader import CustomModule, parse_custom

__all__ = ["CustomModule", "parse_custom"]
