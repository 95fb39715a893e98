"""Results that survive a kill: whose cells are taken over, and what each is of."""

from __future__ import annotations

import json

HEAD = {"commit": "one", "hardware": {"cpu": "a"}}


def make(path, commit="one", **settings):
    from _evaluation import Results

    return Results(path, lambda: {**HEAD, "commit": commit}, settings, anew=False)


def test_finished_cells_are_kept_and_say_what_they_are_of(tmp_path):
    make(tmp_path / "r.json", rounds=1).cell("a", lambda: {"mae": 1.0})
    again = make(tmp_path / "r.json", commit="two", rounds=1)
    again.cell("a", lambda: {"mae": 2.0})
    again.cell("b", lambda: {"mae": 3.0})
    document = json.loads((tmp_path / "r.json").read_text())
    assert document["cells"] == {"a": {"mae": 1.0}, "b": {"mae": 3.0}}
    assert {key: made["commit"] for key, made in document["made"].items()} == {"a": "one", "b": "two"}


def test_cells_of_other_settings_are_not_taken(tmp_path):
    make(tmp_path / "r.json", rounds=1).cell("a", lambda: {"mae": 1.0})
    assert make(tmp_path / "r.json", rounds=2).document["cells"] == {}


def test_cells_of_other_encodings_are_not_taken(tmp_path, monkeypatch):
    make(tmp_path / "r.json", rounds=1).cell("a", lambda: {"mae": 1.0})
    monkeypatch.setattr("_evaluation.versions", lambda: {"features": 0})
    assert make(tmp_path / "r.json", rounds=1).document["cells"] == {}
