"""Loops in C: arrays become arguments, and what clang makes of them reads back, scalar, in every form."""

from __future__ import annotations

import pytest

from costmodel.core.errors import MissingDependencyError, ToolchainError
from costmodel.datasets.generators import GENERATORS, Options
from costmodel.datasets.generators.loops_task import FORMS, TRIPS, compile_loops, compiled, function
from costmodel.ir import read

POINTERS = "float *restrict o = at->f[0]; const int32_t *p = at->i[3], *x = at->i[1];"
BODY = POINTERS + " for (int j = 0; j < n; ++j) o[j] = p[x[j]];"


def test_arrays_become_arguments_and_bounds_are_of_many_types():
    heads = [function("f", BODY, i).partition(")")[0] for i in range(5)]
    arrays = "float *restrict o, const int32_t * p, const int32_t * x"
    assert heads == [f"long f({arrays}{more}" for more in (", long n", ", int n", ", size_t n", ", long n", "")]
    known = [function("f", BODY, 5 * i + 4) for i in range(len(TRIPS))]
    assert all(f"enum {{ n = {trips} }};" in text for trips, text in zip(TRIPS, known, strict=True))
    assert all("at->" not in text for text in known)


def test_what_takes_more_than_whole_arrays_keeps_the_struct():
    assert function("f", BODY + " at->f[3][0] = 1;", 0).startswith("long f(struct arrays *restrict at, long n) { float")


def test_without_clang_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr("costmodel.toolchain.tools.find_tool", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"no clang of LLVM 22 found.*apt-get install clang-22"):
        GENERATORS.get("loops")(Options())


@pytest.mark.toolchain("clang", "opt")
def test_every_family_gives_scalar_functions_in_three_forms():
    generator = GENERATORS.get("loops")(Options())
    items = generator.draw(generator.families(), 9 * len(generator.families()), 1)
    for item in items:
        rows = compile_loops(item.spec).functions
        assert len(rows) == 9
        assert {row.family for row in rows} == {f"loop_{item.family}"}
        for row in rows:
            (found,) = read(row.ir.encode()).functions
            assert found.name == row.entry
            assert found.features()["loops"] >= 1
            assert found.features()["vector_ops"] == 0
        in_memory = sum("alloca" in row.ir for row in rows)
        assert in_memory == 9 // len(FORMS)
    assert compile_loops(items[0].spec) == compile_loops(items[0].spec)


@pytest.mark.toolchain("clang", "opt")
def test_c_that_clang_refuses_is_an_error_that_says_so():
    with pytest.raises(ToolchainError, match=r"failed on generated C: .*error"):
        compiled("long f( {", "")
