# mypy: disable-error-code="misc,no-any-return"
# torch is seen as Any, so that the check is the same where it is not installed.
"""Networks of attention or of mixing."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Made = tuple[nn.Module, tuple[Any, ...]]


class Attention(nn.Module):
    """Self-attention of several heads, written out."""

    def __init__(self, width: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, L, W]` to the same."""
        b, n, w = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        score = q @ k.transpose(-1, -2) * (w // self.heads) ** -0.5
        if self.causal:
            score = score + torch.full((n, n), -1e9).triu(1)
        return self.out((score.softmax(-1) @ v).transpose(1, 2).reshape(b, n, w))


class Block(nn.Module):
    """Norm, attention, norm, perceptron, with shortcuts."""

    def __init__(self, width: int, heads: int, causal: bool = False) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, causal)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, L, W]` to the same."""
        x = x + self.attention(self.first(x))
        return x + self.down(functional.gelu(self.up(self.second(x))))


class RmsNorm(nn.Module):
    """Root-mean-square norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalises the last axis."""
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * self.weight


class GatedBlock(nn.Module):
    """A decoder's layer: root-mean-square norm, causal attention, gated perceptron."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.first, self.second, self.attention = RmsNorm(width), RmsNorm(width), Attention(width, heads, True)
        self.gate, self.up, self.down = (
            nn.Linear(width, 2 * width, False),
            nn.Linear(width, 2 * width, False),
            nn.Linear(2 * width, width, False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """`[B, L, W]` to the same."""
        x = x + self.attention(self.first(x))
        y = self.second(x)
        return x + self.down(functional.silu(self.gate(y)) * self.up(y))


class Language(nn.Module):
    """Embedding, blocks, logits."""

    def __init__(self, blocks: list[nn.Module], width: int, words: int, length: int) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(words, width), nn.Parameter(torch.randn(length, width))
        self.blocks, self.norm, self.head = nn.Sequential(*blocks), nn.LayerNorm(width), nn.Linear(width, words)

    def forward(self, tokens: Tensor) -> Tensor:
        """`[B, L]` tokens to `[B, L, words]`."""
        return self.head(self.norm(self.blocks(self.words(tokens) + self.places)))


def encoder() -> Made:
    """Two layers, both directions."""
    return Language([Block(96, 4), Block(96, 4)], 96, 500, 48), (torch.zeros(2, 48, dtype=torch.long),)


def decoder() -> Made:
    """Two layers, causal, gated."""
    return Language([GatedBlock(128, 4), GatedBlock(128, 4)], 128, 600, 32), (torch.zeros(1, 32, dtype=torch.long),)


class Vision(nn.Module):
    """Patches, blocks, mean, classes."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.places = nn.Conv2d(3, 80, 8, 8), nn.Parameter(torch.randn(36, 80))
        self.blocks, self.norm, self.head = (
            nn.Sequential(Block(80, 5), Block(80, 5)),
            nn.LayerNorm(80),
            nn.Linear(80, 10),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Images to classes."""
        y = self.patches(x).flatten(2).transpose(1, 2) + self.places
        return self.head(self.norm(self.blocks(y)).mean(1))


def vit() -> Made:
    """A vision transformer."""
    return Vision(), (torch.randn(1, 3, 48, 48),)


class Mix(nn.Module):
    """Perceptrons across patches, then across channels."""

    def __init__(self, patches: int, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.tokens = nn.Sequential(nn.Linear(patches, 64), nn.GELU(), nn.Linear(64, patches))
        self.channels = nn.Sequential(nn.Linear(width, 3 * width), nn.GELU(), nn.Linear(3 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """`[B, P, W]` to the same."""
        x = x + self.tokens(self.first(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.second(x))


def mlp_mixer() -> Made:
    """No attention: mixing only."""
    flat = nn.Sequential(nn.Conv2d(3, 56, 4, 4), nn.Flatten(2))
    return _Mixer(flat), (torch.randn(1, 3, 28, 28),)


class _Mixer(nn.Module):
    def __init__(self, stem: nn.Module) -> None:
        super().__init__()
        self.stem, self.body, self.head = stem, nn.Sequential(Mix(49, 56), Mix(49, 56)), nn.Linear(56, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.stem(x).transpose(1, 2)).mean(1))
