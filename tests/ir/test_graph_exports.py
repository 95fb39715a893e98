"""Round trips, exports and the page."""

import json
import re

import numpy as np
import pytest

from costmodel import ir
from costmodel.core.errors import MissingDependencyError, ParseError, UnsupportedError
from costmodel.ir import EdgeKind, NodeKind
from costmodel.ir.graph import NUM_COLUMNS, ProgramGraph
from costmodel.ir.graph_html import graph_html
from costmodel.ir.vocabulary import token_id

TEXT = (
    "define float @f(ptr %p, i64 %n) {\n  %a = load float, ptr %p, align 4\n  %b = fmul float %a, 2.0\n"
    "  store float %b, ptr %p, align 8\n  ret float %b\n}\n"
)


@pytest.fixture
def graph():
    return ir.read(TEXT).functions[0].graph()


def test_networkx_holds_what_the_arrays_hold(graph):
    pytest.importorskip("networkx", reason="networkx is not installed")
    found = graph.to_networkx()
    assert (found.number_of_nodes(), found.number_of_edges()) == (graph.num_nodes, graph.num_edges)
    (load,) = [node for node, data in found.nodes(data=True) if data["name"] == "llvm.load"]
    assert found.nodes[load]["kind"] == "OPERATION"
    assert found.nodes[load]["num"] == {"alignment_log2": pytest.approx(np.log2(5))}
    kinds = sorted(data["kind"] for _, _, data in found.out_edges(load, data=True))
    assert kinds == ["ATTRIBUTE", "CONTROL", "MEMORY", "RESULT"]
    positions = [data["position"] for _, _, data in found.edges(data=True) if data["kind"] == "OPERAND"]
    assert sorted(positions) == [0, 0, 0, 0, 1, 1]


def test_networkx_missing_says_how_to_get_it(graph, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(MissingDependencyError, match="pip install"):
        graph.to_networkx()


def test_dot(graph):
    lines = graph.to_dot().splitlines()
    assert lines[0] == "digraph program {"
    assert lines[3:5] == ['  n0 [shape=box, label="llvm.func"];', '  n1 [shape=tab, label="region"];']
    assert '  n8 [shape=box, label="llvm.load\\nalignment_log2=2.322"];' in lines
    assert len(lines) == 4 + graph.num_nodes + graph.num_edges
    (memory,) = [line for line in lines if "#d62728" in line]
    assert 'label="1"' in memory
    assert lines[-1] == "}"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("edge_index", np.array([[0], [99]], np.int64), "has shape"),
        ("node_kind", np.zeros(3, np.uint8), "has shape"),
        ("node_num", np.zeros((1, 4), np.float32), "has shape"),
        ("edge_pos", np.zeros(3, np.int32), "expected int16"),
    ],
)
def test_saved_arrays_that_do_not_fit_are_refused(graph, tmp_path, name, value, message):
    path = tmp_path / "graph.npz"
    graph.save(path)
    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez(path, **{**arrays, name: value})
    with pytest.raises(ParseError, match=message):
        ProgramGraph.load(path)


def test_an_edge_to_nowhere_is_refused(graph, tmp_path):
    path = tmp_path / "graph.npz"
    graph.edge_index[1, 0] = graph.num_nodes
    graph.save(path)
    with pytest.raises(ParseError, match="node that is not there"):
        ProgramGraph.load(path)


def test_loops_of_branches_carry_depth_and_trips():
    text = (
        "define void @f() {\n  br label %o\no:\n  %i = phi i64 [ 0, %0 ], [ %i2, %l ]\n  br label %n\n"
        "n:\n  %j = phi i64 [ 0, %o ], [ %j2, %n ]\n  %j2 = add i64 %j, 1\n  %c = icmp slt i64 %j2, 8\n"
        "  br i1 %c, label %n, label %l\nl:\n  %i2 = add i64 %i, 1\n  %d = icmp eq i64 %i2, 5\n"
        "  br i1 %d, label %e, label %o\ne:\n  ret void\n}\n"
    )
    graph = ir.read(text).functions[0].graph()
    blocks = graph.node_num[graph.node_kind == NodeKind.BLOCK]
    assert blocks[:, NUM_COLUMNS.index("loop_depth")].tolist() == [0, 1, 2, 1, 0]
    trips = blocks[:, NUM_COLUMNS.index("trip_count_log2")]
    assert trips.tolist() == pytest.approx([0, np.log2(6), np.log2(9), 0, 0])


def test_pointers_keep_their_address_space():
    graph = ir.read("define void @f(ptr addrspace(3) %p) {\n  ret void\n}\n").functions[0].graph()
    (node,) = np.flatnonzero(graph.node_kind == NodeKind.TYPE)
    assert graph.node_token[node] == token_id("type:other:!llvm.ptr")
    assert graph.node_num[node, NUM_COLUMNS.index("address_space")] == 3


def test_every_edge_joins_the_kinds_it_should(sample):
    kinds = NodeKind
    ends = {
        EdgeKind.OPERAND: ({kinds.VALUE, kinds.CONSTANT}, {kinds.OPERATION}),
        EdgeKind.RESULT: ({kinds.OPERATION}, {kinds.VALUE, kinds.CONSTANT}),
        EdgeKind.CONTROL: ({kinds.OPERATION, kinds.BLOCK}, {kinds.OPERATION, kinds.BLOCK}),
        EdgeKind.CALL: ({kinds.OPERATION}, {kinds.OPERATION, kinds.SYMBOL}),
        EdgeKind.TYPE: ({kinds.VALUE, kinds.CONSTANT}, {kinds.TYPE}),
        EdgeKind.ATTRIBUTE: ({kinds.OPERATION}, {kinds.ATTRIBUTE}),
        EdgeKind.FORWARD: ({kinds.VALUE, kinds.CONSTANT}, {kinds.VALUE}),
        EdgeKind.MEMORY: ({kinds.OPERATION}, {kinds.OPERATION}),
    }
    for name in ("matmul.mlir", "branches.mlir", "loops.mlir", "dot.ll"):
        graph = ir.read(sample(name)).functions[0].graph()
        for kind, (sources, targets) in ends.items():
            chosen = graph.edge_index[:, graph.edge_kind == kind]
            assert set(graph.node_kind[chosen[0]].tolist()) <= sources
            assert set(graph.node_kind[chosen[1]].tolist()) <= targets


def page_data(page):
    return json.loads(re.search(r'type="application/json">(.*?)</script>', page, re.DOTALL)[1])


def test_the_page_holds_every_node_and_edge_with_its_name(graph):
    data = page_data(graph_html(ir.read(TEXT).functions[0]))
    assert data["kind"] == graph.node_kind.tolist()
    assert data["edges"][:2] == graph.edge_index.tolist()
    assert "%b = llvm.fmul %a, 2.0 : f32" in data["label"]
    assert "http" not in re.sub(r"http://www.w3.org/2000/svg", "", graph_html(ir.read(TEXT)))


def test_names_cannot_leave_the_page_s_data():
    page = graph_html(ir.read('define void @"</script><b>&"() {\n  ret void\n}\n').functions[0])
    assert page.count("</script>") == 2
    assert "&lt;/script&gt;&lt;b&gt;&amp;" in page
    assert "llvm.func @</script><b>&" in page_data(page)["label"]


def test_a_page_of_tokens_is_refused():
    program = ir.read("define i32 @f() {\n  %x = add i32 %y, 1\n  ret i32 %x\n}\n")
    with pytest.raises(UnsupportedError, match="tokens only"):
        graph_html(program)


def test_block_rows_follow_control_flow(sample):
    page = graph_html(ir.read(sample("dot.ll")).functions[0])
    assert sorted(page_data(page)["layer"].values()) == [0, 1, 2]


@pytest.mark.toolchain("mlir-translate")
def test_llvm_dialect_and_its_translation_give_the_same_graph(tmp_path):
    import subprocess

    mlir = tmp_path / "f.mlir"
    mlir.write_text(
        "llvm.func @f(%p: !llvm.ptr, %n: i64) -> f32 {\n  %one = llvm.mlir.constant(1 : i64) : i64\n"
        "  %a = llvm.load %p {alignment = 4 : i64} : !llvm.ptr -> f32\n"
        "  %q = llvm.getelementptr %p[%n] : (!llvm.ptr, i64) -> !llvm.ptr, f32\n"
        "  %b = llvm.fmul %a, %a : f32\n  llvm.store %b, %q {alignment = 4 : i64} : f32, !llvm.ptr\n"
        '  %m = llvm.add %n, %one : i64\n  %c = llvm.icmp "slt" %m, %n : i64\n'
        "  llvm.cond_br %c, ^x, ^y\n^x:\n  llvm.return %a : f32\n^y:\n  llvm.return %b : f32\n}\n"
    )
    generic = subprocess.run(
        ["mlir-opt-22", "-mlir-print-op-generic", str(mlir)], capture_output=True, text=True, check=True
    ).stdout
    llvm = subprocess.run(
        ["mlir-translate-22", "--mlir-to-llvmir", str(mlir)], capture_output=True, text=True, check=True
    ).stdout
    first, second = (ir.read(text).functions[0].graph() for text in (generic, llvm))
    for kind in (NodeKind.OPERATION, NodeKind.VALUE, NodeKind.CONSTANT, NodeKind.TYPE, NodeKind.BLOCK):
        left, right = (sorted(g.node_token[g.node_kind == kind].tolist()) for g in (first, second))
        assert left == right
    for kind in (EdgeKind.OPERAND, EdgeKind.RESULT, EdgeKind.CONTROL, EdgeKind.CONTAINMENT, EdgeKind.MEMORY):
        assert (first.edge_kind == kind).sum() == (second.edge_kind == kind).sum()


def test_the_page_shows_a_long_block_in_parts():
    lines = "".join(f"  %v{i} = add i32 %n, {i}\n" for i in range(500))
    page = graph_html(ir.read(f"define i32 @f(i32 %n) {{\n{lines}  ret i32 %n\n}}\n", format="llvm"))
    assert "%v499 = llvm.add" in page
    assert "lines below" in page
