"""`costmodel models`: what is installed, and small enough."""

from __future__ import annotations

import json

from costmodel.cli.main import main
from costmodel.models.predictor import shipped_models

MAX_BYTES = 3 << 20


def test_json_has_a_card_each(capsys):
    assert main(["models", "--format", "json"]) == 0
    models = json.loads(capsys.readouterr().out)["models"]
    assert {"ranker-ir", "ranker-plan"} <= {model["name"] for model in models}
    for model in models:
        assert model["predicts"] in ("programs", "schedules")
        assert len(model["data_sha256"]) == 64
        assert model["targets"]
        assert 0 < model["size_bytes"] <= MAX_BYTES


def test_the_table_names_every_model(capsys):
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    assert all(model.name in out for model in shipped_models())
