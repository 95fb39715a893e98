"""What a model tells while it learns, and where it keeps half-done work.

Owns the interface only; `costmodel.training` implements progress on a terminal and files that survive a kill.
"""

from __future__ import annotations

from collections.abc import Mapping


class Monitor:
    """Silent, and remembers nothing. One object a run; a model derives one for each of its parts."""

    def child(self, name: str, share: float = 1.0) -> Monitor:
        """The same run inside part `name`, which is about `share` of this part's work."""
        return self

    def step(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        """`done` of `total` steps of this part are done; `figures` are losses by name, for learning curves."""

    def recall(self, key: str) -> bytes | None:
        """What an earlier, interrupted run of this part kept under `key`."""
        return None

    def keep(self, key: str, data: bytes) -> None:
        """Keep half-done work."""
