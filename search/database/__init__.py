"""Records on disk: every measurement, keyed by workload, target, device, backend and toolchain."""

from __future__ import annotations

from costmodel.search.database.database import Database

__all__ = ["Database"]
