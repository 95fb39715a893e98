"""Tune a matmul with TVM MetaSchedule and costmodel's cost model, print the best time and what the model learned.

    pip install 'costmodel-ir[tvm]' && python examples/tvm_tune.py --trials 32

Only `cost_model=` differs from a script that uses TVM's own model. TVM reads TVM_NUM_THREADS.
"""

import argparse
import tempfile

import tvm
from tvm import te
from tvm.s_tir import meta_schedule as ms

from costmodel.integrations.tvm import CostModel

FAILED_S = 1e9
"""TVM records 1e10 s for what did not build or run."""


def matmul(m, n, k):
    """A float32 matmul as a TIR function."""
    a, b = te.placeholder((m, k), name="A"), te.placeholder((k, n), name="B")
    r = te.reduce_axis((0, k), name="r")
    return te.create_prim_func([a, b, te.compute((m, n), lambda i, j: te.sum(a[i, r] * b[r, j], axis=r), name="C")])


def tune(func, trials, **options):
    """Tune a function with our cost model, which is returned with TVM's database; `options` go to `tune_tir`."""
    model = CostModel()
    target = tvm.target.Target({"kind": "llvm", "num-cores": 1})
    with tempfile.TemporaryDirectory() as folder:
        database = ms.tune_tir(func, target, folder, trials, cost_model=model, seed=1, **options)
    return model, database


def main():
    """Tune and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=32)
    parser.add_argument("--round", type=int, default=16, help="trials that TVM measures together (default: 16)")
    parser.add_argument("--size", type=int, default=256)
    args = parser.parse_args()
    model, database = tune(matmul(args.size, args.size, args.size), args.trials, num_trials_per_iter=args.round)
    times = sorted(float(record.run_secs[0]) for record in database.get_all_tuning_records())
    ran = [seconds for seconds in times if seconds < FAILED_S]
    print(f"{len(ran)} of {len(times)} candidates ran" + (f", the best in {ran[0] * 1e6:.1f} us" if ran else ""))
    for task in model.tasks.values():
        print(f"learned from {sum(map(len, task.seconds))} trials of a task")


if __name__ == "__main__":
    main()
