"""The suite's own tools: golden files, and skips that say why or fail on demand."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

TESTS = """
import pytest

def test_text(golden):
    golden.check("made/text.txt", {text!r})

@pytest.mark.toolchain("clang")
def test_with_clang():
    pass

@pytest.mark.toolchain
def test_with_every_tool():
    pass
"""


@pytest.fixture
def suite(tmp_path: Path):
    """A small suite of its own with this project's conftest; returns its report and status for some arguments."""
    tests = tmp_path / "tests"
    tests.mkdir()
    shutil.copy2(ROOT / "tests" / "conftest.py", tests)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n  toolchain: t\n  gpu: g\n")

    def run(*arguments: str, text: str = "one\n") -> tuple[int, str]:
        (tests / "test_it.py").write_text(TESTS.format(text=text))
        command = [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", *arguments, str(tests)]
        environment = {**os.environ, "PATH": str(tmp_path), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    return run


def test_golden_file_is_asked_for_written_and_compared(suite, tmp_path: Path) -> None:
    status, report = suite("-k", "text")
    assert status == 1
    assert "no golden file made/text.txt" in report
    status, _ = suite("-k", "text", "--update-golden")
    assert (status, (tmp_path / "tests/golden/made/text.txt").read_text()) == (0, "one\n")
    assert suite("-k", "text")[0] == 0
    status, report = suite("-k", "text", text="two\n")
    assert status == 1
    assert "differs from tests/golden/made/text.txt" in report


def test_missing_tools_skip_with_their_names_and_remedy(suite) -> None:
    status, report = suite("-k", "with")
    assert status == 0
    assert "2 skipped" in report
    assert "needs clang-22: apt-get install" in report
    assert "needs opt-22, llc-22, llvm-mca-22, mlir-opt-22, clang-22: apt-get install" in report


def test_required_tools_that_are_missing_fail(suite) -> None:
    status, report = suite("-k", "with", "--require", "toolchain")
    assert status == 1
    assert "2 errors" in report
    assert "--require toolchain: needs clang-22" in report
