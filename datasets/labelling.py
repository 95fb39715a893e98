"""Labels for functions: which tools are asked, in what batches, and what became of each function.

Owns planning, batching, the cache and the isolation of what breaks a compiler. Invariant: every function has a row for
every metric that was asked for on every target, with a value or a cause, in the order of the input; equal input gives
equal rows, however many workers there are, measured labels aside.

Example:
    >>> rows = label_functions(functions, ["x86-64/znver4", "nvptx64/sm_90"])  # doctest: +SKIP
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

from costmodel.core.metrics import get_metric
from costmodel.core.tables import FunctionRow, LabelRow
from costmodel.core.target import Target
from costmodel.core.workers import Handle, Outcome, WorkerPool
from costmodel.datasets.labellers import LABELLERS, Answer, MeasuringLabeller, Value
from costmodel.datasets.labelling_cache import LabelCache, cache_key
from costmodel.datasets.labelling_lower import Lowered, pipeline_of
from costmodel.datasets.labelling_plan import Step, plan
from costmodel.datasets.labelling_tasks import Item, Labels
from costmodel.toolchain.retarget import CODEGEN
from costmodel.toolchain.tools import toolchain_id

BATCH_FUNCTIONS = 24
BATCH_BYTES = 1 << 20
BASE_TIMEOUT_S = 60.0
FUNCTION_TIMEOUT_S = 10.0
MEMORY_BYTES = 4 << 30

_LOWER = "costmodel.datasets.labelling_tasks:lower_rows"
_LABEL = "costmodel.datasets.labelling_tasks:label_batch"
_PRELOAD = ("costmodel.datasets.labelling_tasks",)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One row on one target: what is asked of whom."""

    row: int
    target: Target
    pipeline: str
    steps: tuple[Step, ...]


def label_functions(
    rows: Sequence[FunctionRow],
    targets: Sequence[str | Target],
    *,
    labellers: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    pipeline: str | None = None,
    cache: LabelCache | None = None,
    jobs: int | None = None,
) -> list[LabelRow]:
    """Label functions for targets.

    Args:
        rows: functions; LLVM IR is re-targeted, MLIR is lowered by its schedule or by a named pipeline.
        targets: names such as `aarch64/neoverse-v2`.
        labellers: names from `LABELLERS`; by default those that are quick and here. The first that gives a metric
            answers, in the order of `ORDER`.
        metrics: what is asked; by default all that the labellers give.
        pipeline: lowering of MLIR rows without a schedule, or `codegen-v1` for LLVM IR that is to be compiled as it is;
            by default the one for the row's level and stage.
        cache: where answers are looked up first and kept.
        jobs: worker processes; by default one for each usable core.

    Returns:
        Rows in the order of `rows`, then of `targets`, then of metrics; `cause` says why a value is missing.

    Raises:
        UnknownNameError: a target, labeller or metric that does not exist.
        UsageError: a metric that no labeller gives for a target.
        MissingDependencyError: a labeller that was asked for by name, or by its metric, is not installed.
    """
    resolved = [target if isinstance(target, Target) else Target.parse(target) for target in targets]
    steps = {target.name: plan(target, labellers, metrics) for target in resolved}
    pipelines = [pipeline_of(row, pipeline) for row in rows]
    work = [
        _Job(row=index, target=target, pipeline=pipelines[index], steps=steps[target.name])
        for index in range(len(rows))
        for target in resolved
    ]
    answers = _Answers(rows, cache)
    answers.look_up(work)
    missing = [job for job in work if answers.missing(job)]
    if missing:
        with WorkerPool("label", jobs or usable_cores(), preload=_PRELOAD, memory_bytes=MEMORY_BYTES) as pool:
            lowered = _lower(pool, rows, pipelines, sorted({job.row for job in missing}))
            _label(pool, missing, lowered, answers)
    _measure(work, rows, answers)
    return [label for job in work for label in _rows_of(job, rows[job.row], answers)]


def usable_cores() -> int:
    """Logical CPUs this process may run on."""
    return len(os.sched_getaffinity(0))


class _Answers:
    """Answers by row, target and labeller, backed by the cache."""

    def __init__(self, rows: Sequence[FunctionRow], cache: LabelCache | None) -> None:
        self._ids = [row.function_id for row in rows]
        self._cache = cache
        self._toolchain = toolchain_id()
        self._known: dict[str, Answer] = {}

    def key(self, job: _Job, step: Step) -> str:
        return cache_key(
            function_id=self._ids[job.row],
            target=job.target.name,
            pipeline=job.pipeline,
            labeller=step.labeller,
            tool_version=step.version,
            toolchain=self._toolchain,
        )

    def look_up(self, work: Sequence[_Job]) -> None:
        if self._cache is not None:
            self._known = self._cache.get(
                self.key(job, step) for job in work for step in job.steps if not step.measures
            )

    def missing(self, job: _Job) -> tuple[Step, ...]:
        """The steps that read code and have no answer yet."""
        return tuple(step for step in job.steps if not step.measures and self.key(job, step) not in self._known)

    def get(self, job: _Job, step: Step) -> Answer:
        return self._known[self.key(job, step)]

    def add(self, found: Sequence[tuple[_Job, Step, Answer]]) -> None:
        new = {self.key(job, step): answer for job, step, answer in found}
        self._known.update(new)
        if self._cache is not None:
            kept = {self.key(job, step): answer for job, step, answer in found if _lasting(step, answer)}
            self._cache.put(kept)


def _lasting(step: Step, answer: Answer) -> bool:
    """Whether asking again would give the same: neither measured nor cut off."""
    return not step.measures and not any((item.cause or "").startswith(("timeout", "oom")) for item in answer.values())


def _lower(
    pool: WorkerPool, rows: Sequence[FunctionRow], pipelines: Sequence[str], wanted: Sequence[int]
) -> dict[int, Lowered]:
    """LLVM IR of the wanted rows. Rows that are LLVM IR already go through untouched."""
    lowered = {
        index: Lowered(text=rows[index].ir, entry=rows[index].entry) for index in wanted if _is_llvm(rows[index])
    }
    rest = [index for index in wanted if index not in lowered]

    def run(part: Sequence[int]) -> Handle:
        limit_s = BASE_TIMEOUT_S + FUNCTION_TIMEOUT_S * len(part)
        return pool.submit(_LOWER, [rows[i] for i in part], [pipelines[i] for i in part], timeout_s=limit_s)

    for part, outcome in _bisected(run, _cut(rest, [len(rows[index].ir) for index in rest])):
        for at, index in enumerate(part):
            lowered[index] = outcome.value[at] if outcome.ok else Lowered(cause=_cause(outcome))
    return lowered


def _is_llvm(row: FunctionRow) -> bool:
    return row.format == "llvm"


def _label(pool: WorkerPool, missing: Sequence[_Job], lowered: dict[int, Lowered], answers: _Answers) -> None:
    """Fill `answers` for the jobs."""
    refused = [(job, low.cause) for job in missing if (low := lowered[job.row]).cause is not None]
    answers.add([(job, step, step.all(Value(cause=cause))) for job, cause in refused for step in answers.missing(job)])
    groups: dict[tuple[str, tuple[Step, ...], bool], dict[str, list[_Job]]] = {}
    for job in missing:
        if steps := answers.missing(job):
            group = groups.setdefault((job.target.name, steps, job.pipeline != CODEGEN), {})
            group.setdefault(lowered[job.row].text, []).append(job)
    batches = [
        _Batch(target=target, steps=steps, modules=tuple(modules[i] for i in part))
        for (target, steps, middle_end), by_text in groups.items()
        for modules in [[_Module(text=text, jobs=tuple(jobs), middle_end=middle_end) for text, jobs in by_text.items()]]
        for part in _cut(range(len(modules)), [len(module.text) for module in modules])
    ]
    _run_batches(pool, batches, lowered, answers)


def _measure(work: Sequence[_Job], rows: Sequence[FunctionRow], answers: _Answers) -> None:
    """Fill `answers` for the steps that measure: after all others, so that nothing of ours runs beside."""
    groups: dict[tuple[str, Step], list[_Job]] = {}
    for job in work:
        for step in job.steps:
            if step.measures:
                groups.setdefault((job.target.name, step), []).append(job)
    for (_, step), jobs in groups.items():
        labeller = cast(MeasuringLabeller, LABELLERS.get(step.labeller)())
        asked = {answers.key(job, step): job for job in jobs}
        chosen = list(asked.values())
        pipelines = [job.pipeline for job in chosen]
        found = labeller.measure([rows[job.row] for job in chosen], pipelines, chosen[0].target)
        answers.add([(job, step, answer) for job, answer in zip(chosen, found, strict=True)])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Module:
    """Jobs whose functions lie in one module."""

    text: str
    jobs: tuple[_Job, ...]
    alone: bool = False
    middle_end: bool = True

    def item(self, lowered: dict[int, Lowered]) -> Item:
        entries = tuple(dict.fromkeys(lowered[job.row].entry for job in self.jobs))
        return Item(text=self.text, entries=entries, alone=self.alone, middle_end=self.middle_end)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """Modules that one task labels."""

    target: str
    steps: tuple[Step, ...]
    modules: tuple[_Module, ...]

    def submit(self, pool: WorkerPool, lowered: dict[int, Lowered]) -> Handle:
        names = [step.labeller for step in self.steps]
        functions = sum(len(module.jobs) for module in self.modules)
        limit_s = BASE_TIMEOUT_S + FUNCTION_TIMEOUT_S * functions if len(self.modules) > 1 or functions > 1 else 60.0
        items = [module.item(lowered) for module in self.modules]
        return pool.submit(_LABEL, items, self.target, names, timeout_s=limit_s)

    def parts(self) -> tuple[_Batch, ...]:
        """Module by module, then function by function without its neighbours; none where it is that already."""
        if len(self.modules) > 1:
            singles = [(module,) for module in self.modules]
        elif self.modules[0].alone:
            return ()
        else:
            singles = [(replace(self.modules[0], jobs=(job,), alone=True),) for job in self.modules[0].jobs]
        return tuple(_Batch(target=self.target, steps=self.steps, modules=modules) for modules in singles)


def _run_batches(pool: WorkerPool, batches: Sequence[_Batch], lowered: dict[int, Lowered], answers: _Answers) -> None:
    """Run all; one that breaks its worker is taken apart until the function that does it is alone."""
    waiting = [(batch, batch.submit(pool, lowered)) for batch in batches]
    while waiting:
        batch, handle = waiting.pop(0)
        outcome = handle.result()
        if outcome.ok:
            answers.add(list(_collect(batch, outcome.value, lowered)))
        elif parts := batch.parts():
            waiting[:0] = [(part, part.submit(pool, lowered)) for part in parts]
        else:
            (job,) = batch.modules[0].jobs
            cause = Value(cause=_cause(outcome))
            answers.add([(job, step, step.all(cause)) for step in batch.steps])


def _collect(
    batch: _Batch, found: Sequence[dict[str, Labels]], lowered: dict[int, Lowered]
) -> Iterator[tuple[_Job, Step, Answer]]:
    for module, labels in zip(batch.modules, found, strict=True):
        for job in module.jobs:
            for step in batch.steps:
                yield job, step, labels[lowered[job.row].entry][step.labeller]


def _bisected(run: object, parts: Sequence[Sequence[int]]) -> Iterator[tuple[Sequence[int], Outcome]]:
    """Outcomes of the parts, those that failed taken apart down to single rows."""
    assert callable(run)
    waiting = [(part, run(part)) for part in parts]
    while waiting:
        part, handle = waiting.pop(0)
        outcome = handle.result()
        if outcome.ok or len(part) == 1:
            yield part, outcome
            continue
        middle = len(part) // 2
        waiting[:0] = [(half, run(half)) for half in (part[:middle], part[middle:])]


def _cut(items: Sequence[int], sizes_bytes: Sequence[int]) -> list[Sequence[int]]:
    """Consecutive parts of bounded length and size."""
    parts: list[list[int]] = []
    room = -1
    for item, size in zip(items, sizes_bytes, strict=True):
        if not parts or len(parts[-1]) == BATCH_FUNCTIONS or size > room:
            parts.append([])
            room = BATCH_BYTES
        parts[-1].append(item)
        room -= size
    return list(parts)


def _cause(outcome: Outcome) -> str:
    kind = {"error": "crash"}.get(outcome.status, outcome.status)
    return f"{kind}: {outcome.headline}"[:400]


def _rows_of(job: _Job, row: FunctionRow, answers: _Answers) -> Iterator[LabelRow]:
    for step in job.steps:
        answer = answers.get(job, step)
        for metric in step.metrics:
            item = answer[metric]
            yield LabelRow(
                function_id=row.function_id,
                target=job.target.name,
                device=job.target.device if step.measures else None,
                pipeline=job.pipeline,
                metric=metric,
                value=item.value,
                unit=get_metric(metric).unit,
                cause=item.cause,
                tool=step.labeller,
                tool_version=step.version,
                samples=item.samples,
            )
