import numpy as np
import pytest

from costmodel import ir
from costmodel.core.errors import MissingDependencyError, ParseError, UnsupportedError
from costmodel.ir import EdgeKind, NodeKind
from costmodel.ir.graph import NUM_COLUMNS, ProgramGraph, build_graph
from costmodel.ir.mlir import parse_generic
from costmodel.ir.vocabulary import NUM_KNOWN, VOCABULARY_SIZE, is_known, token_id


def graph_of(text):
    return ir.read(text).functions[0].graph()


def edges(graph, kind):
    chosen = graph.edge_kind == kind
    return list(zip(*graph.edge_index[:, chosen].tolist(), graph.edge_pos[chosen].tolist(), strict=True))


def only(graph, name):
    (node,) = np.flatnonzero(graph.node_token == token_id(name))
    return int(node)


def test_arrays_have_the_shapes_and_types_of_the_contract(sample):
    graph = graph_of(sample("matmul.mlir"))
    nodes, count = graph.num_nodes, graph.num_edges
    assert [(array.dtype.str, array.shape) for array in (graph.node_kind, graph.node_token, graph.node_num)] == [
        ("|u1", (nodes,)),
        ("<i4", (nodes,)),
        ("<f4", (nodes, len(NUM_COLUMNS))),
    ]
    assert [(array.dtype.str, array.shape) for array in (graph.edge_index, graph.edge_kind, graph.edge_pos)] == [
        ("<i8", (2, count)),
        ("|u1", (count,)),
        ("<i2", (count,)),
    ]
    assert graph.edge_index.min() == 0
    assert graph.edge_index.max() == nodes - 1
    assert graph.vocab_version == 1


def test_matmul_by_hand(sample):
    graph = graph_of(sample("matmul.mlir"))
    counts = {kind.name: int((graph.node_kind == kind).sum()) for kind in NodeKind}
    assert counts == {
        "OPERATION": 6,  # func, generic, mulf, addf, yield, return
        "VALUE": 9,  # 3 + 3 arguments, 3 results
        "CONSTANT": 0,
        "TYPE": 4,  # 3 tensors, f32
        "ATTRIBUTE": 3,  # emit_c_interface, maps, iterators
        "BLOCK": 2,
        "REGION": 2,
        "SYMBOL": 0,
    }
    generic = only(graph, "linalg.generic")
    operands = [edge for edge in edges(graph, EdgeKind.OPERAND) if edge[1] == generic]
    assert [position for _, _, position in operands] == [0, 1, 2]
    first = operands[0][0]
    numbers = dict(zip(NUM_COLUMNS, graph.node_num[first].tolist(), strict=True))
    assert numbers["rank"] == 2
    assert numbers["element_bits"] == 0.5
    assert numbers["is_float"] == 1
    assert numbers["elements_log2"] == pytest.approx(np.log2(33))
    assert numbers["dim_last_log2"] == pytest.approx(np.log2(9))
    assert numbers["dim_2nd_last_log2"] == pytest.approx(np.log2(5))


def test_control_flow_and_forwarded_values(sample):
    graph = graph_of(sample("branches.mlir"))
    branch = only(graph, "cf.cond_br")
    blocks = np.flatnonzero(graph.node_kind == NodeKind.BLOCK).tolist()
    control = [(target, position) for source, target, position in edges(graph, EdgeKind.CONTROL) if source == branch]
    assert control == [(blocks[1], 0), (blocks[2], 1)]
    ((source, target, position),) = edges(graph, EdgeKind.FORWARD)
    held = {end for start, end, _ in edges(graph, EdgeKind.CONTAINMENT) if start == blocks[1]}
    assert target in held
    assert position == 0
    assert [start for start, end, _ in edges(graph, EdgeKind.OPERAND) if end == branch] != [source]


def test_equal_constants_share_a_node_and_hold_their_number():
    graph = graph_of(
        '"func.func"() <{sym_name = "f"}> ({\n%a = "arith.constant"() <{value = 100 : i32}> : () -> i32\n'
        '%b = "arith.constant"() <{value = 100 : i32}> : () -> i32\n'
        '%c = "arith.addi"(%a, %b) : (i32, i32) -> i32\n}) : () -> ()\n'
    )
    (constant,) = np.flatnonzero(graph.node_kind == NodeKind.CONSTANT)
    assert graph.node_num[constant, :2].tolist() == pytest.approx([np.log2(101), 1.0])
    assert len(edges(graph, EdgeKind.OPERAND)) == 2


def test_loops_carry_their_trip_count(sample):
    graph = graph_of(sample("loops.mlir"))
    loops = graph.node_token == token_id("scf.for")
    column = NUM_COLUMNS.index("trip_count_log2")
    assert graph.node_num[loops, column].tolist() == pytest.approx([np.log2(65), np.log2(5)])


def test_calls_lead_to_symbols_and_recursion_to_the_function():
    graph = graph_of(
        '"func.func"() <{sym_name = "f"}> ({\n"func.call"() <{callee = @f}> : () -> ()\n'
        '"func.call"() <{callee = @g}> : () -> ()\n"func.call"() <{callee = @expf}> : () -> ()\n}) : () -> ()\n'
    )
    targets = [target for _, target, _ in edges(graph, EdgeKind.CALL)]
    assert targets[0] == 0
    assert graph.node_token[targets[1:]].tolist() == [token_id("symbol"), token_id("symbol:expf")]


def test_save_and_load(sample, tmp_path):
    graph = graph_of(sample("loops.mlir"))
    path = tmp_path / "graph.npz"
    graph.save(path)
    assert ProgramGraph.load(path).equals(graph)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ParseError, match="not a saved ProgramGraph"):
        ProgramGraph.load(path)


def test_a_graph_of_another_version_is_refused(sample, tmp_path):
    path = tmp_path / "graph.npz"
    graph_of(sample("loops.mlir")).save(path)
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["versions"] = np.array([2, 1])
    np.savez(path, **arrays)
    with pytest.raises(UnsupportedError, match="version 2"):
        ProgramGraph.load(path)


def test_to_pyg_without_torch_geometric_says_how_to_get_it(sample, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "torch_geometric", None)
    monkeypatch.setitem(sys.modules, "torch_geometric.data", None)
    with pytest.raises(MissingDependencyError, match="pip install"):
        graph_of(sample("matmul.mlir")).to_pyg()


def test_to_pyg_keeps_nodes_and_edges(sample):
    pytest.importorskip("torch_geometric", reason="torch_geometric is not installed")
    graph = graph_of(sample("matmul.mlir"))
    data = graph.to_pyg()
    assert data.num_nodes == graph.num_nodes
    assert sum(store.edge_index.shape[1] for store in data.edge_stores) == graph.num_edges
    assert data["value"].x.shape == (9, len(NUM_COLUMNS))


def test_vocabulary_numbers_are_fixed():
    assert (NUM_KNOWN, VOCABULARY_SIZE) == (651, 2699)
    assert [token_id(name) for name in ("result", "linalg.generic", "llvm.fadd", "mine.op")] == [0, 308, 473, 2549]
    assert is_known("arith.addf")
    assert not is_known("mine.op")


def test_a_constant_without_a_result_is_an_operation_whatever_was_read_before():
    head, tail = '"func.func"() <{sym_name = "f"}> ({\n', "}) : () -> ()\n"
    value = '"arith.constant"() <{value = 3 : i32}> : () -> '
    named = f'{head}  %0 = {value}i32\n  "a.b"(%0) : (i32) -> ()\n{tail}'
    bare = f"{head}  {value}()\n{tail}"
    first = build_graph(parse_generic(bare).operations[0])
    build_graph(parse_generic(named).operations[0])
    assert build_graph(parse_generic(bare).operations[0]).equals(first)
    assert NodeKind.ATTRIBUTE in first.node_kind
