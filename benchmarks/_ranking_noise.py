"""How much of the order of measured schedules is noise: what the order of a perfect model would score.

Owns the second measurement that is drawn for it: as many samples as were taken, drawn from those with replacement (the
bootstrap, Efron 1979), their median as the label is one. It knows the noise inside a measurement only. Where schedules
were measured twice, some hours apart, the two agree on fewer pairs, so that the true ceiling is lower. Pairs are
counted as TenSet counts them (Zheng et al. 2021): all of a workload, however close.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from _common import Json

from costmodel.evaluation.figures import LEAST_GAP
from costmodel.evaluation.ranking import grouped_pairwise_accuracy, members

Array = np.ndarray[Any, Any]
GAPS = {"2_percent": LEAST_GAP, "5_percent": 0.05}
DRAWS = 8


def noise_figures(truth: Array, groups: Array, samples: Sequence[Sequence[float]], seed: int) -> Json:
    """Shares of pairs that lie close, and the accuracy of a second measurement, means over groups.

    Args:
        truth: `[n]` seconds, medians of `samples`.
        groups: `[n]` workloads.
        samples: what each of the n was measured as, seconds.
        seed: of the drawing.
    """
    rng = np.random.default_rng(seed)
    again = [np.array([np.median(rng.choice(s, len(s))) for s in samples]) for _ in range(DRAWS)]
    found: Json = {f"pairs_within_{name}": _close(truth, groups, gap) for name, gap in GAPS.items()}
    for name, gap in {"": 0.0, **{f"_over_{n}": g for n, g in GAPS.items()}}.items():
        right = [grouped_pairwise_accuracy(draw, truth, groups, gap) or 0.0 for draw in again]
        found[f"pairwise_accuracy_of_second_measurement{name}"] = float(np.mean(right))
    return found


def _close(truth: Array, groups: Array, gap: float) -> float:
    shares = []
    for rows in members(groups):
        one, other = np.triu_indices(len(rows), 1)
        values = truth[rows]
        apart = 1 - np.minimum(values[one], values[other]) / np.maximum(values[one], values[other])
        shares.append(float((apart <= gap).mean()))
    return float(np.mean(shares))
