"""A small network that ranks schedules: trained on pairs of one workload's schedules, in numpy alone.

Owns the network, its training and its arrays. Two hidden layers of SiLU over standardised features correct a base;
the loss is that of pairs (`rank_losses`), over whole workloads a step; AdamW (Loshchilov and Hutter 2019) with one
cycle of the rate (Smith 2018), dropout (Srivastava et al. 2014). Trees cut features, a network adds them up: their
errors differ, so that both together rank better than either. Invariant: equal arguments give an equal network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from costmodel.core.errors import CheckpointError
from costmodel.models.adamw import adamw_step, no_moments
from costmodel.models.base import Array
from costmodel.models.rank_losses import LEAST_GAP, MOST_GAP, SHARPNESS
from costmodel.models.tensors import pack_tensors, unpack_tensors

HIDDEN = (64, 64)
EPOCHS = 40
GROUPS_A_STEP = 8
RATE, WARM_SHARE, DECAY = 3e-3, 0.3, 1e-2
DROPOUT = 0.1
_WIDEST = 4.0
"""Standardised features are clipped to it: a network extrapolates badly."""
_LEAST_SCALE = 1e-3
_TINY = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RankNetwork:
    """`centre[F]`, `scale[F]` of the features; weights `[in, out]` and biases `[out]` of the layers."""

    centre: Array
    scale: Array
    weights: tuple[Array, ...]
    biases: tuple[Array, ...]

    def __call__(self, features: Array) -> Array:
        """What the base misses `[n]`, natural logarithms, of features `[n, F]`."""
        x = _standard(features, self.centre, self.scale)
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = x @ weight
            x += bias
            x *= _sigmoid(x)
        return np.asarray((x @ self.weights[-1] + self.biases[-1])[:, 0], np.float64)

    def packed(self) -> bytes:
        """Bytes of a checkpoint file."""
        arrays = {"centre": self.centre, "scale": self.scale}
        arrays |= {f"weight-{i}": w for i, w in enumerate(self.weights)}
        return pack_tensors(arrays | {f"bias-{i}": b for i, b in enumerate(self.biases)})

    @classmethod
    def unpacked(cls, data: bytes) -> Self:
        """The network of `packed`; raises `CheckpointError` for anything else."""
        arrays = unpack_tensors(data)
        layers = range(sum(name.startswith("weight-") for name in arrays))
        try:
            return cls(
                centre=arrays["centre"], scale=arrays["scale"],
                weights=tuple(arrays[f"weight-{i}"] for i in layers), biases=tuple(arrays[f"bias-{i}"] for i in layers),
            )  # fmt: skip
        except KeyError as error:
            raise CheckpointError(f"a network's file lacks {error}; train it again or reinstall") from None


def train_rank_network(features: Array, offset: Array, truth: Array, groups: Array, seed: int) -> RankNetwork:
    """Learn what `offset[n]` misses of the order of `truth[n]` inside `groups[n]`, from `features[n, F]`."""
    rng = np.random.default_rng(seed)
    centre = features.mean(axis=0).astype(np.float32)
    scale = (features.std(axis=0) + _LEAST_SCALE).astype(np.float32)
    x, offset = _standard(features, centre, scale), np.asarray(offset, np.float32)
    order = np.argsort(groups, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    values = _start(x.shape[1], rng)
    moments = no_moments(values)
    steps = EPOCHS * -(-len(members) // GROUPS_A_STEP)
    step = 0
    for _ in range(EPOCHS):
        drawn = rng.permutation(len(members))
        for first in range(0, len(members), GROUPS_A_STEP):
            rows = [members[i] for i in drawn[first : first + GROUPS_A_STEP]]
            gradients = _gradients(values, x, offset, truth, rows, rng)
            step += 1
            adamw_step(values, gradients, moments, step, rate=_rate(step / steps), decay=DECAY)
    return RankNetwork(centre=centre, scale=scale, weights=tuple(values[::2]), biases=tuple(values[1::2]))


def pair_slopes(scores: Array, truth: Array) -> Array:
    """Slope `[n]` of the mean loss of one group's pairs; a pair weighs by the square root of its gap, none below 2 %.

    Args:
        scores: `[n]`.
        truth: `[n]`, natural logarithms of time.
    """
    gap = truth[:, None] - truth[None, :]
    weight = np.sqrt(np.clip(np.abs(gap), LEAST_GAP, MOST_GAP)) * (np.abs(gap) > LEAST_GAP)
    sign = np.sign(gap)
    wrong = _sigmoid(-SHARPNESS * sign * (scores[:, None] - scores[None, :]))
    return np.asarray((-2 * SHARPNESS * sign * weight * wrong).sum(axis=1) / max(float(weight.sum()), _TINY))


def _standard(features: Array, centre: Array, scale: Array) -> Array:
    x = (np.asarray(features, np.float32) - centre) / scale
    return np.asarray(np.clip(x, -_WIDEST, _WIDEST, out=x))


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -30, 30))))


def _start(width: int, rng: np.random.Generator) -> list[Array]:
    """Weights and biases by turns; the last layer's are 0, so that training starts from the base."""
    values: list[Array] = []
    for out in HIDDEN:
        most = 1 / np.sqrt(width)
        values += [rng.uniform(-most, most, size).astype(np.float32) for size in ((width, out), (out,))]
        width = out
    return [*values, np.zeros((width, 1), np.float32), np.zeros(1, np.float32)]


def _gradients(
    values: Sequence[Array], x: Array, offset: Array, truth: Array, groups: Sequence[Array], rng: np.random.Generator
) -> list[Array]:
    """Of the mean loss of some groups, whose row numbers are given."""
    rows = np.concatenate(groups)
    inputs, slopes = [x[rows]], []
    for weight, bias in zip(values[:-2:2], values[1:-2:2], strict=True):
        before = inputs[-1] @ weight + bias
        gate = _sigmoid(before)
        kept = (rng.random(before.shape, np.float32) >= DROPOUT) / np.float32(1 - DROPOUT)
        inputs.append(before * gate * kept)
        slopes.append(gate * (1 + before * (1 - gate)) * kept)
    scores = (inputs[-1] @ values[-2] + values[-1])[:, 0] + offset[rows]
    ends = np.cumsum([len(group) for group in groups])
    parts = [pair_slopes(scores[end - len(group) : end], truth[group]) for group, end in zip(groups, ends, strict=True)]
    back = (np.concatenate(parts) / len(groups)).astype(np.float32)[:, None]
    found: list[Array] = []
    for layer in reversed(range(len(inputs))):
        found = [inputs[layer].T @ back, back.sum(axis=0), *found]
        if layer:
            back = (back @ values[2 * layer].T) * slopes[layer - 1]
    return found


def _rate(done: float) -> float:
    """One cycle: up to `RATE` in a line, down to 0 along a cosine."""
    if done < WARM_SHARE:
        return RATE * done / WARM_SHARE
    return RATE * (1 + float(np.cos(np.pi * (done - WARM_SHARE) / (1 - WARM_SHARE)))) / 2


def networks_in(files: Mapping[str, bytes]) -> list[RankNetwork]:
    """The networks of a checkpoint's files, in order."""
    return [RankNetwork.unpacked(files[name]) for name in sorted(files) if name.startswith("network-")]
