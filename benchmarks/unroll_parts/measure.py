"""Kernels built under each unroll factor by clang's own -O3, and timed in turns.

Owns building (the plug-in's hook in front of LLVM's unroller sets one factor for every loop, or prints the loops'
numbers) and timing. A variant whose code equals LLVM's own is not timed: it takes as long. Ratios are medians
over rounds of the
variant's nanoseconds over LLVM's of the same round.
"""

from __future__ import annotations

import ctypes
import json
import re
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FACTORS = (1, 2, 3, 4, 6, 8, 16)
PARTS = Path(__file__).parent
LLVM = "llvm"
SLICE_NS = 150_000
ROUNDS = 9
_BODY = re.compile(r"^([A-Za-z_]\w*):(?:[ \t]*#[^\n]*)?\n(.*?)^\.Lfunc_end", re.MULTILINE | re.DOTALL)

Json = dict[str, Any]


def run(*command: str | Path) -> str:
    """Standard output of a command that must succeed."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command[0]} fails: {done.stderr[-800:]}")
    return done.stdout


def clang(plugin: Path, hooks: Sequence[str], flags: Sequence[str]) -> list[str]:
    """Clang with the plug-in's hook in its pipeline."""
    asked = [part for hook in hooks for part in ("-mllvm", hook)]
    return ["clang-22", "-O3", "-w", "-fwrapv", f"-fplugin={plugin}", f"-fpass-plugin={plugin}", *asked, *flags]


def numbers(source: Path, plugin: Path, flags: Sequence[str]) -> dict[str, list[Json]]:
    """Numbers of the loops whose factor may be chosen, by function."""
    found: dict[str, list[Json]] = {}
    text = run(*clang(plugin, ["-costmodel-loop-numbers"], flags), "-c", source, "-o", "/dev/null")
    for line in text.splitlines():
        row = json.loads(line)
        found.setdefault(row["function"], []).append(row)
    return found


class Variants:
    """One source file under several factors: assembler of each function, code size, callable libraries."""

    def __init__(
        self, source: Path, hooks: Mapping[str, Sequence[str]], plugin: Path, flags: Sequence[str], folder: Path
    ) -> None:
        self.bodies: dict[str, dict[str, str]] = {}
        self.code_bytes: dict[str, dict[str, int]] = {}
        self.libraries: dict[str, ctypes.CDLL] = {}
        for name, asked in hooks.items():
            assembler, library = folder / f"{source.stem}.{name}.s", folder / f"{source.stem}.{name}.so"
            run(*clang(plugin, asked, flags), "-fPIC", "-S", source, "-o", assembler)
            run("clang-22", "-shared", assembler, "-lm", "-o", library)
            self.bodies[name] = dict(_BODY.findall(assembler.read_text()))
            self.code_bytes[name] = symbol_bytes(library)
            self.libraries[name] = ctypes.CDLL(str(library))

    def differs(self, name: str, function: str) -> bool:
        """Whether a variant's code is not LLVM's own."""
        return self.bodies[name][function] != self.bodies[LLVM][function]


def symbol_bytes(library: Path) -> dict[str, int]:
    """Size of each function."""
    rows = [line.split() for line in run("llvm-nm-22", "--print-size", "--defined-only", library).splitlines()]
    return {row[3]: int(row[1], 16) for row in rows if len(row) == 4}


class Harness:
    """Times kernels over the arrays of `arrays.h`, filled anew before each kernel."""

    def __init__(self, folder: Path) -> None:
        library = folder / "harness.so"
        run("clang-22", "-O2", "-fPIC", "-shared", PARTS / "harness.c", "-o", library)
        self._library = ctypes.CDLL(str(library))
        self._timed = self._library.timed
        self._timed.restype = ctypes.c_double
        self._memory = ctypes.create_string_buffer(4 * 4544 * (4 + 8 + 4 + 8 + 2 + 1) + 64)
        self._at = ctypes.c_void_p((ctypes.addressof(self._memory) + 63) // 64 * 64)

    def fill(self) -> None:
        """The same data again."""
        self._library.fill(self._at)

    def ns(self, call: Any, n: int, times: int) -> float:
        """Nanoseconds a call."""
        return float(self._timed(call, self._at, ctypes.c_long(n), ctypes.c_long(times)))

    def result(self, call: Any, n: int) -> int:
        """What one call returns, on fresh data."""
        self.fill()
        call.restype = ctypes.c_long
        return int(call(self._at, ctypes.c_long(n)))

    def compare(self, calls: Mapping[str, Any], n: int, rounds: int = ROUNDS) -> dict[str, list[float]]:
        """Nanoseconds a call by variant, one a round; each round begins with another variant."""
        self.fill()
        names = list(calls)
        first = min(self.ns(calls[names[0]], n, 4) for _ in range(3))
        times = max(1, int(SLICE_NS / max(first, 1.0)))
        found: dict[str, list[float]] = {name: [] for name in names}
        for k in range(rounds):
            for i in range(len(names)):
                name = names[(i + k) % len(names)]
                self.ns(calls[name], n, 1)
                found[name].append(self.ns(calls[name], n, times))
        return found


def ratios(found: Mapping[str, Sequence[float]], base: str = LLVM) -> dict[str, float]:
    """Median over rounds of each variant's time over the base's."""
    return {
        name: statistics.median(a / b for a, b in zip(samples, found[base], strict=True))
        for name, samples in found.items()
    }
