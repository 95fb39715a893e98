"""`costmodel export`: what it writes, prints and refuses."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from costmodel.cli.main import main
from costmodel.models import MODELS

sys.path.insert(0, str(Path(__file__).parents[1] / "contracts"))
from program_samples import METRICS, programs, sample, text


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint") / "trees"
    trees = MODELS.get("boosted-trees")(METRICS, seed=1, rounds=20)
    trees.fit(*sample())
    trees.save(folder, {"name": "tiny", "targets": ["x86-64/znver4"], "pipelines": ["p-v1"]})
    return folder


def refused(capsys, *arguments: object) -> str:
    assert main(["export", *map(str, arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("costmodel: error: ")
    assert captured.err.count("\n") == 1
    return captured.err


def test_c_is_the_default(model, tmp_path, capsys):
    assert main(["export", str(model), "-o", str(tmp_path / "out"), "--metrics", "spills,instructions"]) == 0
    captured = capsys.readouterr()
    written = json.loads(captured.out)
    names = ["costmodel.h", "costmodel.c", "example.c", "costmodel.weights", "costmodel.json"]
    assert [Path(path).name for path in written["files"]] == names
    assert (written["compression"], written["format"]) == ("exact", "c")
    card = json.loads((tmp_path / "out" / "costmodel.json").read_text())
    assert card["metrics"] == ["spills", "instructions"]
    assert card["size_bytes"] == (tmp_path / "out" / "costmodel.weights").stat().st_size == written["size_bytes"]
    assert (card["model"], card["takes"], card["pipelines"]) == ("tiny", "features", ["p-v1"])
    assert f"wrote {tmp_path / 'out'}: exact; " in captured.err


def test_onnx(model, tmp_path, capsys):
    onnx = pytest.importorskip("onnx")
    assert main(["export", str(model), "-o", str(tmp_path / "out"), "--format", "onnx"]) == 0
    assert onnx.load(tmp_path / "out" / "costmodel.onnx").graph.name == "costmodel"
    assert json.loads(capsys.readouterr().out)["format"] == "onnx"


def test_a_folder_of_ir_makes_a_student_of_graphs(model, tmp_path, capsys):
    sources = tmp_path / "ir"
    sources.mkdir()
    for i, (adds, loads) in enumerate(programs(30, 3)[0]):
        (sources / f"{i}.ll").write_text(text(adds, loads))
    (sources / "broken.ll").write_text("define nonsense")
    arguments = ["export", str(model), "-o", str(tmp_path / "out"), "--takes", "graph", "--unlabelled", str(sources)]
    assert main([*arguments, "--metrics", "instructions"]) == 0
    captured = capsys.readouterr()
    written = json.loads(captured.out)
    assert set(written["disagreement_with_teacher"]) == {"instructions"}
    assert json.loads((tmp_path / "out" / "costmodel.json").read_text())["takes"] == "graph"
    assert "1 functions or files under" in captured.err


def test_a_budget_that_cannot_be_met(model, tmp_path, capsys):
    error = refused(capsys, model, "-o", tmp_path / "out", "--budget-bytes", 1000)
    assert "no student fits 1000 bytes and 50 µs; the nearest takes" in error
    assert not (tmp_path / "out").exists()
    assert "give numbers above 0" in refused(capsys, model, "-o", tmp_path / "out", "--budget-us", 0)


def test_models_that_cannot_be_exported(model, tmp_path, capsys):
    assert "ranks the tuner's schedules" in refused(capsys, "ranker-ir", "-o", tmp_path / "out")
    assert "neither a folder nor shipped" in refused(capsys, "nothing", "-o", tmp_path / "out")
    mean = tmp_path / "mean"
    analytic = MODELS.get("analytic")(METRICS, seed=1)
    analytic.fit(*sample(10))
    analytic.save(mean, {"name": "analytic"})
    error = refused(capsys, mean, "-o", tmp_path / "out")
    assert "'analytic' model cannot be exported; those that can: boosted-trees, conformal, ensemble" in error


def test_a_damaged_checkpoint(model, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(model, copy)
    (copy / "instructions.mean.trees.xz").write_bytes(b"damaged")
    assert "does not match its sha256" in refused(capsys, copy, "-o", tmp_path / "out")


def test_folders_that_cannot_be_written(model, tmp_path, capsys):
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine.txt").write_text("mine")
    assert "is not empty" in refused(capsys, model, "-o", taken)
    assert "is a file" in refused(capsys, model, "-o", taken / "mine.txt")
    assert "cannot write" in refused(capsys, model, "-o", taken / "mine.txt" / "below")
    assert [path.name for path in taken.iterdir()] == ["mine.txt"]


def test_functions_that_are_not_there(model, tmp_path, capsys):
    assert "is no folder" in refused(capsys, model, "-o", tmp_path / "out", "--unlabelled", tmp_path / "none")
    (tmp_path / "empty").mkdir()
    error = refused(capsys, model, "-o", tmp_path / "out", "--unlabelled", tmp_path / "empty")
    assert "no function under" in error
    assert "give functions to distil on" in refused(capsys, model, "-o", tmp_path / "out", "--takes", "graph")


def test_an_unknown_metric(model, tmp_path, capsys):
    assert "did you mean 'spills'" in refused(capsys, model, "-o", tmp_path / "out", "--metrics", "spill")
    assert "not trained on metric 'cycles'" in refused(capsys, model, "-o", tmp_path / "out", "--metrics", "cycles")


def test_labels_need_a_model_that_says_what_it_was_trained_on(model, tmp_path, capsys):
    error = refused(capsys, model, "-o", tmp_path / "out", "--features", "v1", "--labelled", tmp_path)
    assert "does not say what its training held out; use --unlabelled" in error
    error = refused(capsys, model, "-o", tmp_path / "out", "--takes", "graph", "--labelled", tmp_path)
    assert "--takes graph learns from --unlabelled alone" in error
