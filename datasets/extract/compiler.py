"""Which clang compiles: LLVM 22's own where it is installed, else the one in the ziglang wheel.

Owns the choice. Invariant: the bitcode it writes is read by this project's LLVM 22.
"""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec

from costmodel.core.errors import MissingDependencyError
from costmodel.toolchain.tools import APT_LINE, find_tool


def clang_words(*, cxx: bool = False) -> tuple[str, ...]:
    """The words that call the compiler.

    Raises:
        MissingDependencyError: neither clang 22 nor ziglang is there.
    """
    tool = find_tool("clang")
    if tool is not None:
        return (str(tool.path), "--driver-mode=g++") if cxx else (str(tool.path),)
    if find_spec("ziglang") is not None:
        return (sys.executable, "-m", "ziglang", "c++" if cxx else "cc")
    raise MissingDependencyError(
        f"extracting from source needs clang 22: {APT_LINE}; or the one in a wheel: pip install 'costmodel-ir[link]'"
    )


def cargo_word() -> str:
    """Cargo's path; raises `MissingDependencyError`."""
    found = shutil.which("cargo")
    if found is None:
        raise MissingDependencyError(
            "this is a Cargo package and there is no cargo on PATH; install Rust 1.95 or later"
        )
    return found
