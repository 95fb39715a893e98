"""`costmodel predict`, `train` and `models`: what they print where, and how they refuse."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from costmodel.cli.main import main
from costmodel.models import MODELS

sys.path.insert(0, str(Path(__file__).parents[1] / "contracts"))
from program_samples import METRICS, TARGETS, sample, text


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "trees"
    model = MODELS.get("boosted-trees")(METRICS, seed=1, rounds=10)
    model.fit(*sample(12))
    model.save(path, {"name": "small", "targets": list(TARGETS), "pipelines": ["p-v1"]})
    return path


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "f.ll"
    path.write_text(text(5, 2))
    return path


def test_json_is_the_contract_s(folder, program, capsys):
    assert (
        main(["predict", str(program), "--target", ",".join(TARGETS), "--model", str(folder), "--format", "json"]) == 0
    )
    out, err = capsys.readouterr()
    answer = json.loads(out)
    assert err == ""
    assert answer["schema_version"] == 1
    assert [f["target"] for f in answer["functions"]] == list(TARGETS)
    for function in answer["functions"]:
        assert set(function) == {"name", "target", "pipeline", "known", "metrics"}
        for metric in function["metrics"].values():
            assert {"mean", "std", "low", "high", "unit"} <= set(metric)
            assert metric["low"] <= metric["mean"] <= metric["high"]


def test_the_table_names_metrics_and_units(folder, program, capsys):
    assert main(["predict", str(program), "--target", TARGETS[0], "--model", str(folder), "--metrics", "spills"]) == 0
    out = capsys.readouterr().out
    assert "spills" in out
    assert "90 % in" in out
    assert "instructions" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "x86-64/znver9"], "did you mean"),
        (["--target", ""], "--target is empty"),
        (["--target", TARGETS[0], "--metrics", "spils"], "did you mean 'spills'"),
        (["--target", TARGETS[0], "--model", "nothing-like-it"], "neither a folder nor shipped"),
        (["--target", TARGETS[0], "--schedule", "v1; fly(high)"], "fly"),
        (["--target", TARGETS[0], "--pipeline", "p-v9"], "p-v1"),
    ],
)
def test_bad_input_is_one_line_and_status_2(folder, program, capsys, arguments, message):
    if "--model" not in arguments:
        arguments = [*arguments, "--model", str(folder)]
    assert main(["predict", str(program), *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_a_file_that_is_not_there_is_refused(folder, tmp_path, capsys):
    assert main(["predict", str(tmp_path / "no.ll"), "--target", TARGETS[0], "--model", str(folder)]) == 2
    assert "no.ll" in capsys.readouterr().err


def test_declarations_alone_are_refused(folder, tmp_path, capsys):
    path = tmp_path / "declared.ll"
    path.write_text("declare void @f(i32)\n")
    assert main(["predict", str(path), "--target", TARGETS[0], "--model", str(folder)]) == 2
    assert "defines no function" in capsys.readouterr().err
