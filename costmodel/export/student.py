"""Students: a small network or fewer trees in place of a compact's body, trained on what the teacher says.

Owns the training (numpy for networks, XGBoost for trees), the rounding of weights, and the widening of intervals by
what a student gets wrong. Weights of 4 and 8 bits are learned as rounded ones (straight-through, Jacob et al. 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from costmodel.export.compact import Compact, Intervals, Layer, Network, Part, Slot, Trees, no_trees
from costmodel.export.evaluate import scaled
from costmodel.export.flatten import trees_of
from costmodel.export.genetic import NetworkShape, Shape, TreeShape
from costmodel.export.soft import Soft, body
from costmodel.models.adamw import adamw_step, no_moments
from costmodel.models.base import Array
from costmodel.models.columns import compressed
from costmodel.models.tree_arrays import TreeArrays, library

EPOCHS = 60
BATCH = 128
RATE = 3e-3
DECAY = 1e-4
ROUNDED_FROM = 0.5
"""Share of the epochs after which weights are rounded in the forward pass."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Student:
    """A compact in the place of its teacher; `disagreement[M]`: RMS on the metrics' scales on functions held out."""

    shape: Shape
    compact: Compact
    disagreement: Array


def train_student(compact: Compact, soft: Soft, shape: Shape, *, seed: int = 0) -> Student:
    """Train one student of a shape; deterministic by `seed`."""
    learned = _trees if isinstance(shape, TreeShape) else _network
    found = replace(learned(compact, soft.part(False), shape, seed), deviations=_deviations(compact, soft))  # type: ignore[arg-type]
    return finished(compact, found, soft, shape)


def finished(teacher: Compact, found: Compact, soft: Soft, shape: Shape) -> Student:
    """Compare on the functions held out and widen the intervals by the disagreement."""
    held = soft.part(True)
    answer = scaled(found, held.x, held.kinds)
    off = answer.mean - held.teacher.mean
    disagreement = np.sqrt((off**2).mean(axis=0))
    if found.intervals is not None:
        ratio = np.sqrt(1 + ((off / held.teacher.std) ** 2).mean(axis=0))
        found = replace(found, intervals=Intervals(
            deviations=found.intervals.deviations * ratio, factors=found.intervals.factors * ratio,
        ))  # fmt: skip
    else:
        found = replace(found, deviations=np.sqrt(found.deviations**2 + disagreement**2))
    return Student(shape=shape, compact=found, disagreement=disagreement)


def _deviations(compact: Compact, soft: Soft) -> Array:
    """Of the student, `[1, M]`: the teacher's, or its mean doubt where no slot tells it (`flatten.skeleton`)."""
    told = any(len(slot.trees) for slot in body(compact))
    return np.asarray(compact.deviations.mean(axis=0) if told else soft.teacher.std.mean(axis=0))[None]


def _widths(compact: Compact) -> list[Slot]:
    return [slot for slot in compact.slots if slot.part is Part.WIDTH]


# ---- trees


def _trees(compact: Compact, soft: Soft, shape: TreeShape, seed: int) -> Compact:
    slots = []
    for i, slot in enumerate(body(compact)):
        trees, base = boosted(soft.x, soft.targets[:, i], soft.weights[:, i], shape, seed)
        slots.append(replace(slot, trees=trees, base=0.0 if slot.guess is not None else base, output=None))
        if slot.guess is not None:
            slots[-1] = replace(slots[-1], trees=_shifted(trees, base))
    return rounded_leaves(replace(compact, slots=(*slots, *_widths(compact)), network=None), shape.leaf_bits)


def boosted(x: Array, y: Array, weights: Array, shape: TreeShape, seed: int) -> tuple[Trees, float]:
    """Trees on rows `x[n, F]`, `y[n]`, and their base."""
    xgb = library()
    parameters = {
        "max_depth": shape.depth, "eta": shape.eta, "min_child_weight": 2.0, "subsample": 0.8, "colsample_bynode": 0.5,
        "lambda": 1.0, "tree_method": "hist", "nthread": 1, "verbosity": 0, "seed": seed,
        "base_score": float(np.average(y, weights=weights)),
    }  # fmt: skip
    booster = xgb.train(parameters, xgb.DMatrix(x, y, weight=weights), shape.rounds)
    found = TreeArrays.of(booster)
    return trees_of(found), found.base


def _shifted(trees: Trees, amount: float) -> Trees:
    """The trees with `amount` added to their sum."""
    if not len(trees):
        return trees
    first = np.arange(len(trees.feature)) < trees.sizes[0]
    return replace(trees, value=np.where(first & (trees.feature < 0), trees.value + np.float32(amount), trees.value))


def rounded_leaves(compact: Compact, bits: int) -> Compact:
    """Leaves of 32, 16 (half precision) or 8 bits (whole numbers on a slot's own scale)."""
    slots = []
    for slot in compact.slots:
        value, leaf_scale = slot.trees.value, slot.leaf_scale
        if bits == 16:
            value = value.astype(np.float16).astype(np.float32)
        elif bits == 8 and value.size:
            leaf_scale = max(float(np.abs(value).max()), 1e-12) / 127
            value = np.rint(value / leaf_scale).astype(np.float32)
        slots.append(replace(slot, trees=replace(slot.trees, value=value), leaf_scale=leaf_scale))
    return replace(compact, slots=tuple(slots), leaf_bits=bits)


def first_rounds(compact: Compact, share: float) -> Compact:
    """The first share of every slot's trees but the widths', at least one each: what boosting had learned by then."""
    slots = []
    for slot in compact.slots:
        if slot.part is Part.WIDTH:
            slots.append(slot)
            continue
        kept = max(1, round(share * len(slot.trees))) if len(slot.trees) else 0
        nodes = int(slot.trees.sizes[:kept].sum())
        arrays = {name: getattr(slot.trees, name)[:nodes] for name in ("feature", "threshold", "left", "value")}
        slots.append(replace(slot, trees=replace(slot.trees, sizes=slot.trees.sizes[:kept], **arrays)))
    return replace(compact, slots=tuple(slots))


# ---- networks


def _network(compact: Compact, soft: Soft, shape: NetworkShape, seed: int) -> Compact:
    inputs = np.sort(soft.order[: shape.inputs])
    z = compressed(soft.x[:, inputs]).astype(np.float64)
    gains = 1 / np.maximum(z.std(axis=0), 0.05)
    center = (z * gains).mean(axis=0)
    middle = np.average(soft.targets, axis=0, weights=soft.weights)
    spread = np.maximum(np.sqrt(np.average((soft.targets - middle) ** 2, axis=0, weights=soft.weights)), 1e-3)
    net = _Perceptron((len(inputs), *shape.hidden, soft.targets.shape[1]), shape.bits, np.random.default_rng(seed))
    net.train(z * gains - center, (soft.targets - middle) / spread, soft.weights)
    layers = list(net.layers())
    layers[0] = replace(layers[0], bias=layers[0].bias - center @ layers[0].real)
    layers[-1] = replace(layers[-1], scale=layers[-1].scale * spread, bias=layers[-1].bias * spread + middle)
    network = Network(inputs=inputs, limits=1.25 * np.abs(z).max(axis=0), gains=gains, layers=tuple(layers))
    slots = [replace(slot, trees=no_trees(), base=0.0, output=i) for i, slot in enumerate(body(compact))]
    return rounded_leaves(replace(compact, slots=(*slots, *_widths(compact)), network=network), 8)


class _Perceptron:
    """A multi-layer perceptron in numpy, trained by AdamW."""

    def __init__(self, sizes: Sequence[int], bits: int, rng: np.random.Generator) -> None:
        self._bits, self._rng = bits, rng
        self._weights = [rng.normal(0, np.sqrt(2 / i), (i, o)) for i, o in pairwise(sizes)]
        self._biases = [np.zeros(o) for o in sizes[1:]]
        self._moments = no_moments((*self._weights, *self._biases))
        self._steps = 0

    def train(self, x: Array, y: Array, weights: Array) -> None:
        """Minimise the weighted squared error; the rate falls to zero along a cosine."""
        batches = max(1, len(x) // BATCH)
        total = EPOCHS * batches
        for epoch in range(EPOCHS):
            rounded = epoch >= ROUNDED_FROM * EPOCHS and self._bits < 32
            for rows in np.array_split(self._rng.permutation(len(x)), batches):
                rate = RATE * 0.5 * (1 + np.cos(np.pi * self._steps / total))
                self._step(x[rows], y[rows], weights[rows], rate, rounded)

    def _step(self, x: Array, y: Array, weights: Array, rate: float, rounded: bool) -> None:
        used = [_times(*quantised(w, self._bits)) for w in self._weights] if rounded else self._weights
        values = [x]
        for i, (w, b) in enumerate(zip(used, self._biases, strict=True)):
            value = values[-1] @ w + b
            values.append(np.maximum(value, 0) if i + 1 < len(used) else value)
        slope = 2 * weights * (values[-1] - y) / len(x)
        of_weights: list[Array] = []
        of_biases: list[Array] = []
        for i in reversed(range(len(used))):
            of_weights.insert(0, values[i].T @ slope)
            of_biases.insert(0, slope.sum(axis=0))
            slope = slope @ used[i].T * (values[i] > 0) if i else slope
        self._steps += 1
        adamw_step(
            (*self._weights, *self._biases), (*of_weights, *of_biases), self._moments, self._steps, rate=rate,
            decay=DECAY,
        )  # fmt: skip

    def layers(self) -> list[Layer]:
        """As they are exported."""
        found = []
        for i, (weights, bias) in enumerate(zip(self._weights, self._biases, strict=True)):
            whole, scale = quantised(weights, self._bits)
            found.append(
                Layer(weights=whole, scale=scale, bias=bias.copy(), bits=self._bits, relu=i + 1 < len(self._weights))
            )
        return found


def quantised(weights: Array, bits: int) -> tuple[Array, Array]:
    """Whole numbers of so many bits, and the scale of each output; 32 leaves the weights as they are."""
    if bits == 32:
        return weights, np.ones(weights.shape[1])
    most = 2 ** (bits - 1) - 1
    scale = np.maximum(np.abs(weights).max(axis=0), 1e-12) / most
    return np.rint(weights / scale), scale


def _times(whole: Array, scale: Array) -> Array:
    return np.asarray(whole * scale)
