"""`costmodel data` and `costmodel extract` as a person calls them."""

import json
from pathlib import Path

import pytest

from costmodel.cli.main import main
from costmodel.core.tables import FunctionRow, LabelRow
from costmodel.datasets.store import read_dataset, write_dataset

pytest.importorskip("pyarrow")


def function(index: int, family: str) -> FunctionRow:
    body = "".join(f"  %v{i} = add i32 %x, {i}\n" for i in range(index + 1))
    return FunctionRow(
        ir=f"define i32 @f{index}(i32 %x) {{\n{body}  ret i32 %x\n}}\n",
        format="llvm",
        level="llvm",
        stage="source",
        entry=f"f{index}",
        project="p",
        family=family,
        license="MIT",
    )


def write(folder: Path, indices: range, value: float = 2.0) -> Path:
    rows = [function(index, f"family{index % 3}") for index in indices]
    labels = [
        LabelRow(function_id=row.function_id, target="aarch64/neoverse-v2", pipeline="p", metric="spills", value=value,
                 unit="spills", tool="no-such-tool", tool_version="1")
        for row in rows
    ]  # fmt: skip
    write_dataset(folder, rows, labels, seed=0, command=["test"])
    return folder


def test_info_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "set", range(7))
    assert main(["data", "info", str(folder), "--format", "json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["functions"], answer["labels"], answer["schema_version"]) == (7, 7, 1)
    assert answer["family"] == {"family0": 3, "family1": 2, "family2": 2}
    assert answer["target"] == {"aarch64/neoverse-v2": 7}
    assert main(["data", "info", str(folder)]) == 0
    assert "7 functions, 0 duplicates dropped, 7 labels" in capsys.readouterr().out


def test_merge_keeps_one_of_equals_in_any_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = write(tmp_path / "one", range(4)), write(tmp_path / "two", range(2, 6))
    assert main(["data", "merge", str(one), str(two), "-o", str(tmp_path / "all")]) == 0
    assert capsys.readouterr().out == "6 functions, 2 duplicates dropped, 6 labels\n"
    assert main(["data", "merge", str(two), str(one), "-o", str(tmp_path / "again")]) == 0
    functions = [(tmp_path / name / "functions.parquet").read_bytes() for name in ("all", "again")]
    assert functions[0] == functions[1]
    assert read_dataset(tmp_path / "all").column("duplicates").sum() == 2


def test_merge_refuses_labels_that_contradict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = write(tmp_path / "one", range(3)), write(tmp_path / "two", range(3), value=5.0)
    assert main(["data", "merge", str(one), str(two), "-o", str(tmp_path / "all")]) == 2
    assert "label them anew" in capsys.readouterr().err
    assert main(["data", "merge", str(one), "-o", str(one)]) == 2


def test_split_writes_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = write(tmp_path / "set", range(9)), tmp_path / "split.json"
    assert main(["data", "split", str(folder), "--by", "family", "-o", str(out)]) == 0
    parts = json.loads(out.read_text())["parts"]
    assert sum(map(len, parts.values())) == 9
    assert "near-duplicates" in capsys.readouterr().out
    assert main(["data", "split", str(folder), "--by", "project", "-o", str(out)]) == 2
    assert main(["data", "split", str(folder), "--by", "family", "-o", str(out), "--fractions", "1,x"]) == 2


def test_verify_finds_a_changed_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "set", range(3))
    assert main(["data", "verify", str(folder), "--sample", "0"]) == 0
    assert "3 functions; 0 labels made anew" in capsys.readouterr().out
    with (folder / "labels.parquet").open("ab") as file:
        file.write(b"x")
    assert main(["data", "verify", str(folder)]) == 2
    error = capsys.readouterr().err
    assert "labels.parquet has other content" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "words", [["info", "none"], ["verify", "none"], ["split", "none", "--by", "family", "-o", "x"]]
)
def test_what_is_no_data_set_is_one_line(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["data", *words]) == 2
    assert "none is no data set" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none", "-o", "set"], "none is not a folder"),
        ([".", "-o", "set", "--licenses", "Mine?"], "no SPDX licence identifier"),
        ([".", "-o", "set", "--label", "pdp11/any"], "pdp11"),
        ([".", "-o", "set", "--jobs", "0"], "--jobs"),
        ([".", "-o", "set"], "nothing that builds it"),
    ],
)
def test_extract_refuses_bad_input_in_one_line(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["extract", *words]) == 2
    assert message in capsys.readouterr().err
