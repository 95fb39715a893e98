"""`costmodel label`: files in, labels out as table, JSON or Parquet; bad input is one line and exit status 2."""

import json
from pathlib import Path

import pytest

from costmodel.cli.main import main

CODE = "define i32 @twice(i32 %x) {\n  %y = add i32 %x, %x\n  ret i32 %y\n}\ndefine void @nothing() {\n  ret void\n}\n"
LINALG = """
func.func @mm(%a: tensor<16x16xf32>, %b: tensor<16x16xf32>) -> tensor<16x16xf32> {
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<16x16xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<16x16xf32>) -> tensor<16x16xf32>
  %r = linalg.matmul ins(%a, %b : tensor<16x16xf32>, tensor<16x16xf32>)
    outs(%f : tensor<16x16xf32>) -> tensor<16x16xf32>
  return %r : tensor<16x16xf32>
}
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    path = tmp_path / "code with spaces.ll"
    path.write_text(CODE)
    return path


def test_json_has_one_element_for_each_function_and_target(code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    targets = ["x86-64/znver4", "riscv64/sifive-p670"]
    assert (
        main(["label", str(code), "--target", ",".join(targets), "--metrics", "instructions", "--format", "json"]) == 0
    )
    answer = json.loads(capsys.readouterr().out)
    assert answer["schema_version"] == 1
    found = [(item["name"], item["target"], item["pipeline"], item["known"]) for item in answer["functions"]]
    assert found == [(name, target, "O3-retarget-v1", True) for name in ("twice", "nothing") for target in targets]
    metric = answer["functions"][0]["metrics"]["instructions"]
    assert set(metric) == {"value", "unit", "tool", "tool_version", "cause"}
    assert (metric["value"], metric["unit"], metric["tool"]) == (2.0, "instructions", "llvmlite")


def test_table_says_unit_and_tool(code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["label", str(code), "--target", "aarch64/neoverse-v2", "--metrics", "code_bytes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["function", "target", "metric", "value", "unit", "tool"]
    assert lines[1].split()[:5] == ["twice", "aarch64/neoverse-v2", "code_bytes", "8", "bytes"]
    assert "llvmlite" in lines[1]


def test_parquet_is_the_contract_table(code: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "labels.parquet"
    arguments = ["--target", "x86-64/znver4", "--metrics", "spills", "--format", "parquet", "-o", str(out)]
    assert main(["label", str(code), *arguments]) == 0
    table = parquet.read_table(out)
    assert table.num_rows == 2
    assert set(table.column("metric").to_pylist()) == {"spills"}


def test_a_schedule_is_the_pipeline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mm.mlir"
    path.write_text(LINALG)
    schedule = ["--schedule", "v1; tile(level=register, m=4, n=16, k=1); vectorize(16)"]
    arguments = ["--target", "x86-64/znver4", "--metrics", "registers_vector", "--format", "json"]
    assert main(["label", str(path), *schedule, *arguments]) == 0
    (item,) = json.loads(capsys.readouterr().out)["functions"]
    assert (item["name"], item["pipeline"]) == ("mm", "schedule")
    assert item["metrics"]["registers_vector"]["value"] >= 4


@pytest.mark.parametrize(
    ("name", "content", "arguments", "said"),
    [
        ("a.ll", b"", ["--target", "x86-64/znver4"], "the file is empty"),
        ("a.ll", b"; nothing\n", ["--target", "x86-64/znver4"], "defines no function"),
        ("a.ll", b"nonsense", ["--target", "x86-64/znver4"], "cannot read"),
        ("a.bc", b"BC\xc0\xde and then nothing of LLVM 22", ["--target", "x86-64/znver4"], "cannot read"),
        ("a.ll", b"\xff\xfe", ["--target", "x86-64/znver4"], "not UTF-8"),
        ("a.mlir", b"func.func @f( {", ["--target", "x86-64/znver4"], "a.mlir:1:"),
        ("a.txt", b"x", ["--target", "x86-64/znver4"], "expected a file that ends in .ll, .bc, .mlir"),
        ("a.ll", CODE.encode(), ["--target", "x86-64/znver9"], "did you mean"),
        ("a.ll", CODE.encode(), ["--target", "nvptx64/sm_90", "--metrics", "cycles"], "no labeller gives cycles"),
        ("a.ll", CODE.encode(), ["--target", "x86-64/znver4", "--metrics", "speed"], "unknown metric 'speed'"),
        ("a.ll", CODE.encode(), ["--target", "x86-64/znver4", "--pipeline", "O9"], "unknown pipeline 'O9'"),
        ("a.ll", CODE.encode(), ["--target", "x86-64/znver4", "--schedule", "v1"], "not for LLVM IR"),
        ("a.ll", CODE.encode(), ["--target", "x86-64/znver4", "--jobs", "0"], "expected at least 1"),
        ("a.ll", CODE.encode(), ["--target", "x86-64/znver4", "--format", "parquet"], "needs -o"),
    ],
)
def test_bad_input_is_one_line(
    name: str, content: bytes, arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert main(["label", str(path), *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert len(captured.err.splitlines()) == 1


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["label", str(tmp_path / "absent.ll"), "--target", "x86-64/znver4"]) == 2
    assert "No such file" in capsys.readouterr().err


def test_a_table_for_gpus_without_their_tools(code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["label", str(code), "--target", "nvptx64/sm_90,amdgcn/gfx942"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("amdgcn/gfx942" in line and "registers_vector" in line for line in lines)
    assert any("nvptx64/sm_90" in line and "instructions" in line for line in lines)
