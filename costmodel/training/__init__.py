"""Training that can be repeated: tables in, checkpoints out. Takes tables and never imports `costmodel.datasets`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from costmodel.training.config import TrainConfig
    from costmodel.training.run import train
    from costmodel.training.table import TrainingTable, read_table

__all__ = ["TrainConfig", "TrainingTable", "read_table", "train"]

_LAZY = {
    "TrainConfig": "config",
    "TrainingTable": "table",
    "read_table": "table",
    "train": "run",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'costmodel.training' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"costmodel.training.{_LAZY[name]}"), name)
