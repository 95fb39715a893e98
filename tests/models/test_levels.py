"""Levels of functions by their operations, and the pipeline that a question without one means."""

import pytest

from costmodel import ir
from costmodel.models.encode import encode_function
from costmodel.models.levels import default_pipelines, level_of


def _function(*values: str) -> str:
    lines = [f"  %{i} = {value}" for i, value in enumerate(values)]
    return "\n".join(["func.func @f(%a: i32) {", *lines, "  return", "}", ""])


TEXTS = {
    "llvm": "define i32 @f(i32 %a) {\n  ret i32 %a\n}\n",
    "ttgir": _function('"ttg.local_alloc"() : () -> i64', '"tt.get"() : () -> i64'),
    "ttir": _function('"tt.get"() : () -> i64'),
    "linalg": _function('"tensor.empty"() : () -> tensor<4xf32>'),
    "vector": _function('"vector.step"() : () -> vector<4xindex>', '"memref.alloc"() : () -> i64'),
    "": _function(),
}


@pytest.mark.parametrize("level", TEXTS)
def test_the_highest_dialect_decides(level):
    program = ir.read(TEXTS[level])
    assert level_of(encode_function(program.functions[0]).numbers) == level


def test_the_commonest_pipeline_of_a_level_is_meant():
    rows = [("llvm", "b"), ("llvm", "a"), ("llvm", "b"), ("scf", "z"), ("scf", "c")]
    assert default_pipelines(rows) == {"llvm": "b", "scf": "c"}
