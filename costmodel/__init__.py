"""Predict what compiler IR will cost on hardware, and choose fusion, tiling and unroll schedules by it.

Light on import: nothing heavy (torch, MLIR, models) is imported until it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from costmodel.runtime.artifact import load as load

__version__ = "0.1.0"

_LAZY = {"load": "costmodel.runtime.artifact:load"}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'costmodel' has no attribute {name!r}")
    module, attribute = _LAZY[name].split(":")
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
