"""`costmodel COMMAND …`: picks the command, and turns whatever happens into one of four exit statuses.

Owns the table of commands and the exit statuses. Invariant: only the chosen command's module is imported, so one that
lacks an optional dependency does not break the others. Does not do any command's work.
"""

from __future__ import annotations

import argparse
import os
import platform
import select
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from io import UnsupportedOperation
from types import ModuleType
from typing import NoReturn

import costmodel
from costmodel.core.errors import CostModelError, MissingDependencyError, UsageError

DONE, BUG, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

COMMANDS = {
    "tune": ("costmodel.cli.tune", "tune the kernels of a model (.onnx) or of linalg (.mlir) on this machine"),
    "label": ("costmodel.cli.label", "what real tools say that code costs, for any target"),
    "records": ("costmodel.cli.records", "look into the measurements of earlier runs"),
    "inspect": ("costmodel.cli.inspect", "say what a program holds: functions, graph, tokens, features"),
    "tokenize": ("costmodel.cli.tokenize", "print a program as tokens or as their numbers in a vocabulary"),
    "predict": ("costmodel.cli.predict", "predict what the functions of a program cost"),
    "train": ("costmodel.cli.train", "train a predictor on a data set"),
    "evaluate": ("costmodel.cli.evaluate", "say how good a model is on what it has not seen"),
    "generate": ("costmodel.cli.generate", "make a data set of kernels from a seed"),
    "extract": ("costmodel.cli.extract", "turn a build into a licence-clean, deduplicated data set of functions"),
    "data": ("costmodel.cli.data", "look into, merge, split and verify data sets"),
    "serve": ("costmodel.cli.serve", "answer a compiler's questions, or batches of IR over a local socket"),
    "export": ("costmodel.cli.export", "write a predictor as C or ONNX, for use inside compilers"),
    "models": ("costmodel.cli.models", "list the models that are installed"),
    "doctor": ("costmodel.cli.doctor", "say what is usable on this machine and how to get the rest"),
}
"""Name to module and one line of help; the module is imported only when its command is called."""


class _Parser(argparse.ArgumentParser):
    """Reports misuse as `UsageError`, so that it ends in one line like every other bad input."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}; see `{self.prog} --help`")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments without the program's name; None takes `sys.argv`.

    Returns:
        0 done, 2 bad input or usage (one line on standard error), 1 a bug of ours (with its traceback), 130
        interrupted.
    """
    try:
        status = _dispatch(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except CostModelError as error:
        return _fail(" ".join(str(error).split()))
    except KeyboardInterrupt:
        print("costmodel: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return _closed_output() if _output_is_closed() else _bug()
    except Exception:  # noqa: BLE001 - the outermost frame: what arrives here is a bug, and says so
        return _bug()
    return status


def _dispatch(argv: list[str]) -> int:
    chosen = next((argument for argument in argv if not argument.startswith("-")), None)
    parser = _Parser(prog="costmodel", description="Choose kernel schedules by a learned cost model, and measure them.")
    parser.add_argument("--version", action="version", version=f"costmodel {costmodel.__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    module = None
    for name, (path, summary) in COMMANDS.items():
        if name == chosen:
            module = _import_command(name, path)
            module.add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=summary)
    args = parser.parse_args(argv)
    if module is None:  # unreachable: argparse has refused a command that is not in the table
        raise AssertionError(f"command {args.command!r} was parsed but not imported")
    return int(module.run(args))


def _import_command(name: str, path: str) -> ModuleType:
    try:
        return import_module(path)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "costmodel"):
            raise
        raise MissingDependencyError(
            f"`costmodel {name}` needs the Python package {package!r}, which is not installed; "
            "`costmodel doctor` says how to get it"
        ) from error


def _fail(message: str) -> int:
    print(f"costmodel: error: {message}", file=sys.stderr)
    return BAD_INPUT


def _bug() -> int:
    traceback.print_exc()
    versions = f"costmodel {costmodel.__version__}, Python {platform.python_version()}"
    print(f"costmodel: this is a bug of ours, please report it with the traceback above ({versions})", file=sys.stderr)
    return BUG


def _output_is_closed() -> bool:
    """Whether the broken pipe is our standard output, or another one (a worker's)."""
    try:
        descriptor = sys.stdout.fileno()
    except UnsupportedOperation:
        return False
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return any(events & select.POLLERR for _, events in poll.poll(0))


def _closed_output() -> int:
    """The reader has seen enough (`| head`): done. The interpreter must not flush into the pipe when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return DONE


if __name__ == "__main__":
    sys.exit(main())
