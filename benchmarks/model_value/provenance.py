"""Where numbers come from: machine, toolchain, commit; and which workloads a model was trained on."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from ranker_training import measurement_text

from costmodel.core.target import Target
from costmodel.search.backends import BACKENDS


def provenance() -> dict[str, Any]:
    """Machine, toolchain and commit, as far as they can be told."""
    target = Target.parse("native")
    return {
        "target": target.name,
        "device": target.device,
        "cpu": _cpu(),
        "cores": target.cores,
        "toolchain": BACKENDS.get("mlir")().toolchain(),
        "python": platform.python_version(),
        "commit": _git("rev-parse", "HEAD"),
        "changed": bool(_git("status", "--porcelain", "--untracked-files=no")),
    }


def _cpu() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _git(*args: str) -> str | None:
    here = Path(__file__).resolve().parent
    done = subprocess.run(["git", *args], cwd=here, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def training_ids(paths: Sequence[Path]) -> frozenset[str]:
    """Workloads in measurement files."""
    return frozenset(json.loads(line)["workload_id"] for p in paths for line in measurement_text(p).splitlines())


def shipped_training_ids() -> frozenset[str]:
    """Workloads the shipped rankers were trained on; none where none is installed."""
    folder = Path(str(resources.files("costmodel.models"))) / "shipped"
    cards = [json.loads(p.read_text()) for p in sorted(folder.glob("ranker-*/model.json"))]
    return frozenset(i for card in cards for i in card.get("training_workload_ids", ()))
