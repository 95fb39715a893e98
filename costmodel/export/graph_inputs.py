"""Students that read a ProgramGraph: its arrays pooled into numbers, so that C needs no features.

Owns the pooled numbers, by name, and the compact that reads them. Numbers are counts of nodes by token and kind, of
edges by kind, and sums and largest values of the nodes' numbers. The student learns from a teacher that read features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from costmodel.core.errors import UsageError
from costmodel.export.compact import Compact, GraphInputs, Part, Slot, no_trees
from costmodel.ir.graph import NodeKind, ProgramGraph
from costmodel.ir.vocabulary import VOCABULARY_VERSION
from costmodel.models.base import Array
from costmodel.models.columns import Columns
from costmodel.models.encode import SIZE_NAME
from costmodel.models.examples import Encoding, Examples
from costmodel.models.novelty import Novelty

KINDS = len(NodeKind)
_TOKEN, _KIND, _EDGE, _SUM, _MOST = range(5)


def pooled(graph: ProgramGraph) -> Encoding:
    """A graph as an encoding: operations by token as `count:token T`, so that unseen ones are told as a share."""
    kinds, tokens = graph.node_kind.astype(np.int64), graph.node_token.astype(np.int64)
    numbers: dict[str, float] = {SIZE_NAME: float((kinds == NodeKind.OPERATION).sum())}
    for key, count in zip(*np.unique(tokens * KINDS + kinds, return_counts=True), strict=True):
        numbers[token_name(int(key))] = float(count)
    for name, values in (("kind", kinds), ("edge", graph.edge_kind)):
        for value, count in zip(*np.unique(values, return_counts=True), strict=True):
            numbers[f"graph:{name} {value}"] = float(count)
    real = graph.node_num.astype(np.float64)
    for i in range(real.shape[1]):
        numbers[f"graph:sum {i}"] = float(np.cumsum(real[:, i])[-1]) if len(real) else 0.0
        numbers[f"graph:most {i}"] = float(max(0.0, real[:, i].max(initial=0.0)))
    return Encoding(numbers=numbers, graph=graph)


def token_name(key: int) -> str:
    """Name of the count of a token times `KINDS` plus a kind."""
    return f"count:token {key // KINDS}" if key % KINDS == NodeKind.OPERATION else f"graph:token {key}"


def pool_of(name: str) -> tuple[int, int]:
    """Kind and index of a pooled number, as C takes them."""
    if name == SIZE_NAME:
        return _KIND, int(NodeKind.OPERATION)
    what, _, rest = name.partition(" ")
    if what == "count:token":
        return _TOKEN, int(rest) * KINDS + int(NodeKind.OPERATION)
    pools = {"graph:token": _TOKEN, "graph:kind": _KIND, "graph:edge": _EDGE, "graph:sum": _SUM, "graph:most": _MOST}
    return pools[what], int(rest)


def of_graphs(compact: Compact, encodings: Sequence[Encoding], seed: int = 0) -> tuple[Compact, list[Encoding]]:
    """The compact without a body that reads graphs in the place of features, and the functions as it sees them.

    Args:
        compact: the teacher, or its skeleton.
        encodings: functions with their graphs: from them columns are chosen and novelty is learned.
        seed: of the draw of novelty's references.

    Raises:
        UsageError: a function has no graph.
    """
    if any(encoding.graph is None for encoding in encodings):
        raise UsageError("a student of graphs needs functions with graphs; encode them with graph=True")
    seen = [pooled(encoding.graph) for encoding in encodings if encoding.graph is not None]
    rows = Examples(encodings=seen, program=np.arange(len(seen)), context=np.zeros((len(seen), len(compact.context))),
                    context_names=compact.context, archs=np.full(len(seen), ""))  # fmt: skip
    columns = Columns.choose(rows)
    numbers = columns.numbers
    width = next((e.graph.node_num.shape[1] for e in encodings if e.graph is not None), 0)
    inputs = GraphInputs(
        vocabulary=VOCABULARY_VERSION, columns=width, pools=np.array([pool_of(n) for n in numbers], np.int64)
    )
    found = replace(
        compact, numbers=numbers, ops=numbers.index(SIZE_NAME), ratios=_counts(numbers), slots=hollow(compact),
        guesses=np.zeros((0, len(compact.kinds), len(numbers) + 1), np.float32), network=None, graph=inputs,
        novelty=Novelty.fit(columns.functions(seen), seed), deviations=compact.deviations.mean(axis=0)[None],
    )  # fmt: skip
    return found, seen


def _counts(numbers: Sequence[str]) -> Array:
    return np.array([i for i, name in enumerate(numbers) if name.startswith("count:")], np.int64)


def hollow(compact: Compact) -> tuple[Slot, ...]:
    """The slots of one member without trees and guesses; widths stay."""
    return tuple(
        slot if slot.part is Part.WIDTH else replace(slot, trees=no_trees(), guess=None, base=0.0, output=None)
        for slot in compact.slots if slot.part is Part.WIDTH or slot.member == 0
    )  # fmt: skip
