"""How fast the shipped predictor answers, and how fast the real toolchain does for the same functions.

Owns the timing. One thread; wall time is the best of several rounds, processor time (user and system, workers and the
programs they start included) is beside it, since a load on the machine stretches only the former.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from _common import Json
from ranker import kernel_of

from costmodel.core.tables import FunctionRow
from costmodel.core.target import Target
from costmodel.datasets.labelling import label_functions
from costmodel.datasets.linalg import FAMILIES
from costmodel.ir import read
from costmodel.models.predictor import Predictor
from costmodel.search.space import build_space
from costmodel.search.tuner.scoring import TwoStageScorer, shipped_ranker

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


def processor_s(call: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Processor seconds a call, over some rounds."""
    start = time.process_time()
    for _ in range(rounds):
        call()
    return (time.process_time() - start) / rounds


def reading_and_predicting(predictor: Predictor, target: str) -> Json:
    """Milliseconds for one function of 500 operations, from text to answer."""
    text = program_of(500).encode()
    program = read(text)
    return {
        "operations": program.functions[0].ops,
        "total_ms": 1e3 * best_s(lambda: predictor.predict(read(text), target)),
        "total_processor_ms": 1e3 * processor_s(lambda: predictor.predict(read(text), target)),
        "reading_ms": 1e3 * best_s(lambda: read(text)),
        "metrics": len(predictor.predict(program, target)[0].metrics),
        "rounds": ROUNDS,
    }


def candidates_per_s(seed: int) -> Json:
    """Schedules of a 512³ matmul that stage 1 scores in a second: with features from the plan, and features known."""
    kernel = kernel_of(FAMILIES["matmul"].text({"m": 512, "n": 512, "k": 512}))
    space = build_space(kernel, Target.parse("native"))
    rng = np.random.default_rng(seed)
    candidates = list({str(space.schedule(c)): c for c in (space.sample(rng) for _ in range(CANDIDATES))}.values())
    scorer = TwoStageScorer(space, shipped_ranker("plan"), None)
    seconds, processor = [], []
    for _ in ("with features", "features known", "features known"):
        start, start_cpu = time.perf_counter(), time.process_time()
        for i in range(0, len(candidates), BATCH):
            scorer.score(candidates[i : i + BATCH])
        seconds.append(time.perf_counter() - start)
        processor.append(time.process_time() - start_cpu)
    return {
        "candidates": len(candidates), "batch": BATCH, "with_features_per_s": len(candidates) / seconds[0],
        "features_known_per_s": len(candidates) / min(seconds[1:]),
        "with_features_per_processor_s": len(candidates) / processor[0],
        "features_known_per_processor_s": len(candidates) / min(processor[1:]),
    }  # fmt: skip


def _read_and_predict(predictor: Predictor, row: FunctionRow, target: str) -> object:
    """Answers for the function that the tools are asked about; the module may hold others beside it."""
    return predictor.predict(read(row.ir.encode(), format=row.format).entry(row.entry), target)


def against_the_toolchain(predictor: Predictor, rows: Sequence[FunctionRow], target: str) -> Json:
    """Seconds a function, of the predictor from text and of the real tools (re-target, llc, remarks, llvm-mca)."""
    for row in rows:
        _read_and_predict(predictor, row, target)
    wall, cpu = [], []
    for row in rows:
        wall.append(best_s(partial(_read_and_predict, predictor, row, target), 5))
        start = time.process_time()
        _read_and_predict(predictor, row, target)
        cpu.append(time.process_time() - start)
    start, start_cpu = time.perf_counter(), _processor_s()
    labels = label_functions(rows, [target], jobs=1)
    label_s, label_cpu_s = time.perf_counter() - start, _processor_s() - start_cpu
    return {
        "functions": len(rows), "labels_with_a_value": sum(label.value is not None for label in labels),
        "operations_mean": float(np.mean([_operations(row) for row in rows])),
        "predict_ms": 1e3 * float(np.mean(wall)), "predict_processor_ms": 1e3 * float(np.mean(cpu)),
        "toolchain_ms": 1e3 * label_s / len(rows), "toolchain_processor_ms": 1e3 * label_cpu_s / len(rows),
        "ratio": label_s / sum(wall), "ratio_of_processor_time": label_cpu_s / sum(cpu),
    }  # fmt: skip


def _processor_s() -> float:
    """Of this process and of all its children that have ended."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def _operations(row: FunctionRow) -> int:
    return read(row.ir.encode(), format=row.format).entry(row.entry).ops
