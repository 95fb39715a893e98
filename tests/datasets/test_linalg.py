"""Generated families: text follows from sizes, sizes from a seed, and each reads as the family it stands for."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from costmodel.datasets.linalg import FAMILIES, draw_sizes

sys.path.insert(0, str(Path(__file__).parents[1] / "search"))
from kernel_samples import SMALL, family

sys.path.pop(0)

READ_AS = {
    "matmul": "matmul",
    "matmul_bias_relu": "matmul",
    "matmul_transposed": "matmul",
    "batch_matmul": "batch_matmul",
    "matvec": "matvec",
    "conv2d_nhwc": "conv2d",
    "conv2d_nchw": "conv2d",
    "depthwise_nchw": "depthwise_conv2d",
    "depthwise_nhwc": "depthwise_conv2d",
    "conv1d": "conv1d",
    "pooling_max": "pooling",
    "softmax": "softmax",
    "layer_norm": "layer_norm",
    "reduce_rows": "reduction",
    "reduce_columns": "reduction",
    "elementwise_gelu": "elementwise",
    "elementwise_chain": "elementwise",
    "transpose": "elementwise",
}


@pytest.mark.parametrize("name", FAMILIES)
def test_it_reads_as_one_kernel_of_its_family(name):
    assert family(name).family == READ_AS[name]


@pytest.mark.parametrize("name", FAMILIES)
def test_sizes_are_drawn_within_range_and_repeatably(name):
    entry = FAMILIES[name]
    drawn = [draw_sizes(name, np.random.default_rng(seed)) for seed in range(20)]
    assert drawn == [draw_sizes(name, np.random.default_rng(seed)) for seed in range(20)]
    assert len({tuple(s.items()) for s in drawn}) > 10
    for sizes in drawn:
        assert sizes.keys() == entry.ranges.keys()
        assert all(low <= sizes[key] <= high for key, (low, high) in entry.ranges.items())
        assert 2e4 <= entry.points(sizes) <= 3e8


@pytest.mark.parametrize("name", FAMILIES)
def test_points_are_the_iterations_of_the_heaviest_stage(name):
    kernel = family(name)
    assert FAMILIES[name].points(SMALL[name]) == max(s.points for s in kernel.stages)


def test_text_depends_on_sizes_only():
    for name, entry in FAMILIES.items():
        assert entry.text(SMALL[name]) == entry.text(dict(SMALL[name]))
    assert FAMILIES["matmul"].text({"m": 2, "n": 3, "k": 4}) != FAMILIES["matmul"].text({"m": 3, "n": 2, "k": 4})


def test_a_matmul(golden):
    golden.check("linalg/matmul.mlir", FAMILIES["matmul"].text({"m": 2, "n": 3, "k": 4}))


def test_strided_convolutions_read_what_they_need():
    text = FAMILIES["conv2d_nchw"].text({"o": 4, "c": 2, "f": 3, "w": 3, "stride": 2})
    assert re.search(r"%a: tensor<1x2x9x9xf32>", text)
    assert "strides = dense<2>" in text
