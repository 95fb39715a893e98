"""The scripts are no package: they find each other in their own folder, as when they are run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> Path:
    """`import kernels` works as it does for a script beside it."""
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    return FOLDER
