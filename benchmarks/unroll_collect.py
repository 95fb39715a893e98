"""Labels for unroll factors: generated loop kernels, measured here under each factor against LLVM's own choice.

Kernels (`costmodel.datasets.c_loops`) are built by clang -O3 with the plug-in's hook in front of LLVM's unroller,
factors 1, 2, 3, 4, 6, 8 and 16, and timed in turns on arrays in L1 and L2 at three trip counts that the compiler does
not know.
A journal line is one kernel; what stands there is not done again.

    python benchmarks/unroll_collect.py JOURNAL.jsonl [--kernels 1700] [--seed 1] [--plugins build/plugins]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

from _common import ROOT, pin
from unroll_parts.measure import FACTORS, LLVM, PARTS, Harness, Json, Variants, numbers, ratios

from costmodel.datasets.c_loops import SETS, Kernel, kernels
from costmodel.search.report.document import write_whole

CHUNK = 68
SIZES = (40, 250, 2000)
FLAGS = ("-march=native", f"-I{PARTS}")


def measured(kernel: Kernel, loop: Json, variants: Variants, harness: Harness) -> Json | None:
    """A journal line; none where a variant computes something else."""
    names = [LLVM, *(str(f) for f in FACTORS if variants.differs(str(f), kernel.name))]
    calls = {name: getattr(variants.libraries[name], kernel.name) for name in names}
    if kernel.family not in ("reduction", "scan") and len({harness.result(call, 250) for call in calls.values()}) > 1:
        return None
    found = {n: harness.compare(calls, n) for n in SIZES}
    return {
        "kernel": kernel.name, "family": kernel.family, "template": kernel.template, "loop": loop,
        "ns": {n: min(found[n][LLVM]) for n in SIZES},
        "ratios": {n: {name: round(r, 5) for name, r in ratios(found[n]).items()} for n in SIZES},
        "code_bytes": {name: variants.code_bytes[name][kernel.name] for name in (LLVM, *map(str, FACTORS))},
    }  # fmt: skip


def chunk(drawn: list[Kernel], plugin: Path, folder: Path, harness: Harness) -> list[Json]:
    """Build and measure some kernels."""
    source = folder / f"{drawn[0].name}.c"
    source.write_text('#include "arrays.h"\n' + "".join(kernel.text for kernel in drawn), encoding="utf-8")
    loops = numbers(source, plugin, FLAGS)
    hooks = {LLVM: (), **{str(f): (f"-costmodel-unroll=factor={f}",) for f in FACTORS}}
    variants = Variants(source, hooks, plugin, FLAGS, folder)
    everywhere = os.sched_getaffinity(0)
    pin()
    rows = []
    for kernel in drawn:
        if len(loops.get(kernel.name, ())) == 1:
            rows.append(
                measured(kernel, loops[kernel.name][0], variants, harness) or {"kernel": kernel.name, "loop": None}
            )
        else:
            rows.append({"kernel": kernel.name, "loop": None})
    os.sched_setaffinity(0, everywhere)
    return rows


def refresh(path: Path, plugin: Path, drawn: dict[str, Kernel]) -> None:
    """Write the loops' numbers anew, as the plug-in now has them; what was measured stays."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary) / "all.c"
        kept = [drawn[line["kernel"]] for line in lines if line["loop"] is not None]
        source.write_text('#include "arrays.h"\n' + "".join(kernel.text for kernel in kept), encoding="utf-8")
        loops = numbers(source, plugin, FLAGS)
    for line in lines:
        if line["loop"] is not None:
            found = loops.get(line["kernel"], ())
            line |= {"loop": found[0] if len(found) == 1 else None, "template": drawn[line["kernel"]].template}
    write_whole(path, "".join(json.dumps(line) + "\n" for line in lines).encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("journal", type=Path)
    parser.add_argument("--kernels", type=int, default=1700)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--families", choices=SETS, default="common")
    parser.add_argument("--plugins", type=Path, default=ROOT / "build" / "plugins")
    parser.add_argument("--refresh", action="store_true", help="only write the loops' numbers anew")
    args = parser.parse_args()
    if args.refresh:
        drawn = {kernel.name: kernel for kernel in kernels(args.kernels, args.seed, args.families)}
        return refresh(args.journal, args.plugins / "libcostmodel_llvm.so", drawn)
    done = (
        {json.loads(line)["kernel"] for line in args.journal.read_text().splitlines()}
        if args.journal.exists()
        else set()
    )
    missing = [kernel for kernel in kernels(args.kernels, args.seed, args.families) if kernel.name not in done]
    plugin = args.plugins / "libcostmodel_llvm.so"
    with tempfile.TemporaryDirectory() as temporary, args.journal.open("a", encoding="utf-8") as journal:
        harness = Harness(Path(temporary))
        for begin in range(0, len(missing), CHUNK):
            for row in chunk(missing[begin : begin + CHUNK], plugin, Path(temporary), harness):
                journal.write(json.dumps(row) + "\n")
            journal.flush()
            print(f"{begin + CHUNK} of {len(missing)}", flush=True)


if __name__ == "__main__":
    main()
