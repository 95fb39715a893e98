"""The weighted sum that trees correct: what it learns, and which estimates it leaves as they are."""

import numpy as np

from costmodel.models.kinds import AS_IT_STANDS, IN_LOOPS
from costmodel.models.linear import LinearGuess

STANDS = f"x86-64{AS_IT_STANDS}"


def fitted(x, y, name):
    """Columns: an estimate in the metric's unit, and a count of operations of another level."""
    return LinearGuess.fit(
        np.asarray(x, np.float32), np.full(len(x), name), np.asarray(y, float), {name: np.array([1.0, 1.0])},
        np.array([True, False]), np.array([True, False]), seed=0,
    )  # fmt: skip


def told(guess, x, name, blocks=0.0):
    return np.expm1(guess.log1p(np.asarray([x], np.float32), np.array([name]), np.array([blocks])))[0]


def test_an_estimate_is_fitted_where_code_generation_alone_follows():
    sizes = np.arange(10.0, 400.0)
    guess = fitted(np.stack([sizes, np.zeros_like(sizes)], 1), 1.5 * sizes, STANDS)
    assert abs(told(guess, [1000.0, 0.0], STANDS) - 1500) < 60


def test_an_estimate_stays_where_an_optimiser_is_to_come_and_counts_are_learned_beside_it():
    sizes = np.arange(10.0, 400.0)
    none = np.zeros_like(sizes)
    x = np.concatenate([np.stack([sizes, none], 1), np.stack([none, sizes], 1)])
    guess = fitted(x, np.concatenate([5 * sizes, 3 * sizes]), "x86-64")
    assert abs(told(guess, [100.0, 0.0], "x86-64") - 100) < 1e-3
    assert abs(told(guess, [0.0, 1000.0], "x86-64") - 3000) < 120


def test_rows_are_told_alone_as_among_others():
    x = np.random.default_rng(0).random((50, 2)) * 100
    guess = fitted(x, x.sum(1) * 2, STANDS)
    names = np.where(np.arange(50) % 2 == 0, STANDS, "riscv64")
    none = np.zeros(50)
    together = guess.log1p(x, names, none)
    assert [guess.log1p(x[i : i + 1], names[i : i + 1], none[i : i + 1])[0] for i in range(50)] == together.tolist()


def test_where_blocks_are_counted_they_are_the_guess():
    sizes = np.arange(10.0, 400.0)
    guess = fitted(np.stack([sizes, sizes], 1), 7 * sizes, f"x86-64{IN_LOOPS}")
    assert told(guess, [100.0, 50.0], f"x86-64{IN_LOOPS}", blocks=320.0) == 320.0
    assert told(guess, [100.0, 50.0], f"riscv64{IN_LOOPS}", blocks=20.0) == 20.0
