"""A `Compact` as an ONNX graph: tree ensembles (ai.onnx.ml), or the small network's multiplications.

Owns the graph. Inputs: `features` f32 [N, P + 1], the numbers by name and last the operations under no name, and
`context` f32 [N, C], as `models.context.encode_context` gives it. Outputs, f32: `mean`, `std`, `low`, `high`, `nonzero`
[N, M] in the metrics' units, `distance` [N], and `known` [N] bool. Metrics that an architecture lacks are numbers
without meaning. The matrix that trees compare is Python's to the bit, in single precision; all else is in double until
the outputs are rounded. Sources: ONNX operators, versions 17, ML 5.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from costmodel.core.errors import MissingDependencyError, UnsupportedError
from costmodel.core.metrics import get_metric
from costmodel.export.compact import FLOOR, Compact, Part, Slot, Trees
from costmodel.export.onnx_nodes import Nodes, Value
from costmodel.models.bases import BlockColumns
from costmodel.models.columns import OTHERS
from costmodel.models.heads import SURE, Scale
from costmodel.models.kinds import BLOCKS, STANDS
from costmodel.models.metric_model import Z90
from costmodel.models.novelty import UNSEEN_WEIGHT, Novelty
from costmodel.models.pairs import SCHEDULED, pair_formulas

OPSET, ML_OPSET, IR_VERSION = 17, 5, 8
_LEAST, _LARGEST = 1e-3, 3e38
_BELOW = 1
"""The mode of a node that goes to its true branch where the number is below."""


def build(compact: Compact) -> bytes:
    """The serialised model.

    Raises:
        MissingDependencyError: onnx is absent.
        UnsupportedError: a model that takes graphs.
    """
    if compact.graph is not None:
        raise UnsupportedError("a model that takes graphs cannot be exported to ONNX; export it to C")
    try:
        from onnx import TensorProto, checker, helper
    except ImportError as error:
        raise MissingDependencyError("exporting to ONNX needs onnx; pip install 'costmodel-ir[onnx]'") from error
    g = Nodes()
    _outputs(g, compact)
    real, truth = TensorProto.FLOAT, TensorProto.BOOL
    matrix = ["N", len(compact.metrics)]
    inputs = [helper.make_tensor_value_info("features", real, ["N", len(compact.numbers) + 1]),
              helper.make_tensor_value_info("context", real, ["N", len(compact.context)])]  # fmt: skip
    outputs = [helper.make_tensor_value_info(n, real, matrix) for n in ("mean", "std", "low", "high", "nonzero")]
    outputs += [
        helper.make_tensor_value_info("distance", real, ["N"]),
        helper.make_tensor_value_info("known", truth, ["N"]),
    ]
    graph = helper.make_graph(g.nodes, "costmodel", inputs, outputs, initializer=g.constants)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    model = helper.make_model(graph, producer_name="costmodel", opset_imports=opsets, ir_version=IR_VERSION)
    for key, values in (("metrics", compact.metrics), ("units", compact.units), ("features", compact.numbers)):
        helper.set_model_props(model, {**{p.key: p.value for p in model.metadata_props}, key: "\n".join(values)})
    checker.check_model(model)
    return bytes(model.SerializeToString())


def _outputs(g: Nodes, c: Compact) -> None:
    numbers = g.columns("features", range(len(c.numbers)))
    ops = g.double(g.columns("features", [c.ops]))
    others = g.double(g.columns("features", [len(c.numbers)]))
    unseen = g.single(g("Div", others, g.clip(ops, 1.0, None)))
    context = g.double("context")
    listed = g.columns(context, [c.context.index(f"arch:{arch}") for arch in c.archs])
    other = g("Sub", g.constant(1.0), g("ReduceSum", listed, g.constant([1], np.int64), keepdims=1))
    archs = g("Concat", listed, other, axis=1)
    distance = _distance(g, c, numbers, g.double(unseen))
    x, kinds = _matrix(g, c, numbers, unseen), _kinds(g, c, archs)
    mean, std, nonzero = _members(g, c, _margins(g, c, x, g.double(numbers), kinds))
    half = g("Mul", std, g.constant(Z90))
    if c.intervals is not None:
        std = _widths(g, c, mean, std, nonzero, distance, ops)
        factors = g("MatMul", kinds, g.constant(c.intervals.factors))
        half = g("Mul", g("Div", std, g.constant([c.intervals.deviations])), factors)
    _units(g, c, mean, std, half, nonzero)
    zero_inflated = [kind is Scale.ZERO_INFLATED for kind in c.scales]
    g.single(g.where(zero_inflated, nonzero, g.constant(np.nan)), name="nonzero")
    flat = g("Squeeze", distance, g.constant([1], np.int64))
    g.single(flat, name="distance")
    known = [float(arch in c.known_archs) for arch in c.archs]
    ours = g("Greater", g("MatMul", listed, g.constant(known)), g.constant(0.5))
    g("And", g("LessOrEqual", flat, g.constant(1.0)), ours, name="known")


def _matrix(g: Nodes, c: Compact, numbers: str, unseen: str) -> str:
    """The main matrix `[N, width]` f32, and what function and schedule give together where trees read it."""
    ops = g("Max", g.columns(numbers, [c.ops]), g.constant(1.0, np.float32))
    raw = g("Concat", numbers, unseen, "context", axis=1)
    parts = [raw, g("Div", g.columns(numbers, c.ratios), ops)]
    read = [int(slot.trees.feature.max(initial=0)) for slot in c.slots if slot.part is not Part.WIDTH]
    if c.network is not None:
        read.append(int(c.network.inputs.max()))
    return g("Concat", *parts, *([_pairs(g, c, raw)] if max(read) >= c.width else []), axis=1)


def _pairs(g: Nodes, c: Compact, raw: str) -> str:
    """`models.pairs` of the columns `raw`, `[N, pairs]` f32."""
    names = (*c.numbers, OTHERS, *c.context)
    zero = g("Mul", g.double(g.columns(raw, [c.ops])), g.constant(0.0))

    def column(name: str) -> Value:
        return Value(g, g.double(g.columns(raw, [names.index(name)])) if name in names else zero)

    found = g("Concat", *(number.name for number in pair_formulas(column)), axis=1)
    scheduled = column(SCHEDULED) > 0
    return g.single(g("Where", scheduled.name, found, g.constant(0.0)))


def _kinds(g: Nodes, c: Compact, archs: str) -> str:
    """`[N, len(c.kinds)]`: 1 for the kind of each row."""
    stands, loops = (_told(g, c, column) for column in (STANDS, BLOCKS))
    rest = g("Mul", archs, g("Sub", g.constant(1.0), loops))
    plain = g("Mul", rest, g("Sub", g.constant(1.0), stands))
    return g("Concat", plain, g("Mul", rest, stands), g("Mul", archs, loops), axis=1)


def _told(g: Nodes, c: Compact, column: str) -> str:
    """`[N, 1]`: 1 where a column of the context is above 0; zero without it."""
    if column not in c.context:
        return g.constant([[0.0]])
    return g.double(g("Greater", g.columns("context", [c.context.index(column)]), g.constant(0.0, np.float32)))


def _blocks(g: Nodes, c: Compact, metric: str) -> str:
    """`[N, 1]`: what blocks say of a metric, as `models.bases.BlockColumns`."""
    told = BlockColumns.of([metric], c.context)
    if not len(told.columns):
        return g.constant([[0.0]])
    said = g.double(g.columns("context", told.columns.tolist()))
    counted = g("Sub", g("Pow", g.constant(2.0), said), g.constant(1.0))
    return g("Mul", g.clip(counted, 0.0, None), g.constant([told.factors]))


def _margins(g: Nodes, c: Compact, x: str, numbers: str, kinds: str) -> str:
    """Margins `[N, S]`."""
    slots = [slot for slot in c.slots if slot.part is not Part.WIDTH]
    found = g.constant([[0.0 if s.guess is not None else s.base for s in slots]])
    for number in sorted({s.guess for s in slots if s.guess is not None}):
        weights = c.guesses[number]
        each = g("Add", g("MatMul", numbers, g.stored(weights[:, :-1].T)), g.stored(weights[:, -1][None]))
        own = g("ReduceSum", g("Mul", each, kinds), g.constant([1], np.int64), keepdims=1)
        metric = c.metrics[next(s.metric for s in slots if s.guess == number)]
        total = g.clip(g("Add", own, _blocks(g, c, metric)), 0.0, None)
        guess = g("Log", g("Add", total, g.constant(1.0)))
        found = g("Add", found, g("Mul", guess, g.constant([[float(s.guess == number) for s in slots]])))
    if any(len(s.trees) for s in slots):
        trees = _trees(g, slots, x)
        found = g("Add", found, g("Mul", trees, g.constant([[s.leaf_scale for s in slots]])))
    if c.network is not None:
        outputs = _network(g, c, x)
        picked = [s.output if s.output is not None else 0 for s in slots]
        used = g.constant([[float(s.output is not None) for s in slots]])
        found = g("Add", found, g("Mul", g.columns(outputs, picked), used))
    return found


def _trees(g: Nodes, slots: Sequence[Slot], x: str) -> str:
    """[N, len(slots)]: sums of leaves, of single-precision numbers `x` against single-precision thresholds."""
    from onnx import numpy_helper

    found = [_with_roots(slot.trees) for slot in slots]
    sizes = np.concatenate([trees.sizes for trees in found]).astype(np.int64)
    starts = np.cumsum(sizes) - sizes
    feature, left, threshold, value = (
        np.concatenate([getattr(trees, name) for trees in found]) for name in ("feature", "left", "threshold", "value")
    )
    inner = feature >= 0
    place = np.where(inner, np.cumsum(inner), np.cumsum(~inner)) - 1
    yes = (np.maximum(left, 0) + np.repeat(starts, sizes))[inner]
    target = np.repeat(np.arange(len(found)), [len(trees.left) for trees in found])
    tensors = {"nodes_splits": threshold[inner].astype(np.float64), "leaf_weights": value[~inner].astype(np.float64),
               "nodes_modes": np.full(len(yes), _BELOW, np.uint8)}  # fmt: skip
    lists = {"tree_roots": place[starts], "nodes_featureids": feature[inner], "leaf_targetids": target[~inner]}
    for side, child in (("true", yes), ("false", yes + 1)):
        lists |= {f"nodes_{side}nodeids": place[child], f"nodes_{side}leafs": ~inner[child]}
    return g(
        "TreeEnsemble", g.double(x), domain="ai.onnx.ml", n_targets=len(slots),
        **{name: numpy_helper.from_array(values) for name, values in tensors.items()},
        **{name: values.astype(int).tolist() for name, values in lists.items()},
    )  # fmt: skip


def _with_roots(trees: Trees) -> Trees:
    """The same trees; a leaf alone becomes a branch to two leaves alike, since runtimes refuse the former."""
    alone = trees.sizes == 1
    if not alone.any():
        return trees
    at = np.repeat(trees.starts[alone] + 1, 2)
    leaves = np.repeat(trees.value[trees.starts[alone]], 2)
    found = Trees(
        sizes=np.where(alone, 3, trees.sizes), feature=np.insert(trees.feature, at, -1),
        threshold=np.insert(trees.threshold, at, 0.0), left=np.insert(trees.left, at, 0),
        value=np.insert(trees.value, at, leaves),
    )  # fmt: skip
    roots = found.starts[alone]
    found.feature[roots], found.threshold[roots], found.left[roots] = 0, 0.0, 1
    return found


def _compressed(g: Nodes, x: str) -> str:
    return g("Mul", g("Sign", x), g("Log", g("Add", g("Abs", x), g.constant(1.0))))


def _network(g: Nodes, c: Compact, x: str) -> str:
    assert c.network is not None
    limits = g.constant([c.network.limits], np.float32)
    inputs = g.single(_compressed(g, g.double(g.columns(x, c.network.inputs))))
    value = g("Min", g("Max", inputs, g("Neg", limits)), limits)
    value = g("Mul", value, g.constant([c.network.gains], np.float32))
    for layer in c.network.layers:
        if layer.bits == 32:
            weights = g.constant(layer.real, np.float32)
        else:
            weights = g(
                "DequantizeLinear", g.constant(layer.weights, np.int8), g.constant(layer.scale, np.float32), axis=1
            )  # fmt: skip
        value = g("Add", g("MatMul", value, weights), g.constant([layer.bias], np.float32))
        value = g("Relu", value) if layer.relu else value
    return g.double(value)


def _members(g: Nodes, c: Compact, margins: str) -> tuple[str, str, str]:
    """Mean, deviation and probability [N, M] of the mixture of all members."""
    slots = [slot for slot in c.slots if slot.part is not Part.WIDTH]
    place = {(s.member, s.metric, s.part): i for i, s in enumerate(slots)}
    inflated = [kind is Scale.ZERO_INFLATED for kind in c.scales]
    means, variances, nonzeros = [], [], []
    for k in range(c.members):
        size = g.columns(margins, [place[k, i, Part.MEAN] for i in range(len(c.metrics))])
        gates = [place.get((k, i, Part.GATE), place[k, i, Part.MEAN]) for i in range(len(c.metrics))]
        has = [(k, i, Part.GATE) in place for i in range(len(c.metrics))]
        p = g.where(has, g("Sigmoid", g.clip(g.columns(margins, gates), -40.0, 40.0)), g.constant(1.0))
        above = g.clip(size, 0.0, None)
        square = g.constant([c.deviations[k] ** 2])
        doubt = g("Mul", g("Mul", p, g("Sub", g.constant(1.0), p)), g("Mul", above, above))
        variance = g.where(inflated, g("Add", g("Mul", p, square), doubt), square)
        one = g.constant(1.0)
        amount = g("Sub", g("Exp", g.clip(above, None, 60.0)), one)
        means.append(g.where(inflated, g("Log", g("Add", one, g("Mul", p, amount))), size))
        variances.append(g.clip(variance, FLOOR**2, None))
        nonzeros.append(p)
    mean, nonzero = g.mean(means), g.mean(nonzeros)
    off = [g("Sub", one, mean) for one in means]
    between = g.mean([g("Mul", one, one) for one in off])
    return mean, g("Sqrt", g("Add", g.mean(variances), between)), nonzero


def _distance(g: Nodes, c: Compact, numbers: str, unseen: str) -> str:
    """From the training data, `[N, 1]`."""
    known = c.novelty
    if known is None:
        return g("Mul", unseen, g.constant(0.0))
    components = known.components.astype(np.float64)
    short = g.double(g.single(_compressed(g, g.double(numbers))))
    z = g("Div", g("Sub", short, g.stored([known.center])), g.stored([known.spread]))
    point = g("MatMul", z, g.stored(components))
    near = _nearest(g, point, known)
    norms = (components**2).sum(axis=0)
    off = g("Sub", z, g("MatMul", g("Div", point, g.constant([norms])), g.stored(components.T)))
    residual = g("Sqrt", g("ReduceMean", g("Mul", off, off), axes=[1], keepdims=1))
    total = g("Add", near, g("Mul", residual, g.constant(1 / known.residual_scale)))
    total = g("Add", total, g("Mul", unseen, g.constant(UNSEEN_WEIGHT)))
    return g("Mul", total, g.constant(1 / known.threshold))


def _nearest(g: Nodes, point: str, known: Novelty) -> str:
    """Mean distance `[N, 1]` of points `[N, K]` from their nearest references."""
    references, one = known.references.astype(np.float64), g.constant([1], np.int64)
    own = g("ReduceSum", g("Mul", point, point), one, keepdims=1)
    across = g("MatMul", point, g.stored(references.T))
    squared = g("Sub", g("Add", own, g.constant([(references**2).sum(1)])), g("Mul", across, g.constant(2.0)))
    distances = g("Sqrt", g.clip(squared, 0.0, None))
    count = g.constant([min(known.neighbours, len(references))], np.int64)
    nearest = f"v{len(g.nodes)}"
    g.several("TopK", (distances, count), (nearest, f"{nearest}i"), axis=1, largest=0)
    return g("ReduceMean", nearest, axes=[1], keepdims=1)


def _widths(g: Nodes, c: Compact, mean: str, std: str, nonzero: str, distance: str, ops: str) -> str:
    """Calibrated deviations [N, M] on the metrics' scales."""
    assert c.intervals is not None
    size = g("Log", g("Add", ops, g.constant(1.0)))
    inflated = [kind is Scale.ZERO_INFLATED for kind in c.scales]
    certain = g("Add", g("Mul", distance, g.constant(0.0)), g.constant(1.0))
    sums: list[str] = [""] * len(c.metrics)
    for slot in c.slots:
        if slot.part is not Part.WIDTH:
            continue
        i = slot.metric
        chance = g.columns(nonzero, [i]) if inflated[i] else certain
        parts = [g.columns(mean, [i]), g.columns(std, [i]), chance, g.clip(distance, None, 50.0), size]
        own = g("Concat", g.single(g("Concat", *parts, axis=1)), "context", axis=1)
        trees = g("Mul", _trees(g, [slot], own), g.constant(slot.leaf_scale))
        sums[i] = g("Add", trees, g.constant(slot.base))
    joined = g.clip(g("Exp", g("Concat", *sums, axis=1)), _LEAST, None)
    return g.clip(g("Mul", joined, g.constant([c.intervals.deviations])), _LEAST, None)


def _unscaled(g: Nodes, c: Compact, value: str) -> str:
    """In the metrics' units."""
    kinds = c.scales
    inside = g.clip(value, -60.0, 60.0)
    grown = g("Exp", inside)
    found = g.clip(g("Sub", grown, g.constant(1.0)), 0.0, None)
    found = g.where([k is Scale.LOG for k in kinds], grown, found)
    found = g.where([k is Scale.LOGIT for k in kinds], g("Sigmoid", inside), found)
    found = g.where([k is Scale.LINEAR for k in kinds], g.clip(value, 0.0, None), found)
    return found


def _units(g: Nodes, c: Compact, mean: str, std: str, half: str, nonzero: str) -> None:
    most = g.constant([[_LARGEST if (m := get_metric(n).maximum) is None else m for n in c.metrics]])
    real = g("Min", _unscaled(g, c, mean), most)
    spread = g("Sub", _unscaled(g, c, g("Add", mean, std)), _unscaled(g, c, g("Sub", mean, std)))
    low, high = _unscaled(g, c, g("Sub", mean, half)), _unscaled(g, c, g("Add", mean, half))
    low = g("Where", g("Less", nonzero, g.constant(SURE)), g.constant(0.0), low)
    g.single(real, name="mean")
    g.single(g("Min", g.clip(g("Mul", spread, g.constant(0.5)), 1e-12, None), most), name="std")
    g.single(g("Min", g("Min", low, most), real), name="low")
    g.single(g("Max", g("Min", high, most), real), name="high")
