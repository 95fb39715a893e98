"""The graph network: messages along typed, numbered edges of a `ProgramGraph`, both ways; and the hybrid around it.

Sources: GINE (Hu et al. 2020) by torch-geometric; typed edges with positions after ProGraML (Cummins et al. 2021).
"""

from __future__ import annotations

from typing import Any

from costmodel.ir.graph import NUM_COLUMNS, EdgeKind, NodeKind
from costmodel.models.neural.batch import MAX_POSITION, NUM_NODE_TOKENS, Batch
from costmodel.models.neural.networks import Conv1d
from costmodel.models.neural.options import NeuralOptions
from costmodel.models.neural.packages import geometric, torch

_t = torch()
nn: Any = _t.nn
_KINDS = 2 * (max(EdgeKind) + 1)


class GraphNetwork(nn.Module):  # type: ignore[misc]
    """One vector a function: mean, maximum and scaled sum over its nodes."""

    def __init__(self, options: NeuralOptions) -> None:
        super().__init__()
        width = options.width
        self.embedding = nn.Embedding(NUM_NODE_TOKENS, width)
        self.kind = nn.Embedding(max(NodeKind) + 1, width)
        self.numbers = nn.Linear(len(NUM_COLUMNS), width)
        self.edge_kind = nn.Embedding(_KINDS, width)
        self.edge_pos = nn.Embedding(MAX_POSITION + 1, width)
        self.layers = nn.ModuleList(geometric().GINEConv(_mlp(width), edge_dim=width) for _ in range(options.layers))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(options.layers))
        self.out = 3 * width + 1

    def items(self, batch: Batch) -> Any:
        """States of nodes `[N, width]`."""
        found = self.embedding(batch.node_token) + self.kind(batch.node_kind) + self.numbers(batch.node_num)
        edges = self.edge_kind(batch.edge_kind) + self.edge_pos(batch.edge_pos)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            found = found + layer(norm(found), batch.edge_index, edges)
        return found

    def forward(self, batch: Batch) -> Any:
        """`[P, out]`."""
        states = self.items(batch)
        shape, index = (batch.size, states.shape[1]), batch.node_program.unsqueeze(1).expand_as(states)
        total = _t.zeros(shape, device=states.device).scatter_add(0, index, states)
        most = _t.full(shape, -1e4, device=states.device).scatter_reduce(0, index, states, "amax").clamp(min=-1e3)
        count = _t.bincount(batch.node_program, minlength=batch.size).clamp(min=1).unsqueeze(1).float()
        scaled = _t.sign(total) * _t.log1p(total.abs())
        return _t.cat([total / count, most, scaled, _t.log1p(count) / 8], 1)


class Hybrid(nn.Module):  # type: ignore[misc]
    """Graph, tokens and static features beside each other."""

    def __init__(self, options: NeuralOptions, dense: int) -> None:
        super().__init__()
        self.graph = GraphNetwork(options)
        self.sequence = Conv1d(options)
        self.features = nn.Sequential(nn.Linear(dense, options.hidden), nn.ReLU(), nn.Dropout(options.dropout))
        self.out = self.graph.out + self.sequence.out + options.hidden

    @property
    def embedding(self) -> Any:
        """Of the tokens, which masked pre-training hides."""
        return self.sequence.embedding

    def items(self, batch: Batch) -> Any:
        """States of tokens."""
        return self.sequence.items(batch)

    def forward(self, batch: Batch) -> Any:
        """`[P, out]`."""
        return _t.cat([self.graph(batch), self.sequence(batch), self.features(batch.dense)], 1)


def _mlp(width: int) -> Any:
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
