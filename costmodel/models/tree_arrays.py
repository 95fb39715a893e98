"""Boosted trees as arrays: what a checkpoint keeps, a forest walks, and XGBoost takes up again for many rows.

Owns what models of metrics know of XGBoost's own format; rankers still keep the library's files. Nodes stand breadth
first in each tree, so that which of them are leaves says whose child each is. Statistics of training are left out, and
where missing numbers go: rows have none.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

import numpy as np

from costmodel.core.errors import CheckpointError
from costmodel.models.base import Array
from costmodel.models.tensors import joined_planes, planes

_NO_PARENT = 2147483647
_LENGTH_BYTES = 4
_INTERNAL = {"base_weights": 0.0, "loss_changes": 0.0, "sum_hessian": 0.0, "default_left": 0, "split_type": 0}
"""Of each node, for the library alone."""
_EMPTY = ("categories", "categories_nodes", "categories_segments", "categories_sizes")


def library() -> Any:
    """XGBoost, imported on first use."""
    import xgboost

    return xgboost


@dataclass(frozen=True, kw_only=True, eq=False)
class TreeArrays:
    """Trees of one booster, one after another."""

    head: Mapping[str, Any]
    """The library's document without its trees."""
    sizes: Array
    """`[T]` i64 nodes of each tree."""
    leaf: Array
    """`[nodes]` bool."""
    column: Array
    """`[nodes]` i64, 0 in leaves."""
    number: Array
    """`[nodes]` f32: to the left where the column is below it; in leaves what they add."""

    def __len__(self) -> int:
        return len(self.sizes)

    @classmethod
    def of(cls, booster: Any) -> Self:
        """What the library trained."""
        document: dict[str, Any] = json.loads(bytes(booster.save_raw("json")))
        model = document["learner"]["gradient_booster"]["model"]
        trees, model["trees"] = model["trees"], []
        leaf, column, number = [], [], []
        for tree in trees:
            left = np.array(tree["left_children"], np.int64)
            order = _breadth_first(tree["left_children"], tree["right_children"])
            leaf.append(left[order] < 0)
            column.append(np.array(tree["split_indices"], np.int64)[order])
            number.append(np.array(tree["split_conditions"], np.float32)[order])
        sizes = np.array([len(part) for part in leaf], np.int64)
        flags = np.concatenate(leaf) if leaf else np.zeros(0, bool)
        columns = np.concatenate(column) if column else np.zeros(0, np.int64)
        numbers = np.concatenate(number) if number else np.zeros(0, np.float32)
        return cls(head=document, sizes=sizes, leaf=flags, column=np.where(flags, 0, columns), number=numbers)

    @cached_property
    def base(self) -> float:
        """The margin of no trees."""
        learner = self.head["learner"]
        text = learner["learner_model_param"]["base_score"]
        score = float(json.loads(text)[0]) if text.startswith("[") else float(text)
        if learner["objective"]["name"] == "binary:logistic":
            score = min(max(score, 1e-7), 1 - 1e-7)
            return float(np.log(score / (1 - score)))
        return score

    @cached_property
    def roots(self) -> Array:
        """`[T]` first node of each tree."""
        return np.asarray(self.sizes.cumsum() - self.sizes)

    @cached_property
    def left(self) -> Array:
        """`[nodes]` left child, the right one is next; a leaf's is itself."""
        if not len(self.leaf):
            return np.zeros(0, np.int64)
        inner = np.cumsum(~self.leaf)
        before = (inner - ~self.leaf)[self.roots]
        tree = np.repeat(np.arange(len(self.sizes)), self.sizes)
        child = self.roots[tree] + 2 * (inner - before[tree]) - 1
        return np.where(self.leaf, np.arange(len(self.leaf)), child)

    @cached_property
    def depth(self) -> int:
        """Of the deepest tree, in splits."""
        depth, nodes = 0, self.roots
        while len(inner := nodes[~self.leaf[nodes]]):
            depth, nodes = depth + 1, np.concatenate([self.left[inner], self.left[inner] + 1])
        return depth

    @cached_property
    def booster(self) -> Any:
        """The library's own; made on first use, of one thread."""
        document = json.dumps(self._document())
        return library().Booster({"nthread": 1}, model_file=bytearray(document.encode()))

    def margins(self, data: Any) -> Array:
        """Margins `[n]` of the library's matrix `data`."""
        return np.asarray(self.booster.predict(data, output_margin=True), np.float64)

    def _check(self) -> None:
        """Raise `ValueError` where nodes are no trees, or a number is none."""
        inner = np.flatnonzero(~self.leaf)
        splits = np.bincount(np.repeat(np.arange(len(self)), self.sizes)[inner], minlength=len(self))
        if (2 * splits + 1 != self.sizes).any() or (self.left[inner] <= inner).any():
            raise ValueError("leaves and splits make no trees")
        if not np.isfinite([self.base, *self.number]).all():
            raise ValueError("a number is not finite")
        if self.column.max(initial=0) >= int(self.head["learner"]["learner_model_param"]["num_feature"]):
            raise ValueError("a split asks for a column that there is not")

    def _document(self) -> dict[str, Any]:
        model = self.head["learner"]["gradient_booster"]["model"]
        count = len(self.sizes)
        bounds = [*self.roots.tolist(), len(self.leaf)]
        model = {
            **model, "trees": [self._tree(i, *ends) for i, ends in enumerate(pairwise(bounds))],
            "tree_info": [0] * count, "iteration_indptr": list(range(count + 1)),
            "gbtree_model_param": {**model["gbtree_model_param"], "num_trees": str(count)},
        }  # fmt: skip
        booster = {**self.head["learner"]["gradient_booster"], "model": model}
        return {**self.head, "learner": {**self.head["learner"], "gradient_booster": booster}}

    def _tree(self, number: int, begin: int, end: int) -> dict[str, Any]:
        """A tree as the library writes it."""
        leaf, left = self.leaf[begin:end], self.left[begin:end] - begin
        parents = np.full(end - begin, _NO_PARENT)
        for side in (0, 1):
            parents[left[~leaf] + side] = np.flatnonzero(~leaf)
        features = self.head["learner"]["learner_model_param"]["num_feature"]
        shape = {"num_deleted": "0", "num_feature": features, "num_nodes": str(end - begin), "size_leaf_vector": "1"}
        return {
            "id": number, "tree_param": shape, "parents": parents.tolist(),
            "left_children": np.where(leaf, -1, left).tolist(), "right_children": np.where(leaf, -1, left + 1).tolist(),
            "split_indices": self.column[begin:end].tolist(), "split_conditions": self.number[begin:end].tolist(),
            **{name: [value] * (end - begin) for name, value in _INTERNAL.items()}, **{name: [] for name in _EMPTY},
        }  # fmt: skip

    def pack(self) -> bytes:
        """Bytes of a checkpoint file: a header, then numbers by place of their bytes, compressed."""
        header = json.dumps({"head": self.head, "sizes": self.sizes.tolist()}, sort_keys=True).encode()
        parts = (self.column[~self.leaf].astype("<u4"), self.number[~self.leaf], self.number[self.leaf])
        body = np.packbits(self.leaf).tobytes() + b"".join(planes(part) for part in parts)
        data = len(header).to_bytes(_LENGTH_BYTES, "little") + header + body
        return lzma.compress(data, preset=9 | lzma.PRESET_EXTREME)

    @classmethod
    def of_file(cls, files: Mapping[str, bytes], name: str) -> Self:
        """A checkpoint's file of that name; raises `CheckpointError` where it is missing or damaged."""
        if name not in files:
            raise CheckpointError(f"the checkpoint lacks {name}; train it again with this version or reinstall")
        return cls.unpack(files[name])

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """What `pack` gave; raises `CheckpointError` for anything else."""
        try:
            raw = lzma.decompress(data)
            begin = _LENGTH_BYTES + int.from_bytes(raw[:_LENGTH_BYTES], "little")
            header = json.loads(raw[_LENGTH_BYTES:begin])
            sizes = np.array(header["sizes"], np.int64)
            leaf, column, number = _nodes(raw[begin:], int(sizes.sum()))
            found = cls(head=header["head"], sizes=sizes, leaf=leaf, column=column, number=number)
            found._check()
        except (lzma.LZMAError, ValueError, KeyError, IndexError, TypeError, AttributeError, EOFError) as error:
            raise CheckpointError(f"a file of trees is damaged ({str(error)[:80]}); train the model again") from error
        return found


def _nodes(body: bytes, count: int) -> tuple[Array, Array, Array]:
    """Leaves, columns and numbers `[count]` of what follows the header."""
    flags = -(-count // 8)
    leaf = np.unpackbits(np.frombuffer(body[:flags], np.uint8), count=count).astype(bool)
    inner = int(count - leaf.sum())
    if len(body) != flags + 4 * (2 * inner + count - inner):
        raise ValueError(f"{len(body)} bytes of {count} nodes")
    ends = np.cumsum([flags, 4 * inner, 4 * inner, 4 * (count - inner)])
    parts = [joined_planes(body[a:b], kind) for (a, b), kind in zip(pairwise(ends), ("<u4", "<f4", "<f4"), strict=True)]
    column, number = np.zeros(count, np.int64), np.empty(count, np.float32)
    column[~leaf], number[~leaf], number[leaf] = parts
    return leaf, column, number


def _breadth_first(left: list[int], right: list[int]) -> list[int]:
    order = [0]
    for node in order:  # grows
        if left[node] >= 0:
            order += (left[node], right[node])
    return order
