"""Timing in turns, and what the results say of it."""

from __future__ import annotations

import time

import numpy as np
import pytest


def test_ratio_is_baseline_over_ours_round_by_round():
    from _common import Paired

    paired = Paired(samples_s={"ours": [1.0, 2.0, 4.0], "vendor": [2.0, 2.0, 16.0]}, calls_per_sample={})
    ratio = paired.ratio("vendor", "ours")
    assert (ratio["median"], ratio["count"]) == (2.0, 3)
    assert ratio["quartile_1"] == 1.5
    assert ratio["quartile_3"] == 3.0


def test_calls_take_turns_and_swap_who_is_first():
    from _common import time_paired

    order: list[str] = []
    calls = {name: (lambda name=name: (order.append(name), time.sleep(1e-3))) for name in ("a", "b")}
    paired = time_paired(calls, budget_s=0.0, sample_s=1e-4, least=4)
    assert [len(samples) for samples in paired.samples_s.values()] == [4, 4]
    rounds = order[8:]  # before: one call to warm up and three to estimate, of each
    assert "".join(rounds[:16]) == "aabb" + "bbaa" + "aabb" + "bbaa"


def test_a_slower_call_shows_as_slower():
    from _common import time_paired

    small, large = np.ones(100), np.ones(1_000_000)
    paired = time_paired({"fast": lambda: small.sum(), "slow": lambda: large.sum()}, budget_s=0.02)
    assert paired.ratio("slow", "fast")["median"] > 5


def test_clean_environment_drops_what_slows_openblas(monkeypatch: pytest.MonkeyPatch):
    from _common import clean_environment

    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    clean = clean_environment()
    assert "OPENBLAS_CORETYPE" not in clean
    assert clean["OMP_NUM_THREADS"] == "1"


def test_memory_is_aligned():
    from _common import aligned

    arrays = [aligned((n, 3)) for n in range(1, 9)]
    assert {a.ctypes.data % 64 for a in arrays} == {0}
    assert arrays[4].shape == (5, 3)


def test_noisy_attempts_are_repeated_and_the_quietest_counts(monkeypatch: pytest.MonkeyPatch):
    import _common

    noisy = _common.Paired(samples_s={"a": [1.0, 2.0, 3.0]}, calls_per_sample={})
    quiet = _common.Paired(samples_s={"a": [5.0, 5.0, 5.1]}, calls_per_sample={})
    attempts = iter([noisy, quiet, noisy])
    monkeypatch.setattr(_common, "time_paired", lambda calls, budget_s: next(attempts))
    assert _common.time_quietly({}, budget_s=0.0) == (quiet, 2)
    attempts = iter([noisy] * 9)
    assert _common.time_quietly({}, budget_s=0.0) == (noisy, _common.ATTEMPTS)
