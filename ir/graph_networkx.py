"""ProgramGraph to networkx. Owns the one place that imports networkx, on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from costmodel.core.errors import MissingDependencyError
from costmodel.ir.graph import NUM_COLUMNS, EdgeKind, NodeKind
from costmodel.ir.vocabulary import name_of

if TYPE_CHECKING:
    from costmodel.ir.graph import ProgramGraph


def to_networkx(graph: ProgramGraph) -> Any:
    """See `ProgramGraph.to_networkx`."""
    try:
        import networkx
    except ImportError as error:
        raise MissingDependencyError(
            f"to_networkx needs networkx ({error}); install it with: pip install 'costmodel-ir[graph]'"
        ) from None
    result = networkx.MultiDiGraph(vocab_version=graph.vocab_version)
    for node, (kind, token) in enumerate(zip(graph.node_kind.tolist(), graph.node_token.tolist(), strict=True)):
        result.add_node(node, kind=NodeKind(kind).name, token=token, name=name_of(token), num=numbers_of(graph, node))
    ends = zip(*graph.edge_index.tolist(), graph.edge_kind.tolist(), graph.edge_pos.tolist(), strict=True)
    for source, target, kind, position in ends:
        result.add_edge(source, target, kind=EdgeKind(kind).name, position=position)
    return result


def numbers_of(graph: ProgramGraph, node: int) -> dict[str, float]:
    """Columns of a node that are not 0."""
    row = graph.node_num[node]
    return {NUM_COLUMNS[column]: float(row[column]) for column in np.flatnonzero(row).tolist()}
