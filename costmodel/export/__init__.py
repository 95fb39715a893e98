"""Predictors for where decisions are made: a few megabytes that C reads, or an ONNX graph, made from a checkpoint.

`flatten` turns a model into a `Compact` (plain arrays), `layout` a compact into the bytes that `native/c/costmodel.c`
reads, `evaluate` is the same arithmetic in numpy, `student` and `genetic` make a compact smaller, `bundle` writes
folders. Takes tables and models; never imports the search or the data sets.
"""

from costmodel.export.bundle import export_c, export_onnx
from costmodel.export.compact import Compact
from costmodel.export.evaluate import evaluate
from costmodel.export.flatten import flatten
from costmodel.export.layout import pack

__all__ = ["Compact", "evaluate", "export_c", "export_onnx", "flatten", "pack"]
