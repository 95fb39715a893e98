"""What a single inlining decision does to a module's code size, asked of LLVM itself through its advisor channel.

For each module: one compilation with LLVM's own decisions, then one for each of a few calls with that decision turned
and all others left. A row is the call's features and the bytes that inlining it adds to the module's code.

    python benchmarks/serve_collect.py FOLDER… --out benchmarks/data/serve_inliner.jsonl.gz

FOLDER is an unpacked C source package, one a project. What OUT holds already is kept.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _serve_channel import compile_served, front_end, includes, sources, text_bytes

from costmodel.serve.messages import Observation
from costmodel.serve.policies import Policy
from costmodel.toolchain.tools import require_tool


class Turned(Policy):
    """LLVM's own decisions, but for one; remembers what it was asked."""

    name = "turned"
    needs = ("inlining_default",)

    def __init__(self, position: int | None = None) -> None:
        self.position = position
        self.seen: list[dict[str, int]] = []

    def decide(self, observation: Observation) -> int:
        names = observation.dtype.names or ()
        self.seen.append({name: int(observation[name][0]) for name in names})
        own = self.seen[-1]["inlining_default"]
        return 1 - own if len(self.seen) - 1 == self.position else own


def code_bytes(module: Path, level: str, policy: Policy, folder: Path) -> int:
    out = folder / "served.bc"
    compile_served([str(require_tool("opt").path), level, str(module), "-o", str(out)], "inliner", policy)
    return text_bytes(out)


def rows_of(source: Path, project: str, args: argparse.Namespace, rng: np.random.Generator) -> list[dict[str, Any]]:
    """One row for each call that was turned."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        module = folder / "module.bc"
        if not front_end(source, module, args.level, includes(source)):
            return []
        base = Turned()
        before = code_bytes(module, args.level, base, folder)
        count = min(args.calls, len(base.seen))
        rows = []
        for position in sorted(rng.choice(len(base.seen), count, replace=False).tolist()):
            policy = Turned(position)
            after = code_bytes(module, args.level, policy, folder)
            features = policy.seen[position]
            grown = after - before if features["inlining_default"] == 0 else before - after
            rows.append({"project": project, "source": source.name, "position": position, "level": args.level,
                         "module_bytes": before, "grown_bytes": grown, "features": features})  # fmt: skip
        return rows


def join(out: Path, rows: list[dict[str, Any]]) -> None:
    """Write the rows, with those of earlier runs that are not among them."""
    earlier = [json.loads(line) for line in gzip.decompress(out.read_bytes()).splitlines()] if out.exists() else []
    by_call = {(row["project"], row["source"], row["position"]): row for row in [*earlier, *rows]}
    text = "".join(json.dumps(by_call[key]) + "\n" for key in sorted(by_call))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(gzip.compress(text.encode(), mtime=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--level", default="-Oz")
    parser.add_argument("--calls", type=int, default=12, help="turned in a module")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng, begin_s = np.random.default_rng(args.seed), time.monotonic()
    several = [(source, folder.name) for folder in args.folders for source in sources(folder)]
    rows: list[dict[str, Any]] = []
    for i in rng.permutation(len(several)):
        if time.monotonic() - begin_s > args.seconds:
            break
        try:
            rows += rows_of(*several[i], args, rng)
        except (subprocess.SubprocessError, OSError) as error:
            print(f"{several[i][0]}: {error}", file=sys.stderr)
        print(f"{len(rows)} rows, {time.monotonic() - begin_s:.0f} s", file=sys.stderr)
    join(args.out, rows)


if __name__ == "__main__":
    main()
