"""Rows as tensors: tokens padded, graphs side by side, dense numbers standardised.

Owns the layout that networks read. Invariant: each function of a batch stands there once, however many rows ask for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from costmodel.ir.graph import ProgramGraph
from costmodel.ir.tokens import SPECIAL, names
from costmodel.ir.vocabulary import VOCABULARY_SIZE
from costmodel.models.base import Array
from costmodel.models.examples import Encoding
from costmodel.models.neural.packages import torch

PAD, MASK = SPECIAL.index(names.PAD), SPECIAL.index(names.MASK)
"""Numbers that every vocabulary of tokens begins with."""
NUM_NODE_TOKENS = VOCABULARY_SIZE + 1
"""Of graph nodes, and one that hides."""
MAX_POSITION = 7
MASKED_SHARE = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """`P` functions and `b` rows over them; parts that a network does not read are None."""

    row_program: Any
    """`[b]` i64."""
    dense: Any
    """`[P, D]` f32, standardised."""
    context: Any
    """`[b, C]` f32, standardised."""
    tokens: Any = None
    """`[P, L]` i64, `PAD` behind the end."""
    lengths: Any = None
    """`[P]` f32, log1p of the whole length, over 8."""
    node_token: Any = None
    node_kind: Any = None
    node_num: Any = None
    node_program: Any = None
    edge_index: Any = None
    edge_kind: Any = None
    """`[E]` i64, twice the kind, plus 1 for the way back."""
    edge_pos: Any = None

    @property
    def size(self) -> int:
        """P."""
        return int(self.dense.shape[0])

    def to(self, device: str) -> Batch:
        """The same there."""
        if device == "cpu":
            return self
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return Batch(**{name: None if part is None else part.to(device) for name, part in parts.items()})


def token_tensors(encodings: Sequence[Encoding], most: int) -> dict[str, Any]:
    """Padded tokens and lengths."""
    t = torch()
    sequences = [np.zeros(0, np.int32) if e.tokens is None else e.tokens for e in encodings]
    longest = max(1, min(most, max((len(s) for s in sequences), default=1)))
    padded = np.full((len(sequences), longest), PAD, np.int64)
    for row, sequence in zip(padded, sequences, strict=True):
        row[: min(len(sequence), longest)] = sequence[:longest]
    lengths = np.log1p([len(s) for s in sequences]) / 8
    return {"tokens": t.from_numpy(padded), "lengths": t.from_numpy(lengths.astype(np.float32))}


def graph_tensors(graphs: Sequence[ProgramGraph]) -> dict[str, Any]:
    """Graphs side by side, every edge there and back."""
    t = torch()
    offsets = np.cumsum([0, *(g.num_nodes for g in graphs)])
    edges = np.concatenate([g.edge_index + o for g, o in zip(graphs, offsets, strict=False)], axis=1)
    kinds = np.concatenate([g.edge_kind for g in graphs]).astype(np.int64)
    position = np.clip(np.concatenate([g.edge_pos for g in graphs]), 0, MAX_POSITION).astype(np.int64)
    return {
        "node_token": t.from_numpy(np.concatenate([g.node_token for g in graphs]).astype(np.int64)),
        "node_kind": t.from_numpy(np.concatenate([g.node_kind for g in graphs]).astype(np.int64)),
        "node_num": t.from_numpy(np.concatenate([g.node_num for g in graphs]) / 16),
        "node_program": t.from_numpy(np.repeat(np.arange(len(graphs)), [g.num_nodes for g in graphs])),
        "edge_index": t.from_numpy(np.concatenate([edges, edges[::-1]], axis=1)),
        "edge_kind": t.from_numpy(np.concatenate([2 * kinds, 2 * kinds + 1])),
        "edge_pos": t.from_numpy(np.concatenate([position, position])),
    }


def masked(batch: Batch, rng: np.random.Generator) -> tuple[Batch, Any, Any]:
    """The batch with some tokens hidden; where they were (a mask over tokens, or over nodes), and what they were."""
    t = torch()
    name = "tokens" if batch.tokens is not None else "node_token"
    original = getattr(batch, name)
    mask = MASK if name == "tokens" else VOCABULARY_SIZE
    hidden = t.from_numpy(rng.random(tuple(original.shape)) < MASKED_SHARE).to(original.device)
    hidden = hidden & (original != PAD) if name == "tokens" else hidden
    if not bool(hidden.any()):
        hidden.view(-1)[0] = True
    return replace(batch, **{name: original.masked_fill(hidden, mask)}), hidden, original[hidden]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """Mean and spread of columns, so that a network reads numbers around zero."""

    center: Array
    spread: Array

    @classmethod
    def of(cls, columns: Array) -> Standard:
        """Of columns `[n, K]`, NaN left out."""
        center, spread = np.zeros(columns.shape[1]), np.ones(columns.shape[1])
        for i, column in enumerate(columns.T):
            there = column[~np.isnan(column)]
            if there.size:
                center[i] = there.mean()
                spread[i] = max(float(there.std()), 1e-3) if there.std() > 1e-6 else 1.0
        return cls(center=center, spread=spread)

    def apply(self, columns: Array, most: float = 8.0) -> Array:
        """Standardised and clipped, f32."""
        return np.clip((columns - self.center) / self.spread, -most, most).astype(np.float32)
