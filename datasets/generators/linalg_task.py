"""Lowering one workload to every level, by default and under schedules; runs inside workers only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from mlir import ir
from mlir.passmanager import PassManager

from costmodel.core.errors import UnsupportedError
from costmodel.core.hashing import sha256_text
from costmodel.core.tables import FunctionRow
from costmodel.core.target import Target
from costmodel.datasets.generators.base import LICENSE, Product
from costmodel.datasets.generators.linalg_families import FORMS
from costmodel.ir.mlir import parse_generic
from costmodel.search.backends.mlir.kernel import ENTRY, KernelEmitter
from costmodel.search.kernel.form import Kernel
from costmodel.search.kernel.partition import KernelCall, partition
from costmodel.search.kernel.printing import print_kernel, workload_id
from costmodel.search.kernel.read import read_function
from costmodel.search.space import build_space
from costmodel.toolchain.lower import llvm_ir
from costmodel.toolchain.normalize import normalize_linalg
from costmodel.toolchain.pipelines import lower_to_llvm_ir

PROJECT = "generator-linalg"
DEFAULT = "linalg-default-v1"
MAX_CHARACTERS = 60_000
"""Scheduled text beyond this is drawn anew: unrolled tiles would fill a data set with copies of one line."""
_TRIES = 6
_TO_AFFINE = (
    "builtin.module(canonicalize,cse,func.func(linalg-generalize-named-ops),linalg-fuse-elementwise-ops,canonicalize,cse,"
    "one-shot-bufferize{bufferize-function-boundaries=true function-boundary-type-conversion=identity-layout-map},"
    "canonicalize,cse,func.func(convert-linalg-to-affine-loops),canonicalize,cse)"
)


def lower_workload(spec: tuple[tuple[str, Any], ...]) -> Product:
    """Rows of one generated function."""
    fields = dict(spec)
    text = FORMS[fields["family"]].text(dict(fields["sizes"]), fields["dtype"])
    rows = rows_of(
        text, family=fields["family"], project=PROJECT, network=None, levels=fields["levels"],
        schedules=fields["schedules"], rng=np.random.default_rng(fields["seed"]), target=Target.parse(fields["target"]),
    )  # fmt: skip
    return Product(functions=tuple({row.function_id: row for row in rows}.values()))


def rows_of(
    text: str, *, family: str, project: str, network: str | None, levels: tuple[str, ...], schedules: int,
    rng: np.random.Generator, target: Target,
) -> Iterator[FunctionRow]:  # fmt: skip
    """Rows of a function of linalg on tensors: its default lowering once, and `schedules` of each of its kernels.

    A part that the tuner leaves to the default lowering (a gather) has no scheduled rows.
    """
    common: dict[str, Any] = {
        "project": project,
        "family": family,
        "network": network,
        "license": LICENSE,
        "language": "linalg",
    }
    kernels = [step.kernel for step in partition(_graph(text)).steps if isinstance(step, KernelCall)]
    whole = workload_id(kernels[0]) if len(kernels) == 1 else sha256_text(text)
    if "linalg" in levels:
        yield FunctionRow(
            ir=text, format="mlir", level="linalg", stage="source", entry="main", workload_id=whole, **common
        )
    if "affine" in levels:
        affine = _affine(text)
        yield FunctionRow(
            ir=affine, format="mlir", level="affine", stage="default", entry="main", workload_id=whole, **common
        )
    if "llvm" in levels:
        lowered = lower_to_llvm_ir(text, DEFAULT)
        yield FunctionRow(
            ir=lowered, format="llvm", level="llvm", stage="default", entry="main", workload_id=whole, **common
        )
    for kernel in kernels:
        yield from _scheduled(kernel, levels, schedules, rng, target, common)


def _graph(text: str) -> Any:
    return read_function(parse_generic(normalize_linalg(text)).body[0])


def _affine(text: str) -> str:
    with ir.Context(), ir.Location.unknown():
        module = ir.Module.parse(text)
        PassManager.parse(_TO_AFFINE).run(module.operation)
        return str(module)


def _scheduled(
    kernel: Kernel, levels: tuple[str, ...], schedules: int, rng: np.random.Generator, target: Target,
    common: dict[str, Any],
) -> Iterator[FunctionRow]:  # fmt: skip
    space, key = build_space(kernel, target), workload_id(kernel)
    seen = set[str]()
    for _ in range(_TRIES * schedules):
        if len(seen) == schedules:
            return
        schedule = space.schedule(space.sample(rng))
        if str(schedule) in seen:
            continue
        try:
            code = KernelEmitter(space.planner.plan(schedule)).emit()
            if len(code.text) > MAX_CHARACTERS:
                continue
            lowered = llvm_ir(code.text)
        except UnsupportedError:
            continue
        seen.add(str(schedule))
        level = "vector" if "vector<" in code.text else "scf"
        shared = {"stage": "scheduled", "schedule": str(schedule), "workload_id": key, **common}
        if "linalg" in levels:
            yield FunctionRow(ir=print_kernel(kernel), format="mlir", level="linalg", entry=ENTRY, **shared)
        if "vector" in levels or "scf" in levels:
            yield FunctionRow(ir=code.text, format="mlir", level=level, entry=ENTRY, **shared)
        if "llvm" in levels and len(lowered) <= 2 * MAX_CHARACTERS:
            yield FunctionRow(ir=lowered, format="llvm", level="llvm", entry=ENTRY, **shared)
