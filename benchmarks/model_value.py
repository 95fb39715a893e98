r"""What the learned model is worth: strategies on the same measured pools, and live.

    python benchmarks/model_value.py collect --out benchmarks/model_value/pool.json.gz --train measurements.jsonl
    python benchmarks/model_value.py replay --pool benchmarks/model_value/pool.json.gz \
        --train measurements.jsonl --out results.json --seeds 50
    python benchmarks/model_value.py live --train measurements.jsonl --out live.json --seeds 3

`collect` draws schedules uniformly for fixed workloads and measures each twice, the best ten times more; it goes on
where it was stopped. `replay` lets every arm search the same pools: first measurements feed it, the others judge
its picks. `live` searches full spaces on this machine. A workload of the benchmark in the training data aborts all.
"""

from __future__ import annotations

import argparse
import json
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


def replay(args: argparse.Namespace) -> None:
    """Replay all arms on the pools."""
    from model_value.pool import read_pools
    from model_value.replay import replay as run
    from model_value.replay import table

    from costmodel.core.hashing import sha256_file

    train = [Path(p) for p in args.train]
    document = run(read_pools(Path(args.pool)), train, seeds=args.seeds, model_seeds=args.model_seeds, seed=args.seed)
    document["pool_sha256"] = sha256_file(Path(args.pool))
    Path(args.out).write_text(json.dumps(document, indent=1) + "\n")
    print(table(document))


def live(args: argparse.Namespace) -> None:
    """Search full spaces."""
    from model_value.live import live as run

    document = run([Path(p) for p in args.train], names=args.workloads, trials=args.trials, seeds=args.seeds)
    Path(args.out).write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(document["random_over_ours"]))


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
    two = commands.add_parser("replay")
    two.add_argument("--pool", required=True)
    two.add_argument("--train", nargs="+", required=True, help="measurement files of benchmarks/ranker.py")
    two.add_argument("--out", required=True)
    two.add_argument("--seeds", type=int, default=50)
    two.add_argument("--model-seeds", type=int, default=3, help="trainings; replay seeds take them in turn")
    two.add_argument("--seed", type=int, default=7, help="of the bootstrap")
    three = commands.add_parser("live")
    three.add_argument("--train", nargs="+", required=True)
    three.add_argument("--out", required=True)
    three.add_argument("--workloads", nargs="+")
    three.add_argument("--trials", type=int, default=32)
    three.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    try:
        {"collect": collect, "replay": replay, "live": live}[args.command](args)
    except CostModelError as error:
        print(f"model_value: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
