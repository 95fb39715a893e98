"""Students for compiler passes: they read what a pass can compute, `FUNCTION_FEATURES_V1` and counts of operations.

Owns which numbers those are, and the compact that reads them. The teacher reads whatever it was trained on. Invariant:
version 1 of these numbers never changes, whatever later versions of the features add (`tests/native/test_frozen.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from costmodel.core.errors import UsageError
from costmodel.core.metrics import CPU_ARCHS, get_metric
from costmodel.export.compact import Compact
from costmodel.export.evaluate import distances
from costmodel.export.graph_inputs import hollow
from costmodel.ir.features import FUNCTION_FEATURES_V1
from costmodel.models.columns import Columns
from costmodel.models.examples import Encoding
from costmodel.models.levels import level_of
from costmodel.models.novelty import Novelty

VERSION_NAME = "function_features"
VERSION = 1
_STATIC = frozenset(f"static:{name}" for name in FUNCTION_FEATURES_V1)
_COUNTED = ("count:", "elements:", "most:")


def metrics_for_passes(metrics: Sequence[str]) -> tuple[str, ...]:
    """Those that exist where compiler passes see LLVM IR of functions: on CPUs."""
    return tuple(name for name in metrics if any(get_metric(name).exists_for(arch) for arch in CPU_ARCHS))


def functions_for_passes(encodings: Sequence[Encoding]) -> list[Encoding]:
    """Those that are LLVM IR: a pass sees no others."""
    return [encoding for encoding in encodings if level_of(encoding.numbers) == "llvm"]


def is_computed(name: str) -> bool:
    """Whether a compiler pass computes a number of an encoding."""
    return name in _STATIC or name.startswith(_COUNTED)


def marked(compact: Compact) -> Compact:
    """The compact, its versions saying whether it reads nothing but what a pass computes."""
    if compact.graph is not None or not all(is_computed(name) for name in compact.numbers):
        return compact
    return replace(compact, versions={**compact.versions, VERSION_NAME: VERSION})


def of_function_features(compact: Compact, encodings: Sequence[Encoding], seed: int = 0) -> Compact:
    """The compact without a body that reads what a pass computes; itself where it already reads nothing else.

    What counts as known is learned anew from the functions: as many of them as the teacher knows, on CPUs alone, since
    kernels for GPUs are no LLVM IR in a compiler pass.

    Args:
        compact: the teacher, or its skeleton.
        encodings: functions to distil on.
        seed: of the draw of novelty's references.

    Raises:
        UsageError: the teacher reads other numbers and there is no function to distil on.
    """
    numbers = tuple(name for name in compact.numbers if is_computed(name))
    if numbers == compact.numbers:
        return marked(compact)
    if not encodings:
        other = len(compact.numbers) - len(numbers)
        raise UsageError(
            f"the model reads {other} numbers that no compiler pass computes; give functions to distil a student on "
            "with --unlabelled DIR or --labelled DATA_SET"
        )
    columns = Columns(numbers=numbers, context=compact.context)
    functions = columns.functions(encodings)
    novelty = Novelty.fit(functions, seed)
    theirs = distances(compact, Columns(numbers=compact.numbers, context=compact.context).functions(encodings))
    share = np.clip(np.mean(theirs <= 1.0), 0.05, 1.0)
    novelty.threshold = max(float(np.quantile(novelty.distance(functions, leave_one_out=True), share)), 1e-3)
    counts = np.array([i for i, name in enumerate(numbers) if name.startswith("count:")], np.int64)
    return marked(replace(
        compact, numbers=numbers, ops=numbers.index(compact.numbers[compact.ops]), ratios=counts, slots=hollow(compact),
        guesses=np.zeros((0, len(compact.kinds), len(numbers) + 1), np.float32), network=None,
        novelty=novelty, deviations=compact.deviations.mean(axis=0)[None],
        known_archs=tuple(arch for arch in compact.known_archs if arch in CPU_ARCHS),
    ))  # fmt: skip
