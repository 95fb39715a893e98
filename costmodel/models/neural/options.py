"""Options of neural models, one frozen value with checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from costmodel.core.errors import UsageError
from costmodel.ir.tokens import SCHEMES
from costmodel.models.neural.optimizers import check_optimizer

PRETRAINING = ("none", "masked", "execution", "masked+execution")
DEVICES = ("cpu", "cuda")
RANKING = ("none", "pairwise", "listmle")


@dataclass(frozen=True, slots=True, kw_only=True)
class NeuralOptions:
    """Of one network and its training."""

    scheme: str = "ops-operands"
    """Of tokens."""
    max_tokens: int = 384
    """Longer functions are cut; their length is told all the same."""
    width: int = 48
    layers: int = 2
    hidden: int = 96
    """Of the head."""
    dropout: float = 0.05
    epochs: int = 40
    patience: int = 8
    batch_functions: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    optimizer: str = "adamw"
    validation_share: float = 0.1
    ranking: str = "none"
    """A loss on the order of rows of one group, beside the losses on values."""
    ranking_weight: float = 1.0
    pretraining: str = "none"
    """What the network learns before any label: masked tokens, execution-like targets, or both."""
    pretraining_epochs: int = 5
    device: str = "cpu"
    """Where it is trained: `cpu`, or `cuda` where torch sees a GPU. Predictions are made on the CPU."""

    def __post_init__(self) -> None:
        """Raises `UsageError` for what makes no sense."""
        _one_of("scheme", self.scheme, tuple(SCHEMES))
        _one_of("pretraining", self.pretraining, PRETRAINING)
        _one_of("ranking", self.ranking, RANKING)
        _one_of("device", self.device, DEVICES)
        check_optimizer(self.optimizer)
        for name in ("max_tokens", "width", "layers", "hidden", "epochs", "batch_functions", "patience"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}, expected at least 1")
        if not 0 <= self.dropout < 1 or not 0 <= self.validation_share < 1:
            raise UsageError("dropout and validation_share must lie in [0, 1)")

    @classmethod
    def of(cls, values: Mapping[str, Any], model: str) -> NeuralOptions:
        """From a mapping; raises `UsageError` for an unknown name."""
        known = [field.name for field in fields(cls)]
        if unknown := sorted(set(values) - set(known)):
            raise UsageError(f"unknown option {unknown[0]!r} of {model}; known: {', '.join(known)}")
        return cls(**values)


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UsageError(f"{name} is {value!r}, expected one of {', '.join(choices)}")
