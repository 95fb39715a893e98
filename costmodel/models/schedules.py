"""What a schedule text says of the innermost loop's body: lanes, vectors, rows, unrolling, packing.

Owns the reading of schedule texts by models, which may not import the tuner's own. The tuner writes the vector
dimension first among the register tile's, and names dimensions by role (`search/kernel/naming`): k, r, kh and kw are
reduced, and c where there is an f. Invariant: any text gives numbers; unknown steps count for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from math import prod

import numpy as np

from costmodel.models.base import Array

SCHEDULE_SHAPE = (
    "is_scheduled", "lanes", "vector_size", "vectors", "rows", "steps", "row_largest", "row_second", "register_dims",
    "reduction_tile", "horizontal", "unroll", "unroll_dims", "body", "cache_tile", "cache_dims", "packed", "pack_first",
    "pack_second", "producers", "consumers", "depth", "inner_is_vector", "inner_is_reduction", "dims", "reduction_dims",
    "innermost_cache",
)  # fmt: skip
"""Names of `schedule_shape`, in order; sizes as they are, not as logarithms."""
_STEP = re.compile(r"([A-Za-z_]\w*)\(([^()]*)\)")
_REDUCED = re.compile(r"(?:k|r)\d*(?:_.*)?|k[hw](?:_.*)?")
_CHANNEL = re.compile(r"c\d*")
_MOST = 1 << 20


@lru_cache(maxsize=4096)
def schedule_shape(text: str | None) -> Array:
    """Numbers of a schedule `[len(SCHEDULE_SHAPE)]` f32; zeros without one."""
    if not text:
        return np.zeros(len(SCHEDULE_SHAPE), np.float32)
    steps = _steps(text)
    register, cache, unroll = (steps.get(name, {}) for name in ("tile.register", "tile.cache", "unroll"))
    fuse, order = steps.get("fuse", {}), [*steps.get("order", {})]
    dims = list(dict.fromkeys((*order, *register, *cache, *unroll)))
    reduced = {d for d in dims if _REDUCED.fullmatch(d) or (_CHANNEL.fullmatch(d) and "f" in dims)}
    vectorize = steps.get("vectorize", {})
    lanes = next((int(name) for name in vectorize if name.isdigit()), 1)
    vector = next(iter(register), "") if lanes > 1 else ""
    size = register.get(vector, lanes)
    vectors = max(1, -(-size // lanes))
    rows = sorted((n for d, n in register.items() if d != vector and d not in reduced), reverse=True)
    unrolled = prod(unroll.values())
    reduction_tile = prod(n for d, n in register.items() if d in reduced and d != vector)
    tile = vectors * prod(rows)
    inner = order[-1] if order else ""
    packed = list(steps.get("pack", {}))
    numbers = (
        1, lanes, size, vectors, prod(rows), tile, rows[0] if rows else 1, rows[1] if len(rows) > 1 else 1,
        len(register), reduction_tile, vector in reduced, unrolled, len(unroll), tile * unrolled * reduction_tile,
        prod(cache.values()), len(cache), len(packed), "a" in packed, "b" in packed, fuse.get("producers", 0),
        fuse.get("consumers", 0), fuse.get("depth", 0), bool(inner) and inner == vector, inner in reduced, len(dims),
        len(reduced), cache.get(inner, 0),
    )  # fmt: skip
    return np.array([min(float(number), _MOST) for number in numbers], np.float32)


def _steps(text: str) -> dict[str, Mapping[str, int]]:
    """Arguments by step (`tile.cache`, `order`, ...): sizes by name, 1 for what has none."""
    found: dict[str, Mapping[str, int]] = {}
    for name, arguments in _STEP.findall(text):
        sizes: dict[str, int] = {}
        level = ""
        for part in arguments.split(","):
            key, _, value = (piece.strip() for piece in part.partition("="))
            if key == "level":
                level = f".{value}"
            elif key and key != "dim":
                sizes[key] = int(value) if value.isdigit() and len(value) < 10 else 1
        found.setdefault(name + level, sizes)
    return found
