# mypy: disable-error-code="misc,no-any-return"
# torch is seen as Any, so that the check is the same where it is not installed.
"""Detectors: a backbone and heads that say where and what."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from costmodel.datasets.zoo.convolutional import block

Made = tuple[nn.Module, tuple[Any, ...]]


class Ssd(nn.Module):
    """Boxes and classes from maps of three sizes."""

    def __init__(self, anchors: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(block(3, 16, 3, 2), block(16, 32, 3, 2))
        self.down = nn.ModuleList([block(32, 48, 3, 2), block(48, 64, 3, 2)])
        self.boxes = nn.ModuleList(nn.Conv2d(w, 4 * anchors, 3, 1, 1) for w in (32, 48, 64))
        self.kinds = nn.ModuleList(nn.Conv2d(w, classes * anchors, 3, 1, 1) for w in (32, 48, 64))
        self.classes = classes

    def forward(self, x: Tensor) -> Tensor:
        """Images to `[B, boxes, 4 + classes]`."""
        maps = [self.stem(x)]
        for down in self.down:
            maps.append(down(maps[-1]))
        places = [
            head(m).permute(0, 2, 3, 1).flatten(1).view(x.shape[0], -1, 4)
            for head, m in zip(self.boxes, maps, strict=True)
        ]
        kinds = [
            head(m).permute(0, 2, 3, 1).flatten(1).view(x.shape[0], -1, self.classes)
            for head, m in zip(self.kinds, maps, strict=True)
        ]
        return torch.cat([torch.cat(places, 1), torch.cat(kinds, 1).softmax(-1)], -1)


def ssd_head() -> Made:
    """Single shot."""
    return Ssd(3, 6), (torch.randn(1, 3, 64, 64),)


class Yolo(nn.Module):
    """A grid of boxes decoded from two scales, the coarse one upsampled into the fine one."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.fine, self.coarse = (
            nn.Sequential(block(3, 16, 3, 2, act=nn.SiLU), block(16, 32, 3, 2, act=nn.SiLU)),
            block(32, 64, 3, 2, act=nn.SiLU),
        )
        self.merge, self.out = block(96, 32, 1, act=nn.SiLU), nn.Conv2d(32, 5 + classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Images to `[B, cells, 5 + classes]`."""
        fine = self.fine(x)
        coarse = functional.interpolate(self.coarse(fine), scale_factor=2.0, mode="nearest")
        y = self.out(self.merge(torch.cat([fine, coarse], 1))).flatten(2).transpose(1, 2)
        return torch.cat([y[..., :2].sigmoid(), y[..., 2:4].exp(), y[..., 4:].sigmoid()], -1)


def yolo() -> Made:
    """One look."""
    return Yolo(8), (torch.randn(1, 3, 64, 64),)
