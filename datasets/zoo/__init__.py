"""Networks written for data sets: small torch models of many kinds, with random weights that nobody needs.

Owns the table. Invariant: a network is a function of nothing; its weights become arguments of the imported code, so the
IR holds no numbers but those of the architecture. Importing this module does not import torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

_MODULES: Mapping[str, str] = {
    "resnet": "convolutional", "mobilenet": "convolutional", "unet": "convolutional", "densenet": "convolutional",
    "convnext": "convolutional", "squeezenet": "convolutional", "tcn": "convolutional", "autoencoder": "convolutional",
    "encoder": "transformer", "decoder": "transformer", "vit": "transformer", "mlp_mixer": "transformer",
    "lstm": "recurrent", "gru": "recurrent", "wavenet": "recurrent",
    "ssd_head": "detection", "yolo": "detection", "gnn": "other", "recommender": "other", "mlp": "other",
}  # fmt: skip
"""Network to the module that builds it, by a function of the same name that gives a model and its inputs."""

NAMES = tuple(_MODULES)
KINDS = tuple(dict.fromkeys(_MODULES.values()))


def kind_of(name: str) -> str:
    """`convolutional`, `transformer`, `recurrent`, `detection` or `other`."""
    return _MODULES[name]


def build(name: str) -> tuple[Any, tuple[Any, ...]]:
    """The model in evaluation mode and example inputs; imports torch.

    Raises:
        KeyError: there is no such network.
    """
    make: Callable[[], tuple[Any, tuple[Any, ...]]] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    model, inputs = make()
    return model.eval(), inputs
