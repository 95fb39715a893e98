"""Optimizers by name, from libraries, where they run on this machine's CPU.

AdamW is torch's; Lion, APOLLO and the others are pytorch_optimizer's. Optimizers with 8-bit state come from
bitsandbytes, which needs a GPU: asking for one on a CPU is an error that says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from costmodel.core.errors import MissingDependencyError, UnknownNameError, UnsupportedError
from costmodel.models.neural.packages import torch

TORCH = {"adamw": "AdamW", "adam": "Adam", "sgd": "SGD", "rmsprop": "RMSprop"}
OTHERS = ("lion", "apollo", "adan", "lamb")
EIGHT_BIT = ("adamw-8bit", "lion-8bit")


def optimizer_names() -> list[str]:
    """All names that training takes."""
    return sorted([*TORCH, *OTHERS])


def check_optimizer(name: str) -> None:
    """Raise `UnsupportedError` or `UnknownNameError` for a name that cannot be used."""
    if name in EIGHT_BIT:
        raise UnsupportedError(
            f"optimizer {name!r} keeps 8-bit state by bitsandbytes, which runs on GPUs only; models are trained on the "
            f"CPU here: take one of {', '.join(optimizer_names())}"
        )
    if name not in TORCH and name not in OTHERS:
        raise UnknownNameError(f"unknown optimizer {name!r}; known: {', '.join(optimizer_names())}")


def make_optimizer(name: str, parameters: Iterable[Any], learning_rate: float, weight_decay: float) -> Any:
    """An optimizer over parameters.

    Raises:
        MissingDependencyError: pytorch_optimizer is absent.
    """
    check_optimizer(name)
    if name in TORCH:
        kind = getattr(torch().optim, TORCH[name])
    else:
        try:
            from pytorch_optimizer import load_optimizer
        except ImportError as error:
            raise MissingDependencyError(
                f"optimizer {name!r} needs pytorch_optimizer ({error}); pip install 'costmodel-ir[train]'"
            ) from error
        kind = load_optimizer(name)
    return kind(list(parameters), lr=learning_rate, weight_decay=weight_decay)
