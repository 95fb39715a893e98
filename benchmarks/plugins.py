"""What annotating costs a compilation at -O2: CPU seconds of `costmodel-annotate` over those of the whole compilation.

For each C file: `clang-22 -O2 -c` once more and once less, and opt on its optimised module with and without the pass.
CPU time (user and system), in turns; shares are medians over rounds of both sides of the same round. A file that clang
refuses is named and left out.

    python benchmarks/plugins.py SOURCE_OR_FOLDER... [--include DIR] [--plugins build/plugins]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import tempfile
from pathlib import Path

from _common import ROOT, Json, header, spread, write

ROUNDS = 7
TARGET = "x86-64/znver4"


def cpu_seconds(*command: str | Path) -> float:
    """User and system time of one child."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{command[0]} fails: {done.stderr[-500:]}")
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def measure(source: Path, includes: list[str], plugin: Path, folder: Path) -> Json:
    """Seconds of one file."""
    module = folder / f"{source.stem}.bc"
    clang = ["clang-22", "-w", "-O2", *includes, "-c", source]
    cpu_seconds(*clang, "-emit-llvm", "-o", module)
    load = f"-load-pass-plugin={plugin}"
    sides = {
        "compile_s": [*clang, "-o", folder / "x.o"],
        "read_s": ["opt-22", load, "-passes=verify", "-disable-output", "-disable-verify", module],
        "annotate_and_read_s": [
            "opt-22", load, f"-passes=verify,costmodel-annotate<target={TARGET}>", "-disable-output", "-disable-verify",
            module,
        ],
    }  # fmt: skip
    rounds = [{side: cpu_seconds(*command) for side, command in sides.items()} for _ in range(ROUNDS)]
    median = {side: statistics.median(found[side] for found in rounds) for side in sides}
    annotate = [found["annotate_and_read_s"] - found["read_s"] for found in rounds]
    share = [a / found["compile_s"] for a, found in zip(annotate, rounds, strict=True)]
    return {**median, "annotate_s": max(0.0, statistics.median(annotate)), "share_of_compile": spread(share)}


def compiles(source: Path, includes: list[str]) -> bool:
    command = ["clang-22", "-w", "-O2", *includes, "-fsyntax-only", str(source)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="+", type=Path)
    parser.add_argument("--include", action="append", default=[])
    parser.add_argument("--plugins", type=Path, default=ROOT / "build" / "plugins")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results" / "plugins.json")
    args = parser.parse_args()
    files = [path for one in args.sources for path in (sorted(one.glob("*.c")) if one.is_dir() else [one])]
    includes = [f"-I{folder}" for folder in args.include]
    with tempfile.TemporaryDirectory() as folder:
        plugin = args.plugins / "libcostmodel_llvm.so"
        left_out = [path.name for path in files if not compiles(path, includes)]
        rows = {path.name: measure(path, includes, plugin, Path(folder)) for path in files if path.name not in left_out}
    total = {name: sum(row[name] for row in rows.values()) for name in ("compile_s", "annotate_s")}
    head = header("plugins", [0])
    document = {
        **head, "target": TARGET, "rounds": ROUNDS, "files": rows, "left_out": left_out, **total,
        "share_of_compile": total["annotate_s"] / total["compile_s"],
        "noisy": head["hardware"]["load_average_1_minute"] > 1.5,
    }  # fmt: skip
    write(args.output, document)
    print(
        f"annotating takes {100 * document['share_of_compile']:.2f} % of {total['compile_s']:.2f} s CPU "
        f"in {len(rows)} files; left out: {left_out}"
    )


if __name__ == "__main__":
    main()
