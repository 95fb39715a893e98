"""How fast the shipped predictor answers, and how fast the real toolchain does for the same functions.

Owns the timing. Best of several rounds, one thread; a load on the machine makes everything slower, ratios less so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from _common import Json

from costmodel.core.tables import FunctionRow
from costmodel.core.target import Target
from costmodel.datasets.labelling import label_functions
from costmodel.datasets.linalg import FAMILIES
from costmodel.ir import read
from costmodel.ir.mlir import parse_generic
from costmodel.models.predictor import Predictor
from costmodel.search.kernel.partition import KernelCall, partition
from costmodel.search.kernel.read import read_function
from costmodel.search.space import build_space
from costmodel.search.tuner.scoring import TwoStageScorer, shipped_ranker
from costmodel.toolchain.isolation import call_isolated

ROUNDS, CANDIDATES, BATCH = 15, 8192, 1024
MIX = ("load", "fadd", "fmul", "getelementptr", "store")


def program_of(operations: int) -> str:
    """LLVM IR of one function with so many operations: loads, arithmetic, addresses and stores in turn."""
    lines = ["define void @f(ptr %p, float %a) {", "entry:"]
    value, pointer = "%a", "%p"
    for i in range(operations - 1):
        kind, name = MIX[i % len(MIX)], f"%v{i}"
        if kind == "load":
            lines.append(f"  {name} = load float, ptr {pointer}, align 4")
            value = name
        elif kind == "getelementptr":
            lines.append(f"  {name} = getelementptr inbounds float, ptr %p, i64 {i}")
            pointer = name
        elif kind == "store":
            lines.append(f"  store float {value}, ptr {pointer}, align 4")
        else:
            lines.append(f"  {name} = {kind} float {value}, %a")
            value = name
    return "\n".join([*lines, "  ret void", "}", ""])


def best_s(call: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The quickest of some calls, seconds; the first one is not counted."""
    call()
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def reading_and_predicting(predictor: Predictor, target: str) -> Json:
    """Milliseconds for one function of 500 operations, from text to answer."""
    text = program_of(500).encode()
    program = read(text)
    return {
        "operations": program.functions[0].ops,
        "total_ms": 1e3 * best_s(lambda: predictor.predict(read(text), target)),
        "reading_ms": 1e3 * best_s(lambda: read(text)),
        "metrics": len(predictor.predict(program, target)[0].metrics),
        "rounds": ROUNDS,
    }


def candidates_per_s(seed: int) -> Json:
    """Schedules of a 512³ matmul that stage 1 scores in a second: with features from the plan, and features known."""
    normal = call_isolated("costmodel.toolchain.normalize:normalize_linalg", FAMILIES["matmul"].text(
        {"M": 512, "N": 512, "K": 512}))  # fmt: skip
    graph = read_function(parse_generic(str(normal)).body[0])
    kernel = next(step.kernel for step in partition(graph).steps if isinstance(step, KernelCall))
    space = build_space(kernel, Target.parse("native"))
    rng = np.random.default_rng(seed)
    candidates = list({str(space.schedule(c)): c for c in (space.sample(rng) for _ in range(CANDIDATES))}.values())
    scorer = TwoStageScorer(space, shipped_ranker("plan"), None)
    seconds = []
    for _ in ("with features", "features known", "features known"):
        start = time.perf_counter()
        for i in range(0, len(candidates), BATCH):
            scorer.score(candidates[i : i + BATCH])
        seconds.append(time.perf_counter() - start)
    return {
        "candidates": len(candidates), "batch": BATCH, "with_features_per_s": len(candidates) / seconds[0],
        "features_known_per_s": len(candidates) / min(seconds[1:]),
    }  # fmt: skip


def _read_and_predict(predictor: Predictor, data: bytes, form: str, target: str) -> object:
    return predictor.predict(read(data, format=form), target)


def against_the_toolchain(predictor: Predictor, rows: Sequence[FunctionRow], target: str) -> Json:
    """Seconds a function, of the predictor from text and of the real tools (re-target, llc, remarks, llvm-mca)."""
    predicted = [0.0] * len(rows)
    for i, row in enumerate(rows):
        data, form = row.ir.encode(), row.format
        predicted[i] = best_s(partial(_read_and_predict, predictor, data, form, target), 3)
    label_functions(rows[:1], [target], jobs=1)
    start = time.perf_counter()
    labels = label_functions(rows, [target], jobs=1)
    label_s = (time.perf_counter() - start) / len(rows)
    return {
        "functions": len(rows), "labels_with_a_value": sum(label.value is not None for label in labels),
        "predict_ms": 1e3 * float(np.mean(predicted)), "toolchain_ms": 1e3 * label_s,
        "ratio": label_s / float(np.mean(predicted)),
    }  # fmt: skip
