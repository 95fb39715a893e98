"""Generated code against the reference: every family, odd sizes, random schedules, and schedules known to be tricky.

Everything generated runs in the measurer's workers, between guard bands, on several sets of inputs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from costmodel.core.errors import UnsupportedError
from costmodel.core.target import Target
from costmodel.datasets.linalg import FAMILIES
from costmodel.search.backends.mlir.kernel import KernelEmitter
from costmodel.search.kernel.partition import KernelCall, partition
from costmodel.search.schedule.plan import apply_schedule
from costmodel.search.schedule.text import parse_schedule
from costmodel.search.space import build_space
from costmodel.search.space.heuristic import heuristic_schedule

sys.path.insert(0, str(Path(__file__).parent))
from kernel_extras import EXTRAS, matmul, reduction, t
from kernel_samples import SMALL, assert_right, draw_small, family, generic, graph_of, kernel_of, measurer, parts_of

sys.path.pop(0)

CONTRACT = (
    "v1; fuse(producers=1); tile(level=cache, m=64, n=256, k=128); order(m, k, n); "
    "tile(level=register, m=8, n=32, k=1); pack(b); vectorize(16); unroll(k=4)"
)


@pytest.fixture(scope="module")
def measure():
    with measurer() as found:
        yield found


def drawn_schedules(kernel, rng, count):
    space = build_space(kernel, Target.parse("native"))
    return [str(space.schedule(space.sample(rng))) for _ in range(count)]


@pytest.mark.parametrize("name", SMALL)
def test_random_schedules_compute_the_reference(measure, name):
    rng = np.random.default_rng([17, sorted(SMALL).index(name)])
    kernel = family(name)
    space = build_space(kernel, Target.parse("native"))
    schedules = [str(heuristic_schedule(space)), *drawn_schedules(kernel, rng, 2)]
    assert_right(measure, kernel, list(dict.fromkeys(schedules)))


@pytest.mark.parametrize("name", SMALL)
def test_random_sizes_compute_the_reference(measure, name):
    rng = np.random.default_rng([18, sorted(SMALL).index(name)])
    for step in parts_of(FAMILIES[name].text(draw_small(name, rng))).steps:
        assert isinstance(step, KernelCall)
        assert_right(measure, step.kernel, list(dict.fromkeys(drawn_schedules(step.kernel, rng, 2))))


@pytest.mark.parametrize("name", sorted(EXTRAS))
def test_other_types_and_operations_compute_the_reference(measure, name):
    rng = np.random.default_rng([19, sorted(EXTRAS).index(name)])
    for step in parts_of(EXTRAS[name]).steps:
        assert isinstance(step, KernelCall)
        assert_right(measure, step.kernel, list(dict.fromkeys(["v1", *drawn_schedules(step.kernel, rng, 1)])))


def test_the_contract_s_example_computes_a_matmul(measure):
    assert_right(measure, family("matmul", m=70, n=261, k=131), [CONTRACT])


TRICKY_MATMUL = [
    "v1; tile(level=cache, m=1, n=1, k=1)",
    "v1; tile(level=cache, k=4, m=4, n=8); order(k, n, m); tile(level=register, m=3, n=8); pack(a, b); vectorize(4); "
    "unroll(k=3)",
    "v1; tile(level=cache, k=4); order(n, m, k); pack(a); vectorize(4)",
    "v1; tile(level=cache, n=8); order(n, m, k); tile(level=register, m=4, n=8); pack(a, b); vectorize(8); unroll(k=2)",
    "v1; tile(level=cache, k=8); tile(level=register, k=8, m=2); vectorize(4, dim=k)",
    "v1; tile(level=register, k=8, m=2, n=3); vectorize(8, dim=k)",
    "v1; tile(level=register, m=5, n=4); pack(a, b); vectorize(4, dim=m); unroll(k=4)",
    "v1; order(k, m, n); unroll(k=11); vectorize(16)",
]
EPILOGUES = [
    "v1; fuse(consumers=1); tile(level=cache, k=4); order(k, m, n); tile(level=register, m=4, n=8); vectorize(8)",
    "v1; fuse(consumers=1); tile(level=cache, k=4, n=8); order(n, k, m); pack(a, b); tile(level=register, m=4, n=8); "
    "vectorize(4); unroll(k=2)",
    "v1; fuse(consumers=1); tile(level=register, k=8); vectorize(4, dim=k)",
    "v1; fuse(depth=1); tile(level=cache, m=2); vectorize(4)",
    "v1; fuse(depth=2); tile(level=cache, m=2, n=8); tile(level=register, n=8); vectorize(8)",
    "v1; fuse(depth=2); tile(level=cache, m=2, n=8, k=4); order(n, m, k); tile(level=register, m=2, n=8); "
    "vectorize(4); unroll(k=3)",
]
ROWS = [
    "v1; fuse(depth=1); tile(level=cache, i=2); vectorize(8)",
    "v1; fuse(depth=1); vectorize(4, dim=i)",
    "v1; fuse(depth=1); tile(level=cache, i=3); vectorize(16)",
    "v1; tile(level=register, r=16); vectorize(8, dim=r)",
    "v1; fuse(producers=1, consumers=2, depth=1); tile(level=cache, i=3); vectorize(8)",
    "v1; fuse(producers=3, consumers=3); unroll(r=4)",
]
REDUCED = [
    "v1; vectorize(8, dim=r)",
    "v1; tile(level=cache, r=8); vectorize(4, dim=i)",
    "v1; tile(level=register, r=16); tile(level=cache, r=16); vectorize(4, dim=r)",
    "v1; tile(level=cache, r=8); unroll(r=3)",
]


def test_matmul_splits_packs_and_tails(measure):
    assert_right(measure, family("matmul"), TRICKY_MATMUL)


def test_a_matmul_that_starts_from_an_argument(measure):
    assert_right(measure, kernel_of(EXTRAS["matmul_onto"]), TRICKY_MATMUL[1:6])


def test_split_reductions_with_an_epilogue_and_shared_loops(measure):
    assert_right(measure, family("matmul_bias_relu"), EPILOGUES)


@pytest.mark.parametrize("name", ["matmul_to_f16", "matmul_to_f64", "matmul_to_i1", "matmul_plus_column"])
def test_partial_sums_of_one_type_and_results_of_another(measure, name):
    assert_right(measure, kernel_of(EXTRAS[name]), EPILOGUES[:3])


def test_shared_loops_over_rows(measure):
    assert_right(measure, family("softmax"), ROWS)
    assert_right(measure, family("layer_norm"), ROWS[:5])


@pytest.mark.parametrize("dtype", ["f64", "f16", "i32", "i8"])
def test_matmuls_of_other_types(measure, dtype):
    kernel = kernel_of(matmul(dtype))
    m, n, k = ("m", "n", "k") if dtype.startswith("f") else ("i", "j", "r")
    schedules = [
        f"v1; tile(level=register, {m}=3, {n}=8); vectorize(8, dim={n}); unroll({k}=2)",
        f"v1; tile(level=cache, {k}=4); pack(a, b); tile(level=register, {m}=2, {n}=4); vectorize(4, dim={n})",
        f"v1; tile(level=register, {k}=8); vectorize(4, dim={k})",
    ]
    assert_right(measure, kernel, schedules)


@pytest.mark.parametrize(
    ("op", "dtype", "init"),
    [
        ("addf", "f32", "2.0"),
        ("mulf", "f32", "3.0"),
        ("maximumf", "f32", "0.0"),
        ("minimumf", "f64", "0x7FF0000000000000"),
        ("addi", "i32", "5"),
        ("muli", "i32", "2"),
    ],
)
def test_reductions_along_vectors_start_from_their_initial_value(measure, op, dtype, init):
    assert_right(measure, kernel_of(reduction(op, dtype, init, n=29 if op[:3] != "mul" else 13)), REDUCED)


def test_a_result_without_dimensions(measure):
    schedules = ["v1; tile(level=cache, r=8); vectorize(4)", "v1; tile(level=cache, r=8)", "v1; unroll(r=4)"]
    schedules += ["v1; tile(level=register, r=16); vectorize(4)", "v1; vectorize(16)"]
    assert_right(measure, kernel_of(EXTRAS["sum_to_scalar"]), schedules)


@pytest.mark.parametrize("lanes", [4, 8, 16])
@pytest.mark.parametrize("stride", [2, 3])
def test_strided_vectors_end_with_their_buffer(measure, stride, lanes):
    window = {"o": 17, "c": 1, "f": 2, "w": 1, "stride": stride}
    kernel = kernel_of(FAMILIES["conv1d"].text(window))
    assert_right(measure, kernel, [f"v1; vectorize({lanes})"])


def test_columns_and_rows_of_loop_indices(measure):
    schedules = ["v1; vectorize(4)", "v1; tile(level=register, i=2, j=8); vectorize(4)", "v1; vectorize(4, dim=i)"]
    assert_right(measure, kernel_of(EXTRAS["indices"]), schedules)
    assert_right(measure, kernel_of(EXTRAS["weighted_rows"]), REDUCED)


def test_constants_are_packed_once_and_right(measure):
    graph = graph_of(FAMILIES["matmul"].text(SMALL["matmul"]))
    kernel = partition(graph, frozenset(graph.inputs[1:])).steps[0].kernel
    assert kernel.by_name["in1"].constant
    schedule = "v1; tile(level=register, m=4, n=8); pack(b); vectorize(8)"
    code = KernelEmitter(apply_schedule(kernel, parse_schedule(schedule))).emit()
    assert [a.role for a in code.prepack_arguments] == ["input", "output"]
    assert "packed" in [a.role for a in code.arguments]
    assert_right(measure, kernel, [schedule, TRICKY_MATMUL[1], TRICKY_MATMUL[3]])


def test_a_candidate_that_does_not_fit_is_a_trial_with_a_cause(measure):
    trial = measure.measure(family("matmul"), [parse_schedule("v1; tile(level=cache, q=3)")])[0]
    assert trial.status == "compile_error"
    assert "names dimension 'q'" in trial.cause


# -- text --------------------------------------------------------------------------------------------------------


def test_the_text_of_a_scheduled_matmul(golden):
    kernel = family("matmul", m=4, n=8, k=3)
    plan = apply_schedule(kernel, parse_schedule("v1; tile(level=register, m=2, n=4); pack(b); vectorize(4)"))
    golden.check("kernel/scheduled_matmul.mlir", KernelEmitter(plan).emit().text + "\n")


def test_text_is_repeatable():
    kernel = family("matmul_bias_relu")
    for schedule in EPILOGUES:
        first, second = (KernelEmitter(apply_schedule(kernel, parse_schedule(schedule))).emit() for _ in range(2))
        assert first == second


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ("v1; tile(level=register, q=4)", r"tile\(level=register\) names dimension 'q'; this kernel has m, n, k"),
        ("v1; unroll(q=4)", "unroll names dimension 'q'"),
        ("v1; order(m, q)", "order names dimension 'q'"),
        ("v1; vectorize(4, dim=q)", "vectorize names dimension 'q'"),
        ("v1; pack(c)", "pack names operand 'c'; this kernel has a, b"),
        ("v1; pack(b); vectorize(4, dim=k)", "operand 'b' of this kernel cannot be packed"),
    ],
)
def test_a_schedule_that_does_not_fit_is_refused_by_its_step(schedule, message):
    with pytest.raises(UnsupportedError, match=message):
        apply_schedule(family("matmul"), parse_schedule(schedule))


def test_a_window_cannot_be_packed():
    with pytest.raises(UnsupportedError, match="accesses overlap"):
        apply_schedule(family("conv2d_nchw", stride=1), parse_schedule("v1; pack(a)"))


def test_one_element_has_no_dimension_to_tile():
    kernel = kernel_of(generic(["(i)", "(i)"], "p", [t(1)], t(1), "%q = arith.negf %x0 : f32", dims="i"))
    with pytest.raises(UnsupportedError, match="this kernel has none"):
        apply_schedule(kernel, parse_schedule("v1; tile(level=cache, i=4)"))
