"""`costmodel generate`: the same arguments give the same bytes, and misuse is one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from costmodel.cli.main import main
from costmodel.datasets.store import read_dataset

pytest.importorskip("pyarrow")
FAMILIES = ["linalg/matvec", "linalg/gather"]
REST = ["--count", "18", "--seed", "3", "--dtypes", "f32"]


def generate(tmp_path: Path, name: str, *more: str) -> Path:
    out = tmp_path / name / "data"
    out.parent.mkdir()
    words = ["generate", *FAMILIES, "-o", str(out), *REST, "--jobs", "1", "--cache", str(tmp_path / "cache"), *more]
    assert main(words) == 0
    return out


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("generate"), "one", "--targets", "aarch64/neoverse-v2")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_rows_have_labels_and_coverage(labelled):
    dataset = read_dataset(labelled)
    rows = list(dataset.function_rows())
    labels = list(dataset.label_rows())
    assert {row.level for row in rows} >= {"linalg", "affine", "llvm"}
    assert {row.family for row in rows} == {"matvec", "gather"}
    assert {label.target for label in labels} == {"aarch64/neoverse-v2"}
    instructions = {label.function_id: label.value for label in labels if label.metric == "instructions"}
    assert set(instructions) == {row.function_id for row in rows}
    assert all(value > 0 for value in instructions.values())
    report = json.loads((labelled / "coverage.json").read_text())
    assert report["functions"] == len(rows)
    assert sum(cell["count"] for cell in report["cells"]) == len(rows)
    assert any("gather" in line and "vector" in line for line in report["holes"])
    assert "oles in coverage" in (labelled / "CARD.md").read_text()


def test_levels_of_one_lowering_share_their_labels(labelled):
    dataset = read_dataset(labelled)
    rows = {row.function_id: row for row in dataset.function_rows()}
    found: dict[tuple[str, str | None], dict[str, float]] = {}
    for label in dataset.label_rows():
        row = rows[label.function_id]
        if label.metric == "instructions" and row.schedule:
            found.setdefault((row.workload_id, row.schedule), {})[row.level] = label.value
    assert found
    assert all(len(levels) >= 3 and len(set(levels.values())) == 1 for levels in found.values())


def test_twice_the_same_bytes_whatever_the_cache_holds(labelled, tmp_path):
    again = generate(tmp_path, "two", "--targets", "aarch64/neoverse-v2")
    assert contents(again) == contents(labelled)


def test_another_seed_gives_other_rows(labelled, tmp_path):
    out = tmp_path / "data"
    words = ["generate", *FAMILIES, "-o", str(out), "--count", "18", "--seed", "4", "--dtypes", "f32", "--no-cache"]
    assert main(words) == 0
    ids = [{row.function_id for row in read_dataset(folder).function_rows()} for folder in (labelled, out)]
    assert ids[0] != ids[1]


def test_families_are_listed(capsys):
    assert main(["generate", "--list", "linalg"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "linalg/matmul" in lines
    assert len(lines) >= 40


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give a folder"),
        (["-o", "OUT"], "name at least one family"),
        (["linalg/matmull", "-o", "OUT"], "unknown family 'linalg/matmull'"),
        (["nothing", "-o", "OUT"], "unknown generator 'nothing'"),
        (["linalg/matmul", "linalg/matmul", "-o", "OUT"], "twice"),
        (["linalg/matmul", "-o", "OUT", "--count", "0"], "--count must be at least 1"),
        (["linalg/matmul", "-o", "OUT", "--targets", "x87/none"], "x87"),
        (["linalg/matmul", "-o", "OUT", "--levels", "ttir"], "levels linalg"),
    ],
)
def test_misuse_is_one_line_and_status_2(words, message, tmp_path, capsys):
    place = str(tmp_path / "data")
    assert main(["generate", *(place if word == "OUT" else word for word in words)]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert message in error[0]
    assert not (tmp_path / "data").exists()


def test_a_place_that_is_taken_is_refused_before_the_work(tmp_path, capsys):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.txt").write_text("mine")
    assert main(["generate", "linalg/matvec", "-o", str(tmp_path / "data"), "--count", "5"]) == 2
    assert "mine" in (tmp_path / "data" / "mine.txt").read_text()
