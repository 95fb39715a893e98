"""Make the bundled data set: labelled functions and kernels, and measured schedules, in at most 20 MB.

    pip download --no-deps --no-binary :all: -d SDISTS lz4==4.4.5 …   # as `python benchmarks/bundle.py --list` prints,
    apt-get download librust-json-dev …                               # and these, into SDISTS too
    python benchmarks/bundle.py --sdists SDISTS --work WORK           # a few hours; killed and run again, goes on
    python benchmarks/bundle.py --sdists SDISTS --work WORK --quick   # a small one, to see that it works

Parts, each kept under WORK: Triton kernels, linalg families, networks, functions of C and C++ packages (built, which
runs their build's own code; some need `pip install setuptools-scm==10.3.4 Cython==3.3.1 cffi==2.1.1 cppy==1.3.1
pybind11==3.1.0`), labels, and the committed measurements turned into rows. Ends with `benchmarks/data/bundle/labelled`
and `benchmarks/data/bundle/measured`, each with card, manifest and coverage.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from bundle_parts import gpu, labels, measured, parts, sources
from bundle_parts.quota import keep, limits, say

from costmodel.core.errors import CostModelError
from costmodel.core.hashing import sha256_text
from costmodel.core.tables import FunctionRow, LabelRow
from costmodel.datasets.coverage import card_notes, coverage, write_coverage
from costmodel.datasets.store import write_dataset

DATA = Path(__file__).resolve().parent / "data" / "bundle"
LIMIT_BYTES = 20_000_000
LABEL_SLACK = 1.5
"""Texts this much too long for the bundle are labelled still: shorter levels of the same code need the answer."""
SEED = 20261123
COUNTS = {"triton": 4800, "linalg": 9000, "zoo": 3000}
QUICK = {"triton": 100, "linalg": 450, "zoo": 50}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sdists", type=Path, help="folder with the source packages that --list names")
    parser.add_argument("--work", type=Path, default=Path("bundle-work"), help="what was done, to go on from")
    parser.add_argument("--out", type=Path, default=DATA)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", choices=("triton", "linalg", "zoo", "sources", "measured"), help="no other part")
    parser.add_argument("--skip", nargs="*", default=[], choices=("triton", "linalg", "zoo", "sources", "measured"))
    parser.add_argument("--quick", action="store_true", help="a hundredth of it")
    parser.add_argument("--share", type=float, default=1.0, help="of the lowerings and functions, Triton's left whole")
    parser.add_argument("--list", action="store_true", help="print the source packages as pip requirements")
    args = parser.parse_args()
    if args.list:
        print("\n".join(sources.requirements()))
        print("\n".join(f"# apt-get download {name}" for name in sources.crates()))
        return
    begin_s = time.monotonic()
    if args.only != "measured":
        labelled(args)
    if args.only in (None, "measured") and "measured" not in args.skip:
        measured.write(args.out / "measured", ["python", "benchmarks/bundle.py"])
    say(f"{time.monotonic() - begin_s:.0f} s")


def drawn(row: FunctionRow) -> float:
    """A number in [0, 1) that is the same for all levels of one lowering, and for the same code always."""
    key = sha256_text(f"{row.workload_id} {row.schedule}" if row.workload_id else row.ir)
    return int(key[-8:], 16) / 2**32


def labelled(args: argparse.Namespace) -> None:
    """The first data set."""
    functions: list[FunctionRow] = []
    given: list[LabelRow] = []
    for name, count in (QUICK if args.quick else COUNTS).items():
        if name in args.skip or args.only not in (None, name):
            continue
        made = parts.generate(name, count, SEED, args.work, args.jobs)
        functions += made.functions
        given += made.labels
    if args.sdists is not None and "sources" not in args.skip and args.only in (None, "sources"):
        functions += sources.functions(args.sdists, args.work, args.jobs, quick=args.quick)
    functions = [row for row in functions if row.level in ("ttir", "ttgir") or drawn(row) < args.share]
    found = labels.label(keep(functions, slack=LABEL_SLACK), args.work, args.jobs)
    functions = keep(functions)
    ids = {row.function_id for row in functions}
    rows = [*(row for row in [*given, *found] if row.function_id in ids), *gpu.latencies(functions)]
    useful = {row.function_id for row in rows if row.value is not None}
    useful |= {row.function_id for row in functions if row.level == "torch"}
    kept = [row for row in functions if row.function_id in useful]
    report = coverage(kept)
    write_dataset(
        args.out / "labelled", kept, [row for row in rows if row.function_id in useful], seed=SEED,
        command=["python", "benchmarks/bundle.py", "--share", f"{args.share:g}"],
        notes={**card_notes(kept, report), "limits": limits(), "unlabelled": {"dropped": len(functions) - len(kept)}},
        extra=lambda folder: write_coverage(folder, report),
    )  # fmt: skip
    size = sum(path.stat().st_size for path in args.out.rglob("*") if path.is_file())
    say(f"{len(kept)} functions, {len(rows)} labels, {size} bytes; largest family {report['largest_family_share']}")
    print(json.dumps({key: report[key] for key in ("functions", "workloads", "largest_family_share")}))
    if size > LIMIT_BYTES:
        raise SystemExit(f"{size} bytes, more than {LIMIT_BYTES}: lower the quotas in bundle_parts/quota.py")


if __name__ == "__main__":
    try:
        main()
    except CostModelError as error:
        sys.exit(f"bundle: {error}")
