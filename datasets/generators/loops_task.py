"""Compiling some loops of C to LLVM IR that no loop pass has seen; runs inside workers only.

Owns the forms. Without headers of the system: equal versions of clang give equal rows on any machine.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from numpy.random import default_rng

from costmodel.core.errors import ToolchainError
from costmodel.core.hashing import sha256_text
from costmodel.core.tables import FunctionRow
from costmodel.datasets import c_loops
from costmodel.datasets.c_loops import ALL, Draw
from costmodel.datasets.extract.commands import BEFORE
from costmodel.datasets.extract.text import function_text, split_module
from costmodel.datasets.generators.base import LICENSE, Product
from costmodel.toolchain.tools import require_tool

PROJECT = "generator-loops"
TRIPS = (4, 8, 16, 37, 64, 100, 256, 1000, 1024, 4096)
TRIPLE = "x86_64-unknown-linux-gnu"
FORMS = {
    "printed": "",
    "promoted": "function(sroa,early-cse)",
    "rotated": "function(sroa,early-cse,simplifycfg,instcombine<no-verify-fixpoint>,loop-simplify,loop(loop-rotate),"
    "instcombine<no-verify-fixpoint>,simplifycfg)",
}
"""Passes of `opt`: variables in memory as clang prints them, values, and values in loops that test at their end."""
_PRELUDE = """
typedef __INT16_TYPE__ int16_t; typedef __INT32_TYPE__ int32_t; typedef __INT64_TYPE__ int64_t;
typedef __UINT8_TYPE__ uint8_t; typedef __UINT32_TYPE__ uint32_t; typedef __UINT64_TYPE__ uint64_t;
typedef __SIZE_TYPE__ size_t;
double sqrt(double), fabs(double); float sqrtf(float), fabsf(float);
"""
"""What the kernels want of the system's headers, whose place and text differ from machine to machine."""
_ARRAYS = Path(c_loops.__file__).with_suffix(".h")
_NEXT = r", \*\s*(?:restrict)?\s*\w+ = at->\w\[\d\]"
_POINTERS = re.compile(rf"(const )?(\w+) \*\s*(restrict)?\s*(\w+) = at->\w\[\d\]((?:{_NEXT})*);")
_ONE = re.compile(r", \*\s*(restrict)?\s*(\w+) = at->\w\[\d\]")
_COUNTS = ("long n", "int n", "size_t n", "long n", "")


def compile_loops(spec: tuple[tuple[str, Any], ...]) -> Product:
    """Rows of the kernels `first` to `first + count` of a family.

    Raises:
        ToolchainError: clang or opt refuses them.
        MissingDependencyError: there is no clang.
    """
    fields = dict(spec)
    family, first = fields["family"], fields["first"]
    rows: list[FunctionRow] = []
    for place, passes in enumerate(FORMS.values()):
        numbers = [i for i in range(first, first + fields["count"]) if i % len(FORMS) == place]
        texts = dict(_kernel(family, fields["seed"], i) for i in numbers)
        if texts:
            module = split_module(compiled("".join(texts.values()), passes))
            rows += [_row(function_text(module, name), name, family) for name in texts]
    return Product(functions=tuple(rows))


def _kernel(family: str, seed: int, index: int) -> tuple[str, str]:
    """Name and text of a kernel."""
    name = f"{family}_{index}"
    rng = default_rng((seed, int(sha256_text(family)[:8], 16), index))
    return name, function(name, ALL[family](Draw(rng, vectors=True)), index)


def function(name: str, body: str, index: int) -> str:
    """A kernel as a function: arrays are arguments, where all that it takes from `struct arrays` are whole arrays.

    By `index` the bound is of one type or another, or a constant of `TRIPS`.
    """
    parameters: list[str] = []

    def argument(match: re.Match[str]) -> str:
        const, kind = match[1] or "", match[2]
        parameters.append(f"{const}{kind} *{match[3] or ''} {match[4]}")
        parameters.extend(f"{const}{kind} *{more[1] or ''} {more[2]}" for more in _ONE.finditer(match[5]))
        return ""

    rest = _POINTERS.sub(argument, body)
    if "at->" in rest:
        return f"long {name}(struct arrays *restrict at, long n) {{ {body} }}\n"
    count = _COUNTS[index % len(_COUNTS)]
    known = "" if count else f"enum {{ n = {TRIPS[index // len(_COUNTS) % len(TRIPS)]} }};"
    return f"long {name}({', '.join([*parameters, *([count] if count else [])])}) {{ {known} {rest} }}\n"


def compiled(source: str, passes: str) -> str:
    """LLVM IR of C, after some passes.

    Raises:
        ToolchainError: clang or opt refuses it.
        MissingDependencyError: one of them is not here.
    """
    clang = [require_tool("clang").path, "-O3", "-Xclang", "-disable-llvm-passes", f"--target={TRIPLE}", "-w"]
    with tempfile.TemporaryDirectory(prefix="costmodel-") as folder:
        path = Path(folder) / "loops.c"
        path.write_text(_PRELUDE + _ARRAYS.read_text(encoding="utf-8") + source, encoding="utf-8")
        text = _run([*map(str, clang), "-S", "-emit-llvm", "-o", "-", path.name], folder)
        return _run([str(require_tool("opt").path), "-S", f"-passes={passes}"], folder, text) if passes else text


def _run(command: list[str], folder: str, text: str | None = None) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode:
        raise ToolchainError(f"{command[0]} failed on generated C: {done.stderr.strip()[-400:]}")
    return done.stdout


def _row(text: str, name: str, family: str) -> FunctionRow:
    return FunctionRow(
        ir=text, format="llvm", level="llvm", stage=BEFORE, entry=name, project=PROJECT, family=f"loop_{family}",
        language="c", license=LICENSE,
    )  # fmt: skip
