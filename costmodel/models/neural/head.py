"""From a function's vector and the context to every metric."""

from __future__ import annotations

from typing import Any

from costmodel.models.neural.batch import Batch
from costmodel.models.neural.options import NeuralOptions
from costmodel.models.neural.packages import torch

_t = torch()
nn: Any = _t.nn


class Whole(nn.Module):  # type: ignore[misc]
    """A network with its head: `[b, M, 3]` mean, log variance, logit of not being zero."""

    def __init__(self, body: Any, context: int, metrics: int, options: NeuralOptions) -> None:
        super().__init__()
        self.body = body
        self.metrics = metrics
        self.head = nn.Sequential(
            nn.Linear(body.out + context, options.hidden), nn.ReLU(), nn.Dropout(options.dropout),
            nn.Linear(options.hidden, options.hidden), nn.ReLU(), nn.Linear(options.hidden, 3 * metrics),
        )  # fmt: skip

    def forward(self, batch: Batch) -> Any:
        """Outputs of each row."""
        vectors = self.body(batch)[batch.row_program]
        return self.head(_t.cat([vectors, batch.context], 1)).reshape(-1, self.metrics, 3)
