"""How long a real C project takes from clean tree to a labelled data set, beyond its own build.

    python benchmarks/extraction.py --source brotli-1.2.1 --out benchmarks/results/extraction.json

The source is an unpacked sdist (the one behind the committed figures: `pip download --no-binary :all: --no-deps
brotli==1.2.1`). The same build is timed alone, with the same compiler and no wrapper, and subtracted. Then the
extraction is killed (SIGKILL) while it works, resumed, and its data set compared byte for byte with the first one's.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _common import header, write

from costmodel.datasets.extract.builders import Tools, builders_for, run_build
from costmodel.datasets.extract.compiler import clang_words
from costmodel.datasets.store import read_dataset

TARGETS = "x86-64/znver4,aarch64/neoverse-v2"
KILL_AFTER_UNITS = 1
LIMIT_S = 60.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--targets", default=TARGETS)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        build_s = build_alone(args.source, scratch, args.jobs)
        cpu_before = os.times()
        plain_s = extract(args, scratch / "plain", [])
        labelled_s = extract(args, scratch / "labelled", ["--label", args.targets])
        cpu = os.times()
        equal = killed_and_resumed(args, scratch / "killed" / "plain") == hashes(scratch / "plain")
        labelled = read_dataset(scratch / "labelled")
        result = {
            "source": args.source.name,
            "targets": args.targets.split(","),
            "jobs": args.jobs,
            "functions": dict(labelled.manifest.counts),
            "build_alone_s": build_s,
            "extract_s": plain_s,
            "extract_and_label_s": labelled_s,
            "beyond_build_s": labelled_s - build_s,
            "limit_s": LIMIT_S,
            "cpu_s_of_both_extractions": cpu.children_user - cpu_before.children_user,
            "killed_and_resumed_equal": equal,
        }
    write(args.out, {**header("extraction", [], "llvmlite", "pyarrow"), "result": result})
    print(json.dumps(result, indent=2))


def build_alone(source: Path, scratch: Path, jobs: int) -> float:
    copy = scratch / "build-alone"
    shutil.copytree(source, copy, symlinks=True)
    compiler = " ".join(clang_words())
    tools = Tools(cc=compiler, cxx=" ".join(clang_words(cxx=True)), rustc="", jobs=jobs)
    start = time.perf_counter()
    build = run_build(builders_for(copy)[0], copy, tools, scratch / "log")
    if build.cause:
        raise SystemExit(f"the build alone failed: {build.cause}")
    return time.perf_counter() - start


def command(args: argparse.Namespace, output: Path, more: list[str]) -> list[str]:
    words = [sys.executable, "-m", "costmodel.cli.main", "extract", str(args.source), "-o", str(output)]
    return [*words, "--jobs", str(args.jobs), *more]


def extract(args: argparse.Namespace, output: Path, more: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command(args, output, more), check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def killed_and_resumed(args: argparse.Namespace, output: Path) -> dict[str, str]:
    output.parent.mkdir()
    units = output.parent / f".{output.name}.journal" / "units"
    process = subprocess.Popen(command(args, output, []), stdout=subprocess.DEVNULL)
    while process.poll() is None and (not units.is_dir() or len(list(units.iterdir())) < KILL_AFTER_UNITS):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    if output.exists():
        raise SystemExit("it was done before it could be killed; take a larger project")
    extract(args, output, ["--resume"])
    return hashes(output)


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


if __name__ == "__main__":
    main()
