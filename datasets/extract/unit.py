"""One translation unit, from its command or its object file to bitcode and functions. Runs in an isolated worker.

Owns what happens to one unit. Invariant: whatever is wrong with it becomes a cause in its result; only the death of the
process reaches the caller, who turns it into a cause as well.
"""

from __future__ import annotations

import base64
import json
import os
import shlex
import subprocess
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from costmodel.core.errors import ParseError
from costmodel.datasets.extract.commands import AFTER, BEFORE, Unit, clang_command, rustc_command
from costmodel.datasets.extract.objects import embedded_modules
from costmodel.datasets.extract.text import function_text, split_module
from costmodel.ir.llvm.modules import llvm_module

COMPILER_TIMEOUT_S = 300.0
MAX_FUNCTION_CHARACTERS = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleResult:
    """One module of a unit."""

    stage: str
    member: str
    language: str | None
    bitcode: bytes
    command: tuple[str, ...]
    functions: tuple[tuple[str, str], ...]
    """Symbol and self-contained text."""
    causes: tuple[str, ...] = ()
    """Functions that were left out, each with why."""
    frontend: tuple[str, ...] = ()
    """clang's `-cc1` words, which a corpus keeps; empty where they are not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitResult:
    """What became of a unit; `causes` says what was lost, and why."""

    modules: tuple[ModuleResult, ...] = ()
    causes: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        """For the journal."""
        document = asdict(self)
        for module in document["modules"]:
            module["bitcode"] = base64.b64encode(module["bitcode"]).decode()
        return zlib.compress(json.dumps(document).encode(), 1)

    @classmethod
    def from_bytes(cls, data: bytes) -> UnitResult:
        """The inverse of `to_bytes`; raises ValueError for a damaged journal entry."""
        try:
            document = json.loads(zlib.decompress(data))
            return cls(modules=tuple(_module(entry) for entry in document["modules"]), causes=tuple(document["causes"]))
        except (zlib.error, KeyError, TypeError) as error:
            raise ValueError(str(error)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What holds for all units of a run."""

    root: str
    """Absolute path that must not show in any output."""
    compiler: tuple[str, ...] = ()
    """clang's words; empty where no source is compiled."""
    stages: tuple[str, ...] = (BEFORE, AFTER)


@dataclass(slots=True, kw_only=True)
class _Gathered:
    modules: list[ModuleResult] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)


def extract_unit(unit: Unit, settings: Settings) -> UnitResult:
    """Compile or open a unit and cut it into functions. The order of what it returns is that of the input."""
    gathered = _Gathered()
    if unit.language is None:
        _from_object(unit, settings, gathered)
    else:
        for stage in settings.stages:
            _from_source(unit, settings, stage, gathered)
    return UnitResult(modules=tuple(gathered.modules), causes=tuple(gathered.causes))


def _from_source(unit: Unit, settings: Settings, stage: str, gathered: _Gathered) -> None:
    with tempfile.TemporaryDirectory(prefix="costmodel-unit-") as folder:
        output = os.path.join(folder, "module.bc")
        rust = unit.language == "rust"
        command = (
            rustc_command(unit, stage, output, settings.root)
            if rust
            else clang_command(unit, settings.compiler, stage, output, settings.root)
        )
        if rust:
            command += ["--out-dir", folder]
        cause = _run(command, unit, settings.root)
        if cause is not None or not os.path.isfile(output):
            gathered.causes.append(f"{stage}: {cause or 'the compiler wrote nothing'}")
            return
        bitcode = Path(output).read_bytes()
    frontend = () if rust else _frontend(command, unit)
    _add(gathered, unit, stage, "", bitcode, tuple(unit.arguments), frontend)


def _from_object(unit: Unit, settings: Settings, gathered: _Gathered) -> None:
    try:
        found = embedded_modules(Path(unit.source))
    except (ParseError, OSError) as error:
        gathered.causes.append(str(error).replace(f"{settings.root}/", ""))
        return
    if not found:
        gathered.causes.append(
            "no embedded bitcode; build it with clang -fembed-bitcode=all (or -Xclang -fembed-bitcode=all)"
        )
    for module in found:
        stage = embedded_stage(module.command)
        if stage in settings.stages:
            _add(gathered, unit, stage, module.member, module.bitcode, module.command, module.command)


def embedded_stage(command: Sequence[str]) -> str:
    """Where in the compilation embedded bitcode was taken, told from `.llvmcmd`.

    clang's driver embeds what its optimiser made (`-fembed-bitcode` splits the compilation in two, and the second half,
    which embeds, runs with `-disable-llvm-passes` on IR); its front end (`-Xclang -fembed-bitcode=all`) embeds before
    optimising and names its source (`-main-file-name`). Without a command: after, which promises less.
    """
    return BEFORE if "-main-file-name" in command else AFTER


def _add(
    gathered: _Gathered,
    unit: Unit,
    stage: str,
    member: str,
    bitcode: bytes,
    command: tuple[str, ...],
    frontend: tuple[str, ...],
) -> None:
    try:
        functions, causes, language = cut(bitcode)
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        where = f" in {member}" if member else ""
        gathered.causes.append(f"{stage}: bitcode{where} that LLVM 22 cannot read: {reason}")
        return
    gathered.modules.append(
        ModuleResult(
            stage=stage,
            member=member,
            language=unit.language or language,
            bitcode=bitcode,
            command=command,
            functions=tuple(functions),
            causes=tuple(causes),
            frontend=frontend,
        )
    )


def cut(bitcode: bytes) -> tuple[list[tuple[str, str]], list[str], str | None]:
    """Functions of a module as verified, canonical texts; those left out, with causes; the language it names.

    Raises:
        RuntimeError: LLVM cannot read the module.
    """
    module = llvm_module(bitcode)
    module.verify()
    printed = str(module)
    parts = split_module(printed)
    functions, causes = [], []
    for name in sorted(parts.definitions):
        if "available_externally" in parts.definitions[name][0].partition("@")[0]:
            continue
        text = function_text(parts, name)
        if len(text) > MAX_FUNCTION_CHARACTERS:
            causes.append(f"{name}: {len(text)} characters, the limit is {MAX_FUNCTION_CHARACTERS}")
            continue
        try:
            alone = llvm_module(text)
            alone.verify()
        except RuntimeError as error:
            causes.append(f"{name}: does not stand alone: {' '.join(str(error).split())[:200]}")
            continue
        functions.append((_plain(name), _without_names(str(alone))))
    return functions, causes, _language(printed)


def _without_names(text: str) -> str:
    """Without the first two lines, which hold the module's name and its source's path."""
    lines = text.split("\n")
    return "\n".join(line for line in lines[:2] if not line.startswith(("; ModuleID", "source_filename"))) + "\n".join(
        lines[2:]
    )


def _plain(name: str) -> str:
    return name[1:-1] if name.startswith('"') else name


def _language(printed: str) -> str | None:
    for mark, language in (("DW_LANG_Rust", "rust"), ("DW_LANG_C_plus_plus", "c++"), ("DW_LANG_C", "c")):
        if mark in printed:
            return language
    if "rustc version" in printed:
        return "rust"
    return None


def _run(command: Sequence[str], unit: Unit, root: str) -> str | None:
    """Why the compiler failed, or None."""
    try:
        done = subprocess.run(
            command,
            cwd=unit.directory,
            env={**os.environ, **unit.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=COMPILER_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"the compiler took over {COMPILER_TIMEOUT_S:.0f} s"
    except OSError as error:
        return f"the compiler could not run: {error.strerror or error}".replace(f"{root}/", "")
    if done.returncode == 0:
        return None
    text = done.stderr.decode("utf-8", "replace").replace(f"{root}/", "")
    lines = [line for line in text.splitlines() if "error" in line] or text.splitlines() or ["no message"]
    return f"the compiler ended with status {done.returncode}: {' '.join(lines[0].split())[:300]}"


def _frontend(command: Sequence[str], unit: Unit) -> tuple[str, ...]:
    """What the driver would call its front end with, as `.llvmcmd` has it: without the program's own path."""
    done = subprocess.run(
        [*command, "-###"], cwd=unit.directory, capture_output=True, timeout=COMPILER_TIMEOUT_S, check=False
    )
    lines = [line for line in done.stderr.decode("utf-8", "surrogateescape").splitlines() if '"-cc1"' in line]
    words = shlex.split(lines[-1]) if lines else []
    output = command[command.index("-o") + 1]
    return tuple("module.bc" if word == output else word for word in words[words.index("-cc1") :]) if words else ()


def _module(entry: dict[str, object]) -> ModuleResult:
    values: dict[str, object] = {**entry, "bitcode": base64.b64decode(str(entry["bitcode"]))}
    values["functions"] = tuple((name, text) for name, text in entry["functions"])  # type: ignore[attr-defined]
    for name in ("command", "causes", "frontend"):
        values[name] = tuple(entry[name])  # type: ignore[arg-type]
    return ModuleResult(**values)  # type: ignore[arg-type]
