"""`benchmarks/kernels.py`: what it compares and how it sums up; the script itself on two small workloads."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from costmodel.datasets.linalg import FAMILIES

REDUCED = {
    "m": 6, "n": 5, "k": 4, "b": 2, "o": 4, "c": 3, "f": 2, "w": 3, "stride": 2,
}  # fmt: skip


def windows(image: np.ndarray, side: int, stride: int, axes: tuple[int, ...]) -> np.ndarray:
    """Windows along `axes`, appended as the last axes."""
    view = np.lib.stride_tricks.sliding_window_view(image, (side,) * len(axes), axis=axes)
    steps = [slice(None)] * view.ndim
    for axis in axes:
        steps[axis] = slice(None, None, stride)
    return view[tuple(steps)]


def gelu(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + np.tanh(0.797884561 * (x + 0.044715 * x**3)))


def softmax(a: np.ndarray) -> np.ndarray:
    e = np.exp(a - a.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


EXPECTED = {
    "matmul": lambda a, b: a @ b,
    "matmul_bias_relu": lambda a, b, v: np.maximum(a @ b + v, 0),
    "matmul_transposed": lambda a, b: a @ b.T,
    "batch_matmul": lambda a, b: a @ b,
    "matvec": lambda a, b: a @ b,
    "conv2d_nhwc": lambda a, w: np.einsum("nijcxy,xycf->nijf", windows(a, 3, 2, (1, 2)), w),
    "conv2d_nchw": lambda a, w: np.einsum("ncijxy,fcxy->nfij", windows(a, 3, 2, (2, 3)), w),
    "depthwise_nchw": lambda a, w: np.einsum("ncijxy,cxy->ncij", windows(a, 3, 2, (2, 3)), w),
    "depthwise_nhwc": lambda a, w: np.einsum("nijcxy,xyc->nijc", windows(a, 3, 2, (1, 2)), w),
    "conv1d": lambda a, w: np.einsum("ncix,fcx->nfi", windows(a, 3, 2, (2,)), w),
    "pooling_max": lambda a: windows(a, 3, 2, (2, 3)).max((-1, -2)),
    "softmax": softmax,
    "layer_norm": lambda a, g, b: (a - a.mean(1, keepdims=True)) / np.sqrt(a.var(1, keepdims=True) + 1e-5) * g + b,
    "reduce_rows": lambda a: a.sum(1),
    "reduce_columns": lambda a: a.max(0),
    "elementwise_gelu": lambda a, v: gelu(a + v),
    "elementwise_chain": lambda a, b, c, d: np.maximum(a * b + c, 0) - d,
    "transpose": lambda a: a.T + 1,
}


@pytest.fixture
def torch_as_before() -> Iterator[None]:
    """Baselines set threads and gradients for their whole process; here others come after them."""
    torch = pytest.importorskip("torch", reason="the baseline is torch's: pip install 'costmodel-ir[torch]'")
    threads, gradients = torch.get_num_threads(), torch.is_grad_enabled()
    yield
    torch.set_num_threads(threads)
    torch.set_grad_enabled(gradients)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_baseline_computes_the_family(family: str, request: pytest.FixtureRequest):
    from _baselines import BASELINES, make_baseline
    from _versus import random_inputs, shapes

    if BASELINES[family][0].startswith("torch"):
        request.getfixturevalue("torch_as_before")
    sizes = {key: REDUCED[key] for key in FAMILIES[family].ranges}
    wanted, result = shapes(family, sizes)
    inputs = random_inputs(wanted, seed=1)
    call, last = make_baseline(family, inputs, result, sizes)
    call()
    expected = EXPECTED[family](*(a.astype("f8") for a in inputs))
    assert last().shape == result
    np.testing.assert_allclose(last(), expected, rtol=1e-4, atol=1e-5)


def test_summary_passes_only_what_is_fast_and_right():
    from kernels import Subject, summarize

    fast = {"ours_s": 1.0, "vendor_s": 1.0, "default_s": 9.0, "heuristic_s": None, "noisy": False, "tiny": False}
    rows = [
        {"name": "a", "ratio": {"median": 0.9}, **fast},
        {"name": "a", "ratio": {"median": 1.2}, **fast},
        {"name": "a", "ratio": {"median": 1.0}, **fast},
        {"name": "b", "ratio": {"median": 2.0}, **fast},
        {"name": "b", "error": "outputs differ"},
        {"name": "c", "ratio": {"median": 0.7}, **fast},
        {"name": "d", "error": "outputs differ"},
    ]
    subjects = [Subject(name=n, family="matmul", sizes={}, required=0.95) for n in "abcd"]
    found = {line["name"]: line for line in summarize(rows, subjects)}
    assert found["a"]["ratio"] == 1.0
    assert found["a"]["ratio_range"] == [0.9, 1.2]
    assert {name: line["passed"] for name, line in found.items()} == {"a": True, "b": False, "c": False, "d": False}


def test_random_shapes_are_the_same_in_every_run():
    from kernels import random_subjects

    first = random_subjects(3, ["softmax", "matmul"])
    assert first == random_subjects(3, ["softmax", "matmul"])
    assert random_subjects(2, ["matmul"]) == first[3:5]
    assert len({s.name for s in first}) == 6


@pytest.mark.slow
def test_quick_run_writes_checked_and_paired_results(tmp_path: Path, scripts: Path):
    out = tmp_path / "kernels.json"
    command = [sys.executable, str(scripts / "kernels.py"), "--quick", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    document = json.loads(out.read_text())
    assert [line["failed"] for line in document["workloads"]] == [0, 0]
    for row in document["runs"]:
        assert row["max_rel_error"] < 1e-5
        assert row["ours_s"] > row["overhead"]["ours_s"] > 0
        assert row["ratio"]["quartile_1"] <= row["ratio"]["median"] <= row["ratio"]["quartile_3"]
        assert row["trials"] == 2
        assert row["default_s"] is not None
