"""Kernels as text again: reading what was printed gives the same workload, whatever names the source had."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from costmodel.search.kernel.printing import print_kernel, workload_id

sys.path.insert(0, str(Path(__file__).parent))
from kernel_extras import EXTRAS
from kernel_samples import SMALL, evaluate_parts, family, kernel_of, parts_of

from costmodel.datasets.linalg import FAMILIES

sys.path.pop(0)


@pytest.mark.parametrize("name", SMALL)
def test_reading_the_printed_kernel_is_a_fixed_point(name):
    kernel = family(name)
    again = kernel_of(print_kernel(kernel))
    assert print_kernel(again) == print_kernel(kernel)
    assert workload_id(again) == workload_id(kernel)
    assert again == kernel


@pytest.mark.parametrize("name", sorted(EXTRAS))
def test_printed_kernels_of_other_functions_compute_the_same(name):
    parts = parts_of(EXTRAS[name])
    rng = np.random.default_rng(5)
    for step in parts.steps:
        kernel = step.kernel
        again = parts_of(print_kernel(kernel))
        arrays = [_random(rng, kernel.by_name[n].shape, kernel.by_name[n].dtype) for n in kernel.inputs]
        for a, b in zip(evaluate_parts(again, arrays), _outputs(kernel, arrays), strict=True):
            np.testing.assert_array_equal(a, b)


def _outputs(kernel, arrays):
    from costmodel.search.kernel.reference import evaluate

    found = evaluate(kernel, dict(zip(kernel.inputs, arrays, strict=True)))
    return [found[n] for n in kernel.outputs]


def _random(rng, shape, dtype):
    from costmodel.search.kernel.reference import numpy_dtype

    if dtype == "i1":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.startswith("i"):
        return rng.integers(0, 5, shape).astype(numpy_dtype(dtype))
    return rng.standard_normal(shape).astype(numpy_dtype(dtype))


@pytest.mark.parametrize("name", ["matmul_bias_relu", "conv2d_nchw", "softmax", "layer_norm"])
def test_names_do_not_matter(name):
    text = FAMILIES[name].text(SMALL[name])
    renamed = re.sub(r"%([a-z]\w*)", r"%other_\1", text).replace("@main", "@someone_else")
    assert renamed != text
    assert workload_id(kernel_of(renamed)) == workload_id(family(name))


def test_sizes_and_structure_do_matter():
    ids = {workload_id(family(name)) for name in SMALL}
    ids |= {workload_id(family("matmul", m=m)) for m in (2, 3, 4)}
    ids |= {workload_id(family("conv2d_nchw", stride=s)) for s in (1, 2)}
    assert len(ids) == len(SMALL) + 3 + 1


def test_a_printed_kernel(golden):
    golden.check("kernel/softmax.mlir", print_kernel(family("softmax")))


def test_a_printed_kernel_with_a_pad(golden):
    kernel = parts_of(EXTRAS["padded_convolution"]).steps[0].kernel
    golden.check("kernel/pad.mlir", print_kernel(kernel))
