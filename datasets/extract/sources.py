"""What lies in the folder a person names: a compilation database, objects with bitcode, or a package to build.

Owns the order of looking and the scratch copy. Invariant: nothing of the folder runs unless it must be built, and then
in a copy. Does not compile units.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from costmodel.core.errors import UsageError
from costmodel.datasets.extract import wrapper
from costmodel.datasets.extract.builders import BUILDERS, Build, Builder, Tools, builders_for, run_build
from costmodel.datasets.extract.commands import Unit, canonical, read_database, read_records
from costmodel.datasets.extract.compiler import clang_words
from costmodel.datasets.extract.objects import SUFFIXES
from costmodel.datasets.store.files import write_error, write_file

DATABASE = "compile_commands.json"
KINDS = ("auto", "database", "objects", "build")
_MARK = b".llvmbc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A folder's units, ready to be extracted."""

    kind: str
    root: Path
    """What paths are made relative to, and where the search for a licence ends."""
    project: str
    units: tuple[Unit, ...]
    compiler: tuple[str, ...] = ()
    build: Build | None = None


def prepare(folder: Path, kind: str, scratch: Path, jobs: int) -> Prepared:
    """Find the units of `folder`, building it in `scratch` where that is what it takes.

    Raises:
        UsageError: there is no such folder, or nothing in it that can be read or built.
        MissingDependencyError: the compiler or the build system is not installed.
        DatasetError: the disk is full.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder; name the build to extract")
    root = folder.resolve()
    found = kind if kind != "auto" else _kind(root)
    if found == "database":
        return _database(root)
    if found == "objects":
        return _objects(root)
    return _built(root, scratch, jobs)


def project_name(root: Path, name: str) -> str:
    """`NAME-VERSION` as the package's own metadata says, else `name`."""
    for file in ("PKG-INFO", "Cargo.toml", "pyproject.toml"):
        path = root / file
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        named = re.search(r'^(?:Name: |name\s*=\s*")([\w.-]+)', text, re.MULTILINE)
        version = re.search(r'^(?:Version: |version\s*=\s*")([\w.+-]+)', text, re.MULTILINE)
        if named:
            return f"{named[1]}-{version[1]}" if version else named[1]
    return name


def _kind(root: Path) -> str:
    if (root / DATABASE).is_file():
        return "database"
    if any(_has_bitcode(path) for path in _object_files(root)):
        return "objects"
    if builders_for(root):
        return "build"
    if next(_object_files(root), None) is not None:
        return "objects"
    marks = ", ".join(mark for builder in BUILDERS for mark in builder.marks)
    raise UsageError(
        f"{root.name} holds no {DATABASE}, no object files and nothing that builds it ({marks}); name a build folder"
    )


def _database(root: Path) -> Prepared:
    units = read_database(root / DATABASE)
    if not units:
        raise UsageError(f"{DATABASE} in {root.name} names no C or C++ source; build the project first")
    common = Path(os.path.commonpath([root, *(unit.source for unit in units)]))
    base = common if len(common.parts) > 2 else root
    return Prepared(
        kind="database", root=base, project=project_name(base, base.name), units=tuple(units), compiler=clang_words()
    )


def _objects(root: Path) -> Prepared:
    files = list(_object_files(root))
    if not files:
        raise UsageError(f"{root.name} holds no object files ({', '.join(SUFFIXES)}); build it first")
    units = [Unit(directory=str(root), arguments=(), source=str(path), language=None) for path in files]
    return Prepared(kind="objects", root=root, project=project_name(root, root.name), units=tuple(canonical(units)))


def _object_files(root: Path) -> Iterator[Path]:
    """Object files below `root` in a fixed order; symbolic links are not followed, so cycles do no harm."""
    for folder, folders, files in os.walk(root, followlinks=False):
        folders.sort()
        for name in sorted(files):
            path = Path(folder, name)
            if path.suffix in SUFFIXES and not path.is_symlink() and path.is_file():
                yield path


def _has_bitcode(path: Path) -> bool:
    try:
        data = path.read_bytes()
    except OSError:
        return False
    return data.startswith(b"BC\xc0\xde") or _MARK in data


def _built(root: Path, scratch: Path, jobs: int) -> Prepared:
    """Build with the first build system that compiles anything."""
    scratch = scratch.resolve()
    builders = builders_for(root)
    if not builders:
        raise UsageError(f"{root.name} holds nothing that builds it; name a folder with one of the known build files")
    done = scratch / "built.json"
    if not done.is_file():
        build, units = _first_build(builders, root, scratch, jobs)
        write_file(done, json.dumps({"builder": build.builder, "cause": build.cause}).encode())
    else:
        build, units = Build(**json.loads(done.read_text(encoding="utf-8"))), read_records(scratch / "records")
    return Prepared(
        kind="build",
        root=scratch / "build",
        project=project_name(root, root.name),
        units=tuple(units),
        compiler=() if build.builder == "cargo" else clang_words(),
        build=build,
    )


def _first_build(builders: Sequence[Builder], root: Path, scratch: Path, jobs: int) -> tuple[Build, list[Unit]]:
    causes = []
    for builder in builders:
        build = _build(builder, root, scratch, jobs)
        units = read_records(scratch / "records")
        if units:
            return build, units
        causes.append(f"{builder.name}: {build.cause or 'it compiled nothing'}")
    raise UsageError(f"no build of {root.name} compiled any C, C++ or Rust source ({'; '.join(causes)})")


def _build(builder: Builder, root: Path, scratch: Path, jobs: int) -> Build:
    copy, records = scratch / "build", scratch / "records"
    for path in (copy, records):
        shutil.rmtree(path, ignore_errors=True)
    try:
        copy_tree(root, copy, leave_out=scratch.parent)
        records.mkdir()
    except OSError as error:
        raise write_error(copy, error) from error
    rust = builder.name == "cargo"
    tools = Tools(
        cc=_wrapper(scratch / "cc", records, () if rust else clang_words()),
        cxx=_wrapper(scratch / "c++", records, () if rust else clang_words(cxx=True)),
        rustc=_wrapper(scratch / "rustc", records, ()),
        jobs=jobs,
    )
    return run_build(builder, copy, tools, scratch / "build.log")


def copy_tree(source: Path, target: Path, *, leave_out: Path) -> None:
    """Copy a tree: links stay links; sockets and the like are left out, and so is our own scratch."""
    target.mkdir(parents=True)
    for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
        path, to = Path(entry.path), target / entry.name
        if entry.is_symlink():
            os.symlink(os.readlink(path), to)
        elif entry.is_dir() and not (entry.name.endswith(".journal") and path.parent.resolve() == leave_out.resolve()):
            copy_tree(path, to, leave_out=leave_out)
        elif entry.is_file():
            shutil.copy2(path, to)


def _wrapper(path: Path, records: Path, real: Sequence[str]) -> str:
    """Write a script that calls the recording wrapper for `real`; its path."""
    shown = path.name if real else ""
    words = [sys.executable, "-I", "-S", wrapper.__file__, str(records.resolve()), shown, str(len(real)), *real]
    write_file(path, f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n'.encode())
    path.chmod(0o755)
    return str(path.resolve())
