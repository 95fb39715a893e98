"""`costmodel doctor`: what it finds here, and that missing and broken things are said and survived."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from costmodel.cli import findings
from costmodel.cli.doctor import as_json, as_table
from costmodel.cli.findings import Finding, Probe
from costmodel.toolchain.tools import toolchain_id


def doctor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "costmodel.cli.main", "doctor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


@pytest.fixture(scope="module")
def report() -> dict:
    done = doctor("--format", "json", OPENBLAS_CORETYPE="Haswell", PYTHONWARNINGS="ignore")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_every_installation_has_is_usable(report: dict) -> None:
    assert report["schema_version"] == 1
    assert report["toolchain"] == toolchain_id()
    assert {"mlir", "llvm"} <= set(report["usable"]["reader"])
    assert "mlir" in report["usable"]["backend"]
    assert {"x86-64", "aarch64", "riscv64", "nvptx64", "amdgcn"} == set(report["usable"]["target"])
    assert {"opt", "llc", "llvm-mca", "mlir-opt"} <= set(report["usable"]["tool"])


def test_whatever_is_missing_comes_with_a_remedy(report: dict) -> None:
    groups = ("reader", "backend", "python", "tool")
    missing = [item for item in report["findings"] if item["status"] == "missing" and item["group"] in groups]
    assert all(item["remedy"].startswith(("pip install", "apt-get install")) for item in missing)


def test_every_pinned_requirement_but_those_for_development_is_listed_once(report: dict) -> None:
    names = [item["name"] for item in report["findings"] if item["group"] == "python"]
    assert len(names) == len(set(names))
    assert {"numpy", "llvmlite", "onnxruntime", "torch", "torch-geometric", "ziglang", "apache-tvm", "triton"} <= set(
        names
    )
    assert "pytest" not in names


def test_the_machine_is_described_and_a_slowing_variable_is_noted(report: dict) -> None:
    machine = {item["name"]: item for item in report["findings"] if item["group"] == "machine"}
    assert machine["cores"]["detail"] == f"{len(os.sched_getaffinity(0))} usable"
    assert machine["cpu"]["version"]
    assert machine["OPENBLAS_CORETYPE"]["status"] == "note"
    assert machine["OPENBLAS_CORETYPE"]["remedy"] == "unset OPENBLAS_CORETYPE"


def test_table_has_every_finding() -> None:
    done = doctor()
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("costmodel ")
    assert toolchain_id() in lines[0]
    for group in ("reader", "backend", "target", "python", "tool", "linker", "machine"):
        assert group in lines


def test_a_probe_that_kills_its_process_is_a_finding(tmp_path: Path) -> None:
    """A build of MLIR that aborts, first on the path: the command survives it, says so and fails with status 2."""
    package = tmp_path / "mlir"
    package.mkdir()
    (package / "__init__.py").write_text("import os\nos.abort()\n")
    done = doctor("--format", "json", PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr == (
        "costmodel: error: needed and not usable: reader mlir, backend mlir; see the remedies above\n"
    )
    answer = json.loads(done.stdout)
    broken = {(item["group"], item["name"]) for item in answer["findings"] if item["status"] == "broken"}
    assert broken == {("reader", "mlir"), ("backend", "mlir")}
    assert "llvm" in answer["usable"]["reader"]


def test_an_absent_package_makes_a_capability_missing_with_its_extra() -> None:
    probe = Probe(group="reader", name="new", task="mlir_reader", packages=("no_such_package",), extra="onnx")
    found = findings.run_probe(probe)
    assert (found.status, found.required) == ("missing", False)
    assert "no_such_package" in found.detail
    assert found.remedy == "pip install 'costmodel-ir[onnx]'"


def test_another_version_than_the_pinned_one_is_a_note() -> None:
    found = findings.package_finding("numpy", "0.0.1", "pip install costmodel-ir", detail="", required=True)
    assert (found.status, found.detail) == ("note", "tested with 0.0.1")


def test_a_remedy_is_printed_once_for_a_run_of_equal_ones() -> None:
    items = [Finding(group="tool", name=name, status="missing", remedy="apt-get install x") for name in ("a", "b")]
    assert as_table(items).count("get it: apt-get install x") == 1
    assert json.loads(as_json(items))["usable"] == {"tool": []}
