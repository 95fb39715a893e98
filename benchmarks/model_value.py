r"""What the learned model is worth: strategies on the same measured pools, and live.

    python benchmarks/model_value.py collect --out benchmarks/model_value/pool.json.gz --train measurements.jsonl
    python benchmarks/model_value.py replay --pool benchmarks/model_value/pool.json.gz \
        --train measurements.jsonl --out results.json --seeds 50
    python benchmarks/model_value.py live --train measurements.jsonl --out live.json --seeds 3

`collect` draws schedules uniformly for fixed workloads and measures each twice, the best ten times more; it goes on
where it was stopped. `replay` lets every arm search the same pools: first measurements feed it, the others judge its picks.
`live` searches full spaces on this machine. A workload of the benchmark in the training data aborts all three.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from model_value import provenance

from costmodel.core.errors import CostModelError


def collect(args: argparse.Namespace) -> None:
    """Measure pools."""
    from model_value.collect import collect as run

    meta = provenance.provenance() | {"seed": args.seed, "pool": args.pool}
    known = provenance.training_ids([Path(p) for p in args.train]) | provenance.shipped_training_ids()
    run(Path(args.out), names=args.workloads, size=args.pool, seed=args.seed, training_ids=known, meta=meta)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("collect")
    one.add_argument("--out", required=True)
    one.add_argument("--workloads", nargs="+", help="generators, or full names as printed")
    one.add_argument("--train", nargs="*", default=[], help="measurement files whose workloads must not overlap")
    one.add_argument("--pool", type=int, default=512)
    one.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    try:
        {"collect": collect}[args.command](args)
    except CostModelError as error:
        print(f"model_value: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
