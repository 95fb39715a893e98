"""`costmodel train`: progress on standard error, the folder on standard output, refusals in one line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")

sys.path.insert(0, str(Path(__file__).parents[1] / "contracts"))
sys.path.insert(0, str(Path(__file__).parents[1] / "training"))
from table_samples import write_dataset

from costmodel.cli.main import main
from costmodel.cli.train import example_configs
from costmodel.training import TrainConfig

CONFIG = 'model = "boosted-trees"\ntest_share = 0.3\n[options]\nrounds = 10\n'


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("data"), count=12)


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text(CONFIG)
    return path


def test_it_prints_the_folder_and_says_what_it_does(dataset, config, tmp_path, capsys):
    out = tmp_path / "m"
    assert main(["train", str(dataset), "-o", str(out), "--config", str(config)]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{out}\n"
    assert "instructions" in captured.err
    assert "% done" in captured.err
    assert (out / "model.json").is_file()


def test_a_model_is_replaced_but_other_folders_are_not(dataset, config, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("keep")
    assert main(["train", str(dataset), "-o", str(tmp_path / "mine"), "--config", str(config)]) == 2
    assert "not replaced; choose another folder" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("text", ["model = ", 'colour = "red"', 'metrics = ["spils"]'])
def test_a_bad_configuration_is_one_line(dataset, tmp_path, capsys, text):
    (tmp_path / "c.toml").write_text(text)
    assert main(["train", str(dataset), "-o", str(tmp_path / "m"), "--config", str(tmp_path / "c.toml")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("name", example_configs())
def test_example_configurations_are_valid(name):
    pytest.importorskip("torch")
    path = Path(__file__).parents[2] / "costmodel" / "training" / "configs" / f"{name}.toml"
    assert TrainConfig.read(path).name
