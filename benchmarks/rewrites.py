"""Every rewrite on many modules: how many outputs LLVM or MLIR accepts; writes results/rewrites.json.

Run: `python benchmarks/rewrites.py FILE_OR_FOLDER... [--seeds 3]`; `.ll` and `.mlir` files, of any form, are printed by
LLVM and MLIR first. Blocks are merged in what `split` leaves, for compilers leave few to merge.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from _common import ROOT, header, seed_list, write

from costmodel.core.errors import CostModelError
from costmodel.ir.llvm.verify import to_printed
from costmodel.ir.mlir.bindings import to_generic
from costmodel.ir.rewrites import KINDS, Format, rewrite

_RESULT = ROOT / "benchmarks" / "results" / "rewrites.json"
Counts = dict[str, dict[str, int]]


def modules(paths: list[Path]) -> list[tuple[Path, Format]]:
    """Files named, and those under folders named, in order."""
    files = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    forms: dict[str, Format] = {".ll": "llvm", ".mlir": "mlir"}
    return [(file, forms[file.suffix]) for file in files if file.suffix in forms]


def accepted(text: str, form: Format) -> str | None:
    """The tool's own print of a module, None where it refuses it."""
    printed, _ = to_printed(text.encode(), "output") if form == "llvm" else to_generic(text, "output")
    return printed


def check(text: str, form: Format, seeds: list[int], counts: Counts, file: Path) -> None:
    """Apply every rewrite with every seed and count what comes of it."""
    for kind in KINDS:
        row = counts.setdefault(f"{form}-{kind}", {"accepted": 0, "refused": 0, "not applicable": 0})
        for seed in seeds:
            rng = np.random.default_rng(seed)
            given = (rewrite(text, "split", rng, form=form) if kind == "merge" else None) or text
            out = rewrite(given, kind, rng, form=form)
            result = "not applicable" if out is None else "accepted" if accepted(out, form) else "refused"
            row[result] += 1
            if result == "refused":
                print(f"{file}: {form}-{kind} with seed {seed} is refused", file=sys.stderr)


def main() -> None:
    """Check every module and write the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--seeds", type=seed_list, default=[0])
    parser.add_argument("--output", type=Path, default=_RESULT)
    args = parser.parse_args()
    counts: Counts = {}
    read = unread = 0
    for file, form in modules(args.paths):
        try:
            text = accepted(file.read_text(), form)
            if text is None:
                unread += 1
                continue
            check(text, form, args.seeds, counts, file)
            read += 1
        except (CostModelError, UnicodeDecodeError) as error:
            unread += 1
            print(f"{file}: {error}", file=sys.stderr)
    write(
        args.output, {**header("rewrites", args.seeds, "llvmlite"), "modules": read, "unread": unread, "kinds": counts}
    )
    for name, row in counts.items():
        print(name, row)


if __name__ == "__main__":
    main()
