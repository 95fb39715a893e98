"""Run time and code size with `costmodel-unroll` against LLVM's own unroller, kernel by kernel.

All sides are clang -O3 for this machine; they differ in what is asked in front of LLVM's unroller: nothing, the model,
or one factor for every loop. The kernels (`unroll_parts/kernels.c`) are not in the model's training data. Timed in
turns, on arrays in L1 and L2, at three trip counts that the compiler does not know; ratios are medians over rounds of
LLVM's nanoseconds over ours of the same round. A side whose code is LLVM's own counts as 1, untimed. The oracle
is the fastest factor of
each kernel, known afterwards. Needs clang-22 and built plug-ins (`make plugins`).

    python benchmarks/unroll.py [--plugins build/plugins] [--model WEIGHTS] [--target x86-64/rocketlake]
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
from pathlib import Path

from _common import NOISY, ROOT, Json, header, pin, spread, write
from unroll_parts.measure import FACTORS, LLVM, PARTS, Harness, Variants, numbers

from costmodel.core.target import Target

SOURCE = PARTS / "kernels.c"
SIZES = (60, 300, 2000)
ROUNDS = 21
FLAGS = ("-march=native", "-fno-wrapv", f"-I{PARTS}")
MODEL = "costmodel"


def compared(kernel: str, variants: Variants, harness: Harness) -> Json:
    """Speedups of each side over LLVM's choice by trip count, and sizes."""
    sides = [LLVM, *(side for side in variants.libraries if side != LLVM and variants.differs(side, kernel))]
    calls = {side: getattr(variants.libraries[side], kernel) for side in sides}
    found = {n: harness.compare(calls, n, ROUNDS) for n in SIZES}
    speedups = {}
    for side in variants.libraries:
        each = {
            n: spread([a / b for a, b in zip(found[n][LLVM], found[n][side], strict=True)]) if side in calls else None
            for n in SIZES
        }
        medians = [1.0 if one is None else one["median"] for one in each.values()]
        speedups[side] = {"speedup": statistics.geometric_mean(medians)}
        if side == MODEL:
            speedups[side]["by_trips"] = each
    noise = [spread(found[n][LLVM]) for n in SIZES]
    return {
        "ns_llvm": {n: statistics.median(found[n][LLVM]) for n in SIZES}, "sides": speedups, "differs": MODEL in calls,
        "code_bytes": {side: sizes[kernel] for side, sizes in variants.code_bytes.items()},
        "noise": max((one["quartile_3"] - one["quartile_1"]) / one["median"] for one in noise),
    }  # fmt: skip


def totals(rows: dict[str, Json], sides: list[str]) -> Json:
    """Geometric means over kernels, and bytes of all."""
    found = {
        side: {
            "speedup": statistics.geometric_mean([row["sides"][side]["speedup"] for row in rows.values()]),
            "code_bytes": sum(row["code_bytes"][side] for row in rows.values()),
        } for side in sides
    }  # fmt: skip
    best = [max(1.0, *(row["sides"][str(f)]["speedup"] for f in FACTORS)) for row in rows.values()]
    return {**found, "oracle": {"speedup": statistics.geometric_mean(best)}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plugins", type=Path, default=ROOT / "build" / "plugins")
    parser.add_argument(
        "--model", type=Path, help="weights of a model of unroll factors; by default those beside the plug-in"
    )
    parser.add_argument("--target", default=Target.parse("native").name)
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results" / "unroll.json")
    args = parser.parse_args()
    plugin, model = args.plugins / "libcostmodel_llvm.so", args.model or args.plugins / "costmodel-unroll.weights"
    hooks = {
        LLVM: (), MODEL: (f"-costmodel-unroll=target={args.target};model={model}",),
        **{str(f): (f"-costmodel-unroll=factor={f}",) for f in FACTORS},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as temporary:
        loops = numbers(SOURCE, plugin, FLAGS)
        variants = Variants(SOURCE, hooks, plugin, FLAGS, Path(temporary))
        harness = Harness(Path(temporary))
        pin()
        names = re.findall(r"^KERNEL\((\w+)\) \{", SOURCE.read_text(), re.MULTILINE)
        rows = {name: {"loops": len(loops.get(name, ())), **compared(name, variants, harness)} for name in names}
    changed = {name: row["sides"][MODEL]["speedup"] for name, row in rows.items() if row["differs"]}
    document = {
        **header("unroll", [0]), "target": args.target, "trip_counts": list(SIZES), "kernels": rows,
        "all": totals(rows, list(hooks)), "changed": changed,
        "geometric_mean_where_it_differs": statistics.geometric_mean(changed.values()) if changed else None,
        "slower_by_2_percent": {name: s for name, s in changed.items() if s < 0.98},
        "noisy": statistics.median(row["noise"] for row in rows.values()) > NOISY,
    }  # fmt: skip
    write(args.output, document)
    for name, row in rows.items():
        sides = " ".join(f"{side} {row['sides'][side]['speedup']:.3f}" for side in hooks)
        print(f"{name:20s} {sides}  {row['code_bytes'][LLVM]} to {row['code_bytes'][MODEL]} bytes")
    for side, total in document["all"].items():
        print(
            f"{side:10s} speedup {total['speedup']:.4f}"
            + (f"  {total['code_bytes']} bytes" if "code_bytes" in total else "")
        )
    print(f"{len(names)} kernels, {len(changed)} unrolled otherwise, slower by 2 %: {document['slower_by_2_percent']}")


if __name__ == "__main__":
    main()
