"""The networks that read tokens: the paper's three, and a transformer encoder.

Sources: "ML-driven Hardware Cost Model for MLIR" (arXiv 2302.11405) for fully-connected, LSTM and Conv1D; Vaswani et
al. 2017 for the encoder. Each turns a batch into one vector a function, `[P, out]`, and, for pre-training, into one
state a token.
"""

from __future__ import annotations

import math
from typing import Any

from costmodel.models.encode import num_token_numbers
from costmodel.models.neural.batch import PAD, Batch
from costmodel.models.neural.options import NeuralOptions
from costmodel.models.neural.packages import torch

_t = torch()
nn: Any = _t.nn


class TokenNetwork(nn.Module):  # type: ignore[misc]
    """Embeds tokens; a subclass adds `states`. The vector is mean and maximum of states, and the length."""

    def __init__(self, options: NeuralOptions) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_token_numbers(options.scheme), options.width, padding_idx=PAD)
        self.out = 2 * options.width + 1

    def states(self, batch: Batch) -> Any:
        """`[P, L, width]`."""
        raise NotImplementedError

    def items(self, batch: Batch) -> Any:
        """States of what masked pre-training hides."""
        return self.states(batch)

    def forward(self, batch: Batch) -> Any:
        """`[P, out]`."""
        states = self.states(batch)
        there = (batch.tokens != PAD).unsqueeze(-1)
        mean = (states * there).sum(1) / there.sum(1).clamp(min=1)
        most = states.masked_fill(~there, -1e4).amax(1).clamp(min=-1e3)
        return _t.cat([mean, most, batch.lengths.unsqueeze(1)], 1)


class FullyConnected(TokenNetwork):
    """Each token by itself through dense layers."""

    def __init__(self, options: NeuralOptions) -> None:
        super().__init__(options)
        layers = [m for _ in range(options.layers) for m in (nn.Linear(options.width, options.width), nn.ReLU())]
        self.dense = nn.Sequential(*layers)

    def states(self, batch: Batch) -> Any:
        """See `TokenNetwork`."""
        return self.dense(self.embedding(batch.tokens))


class Lstm(TokenNetwork):
    """A recurrent network in both directions."""

    def __init__(self, options: NeuralOptions) -> None:
        super().__init__(options)
        self.recurrent = nn.LSTM(
            options.width, options.width // 2, options.layers, batch_first=True, bidirectional=True
        )
        self.widen = nn.Linear(2 * (options.width // 2), options.width)

    def states(self, batch: Batch) -> Any:
        """See `TokenNetwork`."""
        return self.widen(self.recurrent(self.embedding(batch.tokens))[0])


class Conv1d(TokenNetwork):
    """Convolutions over the sequence, filters of 3, then 5, then 7 … tokens."""

    def __init__(self, options: NeuralOptions) -> None:
        super().__init__(options)
        self.filters = nn.ModuleList(
            nn.Conv1d(options.width, options.width, 2 * i + 3, padding=i + 1) for i in range(options.layers)
        )

    def states(self, batch: Batch) -> Any:
        """See `TokenNetwork`."""
        found = self.embedding(batch.tokens).transpose(1, 2)
        for one in self.filters:
            found = _t.relu(one(found)) + found
        return found.transpose(1, 2)


class Transformer(TokenNetwork):
    """An encoder with sinusoidal positions."""

    def __init__(self, options: NeuralOptions) -> None:
        super().__init__(options)
        heads = next(h for h in (4, 3, 2, 1) if options.width % h == 0)
        layer = nn.TransformerEncoderLayer(
            options.width, heads, 2 * options.width, options.dropout, batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, options.layers, enable_nested_tensor=False)
        self.width = options.width

    def states(self, batch: Batch) -> Any:
        """See `TokenNetwork`."""
        found = self.embedding(batch.tokens)
        position = _t.arange(found.shape[1], dtype=_t.float32, device=found.device).unsqueeze(1)
        steps = _t.arange(0, self.width, 2, dtype=_t.float32, device=found.device)
        rate = _t.exp(steps * (-math.log(10000.0) / self.width))
        waves = _t.cat([_t.sin(position * rate), _t.cos(position * rate)], 1)[:, : self.width]
        return self.encoder(found + waves, src_key_padding_mask=batch.tokens == PAD)
