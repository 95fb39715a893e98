"""Regrets of runs, bootstrap intervals over workloads, and whether the claim holds.

Owns the figures. Regret = score of the tried schedule with the best first measurement ÷ the pool's best score − 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from model_value.arms import Run
from model_value.prepare import Prepared

TRIALS = (1, 4, 16, 32)
RESAMPLES = 10_000
CLAIM_TRIALS, CLAIM_RATIO = 16, 0.5


def regret_curve(prepared: Prepared, run: Run, trials: int) -> np.ndarray:
    """Regret after each trial, `[trials]`; before anything worked, that of the pool's slowest."""
    first_s = prepared.first_s[run.tried]
    order = np.where(np.isnan(first_s), np.inf, first_s)
    score_s = np.where(np.isnan(prepared.score_s), np.nanmax(prepared.score_s), prepared.score_s)
    curve = np.empty(trials)
    best = None
    for t in range(trials):
        if t < len(order) and np.isfinite(order[t]) and (best is None or order[t] < order[best]):
            best = t
        curve[t] = np.nanmax(score_s) if best is None else score_s[run.tried[best]]
    return curve / prepared.best_s - 1.0


def curve_at_seconds(prepared: Prepared, run: Run, curve: np.ndarray, budgets_s: np.ndarray) -> np.ndarray:
    """Regret when so many seconds are gone: a trial costs the pool's mean, and the arm's own seconds come before it."""
    count = min(len(run.tried), len(curve))
    ends_s = prepared.pool.cost_s * np.arange(1, count + 1) + run.inference_s[:count]
    done = np.searchsorted(ends_s, budgets_s + 1e-12, side="right")
    nothing = float(np.nanmax(prepared.score_s) / prepared.best_s - 1.0)
    return np.array([nothing if n == 0 else curve[n - 1] for n in done])


def interval(values: np.ndarray, rng: np.random.Generator) -> list[float]:
    """95 % percentile bootstrap of the mean of `values[workloads]`."""
    draws = rng.integers(len(values), size=(RESAMPLES, len(values)))
    return [_short(x) for x in np.percentile(values[draws].mean(axis=1), (2.5, 97.5))]


def ratio_interval(top: np.ndarray, bottom: np.ndarray, rng: np.random.Generator) -> list[float]:
    """95 % interval of mean(top) ÷ mean(bottom), workloads resampled together."""
    draws = rng.integers(len(top), size=(RESAMPLES, len(top)))
    ratios = top[draws].mean(axis=1) / np.maximum(bottom[draws].mean(axis=1), 1e-12)
    return [_short(x) for x in np.percentile(ratios, (2.5, 97.5))]


def summary(regrets: dict[str, np.ndarray], seed: int) -> dict[str, Any]:
    """`regrets[arm][workloads, budgets]`, means over seeds: means over workloads with intervals."""
    return {
        arm: {
            "mean": [_short(x) for x in values.mean(axis=0)],
            "interval": [interval(values[:, i], np.random.default_rng(seed)) for i in range(values.shape[1])],
        }
        for arm, values in regrets.items()
    }


def claim(regrets: dict[str, np.ndarray], seed: int, ours: str = "ours") -> dict[str, Any]:
    """The claim, on `regrets[arm][workloads, TRIALS]`."""
    at = {arm: values[:, TRIALS.index(CLAIM_TRIALS)] for arm, values in regrets.items()}
    ratios = {
        arm: {
            "ratio": _short(at[ours].mean() / max(values.mean(), 1e-12)),
            "interval": ratio_interval(at[ours], values, np.random.default_rng(seed)),
        }
        for arm, values in at.items()
        if arm != ours
    }
    beats = {arm: bool(at[ours].mean() < at[arm].mean()) for arm in ("random_scores", "heuristic")}
    holds = ratios["random"]["interval"][1] <= CLAIM_RATIO and all(beats.values())
    return {"holds": bool(holds), "trials": CLAIM_TRIALS, "limit": CLAIM_RATIO, "ours_over": ratios, "beats": beats}


def _short(x: float) -> float:
    return float(f"{float(x):.5g}")
