"""Functions cut into kernels: in an order that can run, nothing lost, nothing twice."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from costmodel.core.errors import UnsupportedError
from costmodel.datasets.linalg import FAMILIES
from costmodel.search.kernel.graph import Island
from costmodel.search.kernel.partition import MAX_STAGES, KernelCall, partition, simplify

sys.path.insert(0, str(Path(__file__).parent))
from kernel_extras import EXTRAS, generic, t, tensors
from kernel_samples import SMALL, evaluate_parts, graph_of, parts_of

sys.path.pop(0)

A = t(6, 6)
SAME = "affine_map<(i, j) -> (i, j)>"


def pointwise(name, ins, body):
    maps = ", ".join([SAME] * (len(ins) + 1))
    args = ", ".join([*(f"%x{i}: f32" for i in range(len(ins))), "%y: f32"])
    return (
        f'  %{name} = linalg.generic {{indexing_maps = [{maps}], iterator_types = ["parallel", "parallel"]}}\n'
        f"    ins({', '.join(ins)} : {', '.join([A] * len(ins))}) outs(%e : {A}) {{\n"
        f"  ^bb0({args}):\n    %q = {body} : f32\n    linalg.yield %q : f32\n  }} -> {A}\n"
    )


def product(name, a, b):
    return f"  %{name} = linalg.matmul ins({a}, {b} : {A}, {A}) outs(%f : {A}) -> {A}\n"


HEAD = f"""  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : {A}
  %f = linalg.fill ins(%z : f32) outs(%e : {A}) -> {A}
"""
SORT = f"""  %s = linalg.generic {{indexing_maps = [{SAME}, {SAME}], iterator_types = ["parallel", "parallel"]}}
    ins(%p : {A}) outs(%e : {A}) {{
  ^bb0(%x: f32, %y: f32):
    %i = linalg.index 0 : index
    %v = tensor.extract %a1[%i, %i] : {A}
    %q = arith.addf %x, %v : f32
    linalg.yield %q : f32
  }} -> {A}
"""

NETWORK = tensors(
    HEAD
    + product("p", "%a0", "%a1")
    + pointwise("u", ["%p"], "math.exp %x0")
    + pointwise("v", ["%p", "%u"], "arith.addf %x0, %x1")
    + product("w", "%u", "%v")
    + pointwise("r", ["%w", "%p"], "arith.subf %x0, %x1"),
    [A, A],
    A,
)
WITH_ISLAND = tensors(
    HEAD + product("p", "%a0", "%a1") + SORT + pointwise("r", ["%s", "%p"], "arith.mulf %x0, %x1"), [A, A], A
)
LOOKUP = """func.func @f(%i: tensor<4xi64>) -> tensor<4x3xf32> {
  %t = arith.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  %e = tensor.empty() : tensor<4x3xf32>
  %r = linalg.generic {
    indexing_maps = [affine_map<(a, b) -> (a)>, affine_map<(a, b) -> (a, b)>],
    iterator_types = ["parallel", "parallel"]}
    ins(%i : tensor<4xi64>) outs(%e : tensor<4x3xf32>) {
  ^bb0(%x: i64, %y: f32):
    %j = arith.index_cast %x : i64 to index
    %k = linalg.index 1 : index
    %q = tensor.extract %t[%j, %k] : tensor<2x3xf32>
    linalg.yield %q : f32
  } -> tensor<4x3xf32>
  return %r : tensor<4x3xf32>
}"""
"""Rows of a constant table, as an embedding takes them: the table moves into the body."""
TEXTS = {
    **{name: FAMILIES[name].text(SMALL[name]) for name in SMALL},
    **EXTRAS,
    "network": NETWORK,
    "island": WITH_ISLAND,
    "lookup": LOOKUP,
}


@pytest.mark.parametrize("name", TEXTS)
def test_steps_can_run_in_their_order(name):
    parts = parts_of(TEXTS[name])
    graph = parts.graph
    known = {graph.root(n) for n in graph.inputs} | set(graph.constants)
    for step in parts.steps:
        reads, writes = (step.reads, step.writes) if isinstance(step, Island) else (step.inputs, step.outputs)
        if isinstance(step, Island):  # it may start from a tensor that nobody wrote: its contents do not matter
            known |= {graph.root(n) for n in reads} - {graph.root(n) for s in graph.nodes for n in graph.writes(s)}
        assert {graph.root(n) for n in reads} <= known
        known |= {graph.root(n) for n in writes}
    assert {graph.root(n) for n in graph.outputs} <= known


@pytest.mark.parametrize("name", TEXTS)
def test_every_stage_is_in_one_kernel(name):
    graph = graph_of(TEXTS[name])
    simplify(graph)
    stages = [n for n in graph.nodes if not isinstance(n, Island)]
    islands = [n for n in graph.nodes if isinstance(n, Island)]
    steps = partition(graph).steps
    calls = [s for s in steps if isinstance(s, KernelCall)]
    assert sum(len(c.kernel.stages) for c in calls) == len(stages)
    points = sorted(s.points for c in calls for s in c.kernel.stages)
    assert points == sorted(s.points for s in stages)
    assert [s.name for s in steps if isinstance(s, Island)] == [i.name for i in islands]
    assert all(len(c.kernel.stages) <= MAX_STAGES for c in calls)


def test_a_network_computes_what_it_says():
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((6, 6)).astype("f4") for _ in range(2))
    (found,) = evaluate_parts(parts_of(NETWORK), [a, b])
    p = a.astype("f8") @ b
    np.testing.assert_allclose(found, np.exp(p) @ (p + np.exp(p)) - p, rtol=1e-12)


def test_what_several_kernels_read_is_a_result_of_the_one_that_writes_it():
    parts = parts_of(NETWORK)
    calls = [s for s in parts.steps if isinstance(s, KernelCall)]
    assert len(calls) >= 2
    for call in calls[1:]:
        for name in call.inputs:
            assert any(name in c.outputs for c in calls) or name in parts.graph.inputs


def test_an_operation_without_structure_is_an_island_between_kernels():
    parts = parts_of(WITH_ISLAND)
    kinds = [type(s).__name__ for s in parts.steps]
    assert kinds == ["KernelCall", "Island", "KernelCall"]
    island = parts.steps[1]
    assert "tensor.extract" in island.reason
    assert {parts.graph.root(parts.graph.inputs[1]), parts.steps[0].outputs[0]} <= set(island.reads)


def test_no_kernel_has_two_products():
    for call in parts_of(NETWORK).steps:
        assert sum(s.is_reduction for s in call.kernel.stages) <= 1


def _row_op(name, first, second, ins, types, out, out_type, body):
    """One operation on rows of a matrix: operands and results with one or two dimensions."""
    maps = ", ".join(f"affine_map<(i, j) -> ({'i, j' if k == A else 'i'})>" for k in (*types, out_type))
    args = ", ".join([*(f"%x{i}: f32" for i in range(len(ins))), "%y: f32"])
    return (
        f'  %{name} = linalg.generic {{indexing_maps = [{maps}], iterator_types = ["{first}", "{second}"]}}\n'
        f"    ins({', '.join(ins)} : {', '.join(types)}) outs({out} : {out_type}) {{\n  ^bb0({args}):\n"
        f"    %q = {body} : f32\n    linalg.yield %q : f32\n  }} -> {out_type}\n"
    )


def test_long_chains_are_cut():
    rows = t(6)
    body = f"  %z = arith.constant 0.0 : f32\n  %e = tensor.empty() : {A}\n  %re = tensor.empty() : {rows}\n"
    body += f"  %zero = linalg.fill ins(%z : f32) outs(%re : {rows}) -> {rows}\n"
    count = MAX_STAGES + 2
    for i in range(count):
        x, y = f"%n{i - 1}" if i else "%a0", "r" if i == count - 1 else f"n{i}"
        body += _row_op(f"s{i}", "parallel", "reduction", [x], [A], "%zero", rows, "arith.addf %x0, %y")
        body += _row_op(y, "parallel", "parallel", [x, f"%s{i}"], [A, rows], "%e", A, "arith.divf %x0, %x1")
    parts = parts_of(tensors(body, [A], A))
    assert [len(c.kernel.stages) for c in parts.steps] == [MAX_STAGES, MAX_STAGES, 4]


def test_weights_are_marked_constant():
    graph = graph_of(TEXTS["matmul"])
    kernel = partition(graph, frozenset([graph.inputs[1]])).steps[0].kernel
    assert [kernel.by_name[n].constant for n in kernel.inputs] == [False, True]


def test_what_nobody_reads_is_dropped():
    dead = tensors(HEAD + pointwise("u", ["%a0"], "math.exp %x0") + pointwise("r", ["%a0"], "arith.negf %x0"), [A], A)
    (call,) = parts_of(dead).steps
    assert [op.name for s in call.kernel.stages for op in s.body] == ["arith.negf"]


def test_dynamic_and_empty_shapes_are_refused():
    for shape in ("tensor<?x4xf32>", "tensor<0x4xf32>"):
        text = f"func.func @main(%a0: {shape}) -> {shape} {{\n  return %a0 : {shape}\n}}\n"
        with pytest.raises(UnsupportedError):
            graph_of(text)


def test_control_flow_is_refused():
    text = f"""func.func @main(%a0: {A}, %a1: {A}) -> {A} {{
  %i = arith.constant 0 : index
  %z = arith.constant 0.0 : f32
  cf.br ^loop(%a0 : {A})
^loop(%x: {A}):
  %v = tensor.extract %x[%i, %i] : {A}
  %c = arith.cmpf olt, %v, %z : f32
  cf.cond_br %c, ^loop(%a1 : {A}), ^done
^done:
  return %x : {A}
}}
"""
    with pytest.raises(UnsupportedError, match="control flow"):
        graph_of(text)


def test_arguments_that_are_no_tensors_are_refused():
    text = f"func.func @main(%a0: {A}, %s: f32) -> {A} {{\n  return %a0 : {A}\n}}\n"
    with pytest.raises(UnsupportedError, match="takes f32; give a function of tensors"):
        graph_of(text)


def test_a_reduction_of_another_form_is_an_island():
    body = "%s = arith.addf %y, %y : f32\n    %q = arith.addf %s, %x0 : f32"
    step = parts_of(generic(["(i, j)", "(i)"], "pr", [A], t(6), body, init="0.0")).steps[-1]
    assert isinstance(step, Island)
    assert "does not fold" in step.reason
