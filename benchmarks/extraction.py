"""How long a real C project takes from clean tree to a labelled data set, beyond its own build.

    python benchmarks/extraction.py --source brotli-1.2.1 --out benchmarks/results/extraction.json

The source is an unpacked sdist (the one behind the committed figures: `pip download --no-binary :all: --no-deps
brotli==1.2.1`). The same build is timed alone, with the same compiler and no wrapper, and subtracted. Then the
extraction is killed (SIGKILL) while it labels, resumed, and its data set compared byte for byte, labels included, with
the first one's. Processor time is that of all processes: on a machine with other work it says more than the clock.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from _common import header, write

from costmodel.datasets.extract.builders import Tools, builders_for, run_build
from costmodel.datasets.extract.compiler import clang_words
from costmodel.datasets.store import read_dataset

TARGETS = "x86-64/znver4,aarch64/neoverse-v2"
KILL_AFTER_LABELS = 1
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
        marks = [used_cpu_s()]
        build_s = build_alone(args.source, scratch, args.jobs)
        marks.append(used_cpu_s())
        plain_s = extract(args, scratch / "plain", [])
        marks.append(used_cpu_s())
        labelled_s = extract(args, scratch / "labelled", ["--label", args.targets])
        marks.append(used_cpu_s())
        build_cpu_s, plain_cpu_s, labelled_cpu_s = (after - before for before, after in pairwise(marks))
        equal = killed_and_resumed(args, scratch / "killed" / "labelled") == hashes(scratch / "labelled")
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
            "build_alone_cpu_s": build_cpu_s,
            "extract_cpu_s": plain_cpu_s,
            "extract_and_label_cpu_s": labelled_cpu_s,
            "beyond_build_cpu_s": labelled_cpu_s - build_cpu_s,
            "killed_while_labelling_and_resumed_equal": equal,
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
    labels = output.parent / f".{output.name}.journal" / "labels.db"
    process = subprocess.Popen(command(args, output, ["--label", args.targets]), stdout=subprocess.DEVNULL)
    while process.poll() is None and kept_labels(labels) < KILL_AFTER_LABELS:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    if output.exists():
        raise SystemExit("it was done before it could be killed; take a larger project")
    extract(args, output, ["--label", args.targets, "--resume"])
    return hashes(output)


def kept_labels(path: Path) -> int:
    """Answers in a label cache; 0 where there is none yet."""
    if not path.is_file():
        return 0
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM answers").fetchone()[0])
    except sqlite3.Error:
        return 0


def used_cpu_s() -> float:
    """Of this process and of those that it has waited for."""
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


if __name__ == "__main__":
    main()
