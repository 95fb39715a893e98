"""ProgramGraph to PyTorch Geometric. Owns the one place that imports torch_geometric, on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from costmodel.core.errors import MissingDependencyError

if TYPE_CHECKING:
    from costmodel.ir.graph import ProgramGraph


def to_hetero_data(graph: ProgramGraph) -> Any:
    """See `ProgramGraph.to_pyg`."""
    from costmodel.ir.graph import EdgeKind, NodeKind

    try:
        import torch
        from torch_geometric.data import HeteroData
    except ImportError as error:
        raise MissingDependencyError(
            f"to_pyg needs torch and torch_geometric ({error}); install them with: pip install torch torch_geometric"
        ) from None
    data = HeteroData()
    local = np.zeros(graph.num_nodes, np.int64)
    for kind in NodeKind:
        ids = np.flatnonzero(graph.node_kind == kind)
        local[ids] = np.arange(len(ids))
        store = data[kind.name.lower()]
        store.token = torch.from_numpy(graph.node_token[ids].astype(np.int64))
        store.x = torch.from_numpy(graph.node_num[ids])
        store.node_id = torch.from_numpy(ids)
    source, target = graph.edge_index
    triples = np.stack([graph.node_kind[source], graph.edge_kind, graph.node_kind[target]])
    for first, middle, last in np.unique(triples, axis=1).T:
        chosen = np.flatnonzero((triples == np.array([[first], [middle], [last]])).all(axis=0))
        names = (NodeKind(first).name.lower(), EdgeKind(middle).name.lower(), NodeKind(last).name.lower())
        store = data[names]
        store.edge_index = torch.from_numpy(local[graph.edge_index[:, chosen]])
        store.edge_pos = torch.from_numpy(graph.edge_pos[chosen].astype(np.int64))
    return data
