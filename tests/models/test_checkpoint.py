"""Writing checkpoints: whole or not at all, nothing stale, nothing of somebody else's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from costmodel.core.errors import CheckpointError, UsageError
from costmodel.models.checkpoint import read_checkpoint, write_checkpoint

OLD = {"a": b"old a", "b": b"old b"}
NEW = {"a": b"new a", "c": b"new c"}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_files_of_the_earlier_checkpoint_are_gone(tmp_path):
    write_checkpoint(tmp_path / "m", "mean", OLD, {})
    write_checkpoint(tmp_path / "m", "mean", NEW, {})
    assert names(tmp_path / "m") == ["a", "c", "model.json"]
    assert read_checkpoint(tmp_path / "m", "mean")[0] == NEW
    assert names(tmp_path) == ["m"]


@pytest.mark.parametrize("failing", [0, 1, 2])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_a_crash_while_writing_leaves_the_earlier_checkpoint(tmp_path, monkeypatch, failing, error):
    write_checkpoint(tmp_path / "m", "mean", OLD, {})
    left = [failing]

    def cut(real):
        def write(self, data):
            left[0] -= 1
            if left[0] < 0:
                raise error
            return real(self, data)

        return write

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", cut(Path.write_bytes))
        patched.setattr(Path, "write_text", cut(Path.write_text))
        with pytest.raises(KeyboardInterrupt if error is KeyboardInterrupt else CheckpointError):
            write_checkpoint(tmp_path / "m", "mean", NEW, {})
    assert read_checkpoint(tmp_path / "m", "mean")[0] == OLD
    assert names(tmp_path) == ["m"]


def test_a_failure_between_the_two_renames_puts_the_earlier_one_back(tmp_path, monkeypatch):
    write_checkpoint(tmp_path / "m", "mean", OLD, {})
    real, calls = Path.rename, []

    def rename(self, target):
        calls.append(self.name)
        if len(calls) == 2:
            raise OSError(5, "Input/output error")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(CheckpointError, match="cannot be written"):
        write_checkpoint(tmp_path / "m", "mean", NEW, {})
    assert read_checkpoint(tmp_path / "m", "mean")[0] == OLD
    assert names(tmp_path) == ["m"]


@pytest.mark.parametrize("card", [None, "", "[]", '{"name": "a package"}', "[" * 100_000])
def test_a_folder_that_is_no_checkpoint_is_not_replaced(tmp_path, card):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "thesis.txt").write_text("years of work")
    if card is not None:
        (tmp_path / "m" / "model.json").write_text(card)
    before = names(tmp_path / "m")
    with pytest.raises(UsageError, match=r"no model\.json of a checkpoint.* choose another folder"):
        write_checkpoint(tmp_path / "m", "mean", NEW, {})
    assert names(tmp_path / "m") == before


def test_a_file_is_not_replaced(tmp_path):
    (tmp_path / "m").write_text("a file")
    with pytest.raises(UsageError, match="is a file, expected a folder"):
        write_checkpoint(tmp_path / "m", "mean", NEW, {})


def test_what_else_lies_there_stays(tmp_path):
    write_checkpoint(tmp_path / "m", "mean", OLD, {})
    (tmp_path / "m" / "notes").mkdir()
    (tmp_path / "m" / "notes" / "b").write_text("mine")
    (tmp_path / "victim").write_text("untouched")
    (tmp_path / "m" / "c").symlink_to(tmp_path / "victim")
    write_checkpoint(tmp_path / "m", "mean", NEW, {})
    assert (tmp_path / "m" / "notes" / "b").read_text() == "mine"
    assert (tmp_path / "victim").read_text() == "untouched"
    assert names(tmp_path / "m") == ["a", "c", "model.json", "notes"]


def test_a_link_to_a_folder_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "m").symlink_to("real")
    write_checkpoint(tmp_path / "m", "mean", NEW, {})
    assert (tmp_path / "m").is_symlink()
    assert json.loads((tmp_path / "real" / "model.json").read_text())["model"] == "mean"


def test_the_current_directory_is_not_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="current directory"):
        write_checkpoint(Path(), "mean", NEW, {})
    write_checkpoint(Path("m"), "mean", NEW, {})
    assert names(tmp_path) == ["m"]
