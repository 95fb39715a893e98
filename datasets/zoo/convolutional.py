# mypy: disable-error-code="misc,no-any-return"
# torch is seen as Any, so that the check is the same where it is not installed.
"""Convolutional networks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Made = tuple[nn.Module, tuple[Any, ...]]


def block(
    i: int, o: int, k: int = 3, stride: int = 1, groups: int = 1, act: type[nn.Module] = nn.ReLU
) -> nn.Sequential:
    """Convolution, batch norm, activation."""
    conv = nn.Conv2d(i, o, k, stride, k // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(o), act())


class Residual(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, i: int, o: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(block(i, o, 3, stride), nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o))
        self.short = (
            nn.Identity() if i == o and stride == 1 else nn.Sequential(nn.Conv2d(i, o, 1, stride), nn.BatchNorm2d(o))
        )

    def forward(self, x: Tensor) -> Tensor:
        """`[B, i, H, W]` to `[B, o, H / stride, W / stride]`."""
        return functional.relu(self.body(x) + self.short(x))


def _head(width: int, classes: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes)]


def resnet() -> Made:
    """Residual blocks in three widths."""
    layers = [block(3, 24, 7, 2), nn.MaxPool2d(2), Residual(24, 24, 1), Residual(24, 48, 2), Residual(48, 96, 2)]
    return nn.Sequential(*layers, *_head(96, 20)), (torch.randn(1, 3, 64, 64),)


class Inverted(nn.Module):
    """Expand, depthwise, squeeze and excite, project."""

    def __init__(self, i: int, o: int, stride: int, k: int) -> None:
        super().__init__()
        wide = 4 * i
        self.expand = nn.Sequential(
            block(i, wide, 1, act=nn.Hardswish), block(wide, wide, k, stride, wide, nn.Hardswish)
        )
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(wide, i, 1), nn.ReLU(), nn.Conv2d(i, wide, 1), nn.Sigmoid()
        )
        self.project = nn.Sequential(nn.Conv2d(wide, o, 1, bias=False), nn.BatchNorm2d(o))
        self.same = i == o and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """Images to images."""
        y = self.expand(x)
        y = self.project(y * self.gate(y))
        return x + y if self.same else y


def mobilenet() -> Made:
    """Inverted residuals."""
    layers = [
        block(3, 16, 3, 2, act=nn.Hardswish),
        Inverted(16, 24, 2, 3),
        Inverted(24, 24, 1, 5),
        Inverted(24, 40, 2, 5),
    ]
    return nn.Sequential(*layers, *_head(40, 10)), (torch.randn(1, 3, 56, 56),)


class UNet(nn.Module):
    """Down twice, up twice, with skips."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = block(1, 12), block(12, 24), block(24, 48)
        self.up_b, self.up_a = nn.ConvTranspose2d(48, 24, 2, 2), nn.ConvTranspose2d(24, 12, 2, 2)
        self.d, self.e, self.out = block(48, 24), block(24, 12), nn.Conv2d(12, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, 1, H, W]` to two planes."""
        a = self.a(x)
        b = self.b(functional.max_pool2d(a, 2))
        c = self.c(functional.max_pool2d(b, 2))
        d = self.d(torch.cat([self.up_b(c), b], 1))
        return self.out(self.e(torch.cat([self.up_a(d), a], 1)))


def unet() -> Made:
    """Segmentation."""
    return UNet(), (torch.randn(1, 1, 48, 48),)


class Dense(nn.Module):
    """Every layer sees all before it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = block(3, 16, 3, 2)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(16 + 12 * i), nn.ReLU(), nn.Conv2d(16 + 12 * i, 12, 3, 1, 1)) for i in range(4)
        )
        self.head = nn.Sequential(nn.Conv2d(64, 32, 1), nn.AvgPool2d(2), *_head(32, 10))

    def forward(self, x: Tensor) -> Tensor:
        """Images to classes."""
        features = self.stem(x)
        for layer in self.layers:
            features = torch.cat([features, layer(features)], 1)
        return self.head(features)


def densenet() -> Made:
    """Dense connections."""
    return Dense(), (torch.randn(1, 3, 40, 40),)


class Next(nn.Module):
    """Depthwise 7 × 7, layer norm over channels, a perceptron of pixels, scaled."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.spatial = nn.Conv2d(width, width, 7, 1, 3, groups=width)
        self.norm, self.up, self.down = nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.scale = nn.Parameter(torch.full((width,), 1e-2))

    def forward(self, x: Tensor) -> Tensor:
        """Images to images."""
        y = self.norm(self.spatial(x).permute(0, 2, 3, 1))
        return x + (self.scale * self.down(functional.gelu(self.up(y)))).permute(0, 3, 1, 2)


def convnext() -> Made:
    """Modern convolutions."""
    return nn.Sequential(nn.Conv2d(3, 40, 4, 4), Next(40), nn.Conv2d(40, 72, 2, 2), Next(72), *_head(72, 10)), (
        torch.randn(1, 3, 64, 64),
    )


class Fire(nn.Module):
    """Squeeze, then two expansions side by side."""

    def __init__(self, i: int, s: int, e: int) -> None:
        super().__init__()
        self.squeeze, self.one, self.three = nn.Conv2d(i, s, 1), nn.Conv2d(s, e, 1), nn.Conv2d(s, e, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Images to images."""
        x = functional.relu(self.squeeze(x))
        return torch.cat([functional.relu(self.one(x)), functional.relu(self.three(x))], 1)


def squeezenet() -> Made:
    """Fire modules."""
    layers = [nn.Conv2d(3, 32, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2), Fire(32, 8, 24), Fire(48, 12, 32)]
    return nn.Sequential(*layers, *_head(64, 10)), (torch.randn(1, 3, 63, 63),)


class Causal(nn.Module):
    """Dilated causal convolutions with a shortcut."""

    def __init__(self, i: int, o: int, dilation: int) -> None:
        super().__init__()
        self.pad = 2 * dilation
        self.first, self.second = nn.Conv1d(i, o, 3, dilation=dilation), nn.Conv1d(o, o, 3, dilation=dilation)
        self.short = nn.Conv1d(i, o, 1)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, i, L]` to `[B, o, L]`."""
        y = functional.relu(self.first(functional.pad(x, (self.pad, 0))))
        return functional.relu(self.second(functional.pad(y, (self.pad, 0))) + self.short(x))


def tcn() -> Made:
    """Temporal convolutions."""
    return nn.Sequential(Causal(8, 24, 1), Causal(24, 24, 2), Causal(24, 32, 4), nn.Conv1d(32, 4, 1)), (
        torch.randn(2, 8, 128),
    )


def autoencoder() -> Made:
    """Strided down, transposed up."""
    down = [nn.Conv2d(1, 16, 3, 2, 1), nn.ELU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ELU()]
    up = [nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.ELU(), nn.ConvTranspose2d(16, 1, 4, 2, 1), nn.Sigmoid()]
    return nn.Sequential(*down, *up), (torch.randn(1, 1, 32, 32),)
