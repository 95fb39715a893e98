"""Linking: both linkers give a library that shows what was asked for, needs only libc and libm, and computes."""

import ctypes
import math
import subprocess
from pathlib import Path

import llvmlite.binding as llvm
import pytest

from costmodel.core.errors import ArtifactError, UnknownNameError, UsageError
from costmodel.toolchain import link
from costmodel.toolchain.elf import read_library
from costmodel.toolchain.link import LINKERS, Linker, find_linker, link_shared
from costmodel.toolchain.tools import require_tool

SOURCE = """
target triple = "x86_64-unknown-linux-gnu"
declare double @cosh(double)
define double @helper(double %x) {
  %y = call double @cosh(double %x)
  ret double %y
}
define double @twice(double %x) {
  %y = call double @helper(double %x)
  %z = fadd double %y, %y
  ret double %z
}
"""
CALLER = """
target triple = "x86_64-unknown-linux-gnu"
declare double @twice(double)
define double @four_times(double %x) {
  %y = call double @twice(double %x)
  %z = fadd double %y, %y
  ret double %z
}
"""
HALF = """
target triple = "x86_64-unknown-linux-gnu"
define float @round_trip(float %x) {
  %h = fptrunc float %x to half
  %y = fpext half %h to float
  ret float %y
}
"""
MEMORY = """
target triple = "x86_64-unknown-linux-gnu"
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare float @expf(float)
define float @kernel(ptr %p, i64 %n, float %x) {
  call void @llvm.memset.p0.i64(ptr %p, i8 0, i64 %n, i1 false)
  %y = call float @expf(float %x)
  ret float %y
}
"""
UNDEFINED = """
target triple = "x86_64-unknown-linux-gnu"
declare void @memrefCopy(i64)
declare void @other_runtime_call()
define void @kernel(i64 %x) {
  call void @memrefCopy(i64 %x)
  call void @other_runtime_call()
  ret void
}
"""
WEAK = """
target triple = "x86_64-unknown-linux-gnu"
declare extern_weak void @maybe()
define void @kernel() {
  call void @maybe()
  ret void
}
"""


def compiled(text: str) -> bytes:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    module = llvm.parse_assembly(text)
    machine = llvm.Target.from_triple(module.triple).create_target_machine(reloc="pic", codemodel="small")
    return machine.emit_object(module)


@pytest.fixture(params=LINKERS)
def linker(request: pytest.FixtureRequest) -> Linker:
    found = find_linker(request.param)
    if found is None:
        pytest.skip(f"no {request.param} here: pip install 'costmodel-ir[link]' or apt-get install gcc libc6-dev")
    return found


def test_library_computes_and_shows_only_what_was_asked_for(linker: Linker, tmp_path: Path) -> None:
    output = tmp_path / "libkernels.so"
    result = link_shared([compiled(SOURCE)], output, exports=["twice"], soname="libkernels.so", linker=linker)
    twice = ctypes.CDLL(str(output)).twice
    twice.restype, twice.argtypes = ctypes.c_double, [ctypes.c_double]
    assert twice(1.5) == pytest.approx(2 * math.cosh(1.5))
    assert result.exports == ("twice",)
    assert result.imports == ("cosh",)
    assert result.needed == ("libm.so.6",)
    assert result.file_bytes == output.stat().st_size < 100_000
    library = read_library(output)
    assert library.defined == {"twice"}
    assert library.soname == "libkernels.so"
    assert not library.executable_stack
    assert [path.name for path in tmp_path.iterdir()] == ["libkernels.so"]


def test_objects_as_paths_and_bytes_resolve_each_other(linker: Linker, tmp_path: Path) -> None:
    path = tmp_path / "first.o"
    path.write_bytes(compiled(SOURCE))
    output = tmp_path / "lib.so"
    link_shared([path, compiled(CALLER)], output, exports=["twice", "four_times"], soname="lib.so", linker=linker)
    function = ctypes.CDLL(str(output)).four_times
    function.restype, function.argtypes = ctypes.c_double, [ctypes.c_double]
    assert function(0.5) == pytest.approx(4 * math.cosh(0.5))


def test_libc_and_libm_functions_are_the_systems_own(linker: Linker, tmp_path: Path) -> None:
    result = link_shared([compiled(MEMORY)], tmp_path / "lib.so", exports=["kernel"], soname="lib.so", linker=linker)
    assert result.imports == ("expf", "memset")
    assert set(result.needed) == {"libm.so.6", "libc.so.6"}


def test_arithmetic_that_needs_the_compilers_own_functions_links(linker: Linker, tmp_path: Path) -> None:
    output = tmp_path / "lib.so"
    result = link_shared([compiled(HALF)], output, exports=["round_trip"], soname="lib.so", linker=linker)
    function = ctypes.CDLL(str(output)).round_trip
    function.restype, function.argtypes = ctypes.c_float, [ctypes.c_float]
    assert function(1.0 + 2**-13) == 1.0
    assert result.imports == ()


def test_undefined_symbols_are_an_error_that_names_them_all(linker: Linker, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="undefined symbols.*: memrefCopy, other_runtime_call$"):
        link_shared([compiled(UNDEFINED)], tmp_path / "lib.so", exports=["kernel"], soname="lib.so", linker=linker)
    assert list(tmp_path.iterdir()) == []


def test_weak_undefined_symbol_is_an_error(linker: Linker, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"undefined .*maybe"):
        link_shared([compiled(WEAK)], tmp_path / "lib.so", exports=["kernel"], soname="lib.so", linker=linker)


def test_export_that_no_object_defines_is_an_error(linker: Linker, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="absent"):
        link_shared([compiled(SOURCE)], tmp_path / "lib.so", exports=["absent"], soname="lib.so", linker=linker)


def test_failure_keeps_the_library_that_was_there(linker: Linker, tmp_path: Path) -> None:
    output = tmp_path / "lib.so"
    output.write_bytes(b"old")
    with pytest.raises(ArtifactError, match=f"{linker.name} .* failed"):
        link_shared([b"no object file"], output, exports=["kernel"], soname="lib.so", linker=linker)
    assert output.read_bytes() == b"old"


def test_same_objects_give_the_same_bytes(linker: Linker, tmp_path: Path) -> None:
    code = compiled(SOURCE)
    for name in ("one", "two"):
        link_shared([code], tmp_path / name, exports=["twice"], soname="lib.so", linker=linker)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_no_linker_is_an_error_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(link, "LINKERS", ("cc",))
    with pytest.raises(ArtifactError, match=r"no linker.*costmodel-ir\[link\]"):
        link_shared([b"x"], tmp_path / "lib.so", exports=["kernel"], soname="lib.so")


def test_output_folder_that_is_absent_is_an_error(linker: Linker, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot write"):
        link_shared([compiled(SOURCE)], tmp_path / "no" / "lib.so", exports=["twice"], soname="lib.so", linker=linker)


@pytest.mark.parametrize(
    ("objects", "exports", "soname"),
    [
        ([], ["kernel"], "lib.so"),
        ([b"x"], [], "lib.so"),
        ([b"x"], ["a; local"], "lib.so"),
        ([b"x"], ["k"], "../lib.so"),
    ],
)
def test_misuse_is_refused(objects: list[bytes], exports: list[str], soname: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        link_shared(objects, tmp_path / "lib.so", exports=exports, soname=soname)


def test_unknown_linker_lists_the_choices() -> None:
    with pytest.raises(UnknownNameError, match="cc, ziglang"):
        find_linker("gold")


def test_reader_agrees_with_the_wheels_readelf(linker: Linker, tmp_path: Path) -> None:
    output = tmp_path / "lib.so"
    link_shared([compiled(SOURCE)], output, exports=["twice", "helper"], soname="lib.so", linker=linker)
    command = [str(require_tool("llvm-nm").path), "--dynamic", "--format=just-symbols"]
    symbols = {
        kind: set(
            subprocess.run([*command, kind, str(output)], capture_output=True, text=True, check=True).stdout.split()
        )
        for kind in ("--defined-only", "--undefined-only")
    }
    library = read_library(output)
    assert library.defined == symbols["--defined-only"] == {"twice", "helper"}
    assert library.undefined | library.undefined_weak == {name.split("@")[0] for name in symbols["--undefined-only"]}
    assert library.undefined == {"cosh"}


@pytest.mark.parametrize("content", [b"", b"\x7fELF\x02\x01", b"MZ" * 100])
def test_reader_refuses_what_is_no_library(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "lib.so"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"lib\.so: not a 64-bit"):
        read_library(path)
