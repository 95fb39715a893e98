"""`Compact`: everything an exported predictor needs, as plain arrays.

Owns the data types. Invariant: a compact depends on no library; `layout.pack` writes it for C, `evaluate` asks it in
numpy. A body is a list of slots, each the margin of one metric (or of its probability of not being zero): trees, or an
output of the small network, over an optional weighted sum of counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from costmodel.core.metrics import get_metric
from costmodel.models.base import Array
from costmodel.models.context import CODEGEN, pipeline_bucket
from costmodel.models.heads import Scale, scale_of
from costmodel.models.kinds import ENDINGS, ending_of
from costmodel.models.novelty import Novelty

FIGURES = (
    "vector_bits", "vector_registers", "l1d_bytes", "l2_bytes", "l3_bytes", "cores", "peak_flop_per_s",
    "peak_bytes_per_s",
    "general_registers", "issue_width", "load_units", "store_units", "fma_units",
)  # fmt: skip
"""Of a target, in the order of `costmodel_target` in C; the last five are of its core."""
WIDTH_OWN = 5
"""Inputs of an interval's width before the context: mean, deviation, probability, distance, log of operations."""
STANDING_BUCKET = pipeline_bucket(CODEGEN)
"""Of the pipeline of IR that no optimiser sees any more: its guesses are sums of their own (`models.kinds`)."""
KINDS_IN_C = 2
"""Of `ENDINGS`, those that C can be asked about: it is told no blocks."""
OTHER = "any other"
"""An architecture that nothing was learned for."""
FLOOR = 0.02
"""Least deviation on a metric's scale, as in `metric_model.zero_inflated`."""


def kind_names(archs: Sequence[str]) -> tuple[str, ...]:
    """Of `archs` and any other one, for each of `ENDINGS`."""
    return tuple(arch + ending for ending in ENDINGS for arch in (*archs, OTHER))


class Part(IntEnum):
    """What a slot's margin is."""

    MEAN = 0
    GATE = 1
    WIDTH = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trees:
    """Trees one after another, each breadth-first with siblings side by side."""

    sizes: Array
    """`[T]` nodes of each tree."""
    feature: Array
    """`[nodes]` i32, -1 in leaves."""
    threshold: Array
    """`[nodes]` f32; to the left where the value is below."""
    left: Array
    """`[nodes]` i32, position in the tree; the right child follows."""
    value: Array
    """`[nodes]` f32, of leaves."""

    @property
    def starts(self) -> Array:
        """`[T]` first node of each tree."""
        return np.cumsum(self.sizes) - self.sizes

    def __len__(self) -> int:
        return len(self.sizes)


def no_trees() -> Trees:
    """None at all."""
    whole, real = np.zeros(0, np.int32), np.zeros(0, np.float32)
    return Trees(sizes=np.zeros(0, np.int64), feature=whole, threshold=real, left=whole, value=real)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slot:
    """One margin: `base` (or the guess), plus trees, plus a network's output."""

    member: int
    metric: int
    part: Part
    base: float = 0.0
    guess: int | None = None
    trees: Trees
    leaf_scale: float = 1.0
    output: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """`weights[in, out]` as whole numbers of `bits` (4 or 8) or f32 (32), times `scale[out]`, plus `bias[out]`."""

    weights: Array
    scale: Array
    bias: Array
    bits: int
    relu: bool

    @property
    def real(self) -> Array:
        """The weights as they are used, f32."""
        return np.asarray(self.weights.astype(np.float32) * self.scale.astype(np.float32))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Network:
    """A multi-layer perceptron on sign(x) log(1 + |x|) of some inputs, clipped to `limits`, times `gains`."""

    inputs: Array
    """`[n]` i64, columns of the main matrix."""
    limits: Array
    """`[n]` f32."""
    gains: Array
    """`[n]` f32."""
    layers: tuple[Layer, ...]

    @property
    def outputs(self) -> int:
        """How many."""
        return len(self.layers[-1].bias)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Intervals:
    """Conformal numbers: `deviations[M]`, `factors[3 (A + 1), M]`, rows as `Compact.kinds` has them."""

    deviations: Array
    factors: Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GraphInputs:
    """Features that are pooled from a ProgramGraph: `pools[P, 2]` of kind and index (`pooling`)."""

    vocabulary: int
    columns: int
    pools: Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compact:
    """The whole predictor. The main matrix is: numbers, unseen share, context, then `ratios` over the operations."""

    name: str
    numbers: tuple[str, ...]
    ops: int
    context: tuple[str, ...]
    metrics: tuple[str, ...]
    archs: tuple[str, ...]
    known_archs: tuple[str, ...]
    targets: Mapping[str, tuple[str, tuple[float, ...]]]
    """Name to architecture and `FIGURES`."""
    pipelines: tuple[str, ...]
    versions: Mapping[str, int]
    ratios: Array
    slots: tuple[Slot, ...]
    """Of members in order, the widths last."""
    guesses: Array
    """`[G, 3 (A + 1), P + 1]` f32, rows as `kinds` has them; the last column is a constant."""
    deviations: Array
    """`[K, M]`."""
    novelty: Novelty | None
    intervals: Intervals | None
    network: Network | None = None
    graph: GraphInputs | None = None
    leaf_bits: int = 32
    default_pipeline: str = ""
    """What a question without a pipeline means where there are several; empty: none."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of rows: architectures and any other one, for each of `ENDINGS`; C is asked for the first two only."""
        return kind_names(self.archs)

    def kind_rows(self, kinds: Array) -> Array:
        """Places `[n]` in `kinds` of rows' kinds, as `kinds_of` names them."""
        places = {kind: place for place, kind in enumerate(self.kinds)}
        return np.array([places.get(k, places.get(OTHER + ending_of(k), len(self.archs))) for k in kinds.tolist()])

    @property
    def members(self) -> int:
        """K."""
        return len(self.deviations)

    @property
    def width(self) -> int:
        """Columns of the main matrix."""
        return len(self.numbers) + 1 + len(self.context) + len(self.ratios)

    @property
    def scales(self) -> tuple[Scale, ...]:
        """Of the metrics."""
        return tuple(scale_of(metric) for metric in self.metrics)

    @property
    def own_pipeline(self) -> str | None:
        """What a question without a pipeline means."""
        return self.pipelines[0] if len(self.pipelines) == 1 else self.default_pipeline or None

    @property
    def units(self) -> tuple[str, ...]:
        """Of the metrics."""
        return tuple(get_metric(metric).unit for metric in self.metrics)
