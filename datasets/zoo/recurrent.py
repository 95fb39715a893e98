# mypy: disable-error-code="misc,no-any-return"
# torch is seen as Any, so that the check is the same where it is not installed.
"""Networks over time, their steps written out, so that the code holds no library's fused cell."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Made = tuple[nn.Module, tuple[Any, ...]]
STEPS = 4


class Lstm(nn.Module):
    """Long short-term memory over a few steps."""

    def __init__(self, inputs: int, width: int, classes: int) -> None:
        super().__init__()
        self.width, self.gates, self.head = width, nn.Linear(inputs + width, 4 * width), nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, T, inputs]` to classes."""
        h = c = x.new_zeros(x.shape[0], self.width)
        for step in range(STEPS):
            i, f, g, o = self.gates(torch.cat([x[:, step], h], 1)).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        return self.head(h)


def lstm() -> Made:
    """Four steps."""
    return Lstm(40, 64, 8), (torch.randn(4, STEPS, 40),)


class Gru(nn.Module):
    """Gated recurrent unit over a few steps."""

    def __init__(self, inputs: int, width: int, classes: int) -> None:
        super().__init__()
        self.width = width
        self.x, self.h, self.head = nn.Linear(inputs, 3 * width), nn.Linear(width, 3 * width), nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, T, inputs]` to classes."""
        h = x.new_zeros(x.shape[0], self.width)
        for step in range(STEPS):
            a, b, c = self.x(x[:, step]).chunk(3, 1)
            d, e, f = self.h(h).chunk(3, 1)
            update, reset = (a + d).sigmoid(), (b + e).sigmoid()
            h = (1 - update) * (c + reset * f).tanh() + update * h
        return self.head(h)


def gru() -> Made:
    """Four steps."""
    return Gru(24, 48, 6), (torch.randn(8, STEPS, 24),)


class Wave(nn.Module):
    """Gated dilated convolutions with skips."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv1d(1, 16, 1)
        self.wide = nn.ModuleList(nn.Conv1d(16, 32, 2, dilation=d) for d in (1, 2, 4))
        self.back = nn.ModuleList(nn.Conv1d(16, 16, 1) for _ in range(3))
        self.head = nn.Sequential(nn.ReLU(), nn.Conv1d(16, 32, 1), nn.ReLU(), nn.Conv1d(32, 64, 1))

    def forward(self, x: Tensor) -> Tensor:
        """`[B, 1, L]` to 64 levels."""
        x = self.stem(x)
        skip = torch.zeros_like(x)
        for wide, back, dilation in zip(self.wide, self.back, (1, 2, 4), strict=True):
            a, b = wide(functional.pad(x, (dilation, 0))).chunk(2, 1)
            y = back(a.tanh() * b.sigmoid())
            x, skip = x + y, skip + y
        return self.head(skip)


def wavenet() -> Made:
    """Autoregressive audio."""
    return Wave(), (torch.randn(1, 1, 160),)
