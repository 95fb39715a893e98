"""Token numbers of graph nodes: a fixed list of common names, then hash buckets for all others.

Owns the mapping and its version. Invariant: within one version a name always has the same number, in every process.
Ids below `NUM_KNOWN` are exact; a name outside the list falls into one of `NUM_BUCKETS` buckets by CRC-32.
A changed list is a new version.
"""

from __future__ import annotations

from functools import lru_cache
from zlib import crc32

from costmodel.ir.vocabulary_v1 import NAMES

VOCABULARY_VERSION = 1
NUM_BUCKETS = 2048
_KNOWN = {name: index for index, name in enumerate(NAMES)}
NUM_KNOWN = len(NAMES)
VOCABULARY_SIZE = NUM_KNOWN + NUM_BUCKETS


@lru_cache(maxsize=65536)
def token_id(name: str) -> int:
    """Number of `name` (an operation, `type:tensor`, `attribute:value`, ...), in `[0, VOCABULARY_SIZE)`."""
    known = _KNOWN.get(name)
    return known if known is not None else NUM_KNOWN + crc32(name.encode("utf-8", "surrogatepass")) % NUM_BUCKETS


def is_known(name: str) -> bool:
    """Whether the name has a number of its own."""
    return name in _KNOWN


def name_of(token: int) -> str | None:
    """The name that has this number for itself, None for a bucket's number."""
    return NAMES[token] if 0 <= token < NUM_KNOWN else None
