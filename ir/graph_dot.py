"""ProgramGraph as text for Graphviz.

Owns one function. Invariant: depends on the arrays alone; hashed tokens, whose names the arrays do not hold, print as
their number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.ir.graph import EdgeKind, NodeKind
from costmodel.ir.graph_networkx import numbers_of
from costmodel.ir.vocabulary import name_of

if TYPE_CHECKING:
    from costmodel.ir.graph import ProgramGraph

_SHAPES = {
    NodeKind.OPERATION: "box",
    NodeKind.VALUE: "ellipse",
    NodeKind.CONSTANT: "diamond",
    NodeKind.TYPE: "hexagon",
    NodeKind.ATTRIBUTE: "note",
    NodeKind.BLOCK: "folder",
    NodeKind.REGION: "tab",
    NodeKind.SYMBOL: "cds",
}
_STYLES = {
    EdgeKind.OPERAND: 'color="#1f77b4"',
    EdgeKind.RESULT: 'color="#2ca02c"',
    EdgeKind.CONTROL: 'color="black", penwidth=2',
    EdgeKind.CONTAINMENT: 'color="#bbbbbb", style=dotted',
    EdgeKind.CALL: 'color="#9467bd"',
    EdgeKind.TYPE: 'color="#cccccc"',
    EdgeKind.ATTRIBUTE: 'color="#cccccc", style=dashed',
    EdgeKind.FORWARD: 'color="#17becf"',
    EdgeKind.MEMORY: 'color="#d62728"',
}


def to_dot(graph: ProgramGraph) -> str:
    """See `ProgramGraph.to_dot`."""
    lines = ["digraph program {", '  node [fontname="monospace", fontsize=10];', "  edge [fontsize=8, arrowsize=0.6];"]
    for node, (kind, token) in enumerate(zip(graph.node_kind.tolist(), graph.node_token.tolist(), strict=True)):
        name = name_of(token) or f"#{token}"
        found = "".join(f"\\n{column}={value:.4g}" for column, value in numbers_of(graph, node).items())
        lines.append(f'  n{node} [shape={_SHAPES[NodeKind(kind)]}, label="{name}{found}"];')
    ends = zip(*graph.edge_index.tolist(), graph.edge_kind.tolist(), graph.edge_pos.tolist(), strict=True)
    for source, target, kind, position in ends:
        label = f', label="{position}"' if position else ""
        lines.append(f"  n{source} -> n{target} [{_STYLES[EdgeKind(kind)]}{label}];")
    return "\n".join([*lines, "}", ""])
