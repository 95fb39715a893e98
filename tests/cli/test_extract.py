"""`costmodel extract` end to end: what it prints, and that how it was run leaves no trace."""

from pathlib import Path

import pytest

from costmodel.cli.main import main
from costmodel.datasets.store import read_dataset

pytest.importorskip("pyarrow")


def test_summary_is_data_and_progress_is_messages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import llvmlite.binding as llvm

    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "LICENSE").write_text("This is free and unencumbered software released into the public domain.")
    code = llvm.parse_assembly("define i32 @f(i32 %x) {\n  ret i32 %x\n}\n").as_bitcode()
    (tmp_path / "lib" / "f.bc").write_bytes(code)
    words = ["extract", str(tmp_path / "lib"), "-o", str(tmp_path / "set"), "--jobs", "1", "--resume"]
    assert main(words) == 0
    shown = capsys.readouterr()
    assert "functions kept   1" in shown.out
    assert "Unlicense" in shown.out
    assert "runs the build's own code" in shown.err
    manifest = read_dataset(tmp_path / "set").manifest
    assert manifest.command == ("costmodel", "extract", "lib", "-o", "set")
