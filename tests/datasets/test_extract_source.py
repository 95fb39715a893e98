"""Extraction of sources: with clang 22 and Cargo where they are installed, with the clang of a wheel elsewhere."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from costmodel.core.errors import MissingDependencyError, ParseError, UsageError
from costmodel.core.tables import FunctionRow
from costmodel.datasets.extract import Options, extract
from costmodel.datasets.store import read_dataset
from costmodel.ir.structure import structural_hash

pytest.importorskip("pyarrow")
SOURCE = """/* SPDX-License-Identifier: ISC */
#include "odd.h"
static int twice(int x) { return x * 2; }
int sum(const int *a, int n) { int s = 0; for (int i = 0; i < n; i++) s += twice(a[i]); return s; }
int sum_again(const int *b, int m) { int t = 0; for (int j = 0; j < m; j++) t += twice(b[j]); return t; }
const char *where(void) { return __FILE__; }
"""
NO_LICENSE = "int unlicensed(int x) { return x + LEVEL; }\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A make project with a space in its name, a file without a licence, and a cyclic link."""
    folder = tmp_path / "my project"
    (folder / "inc lude").mkdir(parents=True)
    (folder / "inc lude" / "odd.h").write_text("#define ODD 1\n")
    (folder / "a b.c").write_text(SOURCE)
    (folder / "plain.c").write_text(NO_LICENSE)
    (folder / "loop").symlink_to(folder)
    (folder / "Makefile").write_text(
        "all: a.o plain.o\na.o:\n\t$(CC) -O2 '-Iinc lude' -MMD -c 'a b.c' -o a.o\n"
        "plain.o:\n\t$(CC) -O1 -DLEVEL=3 -c plain.c -o plain.o\n"
    )
    return folder


def rows_of(folder: Path) -> dict[tuple[str, str], FunctionRow]:
    return {(row.entry, row.stage.partition("-")[0]): row for row in read_dataset(folder).function_rows()}


def check(project: Path, output: Path) -> None:
    report = extract(Options(build=project, output=output, jobs=2))
    rows = rows_of(output)
    assert report.kind == "make"
    assert report.dropped["no licence"] == 2
    assert report.dropped["duplicate"] >= 2
    names = {("sum" if name == "sum_again" else name, stage) for name, stage in rows}
    assert names == {("sum", "before"), ("sum", "after"), ("twice", "before"), ("where", "before"), ("where", "after")}
    assert {row.license for row in rows.values()} == {"ISC"}
    assert {row.license_file for row in rows.values()} == {"a b.c"}
    assert '"a b.c\\00"' in rows["where", "before"].ir
    assert str(project.parent) not in "".join(row.ir for row in rows.values())
    assert sorted(path.name for path in project.iterdir()) == ["Makefile", "a b.c", "inc lude", "loop", "plain.c"]


@pytest.mark.toolchain("clang")
def test_make_project_before_and_after_optimisation(project: Path, tmp_path: Path) -> None:
    check(project, tmp_path / "set")
    corpus = tmp_path / "set" / "corpus"
    for name in json.loads((corpus / "corpus_description.json").read_text())["modules"]:
        words = (corpus / f"{name}.cmd").read_bytes().split(b"\0")
        assert words[0] == b"-cc1"
        assert b"-O2" in words
        assert str(tmp_path).encode() not in b" ".join(words)
    for (name, stage), row in rows_of(tmp_path / "set").items():
        if name.startswith("sum"):
            assert ("alloca" in row.ir) == (stage == "before")


@pytest.mark.toolchain("clang")
def test_a_relative_output_makes_the_same_paths(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow.parquet as pq

    monkeypatch.chdir(tmp_path)
    extract(Options(build=project, output=Path("here")))
    modules = pq.read_table(tmp_path / "here" / "modules.parquet").to_pylist()
    assert {(row["source_file"], row["directory"]) for row in modules} == {("a b.c", ".")}


def test_make_project_with_the_clang_of_a_wheel(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ziglang")
    if shutil.which("make") is None:
        pytest.skip("needs make")
    monkeypatch.setattr("costmodel.datasets.extract.compiler.find_tool", lambda name: None)
    check(project, tmp_path / "set")


def test_without_any_clang_the_remedies_are_named(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("costmodel.datasets.extract.compiler.find_tool", lambda name: None)
    monkeypatch.setattr("costmodel.datasets.extract.compiler.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"clang-22.*costmodel-ir\[link\]"):
        extract(Options(build=project, output=tmp_path / "set"))


@pytest.mark.toolchain("clang")
def test_a_build_that_fails_half_way_keeps_what_it_compiled(project: Path, tmp_path: Path) -> None:
    (project / "broken.c").write_text("int broken( {\n")
    text = (project / "Makefile").read_text().replace("all: ", "all: broken.o ")
    (project / "Makefile").write_text(f"{text}broken.o:\n\t$(CC) -c broken.c -o broken.o\n")
    told: list[str] = []
    report = extract(Options(build=project, output=tmp_path / "set"), told.append)
    assert report.build_cause is not None
    assert "make ended with status 2" in report.build_cause
    assert "error" in report.failures["broken.c"]
    assert report.functions > 0
    assert any("did not end well" in line for line in told)


@pytest.mark.toolchain("clang")
def test_a_build_that_compiles_nothing_says_why(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("all:\n\t@echo Error: no luck; false\n")
    with pytest.raises(UsageError, match="no luck"):
        extract(Options(build=tmp_path, output=tmp_path / "out" / "set"))


@pytest.mark.toolchain("clang")
def test_a_compilation_database_is_read_without_building(project: Path, tmp_path: Path) -> None:
    entries = [
        {"directory": str(project), "file": "a b.c", "arguments": ["gcc", "-O2", "-Iinc lude", "-c", "a b.c"]},
        {"directory": str(project), "file": "gone.c", "command": "cc -c gone.c -o gone.o"},
    ]
    (project / "compile_commands.json").write_text(json.dumps(entries))
    report = extract(Options(build=project, output=tmp_path / "set"))
    assert (report.kind, report.units, report.failed_units) == ("database", 2, 1)
    assert "gone.c" in report.failures
    (project / "compile_commands.json").write_text("{}}")
    with pytest.raises(ParseError, match="no compilation database"):
        extract(Options(build=project, output=tmp_path / "other"))


@pytest.mark.toolchain("clang", "opt")
def test_equal_structure_here_is_equal_structure_to_llvm(project: Path, tmp_path: Path) -> None:
    extract(Options(build=project, output=tmp_path / "set"))
    ours: dict[str, set[str]] = {}
    texts = list(rows_of(tmp_path / "set").values())
    renamed = [
        FunctionRow(**{**{name: getattr(row, name) for name in FunctionRow.__slots__}, "ir": row.ir.replace("%", "%r"),
                       "format": "llvm"})
        for row in texts
    ]  # fmt: skip
    for row in [*texts, *(row for row in renamed if "%r0" not in row.ir)]:
        ours.setdefault(structural_hash(row), set()).add(_llvm_hash(row))
    assert all(len(hashes) == 1 for hashes in ours.values())
    assert len(ours) >= len(texts)


def _llvm_hash(row: FunctionRow) -> str:
    words = ["opt-22", "-passes=print<structural-hash>", "-disable-output", "-"]
    done = subprocess.run(words, input=row.ir, capture_output=True, text=True, check=True)
    return next(line for line in done.stderr.splitlines() if row.entry in line).split()[-1]


@pytest.mark.toolchain("clang")
def test_embedded_bitcode_of_the_driver_and_of_the_front_end(project: Path, tmp_path: Path) -> None:
    objects = tmp_path / "objects"
    objects.mkdir()
    (objects / "COPYING").write_text("SPDX-License-Identifier: ISC\nThis is free and unencumbered software released "
                                     "into the public domain.")  # fmt: skip
    for name, words in (("driver", ["-fembed-bitcode=all"]), ("front", ["-Xclang", "-fembed-bitcode=all"])):
        output = ["-o", str(objects / f"{name}.o")]
        subprocess.run(["clang-22", "-O2", "-g", *words, "-Iinc lude", "-c", "a b.c", *output], cwd=project, check=True)
    extract(Options(build=objects, output=tmp_path / "set"))
    rows = rows_of(tmp_path / "set")
    assert {stage for _, stage in rows} == {"before", "after"}
    assert {row.language for row in rows.values()} == {"c"}
    assert not any("alloca" in row.ir for (_, stage), row in rows.items() if stage == "after")
    assert "!dbg" not in "".join(row.ir for row in rows.values())


@pytest.mark.toolchain("clang")
@pytest.mark.slow
def test_cmake_and_cargo(tmp_path: Path) -> None:
    if shutil.which("cmake") is None or shutil.which("cargo") is None:
        pytest.skip("needs cmake and cargo")
    both = tmp_path / "cm"
    both.mkdir()
    (both / "x.cpp").write_text("// SPDX-License-Identifier: MIT\ntemplate<class T> T add(T a, T b) { return a + b; }\n"
                                "int use(int a) { return add(a, 1); }\n")  # fmt: skip
    (both / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.20)\nproject(x CXX)\nadd_library(x x.cpp)\n")
    report = extract(Options(build=both, output=tmp_path / "set"))
    assert (report.kind, dict(report.languages)) == ("cmake", {"c++": report.functions})
    crate = tmp_path / "crate"
    (crate / "src").mkdir(parents=True)
    (crate / "Cargo.toml").write_text('[package]\nname = "tiny"\nversion = "0.3.0"\nlicense = "MIT OR Apache-2.0"\n')
    (crate / "src" / "lib.rs").write_text("pub fn sum(a: &[u32]) -> u32 { a.iter().map(|x| x * 3).sum() }\n")
    report = extract(Options(build=crate, output=tmp_path / "rust"))
    rows = list(read_dataset(tmp_path / "rust").function_rows())
    assert {(row.language, row.license, row.project) for row in rows} == {("rust", "MIT OR Apache-2.0", "tiny-0.3.0")}
    assert {row.stage for row in rows} == {"before-optimisation", "after-optimisation"}
    assert sys.executable not in "".join(row.ir for row in rows)
