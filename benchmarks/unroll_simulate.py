"""Labels for unroll factors: innermost loops of real C functions, told by llvm-mca under each factor, on some targets.

    python benchmarks/unroll_simulate.py JOURNAL.jsonl FOLDER... [--most-modules 8] [--plugins build/plugins]

A FOLDER holds bitcode as it was before optimisation (`costmodel extract` keeps it in `corpus/`); its name is the
project's. A journal line is one module on one target with its loops; what stands there is not done again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from _common import ROOT
from unroll_parts.simulate import labelled

from costmodel.core.target import Target

TARGETS = ("x86-64/znver4", "aarch64/neoverse-v2", "native")
MOST_BYTES = 200_000
SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("journal", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--most-modules", type=int, default=8)
    parser.add_argument("--plugins", type=Path, default=ROOT / "build" / "plugins")
    args = parser.parse_args()
    done = set()
    if args.journal.exists():
        done = {(r["project"], r["file"], r["target"]) for r in map(json.loads, args.journal.read_text().splitlines())}
    with tempfile.TemporaryDirectory() as temporary, args.journal.open("a", encoding="utf-8") as journal:
        for folder in args.folders:
            files = sorted(path for path in folder.rglob("*.bc") if path.stat().st_size <= MOST_BYTES)
            drawn = np.random.default_rng(SEED).permutation(len(files))[: args.most_modules]
            for path in (files[i] for i in drawn):
                for name in TARGETS:
                    target, file = Target.parse(name), str(path.relative_to(folder))
                    if (folder.name, file, target.name) in done:
                        continue
                    rows = labelled(path, target, args.plugins / "libcostmodel_llvm.so", Path(temporary))
                    line = {"project": folder.name, "file": file, "target": target.name, "loops": rows}
                    journal.write(json.dumps(line) + "\n")
                    journal.flush()
                    print(f"{folder.name} {file} {target.name}: {len(rows)} loops", flush=True)


if __name__ == "__main__":
    main()
