"""A data set on disk: what is written reads back, equal rows give equal bytes, and nothing is half written."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from costmodel.core.errors import MissingDependencyError, ParseError, UsageError
from costmodel.core.tables import FunctionRow, LabelRow
from costmodel.datasets.store import DatasetError, read_dataset, relative_command, write_dataset

pytest.importorskip("pyarrow")


def function(index: int, **changes: object) -> FunctionRow:
    values = {
        "ir": f"define i32 @f{index}(i32 %x) {{\n  %y = add i32 %x, {index}\n  ret i32 %y\n}}\n",
        "format": "llvm",
        "level": "llvm",
        "stage": "before-optimisation",
        "entry": f"f{index}",
        "project": f"p{index % 3}",
        "family": "c",
        "language": "c",
        "license": "MIT",
        "license_file": "LICENSE",
        "duplicates": index % 2,
    }
    return FunctionRow(**{**values, **changes})  # type: ignore[arg-type]


def label(row: FunctionRow, metric: str = "spills", value: float | None = 1.0, **changes: object) -> LabelRow:
    values = {
        "function_id": row.function_id,
        "target": "aarch64/neoverse-v2",
        "pipeline": "O3-retarget-v1",
        "metric": metric,
        "value": value,
        "unit": "spills",
        "cause": None if value is not None else "timeout",
        "tool": "llc",
        "tool_version": "22.1.8",
        "samples": (1.0, 2.5),
    }
    return LabelRow(**{**values, **changes})  # type: ignore[arg-type]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


ROWS = [function(index) for index in range(7)]
LABELS = [label(row) for row in ROWS] + [label(ROWS[0], "reloads", None)]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    write_dataset(tmp_path / "set", ROWS, LABELS, seed=3, command=["costmodel", "extract", "lib"])
    return tmp_path / "set"


def test_rows_read_back_in_canonical_order(written: Path) -> None:
    data = read_dataset(written)
    assert list(data.function_rows()) == sorted(ROWS, key=lambda row: row.sort_key)
    assert list(data.label_rows()) == sorted(LABELS, key=lambda row: row.sort_key)
    assert data.manifest.seed == 3
    assert data.manifest.counts == {"functions": 7, "labels": 8}
    assert list(data.column("function_id")) == [row.function_id for row in data.function_rows()]
    assert np.isnan(data.label_column("value")).sum() == 1
    assert data.damaged() == {}


def test_order_of_rows_and_place_do_not_change_a_byte(written: Path, tmp_path: Path) -> None:
    again = tmp_path / "elsewhere" / "set"
    write_dataset(again, ROWS[::-1], iter(LABELS[::-1]), seed=3, command=["costmodel", "extract", "lib"])
    assert contents(again) == contents(written)


def test_a_data_set_is_replaced_whole_and_nothing_else_is_left(written: Path) -> None:
    write_dataset(written, ROWS[:2], [], seed=None, command=["x"])
    assert read_dataset(written).functions(["entry"]).num_rows == 2
    assert [path.name for path in written.parent.iterdir()] == ["set"]


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(UsageError, match=r"no manifest\.json"):
        write_dataset(tmp_path, ROWS, [], seed=0, command=["x"])
    assert contents(tmp_path) == {"thesis.tex": b"x"}


def test_equal_functions_and_orphan_or_double_labels_are_refused(tmp_path: Path) -> None:
    for functions, labels, message in (
        ([ROWS[0], ROWS[0]], [], "drop_equal"),
        (ROWS[:1], [label(ROWS[1])], "not given"),
        (ROWS[:1], [label(ROWS[0]), label(ROWS[0], value=2.0)], "two labels of spills"),
    ):
        with pytest.raises(UsageError, match=message):
            write_dataset(tmp_path / "set", functions, labels, seed=0, command=["x"])
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_data_set(written: Path) -> None:
    before = contents(written)

    def fill(folder: Path) -> None:
        (folder / "part").write_bytes(b"x")
        raise OSError(28, "No space left on device")

    with pytest.raises(DatasetError, match="No space left on device"):
        write_dataset(written, ROWS[:1], [], seed=0, command=["x"], extra=fill)
    assert contents(written) == before
    assert [path.name for path in written.parent.iterdir()] == ["set"]


def test_damage_is_found_and_named(written: Path) -> None:
    (written / "CARD.md").write_text("nothing to see")
    (written / "labels.parquet").write_bytes((written / "labels.parquet").read_bytes()[:100])
    data = read_dataset(written)
    assert set(data.damaged()) == {"CARD.md", "labels.parquet"}
    with pytest.raises(DatasetError, match=r"labels\.parquet cannot be read"):
        data.labels()
    (written / "labels.parquet").unlink()
    with pytest.raises(DatasetError, match=r"lacks labels\.parquet"):
        read_dataset(written)


def test_what_is_no_data_set_is_told(written: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no data set"):
        read_dataset(tmp_path)
    manifest = json.loads((written / "manifest.json").read_text())
    (written / "manifest.json").write_text(json.dumps({**manifest, "schema_version": 99}))
    with pytest.raises(ParseError, match="99"):
        read_dataset(written)
    (written / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DatasetError, match=r"no column 'colour'"):
        read_dataset(written).functions(["colour"])


def test_extra_files_are_hashed(tmp_path: Path) -> None:
    def add(folder: Path) -> None:
        (folder / "modules").mkdir()
        (folder / "modules" / "a b.bc").write_bytes(b"BC")

    manifest = write_dataset(tmp_path / "set", ROWS, LABELS, seed=0, command=["x"], extra=add)
    assert "modules/a b.bc" in manifest.files
    (tmp_path / "set" / "modules" / "a b.bc").unlink()
    assert read_dataset(tmp_path / "set").damaged() == {"modules/a b.bc": "is missing"}


def test_commands_hold_no_absolute_paths(tmp_path: Path) -> None:
    command = ["costmodel", "extract", str(tmp_path / "a b" / "lib"), f"--out={tmp_path}/x", "/usr/lib/y"]
    assert relative_command(command, tmp_path) == ("costmodel", "extract", "a b/lib", "--out=x", "y")


def test_the_card_tells_numbers_and_shows_its_pictures(written: Path) -> None:
    card = (written / "CARD.md").read_text()
    assert "7 functions of 3 projects (0 workloads), 3 duplicates dropped, 8 labels on 1 targets" in card
    assert "| aarch64/neoverse-v2 | reloads | llc | 0 | 1 |" in card
    assert "| add | 7 |" in card
    assert "| ret | 7 |" in card
    for line in card.splitlines():
        if line.startswith("!["):
            assert (written / line.rpartition("(")[2].rstrip(")")).read_text().startswith("<svg")


def test_without_pyarrow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r"costmodel-ir\[data\]"):
        write_dataset(tmp_path / "set", ROWS, LABELS, seed=0, command=["x"])
    assert not (tmp_path / "set").exists()
