"""References, tolerances, the verdict: tight enough for real bugs, loose enough for every order of summation."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from costmodel.core.errors import UnsupportedError
from costmodel.search.kernel.form import Const, Ref
from costmodel.search.kernel.reference import evaluate
from costmodel.search.measure.bounds import evaluate_bounded
from costmodel.search.measure.cases import CaseStore, load, make_cases, spill
from costmodel.search.measure.check import check_outputs
from costmodel.search.measure.inputs import SETS, draw, set_names
from costmodel.search.measure.memory import GUARD_BYTES, PATTERNS, GuardedBuffer

sys.path.insert(0, str(Path(__file__).parent))
from measure_kernels import add, elementwise, matmul, op, row_sum, unary

sys.path.pop(0)

F4 = np.float32


def verdict(kernel, case, output):
    buffer = GuardedBuffer("out0", output.size, kernel.by_name["out0"].dtype)
    buffer.data[...] = output.reshape(-1)
    return check_outputs(case, {"out0": buffer})


def random_case(kernel, seed=0):
    return make_cases(kernel, seed)[0]


def backwards(a, b):
    """A matrix product summed serially from the end in single precision."""
    total = np.zeros((a.shape[0], b.shape[1]), F4)
    for k in reversed(range(a.shape[1])):
        total += np.outer(a[:, k], b[k])
    return total


def test_the_reference_is_what_the_kernel_means():
    for kernel in (matmul(5, 7, 11), add(33), unary("math.tanh", 50), row_sum(4, 9)):
        inputs = draw(kernel, "random", 3)
        bounded = evaluate_bounded(kernel, inputs, independent=True)["out0"]
        np.testing.assert_allclose(bounded.value, evaluate(kernel, inputs)["out0"], rtol=1e-13)


@pytest.mark.parametrize("k", [1, 3, 64, 512, 4096])
def test_any_order_of_summation_is_right_and_a_missing_product_is_not(k):
    kernel = matmul(8, 8, k)
    for case in make_cases(kernel, 1):
        a, b = case.inputs["in0"], case.inputs["in1"]
        with np.errstate(all="ignore"):
            for output in (a @ b, backwards(a, b), (a[:, ::-1].copy() @ b[::-1].copy())):
                assert verdict(kernel, case, output).status == "ok", case.name
    case = random_case(kernel, 1)
    a, b = case.inputs["in0"], case.inputs["in1"]
    for short in (a[:, :-1] @ b[:-1], a[:, 1:] @ b[1:]):
        assert verdict(kernel, case, short).status == "wrong"


@pytest.mark.parametrize("n", [100, 10_000, 200_000])
def test_a_long_sum_may_be_serial_but_not_one_short(n):
    kernel = row_sum(4, n)
    case = random_case(kernel)
    x = case.inputs["in0"]
    assert verdict(kernel, case, np.add.accumulate(x, axis=1, dtype=F4)[:, -1]).status == "ok"
    assert verdict(kernel, case, x.sum(1)).status == "ok"
    assert verdict(kernel, case, x[:, :-1].sum(1)).status == "wrong"


def test_equal_terms_may_all_be_rounded_the_same_way():
    kernel = row_sum(4, 2048, op("math.exp", Ref("read", 0)))
    for case in make_cases(kernel, 0):
        with np.errstate(all="ignore"):
            serial = np.add.accumulate(np.exp(case.inputs["in0"]), axis=1, dtype=F4)[:, -1]
        assert verdict(kernel, case, serial).status == "ok", case.name


FUNCTIONS = [
    "exp",
    "exp2",
    "tanh",
    "sqrt",
    "log",
    "log2",
    "log1p",
    "sin",
    "cos",
    "absf",
    "floor",
    "ceil",
    "rsqrt",
    "expm1",
]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_single_precision_functions_are_right_on_every_set(name):
    kernel = unary(f"math.{name}")
    numpy_name = {"absf": "abs"}.get(name, name)
    function = (lambda x: 1 / np.sqrt(x)) if name == "rsqrt" else getattr(np, numpy_name)
    for case in make_cases(kernel, 0):
        with np.errstate(all="ignore"):
            output = function(case.inputs["in0"])
        assert verdict(kernel, case, output).status == "ok", case.name
    case = random_case(kernel)
    with np.errstate(all="ignore"):
        output = function(case.inputs["in0"]).astype(F4)
    at = int(np.flatnonzero(np.isfinite(output) & (np.abs(output) > 0.5))[7])
    output[at] *= F4(1.0001)
    assert f"[{at}]" in verdict(kernel, case, output).cause


def test_flushing_denormals_is_right():
    kernel = add(5000)
    case = next(c for c in make_cases(kernel, 0) if c.name == "denormal")
    inputs = {n: np.where(np.abs(x) < np.finfo(F4).smallest_normal, F4(0), x) for n, x in case.inputs.items()}
    assert np.any(inputs["in0"] != case.inputs["in0"])
    assert verdict(kernel, case, inputs["in0"] + inputs["in1"]).status == "ok"


def test_lanes_that_overflow_are_not_compared_and_others_are():
    kernel = unary("math.exp")
    case = next(c for c in make_cases(kernel, 0) if c.name == "large")
    with np.errstate(over="ignore"):
        output = np.exp(case.inputs["in0"])
    assert np.isinf(output).any()
    assert verdict(kernel, case, np.where(np.isinf(output), F4(np.nan), output)).status == "ok"
    finite = np.flatnonzero((case.inputs["in0"] > 0) & (output < 100))
    output[finite[0]] = np.inf
    assert verdict(kernel, case, output).status == "wrong"


def test_a_set_on_which_nothing_can_be_compared_is_left_out():
    body = (
        op("math.exp", Ref("read", 0)),
        op("math.exp", Ref("op", 0)),
        op("arith.addf", Ref("op", 1), Const(1e30, "f32")),
    )
    squares = (op("arith.mulf", Ref("read", 0), Ref("read", 0)), op("arith.addf", Ref("op", 0), Const(3e38, "f32")))
    assert [c.name for c in make_cases(elementwise(10, squares, inputs=1), 0)] == ["random"]
    assert "random" in [c.name for c in make_cases(elementwise(10, body, inputs=1), 0)]


def test_maxima_are_exact():
    kernel = row_sum(3, 50, combine="arith.maximumf", init=-np.inf)
    case = random_case(kernel)
    output = case.inputs["in0"].max(1)
    assert verdict(kernel, case, output).status == "ok"
    output[1] = np.nextafter(output[1], F4(9))
    assert verdict(kernel, case, output).status == "wrong"


def test_integers_are_exact_and_have_one_set():
    kernel = add(100, "i32")
    assert set_names(kernel) == ("random",)
    case = random_case(kernel)
    output = case.inputs["in0"] + case.inputs["in1"]
    assert verdict(kernel, case, output).status == "ok"
    output[5] += 1
    found = verdict(kernel, case, output)
    assert (found.status, found.max_abs_error) == ("wrong", 1.0)


def test_half_precision_has_its_own_tolerance():
    kernel = add(100, "f16")
    case = random_case(kernel)
    exact = case.inputs["in0"].astype("f8") + case.inputs["in1"].astype("f8")
    assert verdict(kernel, case, exact.astype("f2")).status == "ok"
    assert verdict(kernel, case, (exact * 1.02).astype("f2")).status == "wrong"


def test_elements_without_a_numpy_type_are_refused_with_their_name():
    with pytest.raises(UnsupportedError, match="input 'in0' has elements bf16"):
        draw(add(4, "bf16"), "random", 0)


def test_nan_and_unwritten_elements_are_told_apart():
    kernel = add(64)
    case = random_case(kernel)
    buffer = GuardedBuffer("out0", 64, "f32")
    buffer.spoil()
    assert np.isnan(buffer.data).all()
    buffer.data[:60] = case.inputs["in0"][:60] + case.inputs["in1"][:60]
    assert "[60] was never written (4 of 64" in check_outputs(case, {"out0": buffer}).cause
    buffer.data[60:] = np.nan
    found = check_outputs(case, {"out0": buffer})
    assert (found.status, found.cause) == ("nan", "out0 on random inputs[60] is NaN (4 of 64 elements differ)")


# -- inputs, buffers, the store ----------------------------------------------------------------------------------


def test_inputs_follow_from_the_seed():
    kernel = matmul(4, 5, 6)
    for name in SETS:
        first, again, other = (draw(kernel, name, seed)["in0"] for seed in (7, 7, 8))
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)
        assert np.isfinite(first).all()


def test_sets_are_what_they_are_called():
    kernel = unary("math.exp", 4000)
    drawn = {name: draw(kernel, name, 0)["in0"] for name in SETS}
    assert not np.any(drawn["random"] == 0)
    zeros = drawn["zeros"][drawn["zeros"] == 0]
    assert 0 < np.signbit(zeros).sum() < len(zeros)
    assert np.abs(drawn["large"]).max() > 1e6
    assert 100 < np.sum(np.abs(drawn["denormal"]) < np.finfo(F4).smallest_normal) < 500


@pytest.mark.parametrize("dtype", ["f16", "f32", "f64", "i8", "i32", "i1"])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_guards_see_one_byte_on_either_side(dtype, pattern):
    buffer = GuardedBuffer("x", 37, dtype)
    buffer.guard(pattern)
    buffer.spoil()
    assert buffer.address % 64 == 0
    assert buffer.intact()
    for array, at in ((buffer._low, -1), (buffer._high, 0), (buffer._low, 0), (buffer._high, GUARD_BYTES - 1)):
        array[at] ^= 1
        assert not buffer.intact()
        array[at] ^= 1
    assert buffer.intact()


def test_cases_survive_on_disk(tmp_path):
    kernel = matmul(4, 5, 6)
    made = make_cases(kernel, 2)
    spill(tmp_path / "key.npz", made)
    read = load(tmp_path / "key.npz", kernel, 2)
    assert [c.name for c in read] == [c.name for c in made]
    for a, b in zip(made, read, strict=True):
        np.testing.assert_array_equal(a.inputs["in1"], b.inputs["in1"])
        np.testing.assert_array_equal(a.outputs["out0"].value, b.outputs["out0"].value)
        np.testing.assert_array_equal(a.outputs["out0"].tolerance, b.outputs["out0"].tolerance)
    assert [p.name for p in tmp_path.iterdir()] == ["key.npz"]


def test_the_store_forgets_the_least_recently_used():
    cases = make_cases(add(1000), 0)
    size = sum(c.nbytes for c in cases)
    store = CaseStore(limit_bytes=2 * size)
    store.put("a", cases)
    store.put("b", cases)
    assert store.get("a") is cases
    store.put("c", cases)
    assert store.get("b") is None
    assert store.get("a") is cases
    assert store.nbytes == 2 * size
