"""Seconds of reading and of static features for functions of about 500 operations, by level, and how they grow.

Writes results/features.json. The programs are made here: no corpus is needed. Each figure is the best of several
rounds, in seconds of processor time of this process (LLVM's verification of LLVM IR runs in another one).
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from pathlib import Path

from _common import ROOT, header, write

from costmodel import ir
from costmodel.ir.features import FEATURES_VERSION, FUNCTION_FEATURES_V1, extract_features, feature_names

_RESULT = ROOT / "benchmarks" / "results" / "features.json"
Json = dict[str, object]


def straight(count: int) -> str:
    """LLVM IR: one block."""
    lines = [f"  %v{i + 1} = {'fadd' if i % 3 else 'fmul'} float %v{i}, %v{max(0, i - 7)}" for i in range(count - 1)]
    return "define float @f(float %v0) {\n" + "\n".join(lines) + f"\n  ret float %v{count - 1}\n}}\n"


def looping(loops: int) -> str:
    """LLVM IR: loops one after another, each of about nine operations, with loads by a counter."""
    parts = ["define float @f(ptr %p, ptr %q) {\nentry:\n  br label %l0\n"]
    before, total = "entry", "0.0"
    for k in range(loops):
        parts.append(
            f"\nl{k}:\n  %i{k} = phi i64 [ 0, %{before} ], [ %n{k}, %l{k} ]\n"
            f"  %s{k} = phi float [ {total}, %{before} ], [ %t{k}, %l{k} ]\n"
            f"  %a{k} = getelementptr float, ptr %p, i64 %i{k}\n  %x{k} = load float, ptr %a{k}\n"
            f"  %b{k} = getelementptr float, ptr %q, i64 %i{k}\n  %y{k} = load float, ptr %b{k}\n"
            f"  %m{k} = fmul float %x{k}, %y{k}\n  %t{k} = fadd float %s{k}, %m{k}\n"
            f"  %n{k} = add i64 %i{k}, 1\n  %c{k} = icmp eq i64 %n{k}, 128\n"
            f"  br i1 %c{k}, label %l{k + 1}, label %l{k}\n"
        )
        before, total = f"l{k}", f"%t{k}"
    return "".join(parts) + f"\nl{loops}:\n  ret float %t{loops - 1}\n}}\n"


def mixed(loops: int, count: int) -> str:
    """LLVM IR: loops as in `looping`, then one block of about `count` operations on what the last one computed."""
    head, _, _ = looping(loops).rpartition("  ret float")
    last = f"t{loops - 1}"
    lines = [f"  %v0 = fadd float %{last}, 1.0"]
    lines += [f"  %v{i + 1} = {'fadd' if i % 3 else 'fmul'} float %v{i}, %v{max(0, i - 7)}" for i in range(count)]
    return head + "\n".join(lines) + f"\n  ret float %v{count}\n}}\n"


def structured(nests: int) -> str:
    """MLIR: nests of two scf loops around loads, a multiplication, an addition and a store."""
    head = '"func.func"() <{sym_name = "f"}> ({\n^bb0(%a: memref<64x64xf32>, %b: memref<64x64xf32>):\n'
    head += "".join(f'%c{n} = "arith.constant"() <{{value = {n} : index}}> : () -> index\n' for n in (0, 1, 64))
    nest = (
        '"scf.for"(%c0, %c64, %c1) ({\n^bb0(%i: index):\n"scf.for"(%c0, %c64, %c1) ({\n^bb0(%j: index):\n'
        '%x = "memref.load"(%a, %i, %j) : (memref<64x64xf32>, index, index) -> f32\n'
        '%y = "memref.load"(%b, %j, %i) : (memref<64x64xf32>, index, index) -> f32\n'
        '%z = "arith.mulf"(%x, %y) : (f32, f32) -> f32\n%w = "arith.addf"(%z, %y) : (f32, f32) -> f32\n'
        '"memref.store"(%w, %a, %i, %j) : (f32, memref<64x64xf32>, index, index) -> ()\n"scf.yield"() : () -> ()\n'
        '}) : (index, index, index) -> ()\n"scf.yield"() : () -> ()\n}) : (index, index, index) -> ()\n'
    )
    return head + nest * nests + '"func.return"() : () -> ()\n}) : () -> ()\n'


def tensors(count: int) -> str:
    """MLIR: linalg matrix products in a row."""
    kind = "tensor<64x64xf32>"
    maps = ", ".join(f"affine_map<(m, n, k) -> ({pair})>" for pair in ("m, k", "k, n", "m, n"))
    lines = [f'"func.func"() <{{sym_name = "f"}}> ({{\n^bb0(%a: {kind}, %v0: {kind}):\n']
    lines += [
        f'%v{i + 1} = "linalg.matmul"(%a, %v{i}, %v{i}) <{{operandSegmentSizes = array<i32: 2, 1>}}> ({{\n'
        '^bb0(%x: f32, %y: f32, %z: f32):\n%p = "arith.mulf"(%x, %y) : (f32, f32) -> f32\n'
        '%s = "arith.addf"(%z, %p) : (f32, f32) -> f32\n"linalg.yield"(%s) : (f32) -> ()\n'
        f"}}) {{linalg.memoized_indexing_maps = [{maps}]}} : ({kind}, {kind}, {kind}) -> {kind}\n"
        for i in range(count)
    ]
    return "".join([*lines, f'"func.return"(%v{count}) : ({kind}) -> ()\n}}) : () -> ()\n'])


def best_s(call: Callable[[], object], rounds: int) -> float:
    """Least processor time of one call."""
    found = float("inf")
    for _ in range(rounds):
        start_s = time.process_time()
        call()
        found = min(found, time.process_time() - start_s)
    return found


def measure(text: str, rounds: int) -> Json:
    """Operations, best seconds of reading and of features, and both for 500 operations."""
    operation = ir.read(text).functions[0].operation
    assert operation is not None
    ops = sum(1 for _ in operation.walk()) - 1
    read_s = best_s(lambda: ir.read(text), rounds)
    features_s = best_s(lambda: extract_features(operation), rounds)
    return {
        "ops": ops,
        "text_bytes": len(text),
        "read_s": read_s,
        "features_s": features_s,
        "read_ms_per_500_ops": read_s * 5e5 / ops,
        "features_ms_per_500_ops": features_s * 5e5 / ops,
    }


def main() -> None:
    """Measure every level and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--output", type=Path, default=_RESULT)
    args = parser.parse_args()
    programs = {
        "llvm, one block": straight(500),
        "llvm, 8 loops": mixed(8, 425),
        "llvm, 55 loops": looping(55),
        "scf": structured(55),
        "linalg": tensors(125),
        "llvm, one block, 10000 operations": straight(10000),
        "llvm, loops, 10000 operations": looping(1100),
        "llvm, loops, 100000 operations": looping(11000),
        "llvm, loops, 1000000 operations": looping(110000),
        "scf, 10000 operations": structured(1100),
        "linalg, 10000 operations": tensors(2500),
    }
    levels = {name: measure(text, _rounds(len(text), args.rounds)) for name, text in programs.items()}
    document = {
        **header("features", [], "llvmlite"),
        "features_version": FEATURES_VERSION,
        "num_features": len(feature_names()),
        "num_function_features_v1": len(FUNCTION_FEATURES_V1),
        "rounds": args.rounds,
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "levels": levels,
    }
    write(args.output, document)
    for name, figures in levels.items():
        read_ms, features_ms = figures["read_ms_per_500_ops"], figures["features_ms_per_500_ops"]
        print(f"{name}: reading {read_ms:.2f} ms, features {features_ms:.2f} ms for 500 operations")


def _rounds(size: int, rounds: int) -> int:
    return rounds if size < 1 << 18 else 1 if size > 1 << 24 else 3


if __name__ == "__main__":
    main()
