"""The arithmetic of a `Compact` in numpy: the reference that C and ONNX are held against.

Owns the computation for compacts that no checkpoint holds any more (students, rounded leaves). Invariant: for a compact
that `flatten` gave, it equals the model's own `predict`.
"""

from __future__ import annotations

import numpy as np

from costmodel.core.metrics import get_metric
from costmodel.export.compact import FLOOR, Compact, Network, Part, Slot, Trees
from costmodel.models.base import Array, Prediction
from costmodel.models.bases import BlockColumns
from costmodel.models.columns import OTHERS, Columns, compressed
from costmodel.models.examples import Examples
from costmodel.models.heads import SURE, unscale, unscaled_std
from costmodel.models.kinds import kinds_of
from costmodel.models.metric_model import Z90, Scaled, zero_inflated
from costmodel.models.pairs import pair_numbers

_LEAST = 1e-3


def evaluate(compact: Compact, examples: Examples) -> Prediction:
    """What the export answers for n rows; shapes as in `models.Prediction`."""
    columns = Columns(numbers=compact.numbers, context=compact.context)
    columns.check(examples)
    functions = columns.functions(examples.encodings)
    kinds = kinds_of(examples)
    found = scaled(compact, main_matrix(compact, functions[examples.program], examples.context), kinds)
    distance = distances(compact, functions)[examples.program]
    ops = np.array([e.numbers.get(compact.numbers[compact.ops], 0.0) for e in examples.encodings])[examples.program]
    half = Z90 * found.std
    std = found.std
    if compact.intervals is not None:
        std = _widths(compact, examples, found, distance, ops)
        half = std / compact.intervals.deviations * compact.intervals.factors[compact.kind_rows(kinds)]
    return _in_units(compact, examples, Scaled(mean=found.mean, std=std, nonzero=found.nonzero), half, distance)


def main_matrix(compact: Compact, functions: Array, context: Array) -> Array:
    """`[n, width]` f32 from `functions[n, P + 1]` and `context[n, C]`."""
    raw = np.concatenate([functions, context], axis=1).astype(np.float32)
    shares = raw[:, compact.ratios] / np.maximum(raw[:, compact.ops : compact.ops + 1], np.float32(1.0))
    names = (*compact.numbers, OTHERS, *compact.context)
    return np.concatenate([raw, shares, pair_numbers(names, raw)], axis=1)


def scaled(compact: Compact, x: Array, kinds: Array) -> Scaled:
    """Means and deviations on the metrics' scales, from the main matrix."""
    margins = member_margins(compact, x, kinds)
    found = [zero_inflated(gate, mean, np.broadcast_to(compact.deviations[k], mean.shape), compact.scales, FLOOR)
             for k, (mean, gate) in enumerate(margins)]  # fmt: skip
    means = np.stack([one.mean for one in found])
    variance = np.stack([one.std**2 for one in found]).mean(axis=0) + means.var(axis=0)
    nonzero = np.stack([one.nonzero for one in found]).mean(axis=0)
    return Scaled(mean=means.mean(axis=0), std=np.sqrt(variance), nonzero=nonzero)


def member_margins(compact: Compact, x: Array, kinds: Array) -> list[tuple[Array, Array]]:
    """For each member magnitudes and probabilities of not being zero, `[n, M]` each."""
    shape = (len(x), len(compact.metrics))
    found = [(np.zeros(shape), np.ones(shape)) for _ in range(compact.members)]
    outputs = None if compact.network is None else network_outputs(compact.network, x)
    for slot in compact.slots:
        if slot.part is Part.WIDTH:
            continue
        margin = slot_margin(compact, slot, x, kinds, outputs)
        if slot.part is Part.MEAN:
            found[slot.member][0][:, slot.metric] = margin
        else:
            found[slot.member][1][:, slot.metric] = 1 / (1 + np.exp(-np.clip(margin, -40, 40)))
    return found


def slot_margin(compact: Compact, slot: Slot, x: Array, kinds: Array, outputs: Array | None) -> Array:
    """`[n]` margins of one slot; `outputs[n, O]` are the network's."""
    margin = np.full(len(x), slot.base) if slot.guess is None else guess(compact, slot, x, kinds)
    margin = margin + slot.leaf_scale * walk(slot.trees, x)
    if slot.output is not None:
        assert outputs is not None
        margin = margin + outputs[:, slot.output]
    return np.asarray(margin)


def guess(compact: Compact, slot: Slot, x: Array, kinds: Array) -> Array:
    """log(1 + weighted sum of counts + what blocks say), `[n]`; zeros for a slot without a guess."""
    if slot.guess is None:
        return np.zeros(len(x))
    weights = compact.guesses[slot.guess].astype(np.float64)[compact.kind_rows(kinds)]
    total = (x[:, : len(compact.numbers)].astype(np.float64) * weights[:, :-1]).sum(axis=1) + weights[:, -1]
    names = (*compact.numbers, OTHERS, *compact.context)
    blocks = BlockColumns.of([compact.metrics[slot.metric]], names).numbers(x)[:, 0]
    return np.asarray(np.log1p(np.maximum(total + blocks, 0.0)))


def walk(trees: Trees, x: Array) -> Array:
    """Sums of leaves `[n]` for rows `x[n, F]` f32."""
    found = np.zeros(len(x))
    if not len(trees):
        return found
    starts = trees.starts
    owner = np.repeat(starts, trees.sizes)
    here = np.arange(len(trees.left))
    left = np.where(trees.left < 0, here, trees.left + owner)
    right = np.where(trees.left < 0, here, trees.left + owner + 1)
    feature = np.maximum(trees.feature, 0)
    for i, row in enumerate(x):
        node = starts
        while True:
            following = np.where(row[feature[node]] >= trees.threshold[node], right[node], left[node])
            if np.array_equal(following, node):
                break
            node = following
        found[i] = trees.value[node].astype(np.float64).sum()
    return found


def network_outputs(network: Network, x: Array) -> Array:
    """`[n, O]` f32."""
    value = np.clip(compressed(x[:, network.inputs]), -network.limits, network.limits) * network.gains
    for layer in network.layers:
        value = value @ layer.real + layer.bias.astype(np.float32)
        value = np.maximum(value, 0) if layer.relu else value
    return np.asarray(value)


def distances(compact: Compact, functions: Array) -> Array:
    """Of functions `[N, P + 1]` from the training data, over the threshold."""
    if compact.novelty is None:
        return np.zeros(len(functions))
    return np.asarray(compact.novelty.distance(functions) / compact.novelty.threshold)


def _widths(compact: Compact, examples: Examples, found: Scaled, distance: Array, ops: Array) -> Array:
    assert compact.intervals is not None
    size = np.empty_like(found.mean)
    for slot in compact.slots:
        if slot.part is not Part.WIDTH:
            continue
        i = slot.metric
        own = [
            found.mean[:, i],
            found.std[:, i],
            np.nan_to_num(found.nonzero[:, i], nan=1.0),
            np.minimum(distance, 50.0),
        ]
        x = np.concatenate([np.stack([*own, np.log1p(ops)], axis=1), examples.context], axis=1).astype(np.float32)
        size[:, i] = slot.base + slot.leaf_scale * walk(slot.trees, x)
    return np.asarray(np.maximum(np.maximum(np.exp(size), _LEAST) * compact.intervals.deviations, _LEAST))


def _in_units(compact: Compact, examples: Examples, found: Scaled, half: Array, distance: Array) -> Prediction:
    parts = {name: np.zeros_like(found.mean) for name in ("mean", "std", "low", "high")}
    for i, (metric, kind) in enumerate(zip(compact.metrics, compact.scales, strict=True)):
        mean, std, most = found.mean[:, i], found.std[:, i], get_metric(metric).maximum
        columns = (unscale(mean, kind), unscaled_std(mean, std, kind), unscale(mean - half[:, i], kind),
                   unscale(mean + half[:, i], kind))  # fmt: skip
        for name, column in zip(parts, columns, strict=True):
            parts[name][:, i] = column if most is None else np.minimum(column, most)
    parts["low"] = np.where(found.nonzero < SURE, 0.0, parts["low"])
    return Prediction(
        parts["mean"], parts["std"], compact.units, metrics=compact.metrics, low=np.minimum(parts["low"],
        parts["mean"]),
        high=np.maximum(parts["high"], parts["mean"]), nonzero=found.nonzero,
        known=(distance <= 1.0) & np.isin(examples.archs, compact.known_archs), distance=distance,
    )  # fmt: skip
