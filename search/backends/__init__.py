"""Backends realise a schedule, lower it, build it and run it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.core.registry import Registry

if TYPE_CHECKING:
    from costmodel.search.backends.protocol import Backend

BACKENDS: Registry[type[Backend]] = Registry("backend", {"mlir": "costmodel.search.backends.mlir.backend:MlirBackend"})
