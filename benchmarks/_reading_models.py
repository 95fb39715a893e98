"""Small torch models with random weights, one or more of each family, for the reading benchmark.

Owns `MODELS`: name to a function that builds (module, example inputs). Invariant: seeded, static shapes, small enough
that importing all of them takes a minute.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Case = tuple[nn.Module, tuple[Tensor, ...]]


class Residual(nn.Module):
    """Two convolutions with normalisation and a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


class Inverted(nn.Module):
    """An inverted bottleneck: expand, depthwise, project."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = channels * 4
        self.body = nn.Sequential(
            nn.Conv2d(channels, wide, 1), nn.Hardswish(), nn.Conv2d(wide, wide, 5, padding=2, groups=wide),
            nn.Hardswish(), nn.Conv2d(wide, channels, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Attention(nn.Module):
    """Multi-head attention written out."""

    def __init__(self, width: int, heads: int, causal: bool = False) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        scores = q @ k.transpose(-2, -1) / (width // self.heads) ** 0.5
        if self.causal:
            scores = scores.masked_fill(torch.ones(length, length).triu(1).bool(), -1e9)
        return self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, length, width))


class Block(nn.Module):
    """A transformer block, normalisation first."""

    def __init__(self, width: int, heads: int, causal: bool = False) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, causal)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.first(x))
        return x + self.mlp(self.second(x))


class Language(nn.Module):
    """Embedding, causal blocks, vocabulary projection."""

    def __init__(self, width: int = 64, layers: int = 2) -> None:
        super().__init__()
        self.embedding = nn.Embedding(500, width)
        self.blocks = nn.Sequential(*[Block(width, 4, causal=True) for _ in range(layers)])
        self.head = nn.Linear(width, 500)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.blocks(self.embedding(tokens)))


class Vision(nn.Module):
    """Patches, blocks, mean, classes."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 48, 8, stride=8)
        self.blocks = nn.Sequential(Block(48, 4), Block(48, 4))
        self.head = nn.Linear(48, 10)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.blocks(self.patches(image).flatten(2).transpose(1, 2)).mean(1))


class Cell(nn.Module):
    """A recurrent cell unrolled over a sequence."""

    def __init__(self, gated: bool) -> None:
        super().__init__()
        self.gated = gated
        self.input, self.state = nn.Linear(16, 96 if gated else 32), nn.Linear(32, 96 if gated else 32)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros(x.shape[0], 32)
        for step in range(x.shape[1]):
            a, b = self.input(x[:, step]), self.state(h)
            if not self.gated:
                h = torch.tanh(a + b)
                continue
            (az, ar, an), (bz, br, bn) = a.chunk(3, -1), b.chunk(3, -1)
            z, r = torch.sigmoid(az + bz), torch.sigmoid(ar + br)
            h = (1 - z) * torch.tanh(an + r * bn) + z * h
        return h


class Long(nn.Module):
    """A long short-term memory cell unrolled."""

    def __init__(self) -> None:
        super().__init__()
        self.gates = nn.Linear(48, 128)

    def forward(self, x: Tensor) -> Tensor:
        h = c = torch.zeros(x.shape[0], 32)
        for step in range(x.shape[1]):
            i, f, g, o = self.gates(torch.cat([x[:, step], h], -1)).chunk(4, -1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return h


class Detection(nn.Module):
    """A two-scale detection head: scores and boxes from shared features."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.SiLU(), Residual(16))
        self.down = nn.Conv2d(16, 16, 3, stride=2, padding=1)
        self.score, self.box = nn.Conv2d(16, 6, 1), nn.Conv2d(16, 4, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.stem(image)
        maps = [fine, self.down(fine)]
        scores = torch.cat([torch.sigmoid(self.score(m)).flatten(2) for m in maps], 2)
        boxes = torch.cat([torch.exp(self.box(m).clamp(-4, 4)).flatten(2) for m in maps], 2)
        return scores.topk(8, 2)[0], boxes


class Unet(nn.Module):
    """One level down and up again, with a skip connection."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.middle, self.right = Residual(8), Residual(8), nn.Conv2d(16, 3, 3, padding=1)
        self.first = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        skip = self.left(self.first(x))
        low = self.middle(nn.functional.max_pool2d(skip, 2))
        return self.right(torch.cat([skip, nn.functional.interpolate(low, scale_factor=2.0, mode="nearest")], 1))


def _image() -> tuple[Tensor, ...]:
    return (torch.randn(1, 3, 32, 32),)


def _sequence() -> tuple[Tensor, ...]:
    return (torch.randn(2, 6, 16),)


def _net(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)
    )


MODELS: dict[str, Callable[[], Case]] = {
    "mlp": lambda: (nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10)), (torch.randn(4, 64),)),
    "autoencoder": lambda: (
        nn.Sequential(nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, 64), nn.Sigmoid()), (torch.randn(4, 64),)),
    "convnet": lambda: (_net(nn.ReLU(), nn.MaxPool2d(2)), _image()),
    "resnet": lambda: (_net(Residual(16), Residual(16)), _image()),
    "mobilenet": lambda: (_net(Inverted(16), Inverted(16)), _image()),
    "unet": lambda: (Unet(), _image()),
    "detection": lambda: (Detection(), _image()),
    "vision_transformer": lambda: (Vision(), _image()),
    "encoder": lambda: (nn.Sequential(Block(64, 4), Block(64, 4)), (torch.randn(1, 16, 64),)),
    "language": lambda: (Language(), (torch.randint(0, 500, (1, 12)),)),
    "rnn": lambda: (Cell(gated=False), _sequence()),
    "gru": lambda: (Cell(gated=True), _sequence()),
    "lstm": lambda: (Long(), _sequence()),
    "audio": lambda: (
        nn.Sequential(nn.Conv1d(1, 16, 9, stride=4), nn.GELU(), nn.Conv1d(16, 16, 5, dilation=2), nn.GroupNorm(4, 16)),
        (torch.randn(1, 1, 256),)),
    "upsampler": lambda: (
        nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.PixelShuffle(2), nn.LeakyReLU(0.1)), _image()),
}  # fmt: skip
"""Fifteen models: conv nets, transformers, recurrent ones, a detection head."""


def build(name: str) -> Case:
    """The model in inference mode and its inputs, from a fixed seed."""
    torch.manual_seed(0)
    module, inputs = MODELS[name]()
    return module.eval(), inputs
