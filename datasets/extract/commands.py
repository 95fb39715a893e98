"""Compile commands: read from a compilation database or from records, split by source, turned into bitcode commands.

Owns the rewriting of command lines. Invariant: what decides the program (includes, definitions, standard, optimisation)
stays; outputs, dependencies, link-time modes and debug information go. Runs nothing.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from costmodel.core.errors import ParseError

LANGUAGES = {
    **dict.fromkeys((".c", ".i"), "c"),
    **dict.fromkeys((".cc", ".cpp", ".cxx", ".c++", ".cp", ".C", ".ii"), "c++"),
    ".rs": "rust",
}
"""Source suffix to ComPile's name of the language."""
BEFORE, AFTER = "before-optimisation", "after-optimisation"
STAGES = (BEFORE, AFTER)

_WITH_VALUE = ("-MF", "-MT", "-MQ", "-MJ", "-o", "--serialize-diagnostics")
_DROPPED = ("-c", "-S", "-E", "-M", "-MM", "-MD", "-MMD", "-MP", "-MG", "-save-temps", "-emit-llvm", "-pipe", "-Werror")
_DROPPED_PREFIX = ("-flto", "-fembed-bitcode", "-g", "-save-temps=", "-fdebug-prefix-map=", "-fprofile", "-Werror=")
_TAKES_NEXT = (
    *("-I", "-D", "-U", "-include", "-imacros", "-isystem", "-iquote", "-idirafter", "-isysroot", "-x", "-Xclang"),
    *("-target", "-arch", "-L", "-l", "-Xlinker", "-mllvm", "-T", "-u", "-z", "--param"),
)
_RUST_WITH_VALUE = ("--emit", "--out-dir", "--error-format", "--json", "-o")
_RUST_CODEGEN = ("incremental", "embed-bitcode", "lto", "debuginfo", "strip")
_RUST_PREFIX = ("--emit=", "--out-dir=", "--error-format=", "--json=", "-Cincremental", "-Clto", "-Cembed-bitcode")
_NOTHING_COMPILED = ("-E", "-M", "-MM", "-fsyntax-only", "--version", "-v", "-###", "-dumpversion")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One translation unit of a build."""

    directory: str
    """Absolute; the command runs here."""
    arguments: tuple[str, ...]
    """The compiler and what it was given."""
    source: str
    """Absolute path of the source, or of the object or archive that holds bitcode."""
    language: str | None
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the process's own; Cargo's variables for Rust."""


def read_database(path: Path) -> list[Unit]:
    """Units of a `compile_commands.json`, sorted.

    Raises:
        ParseError: it is no compilation database.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        units = [unit for entry in entries for unit in _of_entry(entry, path.parent)]
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise ParseError(
            f"{path}: no compilation database ({type(error).__name__}: {error}); expected a list of objects with "
            "directory, file, and command or arguments"
        ) from error
    return canonical(units)


def read_records(folder: Path) -> list[Unit]:
    """Units that the wrapped compilers wrote down in `folder`, sorted; probes of configure scripts are left out."""
    units: list[Unit] = []
    for path in sorted(folder.glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        units += split(record["directory"], record["arguments"], record["environment"])
    return canonical(unit for unit in units if os.path.isfile(unit.source) and not _is_probe(unit))


def canonical(units: Iterable[Unit]) -> list[Unit]:
    """Without repetitions, ordered by source, then by command."""
    distinct = {(unit.source, unit.directory, unit.arguments): unit for unit in units}
    return [distinct[key] for key in sorted(distinct)]


def split(directory: str, arguments: Sequence[str], environment: Mapping[str, str]) -> Iterator[Unit]:
    """One unit for each source of a compiler call; none for a call that only links, preprocesses or asks."""
    words = _expand(list(arguments), directory)
    if any(word in _NOTHING_COMPILED for word in words):
        return
    for source in _sources(words):
        language = LANGUAGES[Path(source).suffix]
        if language == "rust" and ("--crate-name" not in words or "build_script_build" in words):
            continue
        path = os.path.normpath(os.path.join(directory, source))
        yield Unit(
            directory=directory, arguments=tuple(words), source=path, language=language, environment=dict(environment)
        )


def clang_command(unit: Unit, compiler: Sequence[str], stage: str, output: str, root: str) -> list[str]:
    """The command that writes the unit's bitcode at `stage` to `output`; paths under `root` do not show in it."""
    kept = _kept_options(unit.arguments[1:], unit)
    source = os.path.relpath(unit.source, unit.directory)
    quiet = ["-fno-sanitize=undefined"] if "ziglang" in compiler else []  # which `zig cc` turns on
    kept += ["-x", "c++"] if unit.arguments[0].endswith("++") and unit.language == "c" else []
    words = [*compiler, *quiet, *kept, "-w", "-Qunused-arguments", "-g0", f"-ffile-prefix-map={root}=."]
    words += ["-Xclang", "-disable-O0-optnone", "-emit-llvm", "-c"]
    if stage == BEFORE:
        words += ["-Xclang", "-disable-llvm-passes"]
    return [*words, "-o", output, f"./{source}" if source.startswith("-") else source]


def rustc_command(unit: Unit, stage: str, output: str, root: str) -> list[str]:
    """The same for rustc."""
    words, skip = [], False
    for word, following in zip(unit.arguments, [*unit.arguments[1:], ""], strict=True):
        if skip:
            skip = False
        elif word in _RUST_WITH_VALUE or (word in ("-C", "--codegen") and following.startswith(_RUST_CODEGEN)):
            skip = True
        elif not word.startswith(_RUST_PREFIX):
            words.append(word)
    words += ["--cap-lints", "allow", "-C", "codegen-units=1", "-C", "debuginfo=0", "--remap-path-prefix", f"{root}=."]
    return [*words, *(["-C", "no-prepopulate-passes"] if stage == BEFORE else []), f"--emit=llvm-bc={output}"]


def relative_arguments(words: Sequence[str], root: str) -> list[str]:
    """A command line without the place of the build: paths under `root` relative to it."""
    prefix = root.rstrip("/")
    return [word.replace(f"{prefix}/", "").replace(prefix, ".") for word in words]


def _of_entry(entry: Mapping[str, object], folder: Path) -> Iterator[Unit]:
    directory = os.path.join(str(folder.resolve()), str(entry["directory"]))
    given = entry.get("arguments")
    words = [str(word) for word in given] if isinstance(given, list) else shlex.split(str(entry["command"]))
    source = os.path.normpath(os.path.join(directory, str(entry["file"])))
    language = LANGUAGES.get(Path(source).suffix)
    if language in ("c", "c++"):
        yield Unit(directory=directory, arguments=tuple(_expand(words, directory)), source=source, language=language)


def _kept_options(words: Sequence[str], unit: Unit) -> list[str]:
    kept: list[str] = []
    skip = 0
    for index, word in enumerate(words):
        if skip:
            skip -= 1
        elif word in _WITH_VALUE:
            skip = 1
        elif word in _TAKES_NEXT:
            kept += words[index : index + 2]
            skip = 1
        elif _is_source(word, unit) or word in _DROPPED or word == "--" or _drops(word):
            continue
        elif word.startswith("-") or not word.endswith((".o", ".a", ".so", ".lo")):
            kept.append(word)
    return kept


def _drops(word: str) -> bool:
    return word.startswith(_DROPPED_PREFIX) or (word.startswith("-o") and len(word) > 2 and not word.startswith("-ob"))


def _is_source(word: str, unit: Unit) -> bool:
    if word.startswith("-"):
        return False
    return os.path.normpath(os.path.join(unit.directory, word)) == unit.source or Path(word).suffix in LANGUAGES


def _sources(words: Sequence[str]) -> list[str]:
    found, skip = [], True
    for word in words:
        if skip:
            skip = False
        elif word in _TAKES_NEXT or word in _WITH_VALUE:
            skip = True
        elif Path(word).suffix in LANGUAGES and not word.startswith("-"):
            found.append(word)
    return found


def _expand(words: list[str], directory: str) -> list[str]:
    """Response files in place of `@file`."""
    expanded: list[str] = []
    for word in words:
        path = os.path.join(directory, word[1:])
        if word.startswith("@") and os.path.isfile(path):
            expanded += shlex.split(Path(path).read_text(encoding="utf-8", errors="surrogateescape"))
        else:
            expanded.append(word)
    return expanded


def _is_probe(unit: Unit) -> bool:
    parts = Path(unit.source).parts
    return "CMakeFiles" in parts or Path(unit.source).name.startswith("conftest.")
