"""Triton families: they compile for every GPU, say what compilers say, and (interpreted) compute what they claim."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from costmodel.core.errors import UsageError
from costmodel.datasets.generators import Options
from costmodel.datasets.triton_kernels import NAMES, configurations, load

pytest.importorskip("triton")
pytest.importorskip("torch")

from costmodel.datasets.generators.triton import TARGETS, TritonGenerator
from costmodel.datasets.generators.triton_task import compile_configuration, without_locations

INTERPRETED = Path(__file__).with_name("triton_interpreted.py")


def test_there_are_at_least_twenty_and_configurations_do_not_repeat():
    assert len(NAMES) >= 20
    for name in NAMES:
        found = configurations(load(name), 1 << 20, np.random.default_rng(0))
        assert len(set(found)) == len(found) >= 20
        assert len({str(c) for c in found}) == len(found)


def test_a_configuration_is_compiled_for_three_gpus():
    (item,) = TritonGenerator(Options()).draw(["rms_norm"], 1, 0)
    product = compile_configuration(item.spec)
    assert {row.level for row in product.functions} == {"ttir", "ttgir"}
    assert {label.target for label in product.labels} == set(TARGETS)
    for row in product.functions:
        assert "loc(" not in row.ir
        assert "tt.func" in row.ir
        assert row.entry in row.ir
    by_metric = {(label.target, label.metric): label for label in product.labels}
    for target in TARGETS:
        assert by_metric[target, "registers_general"].value > 0
        assert by_metric[target, "code_bytes"].value > 0
        assert {"spills", "shared_bytes", "stack_bytes"} <= {metric for t, metric in by_metric if t == target}
    assert by_metric["nvptx64/sm_90", "registers_general"].tool == "ptxas"
    assert 'ttg.target = "cuda:90"' in "".join(row.ir for row in product.functions)


def test_compiling_twice_gives_the_same():
    (item,) = TritonGenerator(Options(targets=("nvptx64/sm_80",))).draw(["softmax"], 1, 4)
    assert compile_configuration(item.spec) == compile_configuration(item.spec)


def test_a_tile_that_fits_nothing_spills():
    generator = TritonGenerator(Options(targets=("nvptx64/sm_80",), dtypes=("f16",)))
    items = generator.draw(["matmul"], 1 << 20, 0)
    wide = next(
        i
        for i in items
        if dict(i.spec)["constants"][:3] == (("BM", 128), ("BN", 128), ("BK", 64)) and dict(i.spec)["num_warps"] == 2
    )
    labels = compile_configuration(wide.spec).labels
    assert max(label.value for label in labels if label.metric == "spills") > 0


def test_targets_that_are_no_gpus_are_refused():
    with pytest.raises(UsageError, match="compiles for GPUs"):
        TritonGenerator(Options(targets=("x86-64/znver4",)))


def test_locations_are_taken_out_of_names_with_brackets():
    head = '#loc = loc("a(b).py":1:2)\nmodule {\n  %x = tt.y loc(#loc1)\n'
    text = head + '  f(%a: i32 loc("a"(#loc))) loc(fused[#loc])\n} loc(#loc)\n'
    assert without_locations(text) == "module {\n  %x = tt.y\n  f(%a: i32)\n}\n"


@pytest.mark.slow
def test_kernels_compute_what_they_claim():
    """In Triton's interpreter, on a CPU, in another process: it must be chosen before the kernels are defined."""
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(INTERPRETED)], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert set(report) == set(NAMES)
    assert {name: error for name, error in report.items() if error > 2e-2} == {}
