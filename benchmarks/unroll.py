"""Run time and code size with `costmodel-unroll` against LLVM's own unroller, kernel by kernel.

Both sides start from one module, optimised at -O2 with unrolling left out. LLVM's side runs `loop-unroll<O2>` and a
clean-up; ours runs `costmodel-unroll` before the same passes, so that a loop for which the model is not sure gets
LLVM's choice. Needs clang-22, opt-22 and built plug-ins (`make plugins`).

    python benchmarks/unroll.py [--plugins build/plugins] [--model WEIGHTS] [--target x86-64/znver4]
"""

from __future__ import annotations

import argparse
import ctypes
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from _common import NOISY, ROOT, Json, header, pin, write

SOURCE = Path(__file__).parent / "unroll_parts" / "kernels.c"
CLEAN_UP = "function(loop-unroll<O2>,instcombine,early-cse,simplifycfg)"
ROUNDS = 15
ELEMENTS = 2048
MIN_SECONDS = 2e-3


def run(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command[0]} fails: {done.stderr[-500:]}")
    return done.stderr


def build(folder: Path, name: str, passes: str, plugin: Path, cpu: str) -> tuple[Path, str]:
    """A shared library of the kernels after `passes`, and what opt said."""
    optimised, library = folder / f"{name}.ll", folder / f"{name}.so"
    said = run("opt-22", f"-load-pass-plugin={plugin}", f"-passes={passes}", "-S", folder / "plain.ll", "-o", optimised)
    run("clang-22", "-O2", f"-march={cpu}", "-fPIC", "-shared", "-fno-unroll-loops", "-Xclang", "-disable-llvm-passes",
        optimised, "-o", library)  # fmt: skip
    return library, said


def code_bytes(library: Path) -> dict[str, int]:
    """Size of each symbol."""
    done = subprocess.run(
        ["llvm-nm-22", "--print-size", "--defined-only", str(library)], capture_output=True, text=True, check=True
    )
    rows = [line.split() for line in done.stdout.splitlines()]
    return {row[3]: int(row[1], 16) for row in rows if len(row) == 4}


def timed(call: ctypes._CFuncPtr, arguments: tuple[object, ...], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        call(*arguments)
    return (time.perf_counter() - start) / repeats


def compare(libraries: dict[str, ctypes.CDLL], name: str) -> Json:
    """Best seconds of each side, timed in turns."""
    rng = np.random.default_rng(0)
    arrays = [rng.random(ELEMENTS, np.float32) for _ in range(2)]
    arrays.append(rng.permutation(ELEMENTS).astype(np.int32).view(np.float32) if name in INDEXED else arrays[1])
    arguments = (*(ctypes.c_void_p(array.ctypes.data) for array in arrays), ELEMENTS)
    calls = {side: getattr(library, name) for side, library in libraries.items()}
    for call in calls.values():
        call.restype = ctypes.c_float
    repeats = max(1, int(MIN_SECONDS / max(1e-7, timed(calls["llvm"], arguments, 3))))
    rounds = [{side: timed(call, arguments, repeats) for side, call in calls.items()} for _ in range(ROUNDS)]
    best = {side: min(found[side] for found in rounds) for side in calls}
    spread = [found["llvm"] for found in rounds]
    quartiles = statistics.quantiles(spread, n=4)
    return {**{f"{side}_s": best[side] for side in calls}, "speedup": best["llvm"] / best["costmodel"],
            "spread": (quartiles[2] - quartiles[0]) / statistics.median(spread)}  # fmt: skip


INDEXED = ("gather", "scatter", "chase")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plugins", type=Path, default=ROOT / "build" / "plugins")
    parser.add_argument("--model", type=Path, help="weights of a model with the metric cycles")
    parser.add_argument("--target", default="x86-64/znver4")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results" / "unroll.json")
    args = parser.parse_args()
    pin()
    plugin = args.plugins / "libcostmodel_llvm.so"
    model = args.model or args.plugins / "costmodel.weights"
    cpu = args.target.partition("/")[2]
    names = re.findall(r"^KERNEL\((\w+)\) \{", SOURCE.read_text(), re.MULTILINE)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run("clang-22", "-O2", f"-march={cpu}", "-Xclang", "-disable-llvm-passes", "-S", "-emit-llvm", SOURCE, "-o",
            folder / "source.ll")  # fmt: skip
        run("opt-22", "-disable-loop-unrolling", "-passes=default<O2>", "-S", folder / "source.ll", "-o",
            folder / "plain.ll")  # fmt: skip
        ours, said = build(
            folder, "costmodel", f"costmodel-unroll<target={args.target};model={model}>,{CLEAN_UP}", plugin, cpu
        )
        theirs, _ = build(folder, "llvm", CLEAN_UP, plugin, cpu)
        sizes = {"llvm": code_bytes(theirs), "costmodel": code_bytes(ours)}
        texts = {side: (folder / f"{side}.ll").read_text() for side in sizes}
        libraries = {"llvm": ctypes.CDLL(str(theirs)), "costmodel": ctypes.CDLL(str(ours))}
        rows = {name: compare(libraries, name) for name in names}
    for name, row in rows.items():
        row |= {f"{side}_code_bytes": sizes[side][name] for side in sizes}
        row["differs"] = body(texts["llvm"], name) != body(texts["costmodel"], name)
    ratios = [row["speedup"] for row in rows.values()]
    changed = [row["speedup"] for row in rows.values() if row["differs"]]
    document = {
        **header("unroll", [0]), "target": args.target, "model": str(model.name), "kernels": rows, "opt_said": said,
        "kernels_with_another_factor": len(changed),
        "geometric_mean_speedup": statistics.geometric_mean(ratios),
        "geometric_mean_speedup_where_it_differs": statistics.geometric_mean(changed) if changed else None,
        "slower_than_llvm_by_5_percent": [n for n, row in rows.items() if row["differs"] and row["speedup"] < 0.95],
        "code_bytes": {side: sum(size[name] for name in names) for side, size in sizes.items()},
        "noisy": statistics.median(row["spread"] for row in rows.values()) > NOISY,
    }  # fmt: skip
    write(args.output, document)
    print(
        f"{len(names)} kernels, {len(changed)} unrolled otherwise; "
        f"geometric mean {statistics.geometric_mean(ratios):.3f}"
    )


def body(text: str, name: str) -> str:
    found = re.search(rf"^define [^\n]*@{name}\(.*?^}}", text, re.MULTILINE | re.DOTALL)
    return re.sub(r"(?:, !|!|#)[\w.]+(?: ![\w.]+)?", "", found[0]) if found else ""


if __name__ == "__main__":
    main()
