"""Rows of operations' shapes, and what is kept of modules: one entry each, whatever threads meet it."""

import warnings

import numpy as np
import pytest

from costmodel import ir
from costmodel.ir.features import hashes, machine_symbols
from costmodel.ir.features.machine_rows import Rows
from costmodel.ir.features.scan import scan


def operations(text):
    found = scan(ir.read(text, format="llvm").functions[0].operation)
    return list(zip((op for entry in found.blocks for op in entry.block.operations), found.facts, strict=True))


def test_a_shape_that_two_threads_meet_has_one_row():
    add, divide, _ = operations(
        "define i32 @f(i32 %x) {\n  %a = add i32 %x, 1\n  %b = sdiv i32 %a, %x\n  ret i32 %b\n}\n"
    )
    rows = Rows()
    first = rows.add(("add",), *add)
    expected = rows.table[first].copy()
    assert rows.add(("add",), *add) == first  # the other thread had looked before there was one
    assert rows.add(("divide",), *divide) != first
    assert np.array_equal(rows.table[rows.index["add",]], expected)


def test_what_is_known_of_a_module_is_given_even_if_it_is_forgotten_at_once(monkeypatch):
    class Forgetful(dict):
        def __setitem__(self, key, value):
            """Another thread clears it."""

    monkeypatch.setattr(machine_symbols, "_SYMBOLS", Forgetful())
    local, eager = machine_symbols._symbols("@a = internal global i32 0\n")
    assert (local, eager) == ({"a"}, frozenset())


@pytest.mark.parametrize("depth", [1, 2, 20])
def test_addresses_beyond_any_memory_overflow_nothing(depth):
    most = 2**63 - 1
    kind = f"[{most} x " * depth + "i64" + "]" * depth
    text = (
        f"define void @f(ptr %p, i64 %i) {{\n  %q = getelementptr {kind}, ptr %p, i64 {most}\n"
        f"  %r = getelementptr {kind}, ptr %q, i64 %i\n  store i64 0, ptr %q\n  store i64 1, ptr %r\n  ret void\n}}\n"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        features = ir.read(text, format="llvm").functions[0].features(simplify=True)
    assert np.isfinite(features.to_vector()).all()


def test_long_texts_are_hashed_and_not_kept():
    short, long = "dense<7> : tensor<2xi32>", f"dense<[{'7, ' * hashes._MAX_LENGTH}7]>"
    known = hashes._Texts()
    assert known[short] == hashes.hash_of(short)
    assert known[long] == hashes.hash_of(long)
    assert list(known) == [short]
