"""Which small architecture to train: a genetic search under a budget of bytes and microseconds, without training.

Owns shapes, their cost and the search. Source: Compressor (Shi et al. 2022, arXiv 2208.07120): candidates are bred by a
fitness that needs no training; only the winner is trained. For networks the fitness is `promise`: what the random
features of an untrained network let a linear reading say of the teacher, in closed form (as the NNGP score of Park et
al. 2020, arXiv 2011.06006), and the logarithm of the multiplications; for trees it is the logarithm of the leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np

from costmodel.core.errors import UsageError
from costmodel.export.compact import Compact, Part
from costmodel.export.layout import pack
from costmodel.export.soft import Soft, body
from costmodel.models.base import Array
from costmodel.models.columns import compressed

NS_PER_VISIT = 1.5
NS_PER_TREE = 3.0
NS_PER_WEIGHT = 0.25
"""Costs of a node, a tree and a multiply-add, measured on one core of a 2020s server, under load."""
NS_PER_REFERENCE = 5.0
NS_PER_COLUMN = 14.0
BYTES_PER_LEAF = {32: 12, 16: 10, 8: 9}
"""Two nodes of four bytes and the value."""
_INPUTS = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512)
_WIDTHS = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256)
_ROUNDS = (5, 10, 20, 30, 40, 60, 80, 120, 160, 240, 320, 480)
BATCH = 96
READ_ROWS, READ_DRAWS, READ_RIDGE = 800, 2, 1e-3
"""Of `readout`: rows to fit, networks drawn, damping."""
PER_DOUBLING = 0.1
"""What twice the multiplications are worth; drawn from 15 trained shapes, judged on others (`compression.py`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkShape:
    """A perceptron on the `inputs` that tell most, with weights of `bits`."""

    inputs: int
    hidden: tuple[int, ...]
    bits: int

    def __str__(self) -> str:
        return f"network {self.inputs}-{'-'.join(map(str, self.hidden))} int{self.bits}"

    def multiplications(self, outputs: int) -> int:
        """Of one prediction."""
        sizes = (self.inputs, *self.hidden, outputs)
        return sum(a * b for a, b in pairwise(sizes))


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeShape:
    """`rounds` trees for each slot, of a depth and a rate, with leaves of `leaf_bits`."""

    rounds: int
    depth: int
    leaf_bits: int

    @property
    def eta(self) -> float:
        """Few trees must each learn more."""
        return float(np.clip(8 / self.rounds, 0.04, 0.5))

    def __str__(self) -> str:
        return f"trees {self.rounds}x depth {self.depth}, leaves of {self.leaf_bits} bits"


Shape = NetworkShape | TreeShape
SMALLEST = NetworkShape(inputs=16, hidden=(8,), bits=4)
SMALLEST_TREES = TreeShape(rounds=5, depth=3, leaf_bits=8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What weights may weigh and a prediction of all metrics may take."""

    size_bytes: float
    latency_us: float

    def excess(self, cost: Budget) -> float:
        """How far a cost lies above, 0 inside: the larger of the two, relative."""
        return max(cost.size_bytes / self.size_bytes, cost.latency_us / self.latency_us, 1.0) - 1.0


def cost_of(compact: Compact) -> Budget:
    """Estimated from what stands in the compact; the bytes of trees' cuts are counted as a sixth of their leaves'."""
    visits = trees = 0.0
    size = _fixed_bytes(compact)
    for slot in compact.slots:
        leaves = float((slot.trees.sizes + 1).sum() / 2)
        trees += len(slot.trees)
        depth = np.log2(np.maximum(slot.trees.sizes, 2))
        visits += float(depth.sum())
        size += leaves * (BYTES_PER_LEAF[compact.leaf_bits] + 2)
    weights = 0
    if compact.network is not None:
        for layer in compact.network.layers:
            weights += layer.weights.size
            size += layer.weights.size * layer.bits / 8 + 8 * len(layer.bias)
    ns = visits * NS_PER_VISIT + trees * NS_PER_TREE + weights * NS_PER_WEIGHT
    return Budget(size_bytes=size, latency_us=_fixed_us(compact) + ns / 1000)


def shape_cost(compact: Compact, shape: Shape) -> Budget:
    """Estimated cost of a student of `shape` in the place of the compact's body."""
    kept, slots = _kept(compact), len(body(compact))
    if isinstance(shape, TreeShape):
        trees, leaves = slots * shape.rounds, slots * shape.rounds * 0.7 * 2**shape.depth
        size = leaves * (BYTES_PER_LEAF[shape.leaf_bits] + 2)
        ns = trees * (shape.depth * NS_PER_VISIT + NS_PER_TREE)
    else:
        weights = shape.multiplications(slots)
        size = weights * shape.bits / 8 + 8 * (sum(shape.hidden) + slots) + 12 * shape.inputs
        ns = weights * NS_PER_WEIGHT
    return Budget(size_bytes=kept.size_bytes + size, latency_us=kept.latency_us + ns / 1000)


@lru_cache(maxsize=4)
def _kept(compact: Compact) -> Budget:
    """Cost of what a student keeps: everything but the body."""
    widths = tuple(replace(slot, leaf_scale=1.0) for slot in compact.slots if slot.part is Part.WIDTH)
    kept = replace(compact, slots=widths, network=None, leaf_bits=8)
    leaves = sum(float((slot.trees.sizes + 1).sum() / 2) for slot in widths)
    size = len(pack(replace(kept, leaf_bits=32))) - 3 * leaves
    return Budget(size_bytes=size, latency_us=cost_of(kept).latency_us)


def _fixed_bytes(compact: Compact) -> float:
    names = sum(len(name) + 1 for name in (*compact.numbers, *compact.context, *compact.targets))
    known = compact.novelty
    novelty = 0 if known is None else 4 * known.components.size + 2 * known.references.size + 8 * len(compact.numbers)
    return names + novelty + 4 * compact.guesses.size + 112 * len(compact.targets) + 4096


def _fixed_us(compact: Compact) -> float:
    references = 0 if compact.novelty is None else len(compact.novelty.references)
    return (references * NS_PER_REFERENCE + len(compact.numbers) * NS_PER_COLUMN) / 1000


def naswot(soft: Soft, shape: NetworkShape, seed: int = 0) -> float:
    """Log-determinant of the agreement of unit signs over a batch, for an untrained network; higher is better.

    The score of Mellor et al. 2021 ("Neural Architecture Search without Training"): what `promise` is compared with.

    Args:
        soft: rows.
        shape: whose score it is.
        seed: of the weights and the batch.
    """
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(soft.x), min(BATCH, len(soft.x)), replace=False)
    value = compressed(soft.x[np.ix_(rows, soft.order[: shape.inputs])]).astype(np.float64)
    value = (value - value.mean(axis=0)) / np.maximum(value.std(axis=0), 0.05)
    agreement = np.zeros((len(rows), len(rows)))
    for width in shape.hidden:
        value = np.maximum(value @ rng.normal(0, np.sqrt(2 / value.shape[1]), (value.shape[1], width)), 0)
        on = (value > 0).astype(np.float64)
        agreement += on @ on.T + (1 - on) @ (1 - on).T
    return float(np.linalg.slogdet(agreement + 1e-3 * np.eye(len(rows)))[1])


def promise(soft: Soft, shape: NetworkShape, seed: int = 0) -> float:
    """The fitness of networks: `readout`, and what is learned beyond random features, which grows with the weights."""
    return readout(soft, shape, seed) + PER_DOUBLING * float(np.log2(shape.multiplications(soft.targets.shape[1])))


def readout(soft: Soft, shape: NetworkShape, seed: int = 0) -> float:
    """Minus the logarithm of the error of a ridge regression on an untrained network's features; higher is better.

    Args:
        soft: rows; up to `READ_ROWS` are fitted, half as many are told.
        shape: whose score it is; its weights are rounded to its bits.
        seed: of the weights and the rows, the same rows for every shape.
    """
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(soft.x))[: READ_ROWS * 3 // 2]
    z = compressed(soft.x[np.ix_(rows, soft.order[: shape.inputs])]).astype(np.float64)
    y = (soft.targets[rows] - soft.targets[rows].mean(axis=0)) / np.maximum(soft.targets[rows].std(axis=0), 1e-3)
    z = (z - z.mean(axis=0)) / np.maximum(z.std(axis=0), 0.05)
    fitted = len(rows) * 2 // 3
    errors = []
    for draw in range(READ_DRAWS):
        value, own = z, np.random.default_rng((seed, draw))
        for width in shape.hidden:
            weights = own.normal(0, np.sqrt(2 / value.shape[1]), (value.shape[1], width))
            value = np.maximum(value @ _rounded(weights, shape.bits), 0)
        value = np.concatenate([value, np.ones((len(rows), 1))], axis=1)
        gram = value[:fitted].T @ value[:fitted] + READ_RIDGE * fitted * np.eye(value.shape[1])
        found = value[fitted:] @ np.linalg.solve(gram, value[:fitted].T @ y[:fitted])
        errors.append(float(np.mean((found - y[fitted:]) ** 2)))
    return -float(np.log(max(float(np.mean(errors)), 1e-9)))


def _rounded(weights: Array, bits: int) -> Array:
    if bits == 32:
        return weights
    scale = np.abs(weights).max(axis=0) / (2 ** (bits - 1) - 1)
    return np.asarray(np.rint(weights / scale) * scale)


def search(
    compact: Compact, fitness: Callable[[Shape], float], kind: type[Shape], budget: Budget, *, seed: int = 0,
    population: int = 24, generations: int = 12,
) -> Shape:  # fmt: skip
    """The fittest shape inside the budget; shapes outside are bred too, but never win.

    Raises:
        UsageError: not even the smallest shape fits; the message names its cost.
    """
    rng = np.random.default_rng(seed)
    smallest = SMALLEST if kind is NetworkShape else SMALLEST_TREES
    if budget.excess(shape_cost(compact, smallest)):
        raise UsageError(over_budget(budget, shape_cost(compact, smallest)))
    known: dict[Shape, float] = {}

    def score(shape: Shape) -> float:
        if shape not in known:
            excess = budget.excess(shape_cost(compact, shape))
            known[shape] = -1e6 * excess if excess else fitness(shape)
        return known[shape]

    pool: list[Shape] = [smallest, *(_drawn(kind, rng) for _ in range(population - 1))]
    for _ in range(generations):
        pool = sorted(set(pool), key=lambda shape: (-score(shape), str(shape)))[: population // 2]
        pairs = rng.integers(0, len(pool), (len(pool), 2))
        children = [_mutated(_crossed(pool[a], pool[b], rng), rng) for a, b in pairs]
        pool += children
    inside = [shape for shape in known if not budget.excess(shape_cost(compact, shape))]
    return max(inside, key=lambda shape: (known[shape], str(shape)))


def over_budget(budget: Budget, nearest: Budget) -> str:
    """What to say where nothing fits."""
    return (
        f"no student fits {budget.size_bytes:.0f} bytes and {budget.latency_us:g} µs; the nearest takes "
        f"{nearest.size_bytes:.0f} bytes and {nearest.latency_us:.1f} µs; raise the budget or export fewer metrics"
    )


def _drawn(kind: type[Shape], rng: np.random.Generator) -> Shape:
    if kind is TreeShape:
        return TreeShape(
            rounds=int(rng.choice(_ROUNDS)), depth=int(rng.integers(3, 9)), leaf_bits=int(rng.choice([8, 16]))
        )
    hidden = tuple(sorted((int(rng.choice(_WIDTHS)) for _ in range(rng.integers(1, 4))), reverse=True))
    return NetworkShape(inputs=int(rng.choice(_INPUTS)), hidden=hidden, bits=int(rng.choice([4, 8])))


def _crossed(a: Shape, b: Shape, rng: np.random.Generator) -> Shape:
    names = ("rounds", "depth", "leaf_bits") if isinstance(a, TreeShape) else ("inputs", "hidden", "bits")
    return replace(a, **{name: getattr(b if rng.random() < 0.5 else a, name) for name in names})


def _mutated(shape: Shape, rng: np.random.Generator) -> Shape:
    other = _drawn(type(shape), rng)
    names = ("rounds", "depth", "leaf_bits") if isinstance(shape, TreeShape) else ("inputs", "hidden", "bits")
    name = names[int(rng.integers(len(names)))]
    return replace(shape, **{name: getattr(other, name)}) if rng.random() < 0.7 else shape
