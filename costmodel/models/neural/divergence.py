"""What tells a network that diverged from one that learned; one that did is refused, never saved.

Owns the checks and their messages. Invariant: losses and weights that pass are finite.
"""

from __future__ import annotations

import math
from typing import Any

from costmodel.core.errors import UsageError
from costmodel.models.neural.packages import torch


def check_losses(epoch: int, losses: dict[str, float], learning_rate: float) -> None:
    """Raise `UsageError` where a mean loss of epoch `epoch`, counted from 1, is NaN or infinite."""
    if all(map(math.isfinite, losses.values())):
        return
    seen = ", ".join(f"{loss:.4g} in {part}" for part, loss in losses.items())
    raise UsageError(
        f"the network diverged in epoch {epoch}: the loss is {seen}, expected a finite number; "
        f"lower learning_rate, which is {learning_rate:g}, and train again; nothing was saved"
    )


def check_weights(network: Any, learning_rate: float) -> None:
    """Raise `UsageError` where a weight is NaN or infinite, or larger than the 16 bits of a checkpoint hold."""
    t = torch()
    for name, value in network.state_dict().items():
        if not bool(t.isfinite(value.half()).all()):
            raise UsageError(
                f"the network diverged: weights {name!r} are not finite as 16-bit floats, which a checkpoint holds; "
                f"lower learning_rate, which is {learning_rate:g}, and train again; nothing was saved"
            )
