"""Numbers of what a function is compiled for: the target by its figures, the pipeline and the schedule.

Owns their names and scales. Invariant: no target is told by its name, so that an unseen one can be asked about; log2
of one plus the figure, 0 where there is none; pipelines and schedule steps fall into buckets by CRC-32. What a schedule
means for the innermost body (`schedules`) stands beside its buckets, and what bounds the blocks that it makes of the
function (`bounds`), where the function is at hand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields
from functools import lru_cache
from zlib import crc32

import numpy as np

from costmodel.core.metrics import ALL_ARCHS
from costmodel.core.target import Target
from costmodel.core.target_table import Core
from costmodel.models.base import Array
from costmodel.models.bounds import BOUND_NAMES, bound_numbers
from costmodel.models.realised import Block
from costmodel.models.schedules import SCHEDULE_SHAPE, schedule_shape

CONTEXT_VERSION = 4
PIPELINE_BUCKETS = 8
SCHEDULE_BUCKETS = 48
SCHEDULE_PIPELINE = "schedule"
CODEGEN = "codegen-v1"
"""The pipeline of LLVM IR that goes to code generation as it is (`toolchain.retarget`)."""
_STEP = re.compile(r"([A-Za-z_]\w*)\(([^()]*)\)")
_OTHER_FIELDS = frozenset(("arch", "cpu", "device", "features", "core"))


@lru_cache(maxsize=1)
def context_names() -> tuple[str, ...]:
    """Names of the columns, in order."""
    figures = [f.name for f in fields(Target) if f.name not in _OTHER_FIELDS]
    return (
        *(f"target:{name}" for name in (*figures, *Core._fields)),
        *(f"arch:{arch}" for arch in ALL_ARCHS),
        *(f"pipeline:{i}" for i in range(PIPELINE_BUCKETS)),
        *(f"schedule:{i}" for i in range(SCHEDULE_BUCKETS)),
        *(f"schedule:{name}" for name in SCHEDULE_SHAPE),
        *(f"schedule:bound_{name}" for name in BOUND_NAMES),
    )


def encode_context(
    target: Target, pipeline: str | None = None, schedule: str | None = None, blocks: Sequence[Block] = ()
) -> Array:
    """Context numbers `[C]` f32 of one row; `blocks` are what the schedule makes of the row's function."""
    parts = _target_numbers(target), _pipeline_numbers(pipeline), schedule_numbers(schedule), schedule_shape(schedule)
    return np.concatenate((*parts, bound_numbers(blocks, target)))


@lru_cache(maxsize=256)
def _target_numbers(target: Target) -> Array:
    values = [_number(getattr(target, f.name)) for f in fields(target) if f.name not in _OTHER_FIELDS]
    values += map(_number, target.core)
    return np.array([*np.log2(1 + np.array(values)), *(float(target.arch == arch) for arch in ALL_ARCHS)], np.float32)


def _number(value: object) -> float:
    return max(0.0, float(value)) if isinstance(value, (int, float)) else 0.0


def pipeline_bucket(pipeline: str) -> int:
    """The column that a pipeline falls into."""
    return crc32(pipeline.encode()) % PIPELINE_BUCKETS


@lru_cache(maxsize=256)
def _pipeline_numbers(pipeline: str | None) -> Array:
    numbers = np.zeros(PIPELINE_BUCKETS, np.float32)
    if pipeline:
        numbers[pipeline_bucket(pipeline)] = 1.0
    return numbers


@lru_cache(maxsize=4096)
def schedule_numbers(schedule: str | None) -> Array:
    """A schedule text as sums of log2(1 + argument) by hashed `step.argument`, `[SCHEDULE_BUCKETS]`."""
    numbers = np.zeros(SCHEDULE_BUCKETS, np.float32)
    for step, arguments in _STEP.findall(schedule or ""):
        parts = [part.strip() for part in arguments.split(",")]
        level = next((part.partition("=")[2] for part in parts if part.startswith("level=")), "")
        for part in parts:
            name, _, value = part.partition("=")
            if value.isdigit() or part.isdigit():
                amount = float(np.log2(1 + int(value or part)))
                key = f"{step}.{level}.{name if value else ''}"
            else:
                amount, key = 1.0, f"{step}.{level}.{part}"
            numbers[crc32(key.encode()) % SCHEDULE_BUCKETS] += amount
    return numbers


def context_rows(
    rows: Sequence[tuple[Target, str | None, str | None]], blocks: Sequence[Sequence[Block]] | None = None
) -> Array:
    """Contexts `[n, C]` of (target, pipeline, schedule), and of each row's blocks where they are known."""
    owns = [()] * len(rows) if blocks is None else blocks
    found = [encode_context(*row, own) for row, own in zip(rows, owns, strict=True)]
    return np.array(found) if found else np.zeros((0, len(context_names())), np.float32)
