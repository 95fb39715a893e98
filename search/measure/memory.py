"""Buffers for candidates: aligned, between guard bands, filled so that what was never written shows.

Owns the layout `guard | data | guard`. Invariant: data is aligned to 64 bytes and both guards hold one known byte.
A guard of 0xFF bytes is NaN in every float type, so a read outside shows up in the result; other sets use a finite
pattern, so that a NaN written outside shows as well.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from costmodel.search.kernel.reference import Array, numpy_dtype

ALIGNMENT = 64
GUARD_BYTES = 4096
PATTERNS = (0xFF, 0xA5)
_UNWRITTEN = {"f2": 0x7E5D, "f4": 0x7FC05EED, "f8": 0x7FF800005EED5EED}
"""Quiet NaNs that no arithmetic produces."""
_SENTINEL = 0x5A


class GuardedBuffer:
    """One dense buffer. `data` is the array of its elements, `address` where they begin."""

    def __init__(self, name: str, elements: int, dtype: str, shape: tuple[int, ...] | None = None) -> None:
        kind = numpy_dtype(dtype)
        self.name = name
        length = max(1, elements) * kind.itemsize
        self._memory = np.empty(length + 2 * GUARD_BYTES + ALIGNMENT, np.uint8)
        start = GUARD_BYTES + -(self._memory.ctypes.data + GUARD_BYTES) % ALIGNMENT
        self._low, self._high = self._memory[:start], self._memory[start + length :]
        self.data: Array = self._memory[start : start + length].view(kind)
        if shape is not None:
            self.data = self.data.reshape(shape)
        self.address = int(self.data.ctypes.data)
        self._pattern = PATTERNS[0]
        self.guard(self._pattern)

    def guard(self, pattern: int) -> None:
        """Write the guard bands anew."""
        self._pattern = pattern
        self._low[...] = pattern
        self._high[...] = pattern

    def intact(self) -> bool:
        """Whether nobody wrote into the guard bands."""
        return bool((self._low == self._pattern).all() and (self._high == self._pattern).all())

    def spoil(self) -> None:
        """Fill with values that mark every element as never written."""
        code = f"{self.data.dtype.kind}{self.data.dtype.itemsize}"
        if code in _UNWRITTEN:
            self._words()[...] = _UNWRITTEN[code]
        else:
            self.data.reshape(-1).view(np.uint8)[...] = _SENTINEL & 1 if self.data.dtype.kind == "b" else _SENTINEL

    def unwritten(self) -> Array:
        """Which elements still hold the mark; all False for integers, whose mark may be a value."""
        code = f"{self.data.dtype.kind}{self.data.dtype.itemsize}"
        if code not in _UNWRITTEN:
            return np.zeros(self.data.shape, bool)
        marked: Array = (self._words() == _UNWRITTEN[code]).reshape(self.data.shape)
        return marked

    def _words(self) -> np.ndarray[Any, Any]:
        return self.data.reshape(-1).view(f"u{self.data.dtype.itemsize}")
