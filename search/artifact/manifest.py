"""What an artifact says about itself. Owns the writing of `manifest.json`; `costmodel.runtime.manifest` reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from costmodel.core.hashing import sha256_file
from costmodel.core.target import Target
from costmodel.runtime.manifest import SCHEMA_VERSION, code_features
from costmodel.search.artifact.form import ALIGNMENT_BYTES, Port
from costmodel.search.artifact.program import Program
from costmodel.toolchain.tools import toolchain_id


def manifest_document(
    name: str, programs: Sequence[Program], folder: Path, library: str, linker: str
) -> dict[str, object]:
    """The JSON document; hashes every file that is in `folder` now."""
    target = Target.parse("native")
    return {
        "schema_version": SCHEMA_VERSION,
        "name": name,
        "library": library,
        "target": target.name,
        "cpu_features": list(code_features(target.features)),
        "toolchain": toolchain_id(),
        "linker": linker,
        "alignment_bytes": ALIGNMENT_BYTES,
        "functions": [_function(p) for p in programs],
        "files": {p.name: sha256_file(p) for p in sorted(folder.iterdir())},
    }


def _function(program: Program) -> dict[str, object]:
    source = program.function
    counts = Counter(unit.symbol for unit, _ in program.calls)
    units = {unit.symbol: unit for unit, _ in program.calls}
    return {
        "name": source.name,
        "symbol": program.symbol,
        "inputs": [_port(p) for p in source.inputs],
        "outputs": [_port(p) for p in source.outputs],
        "workspace_bytes": program.workspace_bytes,
        "kernels": [
            {"symbol": s, "workload_id": u.workload_id, "schedule": u.schedule, "count": counts[s]}
            for s, u in units.items()
        ],
    }


def _port(port: Port) -> dict[str, object]:
    return {"name": port.name, "shape": list(port.shape), "dtype": port.dtype}
