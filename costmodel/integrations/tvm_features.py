"""What TVM's feature extractor says of a candidate, pooled to one row of fixed width.

Owns the pooling. TVM's `PerStoreFeature` (Ansor, Zheng et al. 2020, appendix B) gives one row of 164 numbers for each
buffer store, already on a signed logarithmic scale. Pooled: the store with the most arithmetic, the largest of each
number over stores, and how many stores there are. Knows nothing of TVM itself.
"""

from __future__ import annotations

import numpy as np

from costmodel.core.errors import UsageError
from costmodel.models.base import Array

PER_STORE = 164
WIDTH = 2 * PER_STORE + 1
POOLING_VERSION = 1
_ARITHMETIC = slice(0, 13)
"""Counts of arithmetic operations, by kind; the first group of a store's numbers."""


def pool_stores(stores: Array) -> Array:
    """One row of a candidate.

    Args:
        stores: `[num_stores, 164]`, from `PerStoreFeature`; num_stores may be 0 (no features could be taken).

    Returns:
        `[329]`, float32; all zero where there was no store.

    Raises:
        UsageError: Rows of another width: TVM was asked for another number of buffers or curve samples.
    """
    if stores.size == 0:
        return np.zeros(WIDTH, np.float32)
    if stores.ndim != 2 or stores.shape[1] != PER_STORE:
        raise UsageError(f"features of a store have the shape {stores.shape}, expected [num_stores, {PER_STORE}]")
    busiest = int(np.argmax(stores[:, _ARITHMETIC].sum(axis=1)))
    return np.concatenate([stores[busiest], stores.max(axis=0), [len(stores)]]).astype(np.float32)
