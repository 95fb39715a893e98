"""Object code to a shared library that any C program on this kind of machine can load.

Owns the linker's command line and the check of what came out. Invariant: a library that is handed out shows exactly the
asked-for symbols, needs nothing beyond libc and libm, has no executable stack, and replaced `output` in one step.
Does not compile; does not write headers.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from costmodel.core.errors import ArtifactError, UnknownNameError, UsageError
from costmodel.toolchain.elf import DynamicLibrary, read_library
from costmodel.toolchain.tools import wheel_version

LINKERS = ("cc", "ziglang")
"""In order of preference; `ziglang` is the wheel that the `link` extra installs."""

LINK_TIMEOUT_S = 180.0
"""The first link with ziglang builds its own copy of libc's stubs: 17 s on two cores, once for each user."""

ALLOWED_LIBRARIES = re.compile(r"(libc\.so|libm\.so|ld-linux|ld64|libc\.musl|ld-musl)")
CC_ATTEMPTS = (("-nostartfiles", "-static-libgcc"),)
ZIG_ATTEMPTS = (("-nostdlib",), ("-Wl,--strip-all",))
"""ziglang's run-time library has its own, slower expf, memset and others: it comes in only where it must."""

CRT_WEAK = frozenset({"__gmon_start__", "__cxa_finalize", "_ITM_deregisterTMCloneTable", "_ITM_registerTMCloneTable"})
"""Weak references of the start files, which test them before the call."""

MISSING_REMEDY = "install a C compiler (apt-get install gcc libc6-dev) or the wheel: pip install 'costmodel-ir[link]'"

_SYMBOL = re.compile(r"[A-Za-z_$][A-Za-z0-9_$.]*")
_UNDEFINED = re.compile(r"undefined (?:reference to|symbol:?) [`']?([^`'\s]+)'?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Linker:
    """A program that takes a C compiler driver's link options."""

    name: str
    command: tuple[str, ...]
    version: str
    attempts: tuple[tuple[str, ...], ...]
    """Options to try in turn: a later one is for objects that an earlier one leaves with undefined symbols."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkResult:
    """A linked and checked library. `imports` are the libc and libm functions it calls."""

    path: Path
    linker: Linker
    exports: tuple[str, ...]
    imports: tuple[str, ...]
    needed: tuple[str, ...]
    file_bytes: int


def find_linker(name: str | None = None) -> Linker | None:
    """Find the linker called `name`, or the first of `LINKERS` that is here; None where there is none.

    Raises:
        UnknownNameError: `name` is not one of `LINKERS`.
    """
    if name is not None and name not in LINKERS:
        raise UnknownNameError(f"unknown linker {name!r}; known: {', '.join(LINKERS)}")
    for candidate in LINKERS if name is None else (name,):
        found = _find_cc() if candidate == "cc" else _find_ziglang()
        if found is not None:
            return found
    return None


def link_shared(
    objects: Sequence[bytes | Path], output: Path, *, exports: Sequence[str], soname: str, linker: Linker | None = None
) -> LinkResult:
    """Link `objects` (ELF relocatable files or their bytes) into the shared library `output`.

    Args:
        objects: position-independent object files for this machine.
        output: the library to write; an existing one is replaced, and only by one that passed the checks.
        exports: the symbols that callers see; every other symbol is hidden.
        soname: the name recorded in the library.
        linker: from `find_linker`; None takes the first that is here.

    Raises:
        ArtifactError: there is no linker, it failed, a symbol is undefined, or the result breaks the invariant.
        UsageError: nothing to link or to export, or a name that is no C symbol.
    """
    _check_request(objects, exports, soname)
    chosen = linker or find_linker()
    if chosen is None:
        raise ArtifactError(f"no linker found for {output.name}; {MISSING_REMEDY}")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as scratch:
            draft = _link(chosen, objects, Path(scratch), exports, soname)
            library = read_library(draft)
            _check_library(library, exports, output)
            draft.replace(output)
    except OSError as error:
        raise ArtifactError(f"cannot write {output}: {error.strerror or error}") from error
    return LinkResult(
        path=output,
        linker=chosen,
        exports=tuple(sorted(exports)),
        imports=tuple(sorted(library.undefined)),
        needed=library.needed,
        file_bytes=output.stat().st_size,
    )


def _check_request(objects: Sequence[bytes | Path], exports: Sequence[str], soname: str) -> None:
    if not objects or not exports:
        raise UsageError("linking needs at least one object and one exported symbol")
    for name in exports:
        if not _SYMBOL.fullmatch(name):
            raise UsageError(f"{name!r} cannot be exported: it is no C symbol")
    if not re.fullmatch(r"[A-Za-z0-9_.+-]+", soname):
        raise UsageError(f"{soname!r} is no library name")


def _link(linker: Linker, objects: Sequence[bytes | Path], scratch: Path, exports: Sequence[str], soname: str) -> Path:
    paths = []
    for index, item in enumerate(objects):
        path = scratch / f"object{index}.o" if isinstance(item, bytes) else item
        if isinstance(item, bytes):
            path.write_bytes(item)
        paths.append(str(path.absolute()))
    script = scratch / "exports.map"
    script.write_text("{\n  global:\n" + "".join(f"    {name};\n" for name in sorted(exports)) + "  local: *;\n};\n")
    draft = scratch / soname
    options = ["version-script=" + str(script), "soname=" + soname, "as-needed", "build-id=none"]
    common = ["-shared", "-o", str(draft), *paths, *(f"-Wl,--{option}" for option in options)]
    common += ["-Wl,-z,defs", "-Wl,-z,noexecstack", "-lm", "-lc"]
    undefined: list[str] = []
    for attempt in linker.attempts:
        undefined = _run(linker, [*linker.command, *attempt, *common], scratch)
        if not undefined:
            return draft
    raise ArtifactError(f"undefined symbols beyond libc and libm: {', '.join(undefined)}")


def _run(linker: Linker, command: list[str], scratch: Path) -> list[str]:
    """Link; returns the undefined symbols that stood in the way, none where it worked."""
    environment = {**os.environ, "LC_ALL": "C", "ZIG_LOCAL_CACHE_DIR": str(scratch / "cache")}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", cwd=scratch, env=environment,
            timeout=LINK_TIMEOUT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ArtifactError(f"{linker.name} did not link within {LINK_TIMEOUT_S:.0f} s") from error
    if done.returncode == 0:
        return []
    undefined = sorted(set(_UNDEFINED.findall(done.stderr)))
    if undefined:
        return undefined
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    cause = next((line for line in lines if "error" in line or "cannot find" in line), " ".join(lines[:1]))
    raise ArtifactError(f"{linker.name} ({linker.version}) failed with status {done.returncode}: {cause[:300]}")


def _check_library(library: DynamicLibrary, exports: Sequence[str], output: Path) -> None:
    missing = sorted(set(exports) - library.defined)
    if missing:
        raise ArtifactError(f"{output.name}: exported but not defined in the objects: {', '.join(missing)}")
    extra = sorted(library.defined - set(exports))
    if extra:
        raise ArtifactError(f"{output.name}: shows symbols that were not asked for: {', '.join(extra[:5])}")
    foreign = [name for name in library.needed if not ALLOWED_LIBRARIES.match(name)]
    if foreign:
        raise ArtifactError(f"{output.name}: needs {', '.join(foreign)}, where only libc and libm are allowed")
    weak = sorted(library.undefined_weak - CRT_WEAK)
    if weak:
        raise ArtifactError(f"{output.name}: undefined weak symbols would be null when called: {', '.join(weak)}")
    if library.executable_stack:
        raise ArtifactError(f"{output.name}: asks for an executable stack")


def _find_cc() -> Linker | None:
    path = shutil.which("cc")
    if path is None:
        return None
    return Linker(name="cc", command=(path,), version=_first_line([path, "--version"]), attempts=CC_ATTEMPTS)


def _find_ziglang() -> Linker | None:
    spec = find_spec("ziglang")
    if spec is None or spec.origin is None:
        return None
    program = Path(spec.origin).parent / "zig"
    return Linker(
        name="ziglang", command=(str(program), "cc"), version=wheel_version("ziglang") or "", attempts=ZIG_ATTEMPTS
    )


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LINK_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip().splitlines()[0] if done.stdout.strip() else ""
