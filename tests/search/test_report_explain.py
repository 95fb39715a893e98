"""What set a winner apart."""

import numpy as np

from costmodel.search.report import winner_notes

WINNER = "v1; fuse(producers=1); tile(level=register, m=8, n=32); pack(b); vectorize(16); unroll(k=4)"


def schedule(*, m: int = 8, packed: bool = True, lanes: int = 16, producers: int = 1) -> str:
    pack = "; pack(b)" if packed else ""
    return f"v1; fuse(producers={producers}); tile(level=register, m={m}, n=32){pack}; vectorize({lanes}); unroll(k=4)"


def random_trials(count: int) -> list[tuple[str, float]]:
    """Packing makes trials 1.5× faster, wide vectors 1.2×, the register tile nothing."""
    rng = np.random.default_rng(0)
    trials = []
    for _ in range(count):
        packed, lanes, m = bool(rng.integers(2)), int(rng.choice([8, 16])), int(rng.choice([4, 8]))
        runtime_s = 1e-3 * (1 if packed else 1.5) * (1 if lanes == 16 else 1.2) * float(rng.normal(1, 0.01))
        trials.append((schedule(m=m, packed=packed, lanes=lanes), runtime_s))
    return trials


def test_names_the_steps_that_matter_by_effect():
    notes = winner_notes(WINNER, random_trials(40))
    assert [note.partition(":")[0] for note in notes] == ["pack(b)", "vectorize(16)"]
    assert all("× faster (median of " in note for note in notes)


def test_says_what_the_winner_does_without():
    trials = [(schedule(packed=i % 2 == 0), 2.0 + i / 100 if i % 2 == 0 else 1.0 + i / 100) for i in range(12)]
    winner = schedule(packed=False)
    assert winner_notes(winner, trials)[0].startswith("no pack(b): trials with it 1.9")


def test_steps_that_always_come_together_are_one_note():
    trials = [
        (schedule(m=8, lanes=16), 1.0 + i / 100) if i % 2 else (schedule(m=4, lanes=8), 3.0 + i / 100)
        for i in range(12)
    ]
    (note,) = winner_notes(WINNER, trials)
    assert note.startswith("register tile m=8 with vectorize(16): trials with it ")
    assert note.endswith("(median of 6 against 6 without)")


def test_at_most_so_many_notes():
    assert len(winner_notes(WINNER, random_trials(60), max_notes=1)) == 1


def test_few_trials_and_failed_trials_tell_nothing():
    trials = [*random_trials(5), (schedule(), None), (schedule(), float("nan")), ("v9; later()", 1.0), ("", 1.0)]
    assert winner_notes(WINNER, trials) == ["too few trials to tell (5 measured, 8 needed)"]
    assert winner_notes(WINNER, []) == ["too few trials to tell (0 measured, 8 needed)"]


def test_noise_is_not_an_explanation():
    rng = np.random.default_rng(1)
    trials = [(schedule(packed=bool(i % 2)), float(rng.normal(1, 0.02))) for i in range(20)]
    assert winner_notes(WINNER, trials) == ["no single step sets it apart from the other 19 measured trials"]


def test_a_winner_that_is_no_schedule_is_said():
    (note,) = winner_notes("v1; tile(level=moon, m=1)", random_trials(20))
    assert note.startswith("the winner's schedule cannot be read: <schedule>:1:16: ")
