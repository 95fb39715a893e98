"""NVIDIA's PTX assembler: where it is, and what `ptxas -v` says of a kernel.

Owns the command line and the reading of its report. It needs no GPU and no driver; Triton's wheel carries it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from costmodel.core.errors import MissingDependencyError, ToolchainError

REMEDY = "pip install 'costmodel-ir[triton]' (its wheel carries ptxas), or a CUDA toolkit with ptxas on PATH"
TIMEOUT_S = 60.0
SECONDS_A_FILE = 10.0

_BLACKWELL = frozenset({"sm_100", "sm_101", "sm_103", "sm_120", "sm_121"})
_VERSION = re.compile(r"\bV(\d+\.\d+\.\d+)")
_ENTRY = re.compile(r"Compiling entry function '([^']+)' for '[^']+'")
_FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_USED = re.compile(r"Used (\d+) registers")
_SHARED = re.compile(r"(\d+) bytes smem")
_FILE_ERROR = re.compile(r"(\d+)\.ptx, line \d+; error\s*: (.*)")
_ERROR = re.compile(r"(?:error|fatal)\s*:\s*(.*)")


class PtxRefusedError(ToolchainError):
    """ptxas refuses some files; `files` maps those it names, by index, to what it says of each."""

    def __init__(self, message: str, files: dict[int, str]) -> None:
        """`files` is empty where ptxas names none."""
        super().__init__(message)
        self.files = files


@dataclass(frozen=True, slots=True, kw_only=True)
class PtxUsage:
    """What one kernel takes: registers of a thread, bytes of a thread's stack and spills, shared bytes of a block."""

    registers: int
    spill_stores_bytes: int
    spill_loads_bytes: int
    stack_bytes: int
    shared_bytes: int


@cache
def find_ptxas(arch: str = "sm_90") -> Path | None:
    """The assembler for `arch`: in Triton's wheel, else on PATH, else beside an `nvcc` on PATH."""
    spec = find_spec("triton")
    for folder in (spec.submodule_search_locations if spec else None) or []:
        name = "ptxas-blackwell" if arch in _BLACKWELL else "ptxas"
        program = Path(folder) / "backends" / "nvidia" / "bin" / name
        if program.is_file():
            return program
    nvcc = shutil.which("nvcc")
    beside = Path(nvcc).resolve().parent / "ptxas" if nvcc else None
    found = shutil.which("ptxas")
    return Path(found) if found else beside if beside and beside.is_file() else None


@cache
def ptxas_version(arch: str = "sm_90") -> str | None:
    """For example `12.8.93`; None where there is no ptxas or it does not start."""
    program = find_ptxas(arch)
    if program is None:
        return None
    try:
        done = subprocess.run(
            [str(program), "--version"], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(done.stdout)
    return match[1] if match else None


def ptxas_usage(ptx: str, arch: str) -> dict[str, PtxUsage]:
    """What each kernel entry of `ptx` takes when assembled for `arch`, for example `sm_90`.

    Raises:
        MissingDependencyError: there is no ptxas.
        ToolchainError: it refuses the text, or does not end in time.
    """
    return ptxas_usage_of([ptx], arch)


def ptxas_usage_of(texts: Sequence[str], arch: str, *, relocatable: bool = False) -> dict[str, PtxUsage]:
    """The same for several files at once, whose entries have different names.

    `relocatable` allows calls to functions that no file defines.
    """
    program = find_ptxas(arch)
    if program is None:
        raise MissingDependencyError(f"no ptxas found for {arch}; {REMEDY}")
    with tempfile.TemporaryDirectory(prefix="costmodel-ptxas-") as scratch:
        paths = [Path(scratch) / f"{index}.ptx" for index in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text)
        mode = ["-c"] if relocatable else []
        command = [str(program), "-v", *mode, f"-arch={arch}", *map(str, paths), "-o", str(Path(scratch) / "out")]
        limit_s = TIMEOUT_S + SECONDS_A_FILE * len(texts)
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False)
        except subprocess.TimeoutExpired as error:
            raise ToolchainError(f"timeout: ptxas did not end within {limit_s:.0f} s") from error
        except OSError as error:
            raise ToolchainError(f"ptxas does not start: {error}") from error
    report = done.stdout + done.stderr
    if done.returncode != 0:
        said = _ERROR.search(report)
        files = {int(index): text for index, text in reversed(_FILE_ERROR.findall(report))}
        raise PtxRefusedError(f"ptxas refuses the code for {arch}: {said[1] if said else report.strip()[:200]}", files)
    return parse_report(report)


def parse_report(report: str) -> dict[str, PtxUsage]:
    """Usage by entry out of what `ptxas -v` prints."""
    parts = _ENTRY.split(report)[1:]
    usage = {}
    for name, text in zip(parts[::2], parts[1::2], strict=True):
        properties = text.partition(f"Function properties for {name}")[2]
        frame, used, shared = _FRAME.search(properties), _USED.search(properties), _SHARED.search(properties)
        if frame is None or used is None:
            raise ToolchainError(f"ptxas says nothing of {name}; its report is not of the form we know: {text[:200]}")
        usage[name] = PtxUsage(
            registers=int(used[1]),
            spill_stores_bytes=int(frame[2]),
            spill_loads_bytes=int(frame[3]),
            stack_bytes=int(frame[1]),
            shared_bytes=int(shared[1]) if shared else 0,
        )
    return usage
