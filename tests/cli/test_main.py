"""The command line's frame: exit statuses, lazy commands, one line for bad input."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import costmodel
from costmodel.cli import main as cli
from costmodel.core.errors import Location, ParseError

COMMAND_MODULE = """
{imports}
def add_parser(subparsers):
    parser = subparsers.add_parser("probe", help="a command of this test")
    parser.add_argument("--count", type=int, default=0)

def run(args):
    {body}
"""


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Register a command `probe` with the given body."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(body: str, imports: str = "") -> None:
        name = f"probe_{abs(hash((body, imports)))}"
        (tmp_path / f"{name}.py").write_text(COMMAND_MODULE.format(body=body, imports=imports))
        monkeypatch.setitem(cli.COMMANDS, "probe", (name, "a command of this test"))

    return make


@pytest.mark.parametrize("status", [0, 130])
def test_a_command_decides_its_status_and_gets_its_arguments(command, capsys, status: int) -> None:
    command(f"print(args.count); return {status}")
    assert cli.main(["probe", "--count", "3"]) == status
    assert capsys.readouterr() == ("3\n", "")


def test_bad_input_is_one_line_with_its_place_and_status_2(command, capsys) -> None:
    command(
        "raise ParseError('expected a result type,\\n  saw }', location=Location(file='k.mlir', line=3, column=7))",
        "from costmodel.core.errors import Location, ParseError",
    )
    assert cli.main(["probe"]) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", "costmodel: error: k.mlir:3:7: expected a result type, saw }\n")
    assert str(ParseError("m", location=Location(file="k.mlir", line=3, column=7))) == "k.mlir:3:7: m"


def test_a_bug_shows_its_traceback_and_says_so(command, capsys) -> None:
    command("return {}['absent']")
    assert cli.main(["probe"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Traceback")
    assert err.splitlines()[-1].startswith("costmodel: this is a bug of ours")


def test_interrupt_is_130(command, capsys) -> None:
    command("raise KeyboardInterrupt")
    assert cli.main(["probe"]) == 130
    assert capsys.readouterr() == ("", "costmodel: interrupted\n")


@pytest.mark.parametrize("argv", [["probe", "--count", "many"], ["probe", "--unknown"], ["nonsense"], []])
def test_usage_errors_are_one_line_and_status_2(command, capsys, argv: list[str]) -> None:
    command("return 0")
    assert cli.main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("costmodel: error: costmodel")
    assert err.count("\n") == 1
    assert "--help" in err


def test_an_absent_package_breaks_only_its_own_command(command, capsys) -> None:
    command("return 0", "import package_that_is_not_there.sub")
    assert cli.main(["probe"]) == 2
    assert "needs the Python package 'package_that_is_not_there'" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        cli.main(["doctor", "--help"])
    assert stop.value.code == 0


def test_a_missing_module_of_our_own_is_a_bug(command, capsys) -> None:
    command("return 0", "import costmodel.no_such_module")
    assert cli.main(["probe"]) == 1
    assert "bug of ours" in capsys.readouterr().err


def test_help_lists_every_command_and_imports_none(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise AssertionError(f"{path} was imported for --help")

    monkeypatch.setattr(cli, "import_module", refuse)
    with pytest.raises(SystemExit) as stop:
        cli.main(["--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert all(name in out for name in cli.COMMANDS)


def test_version(capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"costmodel {costmodel.__version__}\n"


@pytest.mark.parametrize("body", ["print('line\\n' * 200_000)", "[print('line') for _ in range(200_000)]"])
def test_a_reader_that_stops_reading_is_no_error(body: str, tmp_path: Path) -> None:
    (tmp_path / "chatty.py").write_text(COMMAND_MODULE.format(imports="", body=f"{body}; return 0"))
    code = (
        "import sys; from costmodel.cli import main as cli;"
        "cli.COMMANDS['probe'] = ('chatty', ''); sys.exit(cli.main(['probe']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "line\n"
        process.stdout.close()
        assert (process.stderr.read(), process.wait(timeout=30)) == ("", 0)


def test_another_broken_pipe_is_a_bug(command, capsys) -> None:
    command("raise BrokenPipeError('a worker went away')")
    assert cli.main(["probe"]) == 1
    assert "a worker went away" in capsys.readouterr().err


def test_the_module_runs_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "costmodel.cli.main", "nonsense"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "invalid choice: 'nonsense'" in done.stderr
