"""Mutated inputs against every reader: each must end in a Program or in a CostModelError with a position.

    python benchmarks/fuzz_reading.py --count 100000 --seed 0 --out benchmarks/results/fuzz_reading.json

Seeds are the sample programs of the tests and, with `--corpus`, more files. Most mutants stop at the direct readers, so
that the caller's own process is what is tested; every hundredth goes through `ir.read` and so through the bindings as
well. The process is held to `--memory-bytes`; a mutant that takes over two seconds of CPU below 100 kB is a finding.
`--limit-s` ends the run early; the result says how many mutants there were. `--jobs N` shares them among N processes,
each with a seed of its own.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _common

from costmodel import ir
from costmodel.core.errors import CostModelError
from costmodel.ir.llvm import parse_module
from costmodel.ir.mlir import parse_generic
from costmodel.ir.mlir.custom import parse_custom
from costmodel.ir.mlir.levels import levelled
from costmodel.ir.program import functions_of

LIMIT_S = 2.0
SMALL_BYTES = 100_000
BINDINGS_EVERY = 100
_OPENERS = '([{<"%^#!@'
SAMPLES = Path(__file__).resolve().parent.parent / "tests" / "ir" / "data"
SUFFIXES = (".mlir", ".ll", ".ttir", ".ttgir")


def mutate(data: bytes, other: bytes, rng: random.Random) -> tuple[str, bytes]:
    """One mutant of `data`: kind and content."""
    kind = rng.choice(("truncate", "flip", "splice", "delete", "nest", "one_line", "invalid_utf8", "token", "repeat"))
    first, second = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    if kind == "truncate":
        return kind, data[:first]
    if kind == "flip":
        changed = bytearray(data)
        for _ in range(rng.randrange(1, 8)):
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        return kind, bytes(changed)
    if kind == "splice":
        start, stop = sorted(rng.randrange(len(other) + 1) for _ in range(2))
        return kind, data[:first] + other[start:stop] + data[second:]
    if kind == "delete":
        return kind, data[:first] + data[min(second, first + rng.randrange(1, 40)) :]
    if kind == "nest":
        return kind, data[:first] + rng.choice(_OPENERS).encode() * rng.randrange(1, 3000) + data[first:]
    if kind == "one_line":
        return kind, data.replace(b"\n", b" ")
    if kind == "invalid_utf8":
        return kind, data[:first] + bytes(rng.randrange(128, 256) for _ in range(rng.randrange(1, 6))) + data[first:]
    if kind == "token":
        words = data.split(b" ")
        words[rng.randrange(len(words))] = rng.choice(words)
        return kind, b" ".join(words)
    piece = data[first : min(second, first + 400)]
    return kind, data[:first] + piece * rng.randrange(2, 1 + max(2, min(200, 60_000 // max(1, len(piece))))) + data[
        first:
    ]


def direct(data: bytes, name: str) -> str:
    """Read with the readers of our own alone; the level reached."""
    text = ir.reading.decode(data, name)
    if name.endswith(".ll"):
        functions = functions_of(parse_module(text, file=name))
    else:
        try:
            functions = functions_of(parse_generic(text, file=name))
        except CostModelError:
            functions, _ = levelled(parse_custom(text, file=name))
    return "graph" if all(function.level == "graph" for function in functions) else "tokens"


def whole(data: bytes, name: str) -> str:
    """`ir.read`, then everything that can be asked of a program."""
    program = ir.read(data, format="llvm" if name.endswith(".ll") else "mlir")
    for function in program.functions[:4]:
        function.tokens("ops")
    str(program.diagnostics)
    return program.level


def attempt(read: Callable[[bytes, str], str], data: bytes, name: str) -> tuple[str, float]:
    """What came of it (`graph`, `tokens`, `refused`, or the name of a finding) and the CPU seconds it took."""
    begun = time.process_time()
    try:
        found = read(data, name)
    except CostModelError as error:
        found = "refused" if error.location is not None else "error without a position"
    except Exception as error:  # noqa: BLE001 - whatever escapes is what this script looks for
        found = f"escaped: {type(error).__name__}: {str(error)[:80]}"
    return found, time.process_time() - begun


def giants(rng: random.Random) -> list[tuple[str, bytes]]:
    """A few inputs of ten megabytes on one line."""
    operation = b'%0 = "a.b"(%x) {k = 1 : i32} : (i32) -> i32 '
    custom = b"a.b %x {k = 1 : i32} : i32 "
    return [
        (
            "one_line_generic",
            b'"f"() ({ ^bb0(%x: i32): ' + operation.replace(b"%0 = ", b"") * 230_000 + b"}) : () -> ()",
        ),
        ("one_line_custom", b"func.func @f(%x: i32) { " + custom * 390_000 + b"}"),
        ("one_line_noise", bytes(rng.randrange(32, 127) for _ in range(10_000_000))),
        ("one_line_brackets", b"module { " + b"(<[{" * 2_500_000),
        ("deep_regions", b"module {\n" * 100_000),
        ("one_constant", b'%c = "c"() {v = dense<"0x' + b"0" * 10_000_000 + b'"> : tensor<1xf32>} : () -> f32'),
    ]


def main() -> None:
    """Run and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--corpus", type=Path, action="append", default=[])
    parser.add_argument("--limit-s", type=float, default=float("inf"))
    parser.add_argument("--memory-bytes", type=int, default=6 << 30)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    if arguments.jobs > 1:
        document = shared(arguments)
    else:
        resource.setrlimit(resource.RLIMIT_AS, (arguments.memory_bytes, arguments.memory_bytes))
        document = run(arguments.count, arguments.seed, [SAMPLES, *arguments.corpus], arguments.limit_s)
    if arguments.out is not None:
        _common.write(arguments.out, {**_common.header("fuzz_reading", [arguments.seed]), **document})
    print({key: value for key, value in document.items() if key != "findings"}, len(document["findings"]), "findings")


def shared(arguments: argparse.Namespace) -> dict[str, Any]:
    """The same by several processes of this script, their counts added up."""
    with tempfile.TemporaryDirectory(prefix="costmodel-fuzz-") as folder:
        outs = [Path(folder) / f"{job}.json" for job in range(arguments.jobs)]
        count = -(-arguments.count // arguments.jobs)
        own = [f"--count={count}", f"--limit-s={arguments.limit_s}", f"--memory-bytes={arguments.memory_bytes}"]
        own += [f"--corpus={path}" for path in arguments.corpus]
        running = [
            subprocess.Popen(
                [sys.executable, __file__, *own, f"--seed={arguments.seed * 1000 + job}", f"--out={out}"],
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
            for job, out in enumerate(outs)
        ]
        if max(abs(process.wait()) for process in running):
            raise SystemExit("a process of the run died; its mutants are unknown")
        return merged([json.loads(out.read_text()) for out in outs])


def merged(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts and findings added up; the worst of the rest."""
    counts = {key: sum((Counter(part[key]) for part in parts), Counter()) for key in ("outcomes", "kinds")}
    worst = {key: max(part[key] for part in parts) for key in ("slowest_below_100_kB_cpu_s", "peak_bytes")}
    mutants = sum(part["mutants"] for part in parts)
    findings = [finding for part in parts for finding in part["findings"]]
    return {"mutants": mutants, "jobs": len(parts), "seed_files": parts[0]["seed_files"],
            **{key: dict(value) for key, value in counts.items()}, **worst, "findings": findings}  # fmt: skip


def run(count: int, seed: int, folders: list[Path], limit_s: float) -> dict[str, Any]:
    """Mutants in turn over the seed files; counts by kind and outcome, and every finding."""
    rng = random.Random(seed)
    deadline_s = time.monotonic() + limit_s
    paths = sorted(path for folder in folders for path in folder.rglob("*") if path.suffix in SUFFIXES)
    seeds = [(path.name, path.read_bytes()) for path in paths if 0 < path.stat().st_size < SMALL_BYTES]
    outcomes: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    findings: list[dict[str, Any]] = []
    slowest = 0.0

    def note(kind: str, name: str, data: bytes, read: Callable[[bytes, str], str], limit_s: float) -> None:
        nonlocal slowest
        outcome, seconds = attempt(read, data, name)
        outcomes[outcome.partition(":")[0]] += 1
        kinds[kind] += 1
        if len(data) < SMALL_BYTES:
            slowest = max(slowest, seconds)
        if outcome not in ("graph", "tokens", "refused") or seconds > limit_s:
            findings.append({"kind": kind, "seed_file": name, "outcome": outcome, "cpu_s": seconds, "bytes": len(data),
                             "head": data[:200].decode("latin-1")})  # fmt: skip

    for kind, data in giants(rng):
        note(kind, "giant.mlir", data, direct, 120.0)
    for number in range(count):
        if time.monotonic() > deadline_s:
            count = number
            break
        name, data = seeds[number % len(seeds)]
        kind, mutant = mutate(data, rng.choice(seeds)[1], rng)
        read = whole if number % BINDINGS_EVERY == 0 else direct
        note(kind, name, mutant, read, LIMIT_S if len(mutant) < SMALL_BYTES else 60.0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"mutants": count, "seed_files": len(seeds), "outcomes": dict(outcomes), "kinds": dict(kinds),
            "slowest_below_100_kB_cpu_s": slowest, "peak_bytes": peak, "findings": findings}  # fmt: skip


if __name__ == "__main__":
    main()
