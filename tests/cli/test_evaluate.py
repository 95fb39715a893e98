"""`costmodel evaluate`: held-out figures, reports, and what it refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")

sys.path.insert(0, str(Path(__file__).parents[1] / "contracts"))
sys.path.insert(0, str(Path(__file__).parents[1] / "training"))
from table_samples import write_dataset

from costmodel.cli.main import main
from costmodel.training import TrainConfig, train

CONFIG = 'model = "boosted-trees"\nname = "small"\n[options]\nrounds = 20\nthreads = 1\n'
OPTIONS = {"rounds": 20, "threads": 1}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("data"), count=80)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "small.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory, data):
    """Trained with one family held out, as its card says."""
    out = tmp_path_factory.mktemp("model") / "small"
    train(
        data,
        TrainConfig(model="boosted-trees", name="small", test_share=0.2, options={"rounds": 20, "threads": 1}),
        out,
    )
    return out


@pytest.fixture(scope="module")
def trained_on_all(tmp_path_factory, data):
    out = tmp_path_factory.mktemp("model") / "all"
    train(
        data, TrainConfig(model="boosted-trees", name="all", test_share=0.0, options={"rounds": 20, "threads": 1}), out
    )
    return out


def _run(capsys, *argv):
    status = main(["evaluate", *map(str, argv)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_configuration_is_trained_for_each_seed(capsys, data, config):
    status, out, err = _run(capsys, config, data, "--split", "by_family", "--seeds", "0,1", "--format", "json")
    document = json.loads(out)
    assert status == 0
    assert document["seeds"] == [0, 1]
    assert document["metrics"]["instructions"]["mae"]["seeds"] == 2
    for fold in document["folds"]:
        assert fold["held_out"]
        assert fold["metrics"]["instructions"]["rmse"] < fold["metrics"]["instructions"]["mean_row_mae"] * 5
    assert document["robustness"]["metrics"]["instructions"]["invisible"]["worst_percent"] == 0.0
    assert "trained for each seed" in err


def test_a_model_is_tested_as_it_is_on_what_its_card_kept_out(capsys, data, trained):
    card = json.loads((trained / "model.json").read_text())
    status, out, err = _run(capsys, trained, data, "--split", "by_family", "--studies", "none", "--format", "json")
    document = json.loads(out)
    assert status == 0
    assert document["folds"][0]["held_out"] == card["held_out"]
    assert document["seeds"] == [None]
    assert document["metrics"]["instructions"]["mae"]["mean"] == pytest.approx(
        card["figures"]["instructions"]["mae"], rel=1e-4
    )
    assert "tested as it is" in err


def test_seeds_train_anew_even_so(capsys, data, trained):
    _, out, _ = _run(
        capsys, trained, data, "--split", "by_family", "--seeds", "4", "--studies", "none", "--format", "json"
    )
    assert json.loads(out)["seeds"] == [4]


def test_a_model_that_saw_everything_is_trained_anew_and_says_so(capsys, data, trained_on_all):
    status, out, err = _run(
        capsys, trained_on_all, data, "--split", "by_family", "--studies", "none", "--format", "json"
    )
    assert status == 0
    assert "does not prove" in err
    assert json.loads(out)["seeds"] == [0, 1, 2]


def test_or_it_is_refused(capsys, data, trained_on_all):
    status, out, err = _run(capsys, trained_on_all, data, "--split", "by_family", "--no-retrain")
    assert (status, out) == (2, "")
    assert "does not prove that any family" in err


def test_the_report_has_tables_pictures_and_the_same_as_json(capsys, data, config, tmp_path):
    pytest.importorskip("matplotlib")
    status, out, _ = _run(
        capsys, config, data, "--split", "by_target", "--seeds", "0", "--report", tmp_path / "r", "--functions", "5"
    )
    assert status == 0
    names = {path.name for path in (tmp_path / "r").iterdir()}
    assert {"report.json", "report.md", "calibration.svg", "error_by_family.svg", "training_curves.svg",
            "predicted_true-instructions.svg", "predicted_true-spills.svg"} <= names  # fmt: skip
    text = (tmp_path / "r" / "report.md").read_text()
    assert "## instructions by family" in text
    assert "rename" in text
    assert json.loads((tmp_path / "r" / "report.json").read_text())["split"] == "by_target"
    assert "| instructions |" in out


def test_equal_runs_write_equal_reports(capsys, data, config, tmp_path):
    pytest.importorskip("matplotlib")
    for name in ("a", "b"):
        _run(
            capsys, config, data, "--split", "by_family", "--seeds", "0", "--report", tmp_path / name, "--functions", 3
        )
    files = [sorted((tmp_path / name).iterdir()) for name in ("a", "b")]
    assert [p.name for p in files[0]] == [p.name for p in files[1]]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(*files, strict=True))


def test_studies_are_made_when_asked_for(capsys, data, config):
    _, out, _ = _run(
        capsys, config, data, "--split", "by_family", "--seeds", "0", "--studies", "scaling", "--format", "json"
    )
    document = json.loads(out)
    rows = [point["rows"] for point in document["data_scaling"]]
    assert rows == sorted(rows)
    sizes = [point["size_bytes"] for point in document["model_scaling"]]
    assert sizes == sorted(sizes)
    assert "robustness" not in document


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--split", "by_project"), "all rows have one project"),
        (("--split", "by_network"), "all rows have one network"),
        (("--split", "by_rows"), "invalid choice"),
        (("--split", "by_family", "--seeds", "x"), "whole numbers"),
        (("--split", "by_family", "--seeds", "-1"), "from 0 on"),
        (("--split", "by_family", "--studies", "magic"), "unknown study 'magic'"),
        (("--split", "by_family", "--test-share", "1"), "--test-share"),
        (("--split", "by_family", "--functions", "0"), "at least 1"),
        (("--split", "by_family", "--metrics", "cycles"), "no label of the metrics"),
        (("--split", "by_family", "--studies", "few-shot", "--seeds", "0"), "no two targets of one architecture"),
        ((), "--split"),
    ],
)
def test_misuse_is_one_line(capsys, data, config, arguments, message):
    status, out, err = _run(capsys, config, data, *arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert sum(line.startswith("costmodel: error") for line in err.splitlines()) == 1


def test_a_metric_that_the_model_lacks_is_refused(capsys, data, trained):
    status, _, err = _run(capsys, trained, data, "--split", "by_family", "--metrics", "cycles")
    assert status == 2
    assert "was not trained on cycles" in err


def test_no_model_is_refused(capsys, data):
    status, _, err = _run(capsys, "nonsense", data, "--split", "by_family")
    assert status == 2
    assert "no model 'nonsense'" in err
