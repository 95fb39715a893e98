"""Ways to build a source folder, told from the files in it; each compiles through the recording wrapper.

Owns the commands of each build system. Invariant: a builder works in a scratch copy, never in the source folder.
To add one: an entry in `BUILDERS`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from costmodel.core.errors import UsageError
from costmodel.datasets.extract.compiler import cargo_word

BUILD_TIMEOUT_S = 4 * 3600.0
Steps = list[list[str]]
_TELLING = re.compile(r"(?:^|\s)(?:fatal )?error\b:?|^\w*Error: |CMake Error", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Wrapped compilers: paths of scripts."""

    cc: str
    cxx: str
    rustc: str
    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """One build system."""

    name: str
    marks: tuple[str, ...]
    """A folder with any of these files is built so."""
    steps: Callable[[Tools], Steps]
    environment: Callable[[Tools], Mapping[str, str]] = lambda tools: {"CC": tools.cc, "CXX": tools.cxx}


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """How a build ended; `cause` is None where all of it was built."""

    builder: str
    cause: str | None


def _cmake(tools: Tools) -> Steps:
    configure = ["cmake", "-S", ".", "-B", "costmodel-build", "-DCMAKE_BUILD_TYPE=Release"]
    compilers = [f"-DCMAKE_C_COMPILER={tools.cc}", f"-DCMAKE_CXX_COMPILER={tools.cxx}"]
    return [[*configure, *compilers], ["cmake", "--build", "costmodel-build", "-j", str(tools.jobs), "--", "-k"]]


def _cmake_environment(tools: Tools) -> Mapping[str, str]:
    return {"CC": tools.cc, "CXX": tools.cxx, "CMAKE_GENERATOR": "Unix Makefiles"}


def _make(tools: Tools) -> Steps:
    return [["make", "-k", f"-j{tools.jobs}", f"CC={tools.cc}", f"CXX={tools.cxx}"]]


def _python(tools: Tools) -> Steps:
    return [
        [
            sys.executable,
            "setup.py",
            "-q",
            "build_ext",
            "--build-temp",
            "costmodel-build",
            "--build-lib",
            "costmodel-lib",
        ]
    ]


def _python_environment(tools: Tools) -> Mapping[str, str]:
    return {"CC": tools.cc, "CXX": tools.cxx, "LDSHARED": f"{tools.cc} -shared", "LDCXXSHARED": f"{tools.cxx} -shared"}


BUILDERS = (
    Builder(name="cargo", marks=("Cargo.toml",), environment=lambda tools: {"RUSTC_WRAPPER": tools.rustc},
            steps=lambda tools: [[cargo_word(), "build", "--release", "--offline", "--keep-going", f"-j{tools.jobs}"]]),
    Builder(name="cmake", marks=("CMakeLists.txt",), steps=_cmake, environment=_cmake_environment),
    Builder(name="autotools", marks=("configure",),
            steps=lambda tools: [["sh", "./configure", f"CC={tools.cc}", f"CXX={tools.cxx}"], *_make(tools)]),
    Builder(name="make", marks=("Makefile", "makefile", "GNUmakefile"), steps=_make),
    Builder(name="python", marks=("setup.py",), steps=_python, environment=_python_environment),
)  # fmt: skip


def builders_for(folder: Path) -> list[Builder]:
    """The build systems of a source folder whose marks are there, in the order of `BUILDERS`."""
    return [one for one in BUILDERS if any((folder / mark).is_file() for mark in one.marks)]


def run_build(builder: Builder, folder: Path, tools: Tools, log: Path) -> Build:
    """Build in `folder`, which is changed; what the build prints goes to `log`.

    Raises:
        UsageError: the build system's program is not installed.
    """
    environment = {**os.environ, **builder.environment(tools)}
    with log.open("wb") as output:
        for command in builder.steps(tools):
            status = _status(command, folder, environment, output)
            if status:
                return Build(builder=builder.name, cause=_cause(command, status, log, folder))
    return Build(builder=builder.name, cause=None)


def _status(command: Sequence[str], folder: Path, environment: Mapping[str, str], output: IO[bytes]) -> int | str:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=BUILD_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError as error:
        raise UsageError(f"the build needs {command[0]}, which is not on PATH; install it") from error
    except subprocess.TimeoutExpired:
        return "over its time limit"
    return done.returncode


def _cause(command: Sequence[str], status: int | str, log: Path, folder: Path) -> str:
    lines = log.read_bytes().decode("utf-8", "replace").replace(f"{folder}/", "").splitlines()
    telling = [line for line in lines if _TELLING.search(line)] or lines[-1:] or ["it said nothing"]
    return f"{Path(command[0]).name} ended with status {status}: {' '.join(telling[0].split())[:300]}"
