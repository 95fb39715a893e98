"""The coverage report: counts, buckets, element types, and holes by name."""

from __future__ import annotations

import pytest

from costmodel.core.tables import FunctionRow
from costmodel.datasets.coverage import bucket_of, coverage, dtype_of, table


def row(ir: str, *, family: str = "matmul", level: str = "linalg") -> FunctionRow:
    return FunctionRow(
        ir=ir, format="llvm" if level == "llvm" else "mlir", level=level, stage="source", entry="main", project="p",
        family=family, license="MIT", workload_id=family,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("ir", "level", "expected"),
    [
        ("tensor<4x8xf16> tensor<4xf32>", "linalg", "f16"),
        ("memref<4xbf16>", "affine", "bf16"),
        ("tensor<4x?xi8>, tensor<4xi32>", "linalg", "i8"),
        ("!tt.ptr<f32>", "ttir", "f32"),
        ("store float %x, half %y", "llvm", "f16"),
        ("define i32 @f(ptr %x)", "llvm", "int"),
    ],
)
def test_the_element_type_is_the_narrowest_named(ir, level, expected):
    assert dtype_of(row(ir, level=level)) == expected


def test_sizes_fall_into_buckets():
    assert [bucket_of(row("x" * n)) for n in (10, 2_000, 8_000, 32_000)] == [
        "under 2 kB", "2 to 8 kB", "8 to 32 kB", "over 32 kB",
    ]  # fmt: skip


def test_counts_and_holes():
    rows = [
        row("tensor<2xf32>"),
        row("tensor<3xf16>"),
        row("float", level="llvm"),
        row("tensor<2xf32>", family="gather"),
    ]
    report = coverage(rows)
    assert report["functions"] == 4
    assert report["workloads"] == 2
    assert report["largest_family_share"] == 0.75
    assert report["totals"]["level"] == {"linalg": 3, "llvm": 1}
    assert report["holes"] == ["p/gather/level: none of llvm", "p/gather/dtype: none of f16"]
    assert table(rows).splitlines()[-1].split() == ["all", "3", "1", "4"]


def test_nothing_is_covered_by_nothing():
    assert coverage([])["largest_family_share"] == 0
