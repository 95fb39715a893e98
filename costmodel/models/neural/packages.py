"""Torch and its companions, imported on first use with a remedy where they are absent."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from costmodel.core.errors import MissingDependencyError


def torch() -> Any:
    """The module `torch`."""
    return _module("torch")


def geometric() -> Any:
    """The module `torch_geometric.nn`."""
    return _module("torch_geometric.nn")


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingDependencyError(
            f"this model needs {name.partition('.')[0]} ({error}); pip install 'costmodel-ir[train]'"
        ) from error
