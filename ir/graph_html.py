"""One self-contained page on which a person can look at the graph of a function or a program.

Owns the page's data: labels of all nodes (with the names that the arrays leave out) and the arrays' edges. How it looks
is `graph_page`. Invariant: nothing of the input reaches the page but as JSON text whose `<`, `>` and `&` are escaped.
"""

from __future__ import annotations

import json
from html import escape
from typing import Any

import numpy as np

from costmodel.core.errors import UnsupportedError
from costmodel.ir import collector, semantics
from costmodel.ir.control_flow import reverse_postorder, successors
from costmodel.ir.graph import EdgeKind, NodeKind, ProgramGraph, module_of
from costmodel.ir.graph_builder import GraphBuilder
from costmodel.ir.graph_networkx import numbers_of
from costmodel.ir.graph_page import PAGE
from costmodel.ir.mlir.structure import Block, Operation, Region, Value
from costmodel.ir.program import Function, Program

_LONG = 160


def graph_html(source: Function | Program) -> str:
    """The page as HTML text, drawing included; works without a network. Large programs open with blocks collapsed.

    Raises:
        UnsupportedError: a function is at level "tokens", so there is no graph.
    """
    functions = source.functions if isinstance(source, Program) else (source,)
    roots = [function.operation for function in functions if function.operation is not None]
    if len(roots) < len(functions) or not roots:
        raise UnsupportedError("no graph to draw: the program was read as tokens only; see its diagnostics")
    whole = len(roots) != 1
    builder = GraphBuilder()
    with collector.paused():
        root = module_of(roots) if whole else roots[0]
        graph = builder.build(root)
        data = _data(builder, graph, root)
    title = f"{len(roots)} functions" if whole else functions[0].name
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=True)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return PAGE.replace("@TITLE@", escape(title)).replace("@DATA@", text)


def _data(builder: GraphBuilder, graph: ProgramGraph, root: Operation) -> dict[str, Any]:
    """Names of kinds, nodes (kind, label) with the numbers that are not 0, edges, layers of blocks."""
    labels = _labels(builder, graph, root)
    return {
        "nodeKinds": [kind.name.lower() for kind in NodeKind],
        "edgeKinds": [kind.name.lower() for kind in EdgeKind],
        "kind": graph.node_kind.tolist(),
        "label": labels,
        "num": {
            node: {name: round(value, 3) for name, value in numbers_of(graph, node).items()}
            for node in np.flatnonzero((graph.node_num != 0).any(axis=1)).tolist()
        },
        "edges": [*graph.edge_index.tolist(), graph.edge_kind.tolist(), graph.edge_pos.tolist()],
        "layer": _layers(builder),
    }


def _short(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"


def _labels(builder: GraphBuilder, graph: ProgramGraph, root: Operation) -> list[str]:
    labels = [""] * graph.num_nodes
    for text, (node, *_) in builder.type_nodes.items():
        labels[node] = labels[node] or _short(text)
    for (kind, name, text), node in builder.shared_nodes.items():
        labels[node] = _short(f"{name} = {text}" if kind == NodeKind.ATTRIBUTE else text)
    for name, node in builder.symbols.items():
        labels[node] = f"@{name}"
    for number, value in enumerate(builder.values):
        node = builder.values[value]
        if not labels[node]:
            labels[node] = _short(f"{_value_name(value, number)} : {value.type_text}")
    for number, (block, node) in enumerate(builder.blocks.items()):
        labels[node] = _short((block.label or f"^entry{number}").lstrip("^"))
    nodes = np.flatnonzero(graph.node_kind == NodeKind.OPERATION).tolist()
    for operation, node in zip(_operations(builder, root), nodes, strict=True):
        labels[node] = _operation_label(operation)
    return [label or "region" for label in labels]


def _operations(builder: GraphBuilder, root: Operation) -> list[Operation]:
    """The operations in the order of their nodes."""
    inside = (operation for block in builder.block_order for operation in block.operations)
    return [root, *(operation for operation in inside if not semantics.is_constant(operation))]


def _value_name(value: Value, number: int) -> str:
    return value.name or f"%{number}"


def _operand_text(value: Value) -> str:
    owner = value.owner
    if isinstance(owner, Operation) and semantics.is_constant(owner):
        return semantics.constant_text(owner).partition(" : ")[0][:24]
    return value.name or "?"


def _operation_label(operation: Operation) -> str:
    results = ", ".join(value.name for value in operation.results if value.name)
    operands = ", ".join(map(_operand_text, operation.operands[:8])) + (", …" if len(operation.operands) > 8 else "")
    callee = semantics.callee_of(operation)
    symbol = operation.symbol or callee
    kinds = ", ".join(value.type_text for value in operation.results[:2])
    parts = [f"{results} =" if results else "", operation.name, f"@{symbol}" if symbol else "", operands]
    return _short(" ".join(part for part in parts if part) + (f" : {kinds}" if kinds else ""))


def _layers(builder: GraphBuilder) -> dict[int, int]:
    """Row of each block: one below the lowest of its predecessors, edges back left out."""
    found: dict[int, int] = {}
    regions: dict[Region, None] = dict.fromkeys(block.parent for block in builder.blocks)
    for region in regions:
        rows = _rows(region)
        found.update((builder.blocks[block], row) for block, row in rows.items() if block in builder.blocks)
    return found


def _rows(region: Region) -> dict[Block, int]:
    order = {block: index for index, block in enumerate(reverse_postorder(region.blocks[0]))}
    rows = dict.fromkeys(order, 0)
    for block, number in order.items():
        for target in successors(block):
            if order[target] > number:
                rows[target] = max(rows[target], rows[block] + 1)
    last = max(rows.values()) + 1
    return {block: rows.get(block, last) for block in region.blocks}
