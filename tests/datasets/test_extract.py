"""Extraction of objects with embedded bitcode: needs no compiler, llvmlite makes the objects."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from costmodel.core.errors import MissingDependencyError, UsageError
from costmodel.datasets import labelling
from costmodel.datasets.extract import Options, extract
from costmodel.datasets.extract.journal import Journal
from costmodel.datasets.extract.objects import embedded_modules
from costmodel.datasets.extract.run import _key
from costmodel.datasets.extract.text import function_text, split_module
from costmodel.datasets.extract.unit import cut
from costmodel.datasets.store import DatasetError, read_dataset
from costmodel.ir.llvm.modules import llvm_module

pytest.importorskip("pyarrow")
MIT = (
    "Permission is hereby granted, free of charge, to any person obtaining a copy. The above copyright notice and this "
    "permission notice shall be included in all copies or substantial portions of the Software."
)
FUNCTION = "define i32 @{name}(i32 %x) {{\n  %y = mul i32 %x, {factor}\n  ret i32 %y\n}}\n"


def bitcode(text: str) -> bytes:
    return bytes(llvm_module(text).as_bitcode())


def embed(payload: bytes | None, command: bytes = b"-cc1\0-main-file-name\0a.c\0") -> bytes:
    """An ELF object with `payload` as `.llvmbc`, as clang writes it."""
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    text = 'target triple = "x86_64-unknown-linux-gnu"\n@x = global i32 1\n'
    for name, section, data in (("bc", ".llvmbc", payload), ("cmd", ".llvmcmd", command)):
        if data is not None and payload is not None:
            escaped = "".join(f"\\{byte:02X}" for byte in data)
            text += f'@{name} = constant [{len(data)} x i8] c"{escaped}", section "{section}", align 4\n'
    machine = llvm.Target.from_triple("x86_64-unknown-linux-gnu").create_target_machine()
    return bytes(machine.emit_object(llvm.parse_assembly(text)))


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """Four objects: one function twice, one more, a name with a space and a newline, and a loop of links."""
    folder = tmp_path / "lib"
    (folder / "sub dir").mkdir(parents=True)
    (folder / "LICENSE").write_text(MIT)
    (folder / "a.o").write_bytes(embed(bitcode(FUNCTION.format(name="f", factor=3))))
    (folder / "b.o").write_bytes(embed(bitcode(FUNCTION.format(name="same_as_f", factor=3))))
    (folder / "sub dir" / "odd\nname.o").write_bytes(embed(bitcode(FUNCTION.format(name="g", factor=5))))
    (folder / "after.o").write_bytes(embed(bitcode(FUNCTION.format(name="h", factor=7)), b"-cc1\0-emit-obj\0"))
    (folder / "loop").symlink_to(folder)
    (folder / "self").symlink_to(folder / "self")
    return folder


def run(build: Path, output: Path, **changes: object) -> None:
    extract(Options(build=build, output=output, **changes))  # type: ignore[arg-type]


def test_functions_licences_stages_and_duplicates(build: Path, tmp_path: Path) -> None:
    report = extract(Options(build=build, output=tmp_path / "set"))
    rows = {row.entry: row for row in read_dataset(tmp_path / "set").function_rows()}
    assert (report.kind, report.units, report.failed_units, report.found) == ("objects", 4, 0, 4)
    assert report.dropped == {"duplicate": 1}
    (first,) = rows.keys() & {"f", "same_as_f"}
    assert rows[first].duplicates == 1
    assert {rows["g"].stage, rows["h"].stage} == {"before-optimisation", "after-optimisation"}
    assert {(row.license, row.license_file, row.project) for row in rows.values()} == {("MIT", "LICENSE", "lib")}
    assert read_dataset(tmp_path / "set").damaged() == {}


def test_every_function_reads_back_alone(build: Path, tmp_path: Path) -> None:
    import llvmlite.binding as llvm

    run(build, tmp_path / "set")
    for row in read_dataset(tmp_path / "set").function_rows():
        module = llvm.parse_assembly(row.ir)
        module.verify()
        assert [one.name for one in module.functions if not one.is_declaration] == [row.entry]
        assert str(tmp_path) not in row.ir


def test_a_type_keeps_its_name_whatever_was_read_before() -> None:
    text = (
        "%pair = type {{ i32, {second} }}\ndefine ptr @f(ptr %p) {{\n"
        "  %q = getelementptr %pair, ptr %p, i32 1\n  ret ptr %q\n}}\n"
    )
    cut(bitcode(text.format(second="i64")))
    functions, causes, _ = cut(bitcode(text.format(second="i8")))
    assert causes == []
    assert "%pair = type { i32, i8 }" in functions[0][1]


def test_modules_have_compiles_columns_and_a_corpus_that_mlgo_reads(build: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    run(build, tmp_path / "set")
    table = pq.read_table(tmp_path / "set" / "modules.parquet")
    wanted = ["content", "license_expression", "license_source", "license_files", "package_source", "language"]
    assert table.column_names[:6] == wanted
    assert table.num_rows == 4
    corpus = tmp_path / "set" / "corpus"
    description = json.loads((corpus / "corpus_description.json").read_text())
    assert description["has_thinlto"] is False
    assert len(description["modules"]) == 4
    for name in description["modules"]:
        assert "\n" not in name
        assert (corpus / f"{name}.bc").read_bytes()[:2] == b"BC"
        assert (corpus / f"{name}.cmd").read_bytes().split(b"\0")[0] == b"-cc1"


def test_each_function_has_its_provenance(build: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    run(build, tmp_path / "set")
    origins = pq.read_table(tmp_path / "set" / "provenance.parquet").to_pylist()
    modules = {row["module_id"]: row for row in pq.read_table(tmp_path / "set" / "modules.parquet").to_pylist()}
    ids = set(read_dataset(tmp_path / "set").column("function_id"))
    assert {row["function_id"] for row in origins} == ids
    command = next(modules[row["module_id"]]["command"] for row in origins if row["symbol"] == "g")
    assert json.loads(command) == ["-cc1", "-main-file-name", "a.c"]


def test_what_is_wrong_costs_only_itself_and_is_told(build: Path, tmp_path: Path) -> None:
    (build / "no_bitcode.o").write_bytes(embed(None))
    (build / "other_llvm.o").write_bytes(embed(b"BC\xc0\xde" + bytes(range(64))))
    (build / "cut.o").write_bytes(embed(bitcode(FUNCTION.format(name="k", factor=2)))[:300])
    report = extract(Options(build=build, output=tmp_path / "set"))
    assert report.failed_units == 3
    assert report.functions == 3
    assert "no embedded bitcode" in report.failures["no_bitcode.o"]
    assert "LLVM 22 cannot read" in report.failures["other_llvm.o"]
    assert "damaged ELF" in report.failures["cut.o"]
    assert read_dataset(tmp_path / "set").manifest.notes["failures"] == report.failures


def test_a_tree_without_a_licence_gives_counts_and_no_functions(build: Path, tmp_path: Path) -> None:
    (build / "LICENSE").unlink()
    report = extract(Options(build=build, output=tmp_path / "set"))
    assert (report.functions, report.dropped) == (0, {"no licence": 4})
    assert "| no licence | 4 |" in (tmp_path / "set" / "CARD.md").read_text()


def test_licences_outside_the_list_are_dropped(build: Path, tmp_path: Path) -> None:
    report = extract(Options(build=build, output=tmp_path / "set", licenses=("Apache-2.0",)))
    assert (report.functions, report.dropped) == (0, {"licence MIT": 4})


def test_interrupted_and_resumed_equals_uninterrupted(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(build, tmp_path / "whole" / "set", jobs=2)
    real, calls = Journal.put, []

    def interrupted(self: Journal, name: str, result: object) -> None:
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(name)
        real(self, name, result)  # type: ignore[arg-type]

    monkeypatch.setattr(Journal, "put", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(build, tmp_path / "cut" / "set")
    monkeypatch.undo()
    assert not (tmp_path / "cut" / "set").exists()
    kept = sorted((tmp_path / "cut" / ".set.journal" / "units").iterdir())
    assert len(kept) == 2
    kept[0].write_bytes(kept[0].read_bytes()[:20])
    run(build, tmp_path / "cut" / "set", resume=True)
    assert contents(tmp_path / "cut" / "set") == contents(tmp_path / "whole" / "set")
    assert [path.name for path in (tmp_path / "cut").iterdir()] == ["set"]


def test_resuming_another_run_is_refused(build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Journal, "put", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(build, tmp_path / "set")
    monkeypatch.undo()
    with pytest.raises(UsageError, match="other options"):
        run(build, tmp_path / "set", resume=True, stages=("after-optimisation",))


LABELLED = ("x86-64/znver4", "aarch64/neoverse-v2")
KILLED = """
import os, signal, sys
from pathlib import Path
from costmodel.datasets import labelling, labelling_cache
from costmodel.datasets.extract import Options, extract
labelling.BATCH_FUNCTIONS = 1
real, left = labelling_cache.LabelCache.put, [int(sys.argv[3])]
def put(self, answers):
    if answers and not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1 if answers else 0
    real(self, answers)
labelling_cache.LabelCache.put = put
extract(Options(build=Path(sys.argv[1]), output=Path(sys.argv[2]), targets=tuple(sys.argv[4].split(","))))
"""


@pytest.mark.parametrize("batches", [0, 1, 3])
def test_killed_while_labelling_and_resumed_equals_uninterrupted(
    build: Path, tmp_path: Path, batches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(build, tmp_path / "whole" / "set", targets=LABELLED)
    cut = tmp_path / "cut" / "set"
    words = [sys.executable, "-c", KILLED, str(build), str(cut), str(batches), ",".join(LABELLED)]
    assert subprocess.run(words, check=False, cwd=Path(__file__).parents[2]).returncode == -9
    assert not cut.exists()
    (cut.parent / ".set.abc.part").mkdir()  # as if killed while it wrote
    asked: list[int] = []
    real = labelling._Batch.submit
    monkeypatch.setattr(labelling, "BATCH_FUNCTIONS", 1)
    monkeypatch.setattr(labelling._Batch, "submit", lambda self, *rest: asked.append(1) or real(self, *rest))
    run(build, cut, targets=LABELLED, resume=True)
    assert len(asked) == 2 * len(LABELLED) - batches, "what was labelled before is not labelled again"
    assert contents(cut) == contents(tmp_path / "whole" / "set")
    assert [path.name for path in cut.parent.iterdir()] == ["set"]


def test_labels_kept_in_a_damaged_file_are_made_again(build: Path, tmp_path: Path) -> None:
    run(build, tmp_path / "whole" / "set", targets=LABELLED[:1])
    folder = Journal(tmp_path / "set", key=_key(Options(build=build, output=tmp_path / "set")), resume=False).folder
    (folder / "labels.db").write_text("no database " * 500)
    run(build, tmp_path / "set", targets=LABELLED[:1], resume=True)
    assert contents(tmp_path / "set") == contents(tmp_path / "whole" / "set")


LIMITED = """
import resource, sys
from pathlib import Path
from costmodel.datasets.extract import Options, extract
from costmodel.core.errors import CostModelError
resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
try:
    extract(Options(build=Path(sys.argv[1]), output=Path(sys.argv[2])))
except CostModelError as error:
    print(error)
"""


def test_a_disk_that_takes_no_more_is_a_cause_and_can_be_resumed(build: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-c", LIMITED, str(build), str(tmp_path / "set")]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert "cannot write" in done.stdout
    assert "File too large" in done.stdout
    assert not (tmp_path / "set").exists()
    run(build, tmp_path / "set", resume=True)
    assert read_dataset(tmp_path / "set").manifest.counts["functions"] == 3


def test_nothing_to_extract_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"compile_commands\.json.*Cargo\.toml"):
        run(tmp_path, tmp_path / "set")
    with pytest.raises(UsageError, match="not a folder"):
        run(tmp_path / "none", tmp_path / "set")
    (tmp_path / "a.o").write_bytes(embed(None))
    with pytest.raises(UsageError, match="no embedded bitcode"):
        run(tmp_path, tmp_path / "out" / "set")


def test_an_output_that_is_taken_is_refused_before_anything_runs(build: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no data set"):
        run(build, build)
    assert not list(tmp_path.glob(".*.journal"))


def test_archives_and_linked_sections_hold_many_modules(tmp_path: Path) -> None:
    payloads = [bitcode(FUNCTION.format(name=f"f{index}", factor=index)) for index in range(2)]
    members = b""
    for index, payload in enumerate(payloads):
        data = embed(payload)
        data += b"\0" * (len(data) % 2)
        members += f"m{index}.o/".encode().ljust(48) + str(len(data)).encode().ljust(10) + b"`\n" + data
    (tmp_path / "lib.a").write_bytes(b"!<arch>\n" + members)
    found = embedded_modules(tmp_path / "lib.a")
    assert [(one.member, one.bitcode) for one in found] == [("m0.o", payloads[0]), ("m1.o", payloads[1])]
    (tmp_path / "linked.o").write_bytes(embed(b"".join(payloads)))
    assert [one.bitcode for one in embedded_modules(tmp_path / "linked.o")] == payloads


MODULE = r"""
%node = type { i32, ptr }
%unused = type { i64 }
@table = internal constant [2 x ptr] [ptr @helper, ptr @other]
@vtable = internal constant { [4 x i8], ptr } { [4 x i8] c"\01@x\00", ptr @"far <T>" }
@counter = internal global i32 0
@shared = global %node zeroinitializer, align 8
@"odd name" = private constant [4 x i8] c"a@b\00"
@alias = alias i32 (i32), ptr @helper
define internal i32 @helper(i32 %x) #0 {
  ret i32 %x
}
define linkonce_odr hidden i32 @other(i32 %x) personality ptr @person {
  ret i32 %x
}
declare i32 @person(...)
define internal void @"far <T>"() {
  ret void
}
define internal i32 @root(i32 %x) {
  %f = load ptr, ptr @table, !range.like !0
  %c = load i32, ptr @counter
  %v = load i32, ptr @vtable
  %s = load i32, ptr getelementptr (%node, ptr @shared, i64 0, i32 0)
  %y = call i32 %f(i32 %c)
  %n = load i8, ptr @"odd name"
  %z = call i32 @alias(i32 %y) #0
  ret i32 %z
}
attributes #0 = { nounwind }
!0 = !{i32 1}
!1 = !{!"unused"}
"""


def test_a_function_takes_what_it_needs_and_nothing_else() -> None:
    import llvmlite.binding as llvm

    text = function_text(split_module(str(llvm.parse_assembly(MODULE))), "root")
    module = llvm.parse_assembly(text)
    module.verify()
    assert {one.name: one.is_declaration for one in module.functions} == {
        "root": False, "helper": True, "other": True, "alias": True, "far <T>": True,
    }  # fmt: skip
    assert "define i32 @root(" in text
    assert {one.name for one in module.global_variables} == {"table", "vtable", "counter", "shared", "odd name"}
    assert "@shared = external global %node, align 8" in text
    assert "%unused" not in text
    assert "!1 =" not in text


@pytest.mark.slow
def test_ray_gives_the_same_data_set(build: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    script = (
        "import sys, warnings; from pathlib import Path; from costmodel.datasets.extract import Options, extract; "
        "extract(Options(build=Path(sys.argv[1]), output=Path(sys.argv[2]), ray='local'))"
    )
    words = [sys.executable, "-W", "ignore", "-c", script, str(build), str(tmp_path / "ray" / "set")]
    subprocess.run(words, check=True, capture_output=True, env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"})
    run(build, tmp_path / "local" / "set")
    assert contents(tmp_path / "ray" / "set") == contents(tmp_path / "local" / "set")


def test_without_ray_the_extra_is_named(build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError, match="ray"):
        run(build, tmp_path / "set", ray="local")


def test_a_damaged_data_set_is_not_written_over_by_chance(build: Path, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError):
        run(build, tmp_path / "set")
    with pytest.raises(DatasetError):
        read_dataset(tmp_path / "set")
