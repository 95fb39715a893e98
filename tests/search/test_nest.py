"""Loop nests: names by role, unit dimensions dropped, contiguous dimensions walked as one, packs and sharing."""

from __future__ import annotations

import sys
from math import prod
from pathlib import Path

import pytest

from costmodel.search.kernel.nest import loop_program
from costmodel.search.schedule.plan import default_vector, packable, sharable_dims

sys.path.insert(0, str(Path(__file__).parent))
from kernel_extras import EXTRAS
from kernel_samples import SMALL, family, kernel_of

sys.path.pop(0)

EXTENTS = {
    "matmul": {"m": 7, "n": 19, "k": 11},
    "matmul_bias_relu": {"m": 6, "n": 17, "k": 9},
    "batch_matmul": {"b": 3, "m": 5, "n": 17, "k": 7},
    "conv2d_nchw": {"f": 5, "oh": 9, "ow": 9, "c": 3, "kh": 3, "kw": 3},
    "conv2d_nhwc": {"oh": 7, "ow": 7, "f": 17, "kh": 3, "kw_c": 15},
    "depthwise_nchw": {"c": 5, "oh": 9, "ow": 9, "kh": 3, "kw": 3},
    "conv1d": {"f": 7, "ow": 17, "c": 3, "kw": 3},
    "pooling_max": {"i": 5, "oh": 9, "ow": 9, "kh": 3, "kw": 3},
    "softmax": {"i": 5, "r": 37},
    "elementwise_chain": {"i_j": 115},
    "transpose": {"i": 21, "j": 13},
}
VECTORS = {
    "matmul": "n",
    "matmul_transposed": "n",
    "batch_matmul": "n",
    "matvec": "k",
    "conv2d_nhwc": "f",
    "depthwise_nhwc": "c",
    "softmax": "r",
    "reduce_rows": "r",
    "reduce_columns": "i",
    "elementwise_chain": "i_j",
}


@pytest.mark.parametrize("name", EXTENTS)
def test_dimensions_are_named_by_their_role(name):
    assert loop_program(family(name)).extents == EXTENTS[name]


@pytest.mark.parametrize("name", SMALL)
def test_nests_keep_every_iteration_and_every_element(name):
    kernel = family(name)
    program = loop_program(kernel)
    assert len(program.nests) == len(kernel.stages)
    for nest, stage in zip(program.nests, kernel.stages, strict=True):
        assert program.points(nest) == stage.points
        assert not set(nest.parallel) & set(nest.reduction)
        for access in nest.accesses:
            assert access.dims <= set(nest.dims)
            last = access.offset + sum(s * (program.extents[d] - 1) for d, s in access.strides)
            assert 0 <= access.offset <= last < prod(kernel.by_name[access.buffer].shape)


def test_dimensions_of_one_are_gone():
    assert loop_program(family("matmul", m=1, k=1)).extents == {"i": 19}
    assert loop_program(kernel_of(EXTRAS["scalar"])).extents == {}


def test_a_loop_index_keeps_dimensions_apart():
    assert loop_program(kernel_of(EXTRAS["indices"])).extents == {"i": 5, "j": 23}


def test_the_anchor_is_the_heaviest_nest():
    assert loop_program(family("matmul_bias_relu")).anchor.combine == "arith.addf"


@pytest.mark.parametrize("name", VECTORS)
def test_the_vector_dimension_where_none_is_named(name):
    assert default_vector(loop_program(family(name)).anchor) == VECTORS[name]


def test_operands_that_can_be_packed():
    matmul = loop_program(family("matmul")).anchor
    assert [packable(matmul, i, "n") for i in (0, 1)] == [True, True]
    assert [packable(matmul, i, "k") for i in (0, 1)] == [False, False]
    convolution = loop_program(family("conv2d_nchw", stride=1)).anchor
    assert [packable(convolution, i, "ow") for i in (0, 1)] == [False, True]
    assert not packable(loop_program(family("elementwise_gelu")).anchor, 0, None)


def test_dimensions_that_nests_can_share():
    assert sharable_dims(loop_program(family("softmax"))) == {"i"}
    assert sharable_dims(loop_program(family("matmul_bias_relu"))) == {"m", "n"}
    assert sharable_dims(loop_program(family("matmul"))) == set()
    assert sharable_dims(loop_program(kernel_of(EXTRAS["stencil"]))) == set()
