# mypy: disable-error-code="misc,no-any-return"
# torch is seen as Any, so that the check is the same where it is not installed.
"""Networks of other kinds: graphs, recommendation, plain perceptrons."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

Made = tuple[nn.Module, tuple[Any, ...]]


class Graph(nn.Module):
    """Two rounds of messages over a dense, normalised adjacency, with attention to neighbours."""

    def __init__(self, inputs: int, width: int, classes: int) -> None:
        super().__init__()
        self.first, self.second, self.head = (
            nn.Linear(inputs, width),
            nn.Linear(width, width),
            nn.Linear(width, classes),
        )
        self.source, self.target = nn.Linear(width, 1), nn.Linear(width, 1)

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        """`[N, inputs]` and `[N, N]` to `[N, classes]`."""
        h = (adjacency @ self.first(x)).relu()
        score = nn.functional.leaky_relu(self.source(h) + self.target(h).T, 0.2) + (adjacency - 1.0) * 1e9
        h = (score.softmax(-1) @ self.second(h)).relu()
        return self.head(h)


def gnn() -> Made:
    """Messages on a graph of 96 nodes."""
    return Graph(20, 48, 5), (torch.randn(96, 20), torch.ones(96, 96))


class Recommender(nn.Module):
    """Embeddings of categories, pairwise products, a perceptron."""

    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(200, 24) for _ in range(5))
        self.dense = nn.Sequential(nn.Linear(13, 48), nn.ReLU(), nn.Linear(48, 24), nn.ReLU())
        self.top = nn.Sequential(nn.Linear(24 + 36, 64), nn.ReLU(), nn.Linear(64, 1), nn.Sigmoid())

    def forward(self, numbers: Tensor, categories: Tensor) -> Tensor:
        """`[B, 13]` and `[B, 5]` to `[B, 1]`."""
        dense = self.dense(numbers)
        features = torch.stack([dense, *(table(categories[:, i]) for i, table in enumerate(self.tables))], 1)
        pairs = (features @ features.transpose(1, 2)).flatten(1)
        return self.top(torch.cat([dense, pairs], 1))


def recommender() -> Made:
    """Clicks."""
    return Recommender(), (torch.randn(16, 13), torch.zeros(16, 5, dtype=torch.long))


def mlp() -> Made:
    """Perceptrons with every activation that the others lack."""
    layers = [
        nn.Linear(64, 96),
        nn.Tanh(),
        nn.Linear(96, 96),
        nn.LeakyReLU(0.1),
        nn.Linear(96, 80),
        nn.Softplus(),
        nn.Linear(80, 10),
        nn.LogSoftmax(-1),
    ]
    return nn.Sequential(*layers), (torch.randn(32, 64),)
