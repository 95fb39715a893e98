"""Which rows are labelled for which targets, and doing so in parts that are kept."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from bundle_parts.quota import say
from costmodel.core.hashing import sha256_text
from costmodel.core.tables import FunctionRow, LabelRow
from costmodel.datasets.generators.labels import label_rows
from costmodel.datasets.labelling import label_functions
from costmodel.datasets.labelling_cache import LabelCache
from costmodel.datasets.labelling_lower import AFTER
from costmodel.toolchain.retarget import PIPELINE as RETARGET

GENERATED = (
    ("aarch64/neoverse-v2",), ("x86-64/skylake-avx512", "riscv64/sifive-p670"),
    ("aarch64/neoverse-v2", "riscv64/sifive-p670"), ("riscv64/sifive-p670",),
    ("aarch64/neoverse-v2", "x86-64/skylake-avx512"),
    ("aarch64/neoverse-n1", "x86-64/znver2"),
)  # fmt: skip
"""By the hash of the lowering; the last are targets that only a subset knows.

Registers of GPUs come with the Triton kernels: one unrolled for a CPU takes a GPU compiler minutes, and tells nothing.
"""
WRITTEN = (
    ("aarch64/neoverse-v2", "riscv64/sifive-p670"), ("aarch64/neoverse-v2", "x86-64/skylake-avx512"),
    ("riscv64/sifive-p670", "x86-64/skylake-avx512"), ("aarch64/neoverse-v2", "riscv64/sifive-p670"),
    ("aarch64/neoverse-n1", "x86-64/znver2"),
)  # fmt: skip
"""For functions that people wrote, beside `x86-64/znver4`: they call others, so GPUs are not asked."""
PART = 200


def label(rows: Sequence[FunctionRow], work: Path, jobs: int) -> list[LabelRow]:
    """Labels of all rows but Triton's; what was labelled before is taken from `work`."""
    cache = LabelCache(work / "labels.sqlite")
    groups: dict[tuple[str, ...], list[FunctionRow]] = defaultdict(list)
    for row in rows:
        if row.level not in ("ttir", "ttgir", "torch"):
            groups[_targets(row)].append(row)
    found = list[LabelRow]()
    done, total, begin = 0, sum(map(len, groups.values())), time.monotonic()
    for targets, members in sorted(groups.items()):
        for part in _parts(members):
            found += label_rows(part, targets, cache=cache, jobs=jobs)
            done += len(part)
            say(f"labels: {done} of {total} rows, {time.monotonic() - begin:.0f} s")
    return found + _optimised_again(rows, cache, jobs)


def _optimised_again(rows: Sequence[FunctionRow], cache: LabelCache, jobs: int) -> list[LabelRow]:
    """A third of the functions after optimisation through O3 as well: what a user's `.ll` file goes through."""
    groups: dict[tuple[str, ...], list[FunctionRow]] = defaultdict(list)
    for row in rows:
        if row.stage == AFTER and int(sha256_text(row.ir)[8:16], 16) % 3 == 0:
            groups[_targets(row)].append(row)
    found = list[LabelRow]()
    for targets, members in sorted(groups.items()):
        for part in _parts(members):
            found += label_functions(part, targets, cache=cache, jobs=jobs, pipeline=RETARGET)
        say(f"labels: {len(members)} optimised functions through {RETARGET} again")
    return found


def _targets(row: FunctionRow) -> tuple[str, ...]:
    """What a row is labelled for, by its content."""
    if not row.project.startswith("generator-"):
        return ("x86-64/znver4", *WRITTEN[int(sha256_text(row.ir)[:8], 16) % len(WRITTEN)])
    return GENERATED[int(sha256_text(f"{row.workload_id} {row.schedule}")[:8], 16) % len(GENERATED)]


def _parts(rows: Sequence[FunctionRow]) -> list[list[FunctionRow]]:
    """Consecutive parts that never cut the levels of one lowering apart."""
    ordered = sorted(
        rows, key=lambda r: (r.project, r.network or "", r.family, r.workload_id or "", r.schedule or "", r.level)
    )
    parts: list[list[FunctionRow]] = []
    for row in ordered:
        same = parts and (parts[-1][-1].workload_id, parts[-1][-1].schedule) == (row.workload_id, row.schedule)
        if not parts or (len(parts[-1]) >= PART and not (same and row.workload_id)):
            parts.append([])
        parts[-1].append(row)
    return parts
