"""A `Compact` as an ONNX graph: tree ensembles (ai.onnx.ml), or the small network's multiplications.

Owns the graph. Inputs: `features` f32 [N, P + 1], the numbers by name and last the operations under no name, and
`context` f32 [N, C], as `models.context.encode_context` gives it. Outputs, f32: `mean`, `std`, `low`, `high`, `nonzero`
[N, M] in the metrics' units, `distance` [N], and `known` [N] bool. Metrics that an architecture lacks are numbers
without meaning. In single precision: agreement with Python to about 1e-5. Sources: ONNX operators, versions 17, ML 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from costmodel.core.errors import MissingDependencyError, UnsupportedError
from costmodel.core.metrics import get_metric
from costmodel.export.compact import FLOOR, STANDING_BUCKET, Compact, Part, Slot, Trees
from costmodel.models.base import Array
from costmodel.models.heads import SURE, Scale
from costmodel.models.metric_model import Z90
from costmodel.models.novelty import UNSEEN_WEIGHT

OPSET, ML_OPSET, IR_VERSION = 17, 3, 8
_LEAST = 1e-3


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
    g = _Graph()
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


class _Graph:
    """Nodes and constants with names that count up."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def __call__(self, op: str, *inputs: str, name: str | None = None, domain: str = "", **attributes: Any) -> str:
        from onnx import helper

        output = name or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], domain=domain, **attributes))
        return output

    def constant(self, value: object, kind: Any = np.float32) -> str:
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def columns(self, value: str, which: Sequence[int] | Array) -> str:
        return self("Gather", value, self.constant(which, np.int64), axis=1)

    def clip(self, value: str, low: float | None, high: float | None) -> str:
        value = value if low is None else self("Max", value, self.constant(low))
        return value if high is None else self("Min", value, self.constant(high))

    def where(self, mask: Sequence[bool], yes: str, no: str) -> str:
        return self("Where", self.constant([list(mask)], np.bool_), yes, no)


def _outputs(g: _Graph, c: Compact) -> None:
    p = len(c.numbers)
    numbers = g.columns("features", range(p))
    ops = g.columns("features", [c.ops])
    unseen = g("Div", g.columns("features", [p]), g.clip(ops, 1.0, None))
    shares = g("Div", g.columns(numbers, c.ratios), g.clip(ops, 1.0, None))
    x = g("Concat", numbers, unseen, "context", shares, g("Mul", ops, g.constant(np.zeros((1, _pairs(c))))), axis=1)
    listed = g.columns("context", [c.context.index(f"arch:{arch}") for arch in c.archs])
    other = g("Sub", g.constant(1.0), g("ReduceSum", listed, g.constant([1], np.int64), keepdims=1))
    archs = g("Concat", listed, other, axis=1)
    distance = _distance(g, c, numbers, unseen)
    mean, std, nonzero = _members(g, c, _margins(g, c, x, numbers, _regimes(g, c, archs)))
    half = g("Mul", std, g.constant(Z90))
    if c.intervals is not None:
        std = _widths(g, c, mean, std, nonzero, distance, ops)
        factors = g("MatMul", archs, g.constant(c.intervals.factors))
        half = g("Mul", g("Div", std, g.constant([c.intervals.deviations])), factors)
    _units(g, c, mean, std, half, nonzero)
    zero_inflated = [kind is Scale.ZERO_INFLATED for kind in c.scales]
    g("Where", g.constant([zero_inflated], np.bool_), nonzero, g.constant(np.nan), name="nonzero")
    flat = g("Squeeze", distance, g.constant([1], np.int64), name="distance")
    known = [float(arch in c.known_archs) for arch in c.archs]
    ours = g("Greater", g("MatMul", listed, g.constant(known)), g.constant(0.5))
    g("And", g("LessOrEqual", flat, g.constant(1.0)), ours, name="known")


def _pairs(c: Compact) -> int:
    """Columns beyond the main matrix that trees read: what a schedule and a function give together, 0 without one."""
    most = max((int(slot.trees.feature.max()) + 1 for slot in c.slots if len(slot.trees)), default=0)
    return max(0, most - c.width)


def _regimes(g: _Graph, c: Compact, archs: str) -> str:
    """`[N, 2 (A + 1)]`: the architecture, then the same again where IR goes to code generation as it stands."""
    column = f"pipeline:{STANDING_BUCKET}"
    if column not in c.context:
        return g("Concat", archs, g("Mul", archs, g.constant(0.0)), axis=1)
    asked = g("Greater", g.columns("context", [c.context.index(column)]), g.constant(0.0))
    stands = g("Cast", asked, to=1)
    return g("Concat", g("Mul", archs, g("Sub", g.constant(1.0), stands)), g("Mul", archs, stands), axis=1)


def _margins(g: _Graph, c: Compact, x: str, numbers: str, regimes: str) -> str:
    """Margins `[N, S]`."""
    slots = [slot for slot in c.slots if slot.part is not Part.WIDTH]
    found = g.constant([[0.0 if s.guess is not None else s.base for s in slots]])
    for number in sorted({s.guess for s in slots if s.guess is not None}):
        weights = c.guesses[number]
        each = g("Add", g("MatMul", numbers, g.constant(weights[:, :-1].T)), g.constant(weights[:, -1][None]))
        own = g("ReduceSum", g("Mul", each, regimes), g.constant([1], np.int64), keepdims=1)
        guess = g("Log", g("Add", g.clip(own, 0.0, None), g.constant(1.0)))
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


def _trees(g: _Graph, slots: Sequence[Slot], x: str) -> str:
    """[N, len(slots)]: sums of leaves."""
    columns: dict[str, list[Array]] = {
        n: [] for n in ("tree", "node", "feature", "value", "leaf", "left", "target", "weight")
    }
    first = 0
    for number, slot in enumerate(slots):
        trees = _with_roots(slot.trees)
        owner = np.repeat(np.arange(len(trees)), trees.sizes)
        leaf = trees.feature < 0
        parts = {
            "tree": owner + first, "node": np.arange(len(owner)) - trees.starts[owner] if len(owner) else owner,
            "feature": np.maximum(trees.feature, 0), "value": trees.threshold, "leaf": leaf,
            "left": np.maximum(trees.left, 0), "target": np.full(len(owner), number), "weight": trees.value,
        }  # fmt: skip
        for name, values in parts.items():
            columns[name].append(values)
        first += len(trees)
    all_ = {name: np.concatenate(parts) for name, parts in columns.items()}
    leaf = all_["leaf"].astype(bool)
    whole = {name: all_[name].astype(int).tolist() for name in ("tree", "node", "feature", "left")}
    return g(
        "TreeEnsembleRegressor", x, domain="ai.onnx.ml", n_targets=len(slots), post_transform="NONE",
        aggregate_function="SUM", nodes_treeids=whole["tree"], nodes_nodeids=whole["node"],
        nodes_featureids=whole["feature"], nodes_values=all_["value"].astype(float).tolist(),
        nodes_modes=["LEAF" if one else "BRANCH_LT" for one in leaf], nodes_truenodeids=whole["left"],
        nodes_falsenodeids=np.where(leaf, 0, all_["left"] + 1).astype(int).tolist(),
        target_treeids=all_["tree"][leaf].astype(int).tolist(), target_nodeids=all_["node"][leaf].astype(int).tolist(),
        target_ids=all_["target"][leaf].astype(int).tolist(),
        target_weights=all_["weight"][leaf].astype(float).tolist(),
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


def _compressed(g: _Graph, x: str) -> str:
    return g("Mul", g("Sign", x), g("Log", g("Add", g("Abs", x), g.constant(1.0))))


def _network(g: _Graph, c: Compact, x: str) -> str:
    assert c.network is not None
    limits = g.constant([c.network.limits])
    value = g("Min", g("Max", _compressed(g, g.columns(x, c.network.inputs)), g("Neg", limits)), limits)
    value = g("Mul", value, g.constant([c.network.gains]))
    for layer in c.network.layers:
        if layer.bits == 32:
            weights = g.constant(layer.real)
        else:
            weights = g("DequantizeLinear", g.constant(layer.weights, np.int8), g.constant(layer.scale), axis=1)
        value = g("Add", g("MatMul", value, weights), g.constant([layer.bias]))
        value = g("Relu", value) if layer.relu else value
    return value


def _members(g: _Graph, c: Compact, margins: str) -> tuple[str, str, str]:
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
    mean, nonzero = _average(g, means), _average(g, nonzeros)
    off = [g("Sub", one, mean) for one in means]
    between = _average(g, [g("Mul", one, one) for one in off])
    return mean, g("Sqrt", g("Add", _average(g, variances), between)), nonzero


def _average(g: _Graph, values: Sequence[str]) -> str:
    return values[0] if len(values) == 1 else g("Mean", *values)


def _distance(g: _Graph, c: Compact, numbers: str, unseen: str) -> str:
    """From the training data, `[N, 1]`."""
    known = c.novelty
    if known is None:
        return g("Mul", unseen, g.constant(0.0))
    components = known.components.astype(np.float32)
    z = g("Div", g("Sub", _compressed(g, numbers), g.constant([known.center])), g.constant([known.spread]))
    point = g("MatMul", z, g.constant(components))
    one = g.constant([1], np.int64)
    away = g("Sub", g("Unsqueeze", point, one), g.constant(known.references.astype(np.float32)[None]))
    distances = g("Sqrt", g("ReduceSum", g("Mul", away, away), g.constant([2], np.int64), keepdims=0))
    count = min(known.neighbours, len(known.references))
    from onnx import helper

    nearest = f"v{len(g.nodes)}"
    g.nodes.append(helper.make_node(
        "TopK", [distances, g.constant([count], np.int64)], [nearest, f"{nearest}i"], axis=1, largest=0
    ))  # fmt: skip
    near = g("ReduceMean", nearest, axes=[1], keepdims=1)
    norms = (components**2).sum(axis=0)
    off = g("Sub", z, g("MatMul", g("Div", point, g.constant([norms])), g.constant(components.T)))
    residual = g("Sqrt", g("ReduceMean", g("Mul", off, off), axes=[1], keepdims=1))
    total = g("Add", near, g("Mul", residual, g.constant(1 / known.residual_scale)))
    total = g("Add", total, g("Mul", unseen, g.constant(UNSEEN_WEIGHT)))
    return g("Mul", total, g.constant(1 / known.threshold))


def _widths(g: _Graph, c: Compact, mean: str, std: str, nonzero: str, distance: str, ops: str) -> str:
    """Calibrated deviations [N, M] on the metrics' scales."""
    assert c.intervals is not None
    size = g("Log", g("Add", ops, g.constant(1.0)))
    inflated = [kind is Scale.ZERO_INFLATED for kind in c.scales]
    sums: list[str] = [""] * len(c.metrics)
    for slot in c.slots:
        if slot.part is not Part.WIDTH:
            continue
        i = slot.metric
        probability = (
            g.columns(nonzero, [i]) if inflated[i] else g("Add", g("Mul", distance, g.constant(0.0)), g.constant(1.0))
        )
        own = g(
            "Concat",
            g.columns(mean, [i]),
            g.columns(std, [i]),
            probability,
            g.clip(distance, None, 50.0),
            size,
            "context",
            axis=1,
        )
        trees = g("Mul", _trees(g, [slot], own), g.constant(slot.leaf_scale))
        sums[i] = g("Add", trees, g.constant(slot.base))
    joined = g.clip(g("Exp", g("Concat", *sums, axis=1)), _LEAST, None)
    return g.clip(g("Mul", joined, g.constant([c.intervals.deviations])), _LEAST, None)


def _unscaled(g: _Graph, c: Compact, value: str) -> str:
    """In the metrics' units."""
    kinds = c.scales
    inside = g.clip(value, -60.0, 60.0)
    grown = g("Exp", inside)
    found = g.clip(g("Sub", grown, g.constant(1.0)), 0.0, None)
    found = g.where([k is Scale.LOG for k in kinds], grown, found)
    found = g.where([k is Scale.LOGIT for k in kinds], g("Sigmoid", inside), found)
    found = g.where([k is Scale.LINEAR for k in kinds], g.clip(value, 0.0, None), found)
    return found


def _units(g: _Graph, c: Compact, mean: str, std: str, half: str, nonzero: str) -> None:
    most = g.constant([[np.float32(3e38) if (m := get_metric(n).maximum) is None else m for n in c.metrics]])
    real = g("Min", _unscaled(g, c, mean), most, name="mean")
    spread = g("Sub", _unscaled(g, c, g("Add", mean, std)), _unscaled(g, c, g("Sub", mean, std)))
    g("Min", g.clip(g("Mul", spread, g.constant(0.5)), 1e-12, None), most, name="std")
    low, high = _unscaled(g, c, g("Sub", mean, half)), _unscaled(g, c, g("Add", mean, half))
    low = g("Where", g("Less", nonzero, g.constant(SURE)), g.constant(0.0), low)
    g("Min", g("Min", low, most), real, name="low")
    g("Max", g("Min", high, most), real, name="high")
