"""The file of weights, format 2: sections of little-endian arrays behind a checked header.

Owns the bytes that `native/c/costmodel.c` reads. Header: magic, format and ABI versions, size, CRC-32 of all from byte
28 on, number of sections; then id, offset and bytes of each. Invariant: equal compacts give equal bytes; thresholds are
exact (a tree compares the number of a column's cuts that lie at or below the value).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from costmodel.core.errors import UnsupportedError
from costmodel.core.metrics import get_metric
from costmodel.export.compact import FIGURES, FLOOR, KINDS_IN_C, STANDING_BUCKET, Compact, Network, Part, Slot, Trees
from costmodel.export.unasked import without_unasked
from costmodel.models.base import Array
from costmodel.models.context import PIPELINE_BUCKETS
from costmodel.models.heads import Scale
from costmodel.models.novelty import UNSEEN_WEIGHT

FORMAT_VERSION = 3
ABI_VERSION = 1
MAGIC = b"COSTMODL"
_NONE = 0xFFFFFFFF
_SECTIONS = (
    "counts", "strings", "metrics", "context", "targets", "ratios", "columns", "cuts", "width_columns", "width_cuts",
    "slots", "trees", "nodes", "leaves", "guesses", "novelty", "references", "numbers", "deviations", "conformal",
    "archs",
    "versions", "network", "graph",
)  # fmt: skip
_SCALES = (Scale.LINEAR, Scale.LOG1P, Scale.LOG, Scale.LOGIT, Scale.ZERO_INFLATED)
_ALWAYS_ZERO = 3
_LEAF_KINDS = {32: 0, 16: 1, 8: 2}
MAX_COLUMNS, MAX_CUTS, MAX_STEP, MAX_LEAVES = 2047, 4095, 511, 4096


def pack(compact: Compact) -> bytes:
    """The whole file; raises `UnsupportedError` where trees are too wide for its nodes."""
    compact = without_unasked(compact, _untold(compact))
    main = _Columns()
    width = _Columns()
    taken = [(columns, slot.trees, columns.take(slot.trees)) for slot in compact.slots
             for columns in (width if slot.part is Part.WIDTH else main,)]  # fmt: skip
    for columns, what in ((main, "the metrics"), (width, "the intervals")):
        if len(columns.sources) > MAX_COLUMNS:
            raise UnsupportedError(
                f"the trees of {what} read {len(columns.sources)} columns, the format holds {MAX_COLUMNS}; "
                "train on fewer features, or export fewer metrics"
            )
    parts = _tables(compact) | _novelty(compact) | {
        "columns": main.table(compact), "cuts": main.cuts(), "width_columns": width.table(), "width_cuts": width.cuts(),
        "slots": _slots(compact.slots),
        "nodes": _joined([columns.nodes(trees, chosen) for columns, trees, chosen in taken], np.uint32),
        "trees": _joined([slot.trees.sizes for slot in compact.slots], np.uint16), "leaves": _leaves(compact),
        "network": b"" if compact.network is None else _network(compact.network), "graph": _graph(compact),
    }  # fmt: skip
    parts["counts"] = _counts(compact, len(main.sources), len(width.sources))
    return _file({name: data for name, data in parts.items() if data})


def _file(parts: dict[str, bytes]) -> bytes:
    table, body = b"", b""
    start = 32 + 24 * len(parts)
    for name in sorted(parts, key=_SECTIONS.index):
        table += struct.pack("<IIQQ", _SECTIONS.index(name) + 1, 0, start + len(body), len(parts[name]))
        body += parts[name] + b"\0" * (-len(parts[name]) % 8)
    rest = struct.pack("<I", len(parts)) + table + body
    return MAGIC + struct.pack("<IIQI", FORMAT_VERSION, ABI_VERSION, 28 + len(rest), zlib.crc32(rest)) + rest


def _joined(arrays: Sequence[Array], kind: type[Any]) -> bytes:
    return b"".join(np.asarray(array).astype(kind).tobytes() for array in arrays)


def _told(source: int, compact: Compact) -> int:
    """The column itself where C computes it, else one that is always 0 there."""
    if source < compact.width:
        return source
    kinds = [context_kind(name, compact.archs) for name in compact.context]
    return len(compact.numbers) + 1 + kinds.index((3, 0))


class _Columns:
    """Columns of cuts; a source whose cuts of several slots do not fit one column gets another."""

    def __init__(self) -> None:
        self.sources: list[int] = []
        self._cuts: list[Array] = []
        self._open: dict[int, int] = {}

    def take(self, trees: Trees) -> dict[int, int]:
        """Take over a slot's cuts; the column of each source. Nodes can be written when all slots' are known."""
        chosen = {}
        inner = trees.feature >= 0
        for source in np.unique(trees.feature[inner]).tolist():
            cuts = np.unique(trees.threshold[trees.feature == source])
            chosen[source] = self._column(source, cuts)
        return chosen

    def _column(self, source: int, cuts: Array) -> int:
        column = self._open.get(source)
        if column is not None:
            joined = np.union1d(self._cuts[column], cuts)
            if len(joined) <= MAX_CUTS:
                self._cuts[column] = joined
                return column
        if len(cuts) > MAX_CUTS:
            raise UnsupportedError(f"one metric splits a feature at {len(cuts)} places, the format holds {MAX_CUTS}")
        self.sources.append(source)
        self._cuts.append(cuts)
        self._open[source] = len(self.sources) - 1
        return len(self.sources) - 1

    def nodes(self, trees: Trees, chosen: dict[int, int]) -> Array:
        """Nodes `[n]` u32: feature 11 bits, bin 12, distance to the left child 9; leaves: 0, their number, 0."""
        n = len(trees.feature)
        leaf = trees.feature < 0
        owner = np.repeat(np.arange(len(trees)), trees.sizes)
        number = np.cumsum(leaf) - 1
        first = np.searchsorted(owner, np.arange(len(trees)))
        before = np.concatenate([[0], np.cumsum(leaf)])[first] if n else np.zeros(0, np.int64)
        step = trees.left - (np.arange(n) - trees.starts[owner])
        column, cut = np.zeros(n, np.int64), number - before[owner] if n else np.zeros(0, np.int64)
        for source, place in chosen.items():
            here = trees.feature == source
            column[here] = place + 1
            cut[here] = np.searchsorted(self._cuts[place], trees.threshold[here]) + 1
        step = np.where(leaf, 0, step)
        if n and (step.max() > MAX_STEP or cut[leaf].max() >= MAX_LEAVES):
            raise UnsupportedError(
                f"a tree is too wide for the format ({int(step.max())} nodes in a level); depth 8 fits"
            )
        return np.asarray(column << 21 | cut << 9 | step, np.uint32)

    def table(self, compact: Compact | None = None) -> bytes:
        """Sources and numbers of cuts; what only a schedule tells (`models.pairs`) is 0 in C, like the schedule."""
        sources = self.sources if compact is None else [_told(source, compact) for source in self.sources]
        return np.array([[s, len(c)] for s, c in zip(sources, self._cuts, strict=True)], np.uint32).tobytes()

    def cuts(self) -> bytes:
        return _joined(self._cuts, np.float32)


def _counts(c: Compact, columns: int, width_columns: int) -> bytes:
    own = c.own_pipeline
    values = [
        len(c.numbers), len(c.context), len(c.metrics), len(c.archs), len(c.targets), len(c.pipelines), len(c.slots),
        c.members, c.ops, len(c.ratios), columns, width_columns, int(c.intervals is not None),
        0 if c.novelty is None else c.novelty.components.shape[1],
        0 if c.novelty is None else len(c.novelty.references),
        0 if c.novelty is None else min(c.novelty.neighbours, len(c.novelty.references)),
        _NONE if own is None else c.pipelines.index(own), _LEAF_KINDS[c.leaf_bits], sum(len(s.trees) for s in c.slots),
        len(c.versions), PIPELINE_BUCKETS, int(c.graph is not None), len(c.guesses),
        0 if c.network is None else c.network.outputs, STANDING_BUCKET,
    ]  # fmt: skip
    return np.array(values + [0] * (32 - len(values)), np.uint32).tobytes()


def _tables(c: Compact) -> dict[str, bytes]:
    strings = [c.name, *c.numbers, *c.context, *c.metrics, *c.units, *c.archs, *c.targets, *c.pipelines, *c.versions]
    metrics = b"".join(
        struct.pack("<IId", _SCALES.index(scale), sum(get_metric(m).exists_for(a) << i for i, a in enumerate(c.archs)),
                    np.inf if get_metric(m).maximum is None else get_metric(m).maximum)
        for m, scale in zip(c.metrics, c.scales, strict=True)
    )  # fmt: skip
    targets = b"".join(struct.pack("<II13d", c.archs.index(a), 0, *figures) for a, figures in c.targets.values())
    intervals, told = c.intervals, KINDS_IN_C * (len(c.archs) + 1)
    return {
        "strings": b"".join(text.encode().replace(b"\0", b"") + b"\0" for text in strings), "metrics": metrics,
        "context": b"".join(struct.pack("<II", *context_kind(name, c.archs)) for name in c.context), "targets": targets,
        "ratios": c.ratios.astype(np.uint32).tobytes(), "guesses": c.guesses[:, :told].astype(np.float32).tobytes(),
        "deviations": c.deviations.astype(np.float64).tobytes(),
        "conformal": b"" if intervals is None else
        np.concatenate([intervals.deviations[None], intervals.factors[:told]]).astype(np.float64).tobytes(),
        "archs": bytes(int(arch in c.known_archs) for arch in c.archs),
        "versions": np.array(list(c.versions.values()), np.uint32).tobytes(),
    }  # fmt: skip


def context_kind(name: str, archs: Sequence[str]) -> tuple[int, int]:
    """What a context column is: a figure (0), an architecture (1), a pipeline's bucket (2), `_ALWAYS_ZERO`."""
    what, _, rest = name.partition(":")
    figure = rest.removeprefix("core.").removeprefix("core_")
    if what == "target" and figure in FIGURES:
        return 0, FIGURES.index(figure)
    if what == "arch" and rest in archs:
        return 1, list(archs).index(rest)
    if what == "pipeline":
        return 2, int(rest)
    if what == "schedule" or name == "target:core":  # no schedule is told in C; the core's figures are not a number
        return _ALWAYS_ZERO, 0
    raise UnsupportedError(f"the context column {name!r} has no counterpart in the C header; update costmodel.export")


def _untold(c: Compact) -> Array:
    """Columns of the main matrix that C takes for zero, whatever is asked."""
    zero = [context_kind(name, c.archs)[0] == _ALWAYS_ZERO for name in c.context]
    return len(c.numbers) + 1 + np.flatnonzero(zero)


def _novelty(c: Compact) -> dict[str, bytes]:
    """Components with most scatter first, references in the order of the first: C stops early by both."""
    known = c.novelty
    numbers = [1.0, 1.0, 0.0, FLOOR] if known is None else [known.residual_scale, known.threshold, UNSEEN_WEIGHT, FLOOR]
    found = {"numbers": np.array(numbers, np.float64).tobytes()}
    if known is None:
        return found
    widest = np.argsort(-known.references.astype(np.float64).var(axis=0), kind="stable")
    references = known.references[:, widest].astype(np.float16)
    rows = [known.center, known.spread, known.components[:, widest].reshape(-1)]
    return found | {
        "novelty": np.concatenate(rows).astype(np.float32).tobytes(),
        "references": references[np.argsort(references[:, 0], kind="stable")].tobytes(),
    }


def _slots(slots: Sequence[Slot]) -> bytes:
    rows, first = [], 0
    for slot in slots:
        rows.append(struct.pack(
            "<8I2d", slot.member, slot.metric, slot.part, 0 if slot.guess is None else slot.guess + 1,
            int(slot.output is not None), first, len(slot.trees), slot.output or 0, slot.base, slot.leaf_scale,
        ))  # fmt: skip
        first += len(slot.trees)
    return b"".join(rows)


def _leaves(c: Compact) -> bytes:
    kind = {32: np.float32, 16: np.float16, 8: np.int8}[c.leaf_bits]
    return _joined([slot.trees.value[slot.trees.feature < 0] for slot in c.slots], kind)


def _network(network: Network) -> bytes:
    found = np.array([len(network.inputs), len(network.layers)], np.uint32).tobytes()
    found += network.inputs.astype(np.uint32).tobytes()
    found += network.limits.astype(np.float32).tobytes() + network.gains.astype(np.float32).tobytes()
    for layer in network.layers:
        found += np.array([*layer.weights.shape, layer.bits, int(layer.relu)], np.uint32).tobytes()
        found += layer.scale.astype(np.float32).tobytes() + layer.bias.astype(np.float32).tobytes()
        data = pack_weights(layer.weights, layer.bits)
        size = (layer.weights.size * layer.bits // 8 + 1 + 3) // 4 * 4
        found += data + b"\0" * (size - len(data))
    return found


def pack_weights(weights: Array, bits: int) -> bytes:
    """Row by row; two whole numbers of 4 bits a byte, each plus 8, the first one low."""
    if bits == 32:
        return weights.astype(np.float32).tobytes()
    if bits == 8:
        return weights.astype(np.int8).tobytes()
    nibbles = np.append(weights.astype(np.int64).reshape(-1) + 8, [8] * (weights.size % 2)).astype(np.uint8)
    return (nibbles[0::2] | nibbles[1::2] << 4).astype(np.uint8).tobytes()


def _graph(c: Compact) -> bytes:
    if c.graph is None:
        return b""
    head = np.array([c.graph.vocabulary, c.graph.columns], np.uint32).tobytes()
    return head + c.graph.pools.astype(np.uint32).tobytes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What a file holds, in bytes."""

    total: int
    trees: int
    network: int


def size_of(data: bytes) -> Size:
    """Bytes of a packed file by kind."""
    (count,) = struct.unpack_from("<I", data, 28)
    sizes = {}
    for i in range(count):
        number, _, _, size = struct.unpack_from("<IIQQ", data, 32 + 24 * i)
        sizes[_SECTIONS[number - 1]] = size
    trees = sum(sizes.get(name, 0) for name in ("trees", "nodes", "leaves", "cuts", "columns", "slots"))
    return Size(total=len(data), trees=trees, network=sizes.get("network", 0))
