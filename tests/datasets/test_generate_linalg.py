"""Generated linalg: every family lowers, levels are what they say, and a seed decides everything."""

from __future__ import annotations

import re

import numpy as np
import pytest

from costmodel.core.errors import UnknownNameError, UsageError
from costmodel.datasets.generators import GENERATORS, Options, select
from costmodel.datasets.generators.linalg import LinalgGenerator
from costmodel.datasets.generators.linalg_families import FORMS, draw_sizes
from costmodel.datasets.generators.linalg_task import lower_workload
from costmodel.search.schedule.text import parse_schedule
from costmodel.toolchain.isolation import call_isolated

ASKED = ("matmul", "conv", "pooling", "norm", "softmax", "attention", "elementwise", "reduce", "permute", "gather")


def rows(family: str, seed: int = 0, **options: object):
    (item,) = LinalgGenerator(Options(**options)).draw([family], 1, seed)
    product = call_isolated("costmodel.datasets.generators.linalg_task:lower_workload", item.spec)
    return product.functions


def test_the_kinds_of_operators_asked_for_are_there():
    assert all(any(word in name for name in FORMS) for word in ASKED)
    assert {dtype for form in FORMS.values() for dtype in form.dtypes} == {"f32", "f16", "bf16", "i8"}


@pytest.mark.parametrize("name", sorted(FORMS))
def test_every_family_lowers_in_every_element_type(name):
    form = FORMS[name]
    for dtype in form.dtypes:
        text = form.text(draw_sizes(form, np.random.default_rng(3)), dtype)
        assert re.search(rf"tensor<[\dx]*{dtype}>", text)
        lowered = call_isolated("costmodel.toolchain.pipelines:lower_to_llvm_ir", text, "linalg-default-v1")
        assert "define" in lowered


def test_one_workload_gives_rows_at_every_level():
    found = rows("matmul")
    assert {row.level for row in found} >= {"linalg", "affine", "llvm"}
    assert {row.level for row in found} & {"vector", "scf"}
    scheduled = [row for row in found if row.stage == "scheduled"]
    assert len({row.schedule for row in scheduled}) == 2
    assert all(str(parse_schedule(row.schedule)) == row.schedule for row in scheduled)
    assert all(row.workload_id and row.family == "matmul" and row.project == "generator-linalg" for row in found)
    for row in found:
        marker = {"affine": "affine.for", "llvm": "define", "linalg": "linalg.", "vector": "vector<", "scf": "scf.for"}
        assert marker[row.level] in row.ir


def test_a_gather_stays_with_the_default_lowering():
    assert {row.level for row in rows("gather")} == {"linalg", "affine", "llvm"}


def test_attention_is_several_kernels():
    assert len({row.workload_id for row in rows("attention") if row.schedule}) >= 2


def test_the_seed_decides():
    assert rows("softmax", 5) == rows("softmax", 5)
    assert rows("softmax", 5) != rows("softmax", 6)


def test_levels_and_element_types_are_kept_as_asked():
    assert {row.level for row in rows("matmul", levels=("llvm",))} == {"llvm"}
    assert all("f16" in row.ir for row in rows("matmul", dtypes=("f16",), levels=("linalg",)))
    with pytest.raises(UsageError, match="levels linalg"):
        LinalgGenerator(Options(levels=("ttir",)))


def test_counts_are_spread_over_families():
    items = LinalgGenerator(Options()).draw(["matmul", "softmax"], 90, 0)
    assert [item.family for item in items] == ["matmul"] * 5 + ["softmax"] * 5
    assert len({item.key for item in items}) == 10


def test_names_of_families_are_checked():
    with pytest.raises(UnknownNameError, match="unknown family 'linalg/matmull'"):
        select(["linalg/matmull"], GENERATORS, Options())
    with pytest.raises(UnknownNameError, match="unknown generator"):
        select(["linalgg"], GENERATORS, Options())
    with pytest.raises(UsageError, match="twice"):
        select(["linalg", "linalg/matmul"], GENERATORS, Options())


def test_the_task_is_the_same_in_this_process():
    (item,) = LinalgGenerator(Options()).draw(["transpose"], 1, 2)
    assert lower_workload(item.spec).functions == rows("transpose", 2)
