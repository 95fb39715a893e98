"""MEMORY and CALL edges by hand, the same from both IRs."""

# ruff: noqa: E501

import numpy as np
import pytest

from costmodel import ir
from costmodel.ir import EdgeKind, NodeKind
from costmodel.ir.graph import LOOP_CARRIED, MemoryOrder
from costmodel.ir.vocabulary import token_id

LOAD_STORE, STORE_LOAD, STORE_STORE = map(int, MemoryOrder)


def memory(text, names):
    """Memory edges between the operations called `names`, numbered in the order of the text."""
    graph = ir.read(text).functions[0].graph()
    tokens = {token_id(name): name for name in names}
    nodes = [
        node
        for node in np.flatnonzero(graph.node_kind == NodeKind.OPERATION).tolist()
        if int(graph.node_token[node]) in tokens
    ]
    chosen = graph.edge_kind == EdgeKind.MEMORY
    ends = zip(*graph.edge_index[:, chosen].tolist(), graph.edge_pos[chosen].tolist(), strict=True)
    return sorted((nodes.index(source), nodes.index(target), order) for source, target, order in ends)


def llvm(body, head="define void @f(ptr %p, ptr %q, float %x, i64 %n)"):
    return f"{head} {{\n{body}\n}}\n"


ACCESSES = ("llvm.load", "llvm.store", "llvm.call", "llvm.fence", "llvm.intr.memcpy")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        # a load after a load of the same pointer depends on nothing
        ("  %a = load float, ptr %p\n  %b = load float, ptr %p\n  ret void", []),
        # store, load, store of one pointer
        (
            "  store float %x, ptr %p\n  %a = load float, ptr %p\n  store float %a, ptr %p\n  ret void",
            [(0, 1, LOAD_STORE), (0, 2, STORE_STORE), (1, 2, STORE_LOAD)],
        ),
        # two arguments may be the same memory
        ("  store float %x, ptr %p\n  %a = load float, ptr %q\n  ret void", [(0, 1, LOAD_STORE)]),
        # two allocations are not, whatever the offset
        (
            "  %s = alloca [8 x float]\n  %t = alloca float\n  %g = getelementptr float, ptr %s, i64 %n\n"
            "  store float %x, ptr %g\n  %a = load float, ptr %t\n  %b = load float, ptr %s\n  ret void",
            [(0, 2, LOAD_STORE)],
        ),
        # an allocation whose address stays here is not what an argument points to
        ("  %s = alloca float\n  store float %x, ptr %s\n  %a = load float, ptr %p\n  ret void", []),
        # ... but may be once it was stored
        (
            "  %s = alloca float\n  store ptr %s, ptr %q\n  store float %x, ptr %s\n  %a = load float, ptr %p\n  ret void",
            [(0, 1, STORE_STORE), (1, 2, LOAD_STORE)],
        ),
        # distinct globals
        ("  store float %x, ptr @g\n  %a = load float, ptr @h\n  ret void", []),
        # a call may write what escapes, and only that
        (
            "  %s = alloca float\n  store float %x, ptr %s\n  store float %x, ptr %p\n  call void @k()\n"
            "  %a = load float, ptr %s\n  %b = load float, ptr %p\n  ret void",
            [(0, 3, LOAD_STORE), (1, 2, LOAD_STORE), (1, 2, STORE_STORE), (2, 4, LOAD_STORE)],
        ),
        # a known pure function touches nothing
        (
            "  store float %x, ptr %p\n  %e = call float @expf(float %x)\n  %a = load float, ptr %p\n  ret void",
            [(0, 2, LOAD_STORE)],
        ),
        # a copy reads its second operand and writes its first
        (
            "  %s = alloca float\n  %t = alloca float\n  store float %x, ptr %t\n"
            "  call void @llvm.memcpy.p0.p0.i64(ptr %s, ptr %t, i64 4, i1 false)\n  %a = load float, ptr %s\n  ret void",
            [(0, 1, LOAD_STORE), (1, 2, LOAD_STORE)],
        ),
        # either of two allocations
        (
            "  %s = alloca float\n  %t = alloca float\n  %c = icmp eq i64 %n, 0\n"
            "  %m = select i1 %c, ptr %s, ptr %t\n  store float %x, ptr %s\n  %a = load float, ptr %m\n  ret void",
            [(0, 1, LOAD_STORE)],
        ),
    ],
)
def test_within_a_block(body, expected):
    assert memory(llvm(body), ACCESSES) == expected


LOOP = """  br label %loop
loop:
  %i = phi i64 [ 0, %0 ], [ %next, %loop ]
  %e = getelementptr float, ptr %p, i64 %i
  %a = load float, ptr %e
  %b = fadd float %a, %x
  store float %b, ptr %e
  %next = add i64 %i, 1
  %c = icmp eq i64 %next, 16
  br i1 %c, label %done, label %loop
done:
  store float %x, ptr %p
  ret void"""
CARRIED = [
    (0, 1, STORE_LOAD),
    (1, 0, LOAD_STORE + LOOP_CARRIED),
    (1, 1, STORE_STORE + LOOP_CARRIED),
]


def test_a_loop_carries_dependences_to_its_next_iteration():
    assert memory(llvm(LOOP), ACCESSES) == CARRIED


def test_the_same_loop_as_a_loop_operation():
    text = (
        '"func.func"() <{sym_name = "f"}> ({\n^bb0(%p: memref<16xf32>, %x: f32, %z: index, %n: index, %o: index):\n'
        '  "scf.for"(%z, %n, %o) ({\n  ^bb0(%i: index):\n'
        '    %a = "memref.load"(%p, %i) : (memref<16xf32>, index) -> f32\n'
        '    %b = "arith.addf"(%a, %x) : (f32, f32) -> f32\n'
        '    "memref.store"(%b, %p, %i) : (f32, memref<16xf32>, index) -> ()\n'
        '    "scf.yield"() : () -> ()\n  }) : (index, index, index) -> ()\n'
        '  "func.return"() : () -> ()\n}) : () -> ()\n'
    )
    assert memory(text, ("memref.load", "memref.store")) == CARRIED


def test_linalg_on_memrefs_reads_inputs_and_writes_outputs():
    alloc = '"memref.alloc"() <{operandSegmentSizes = array<i32: 0, 0>}> : () -> memref<4xf32>\n'
    text = (
        '"func.func"() <{sym_name = "f"}> ({\n^bb0(%x: f32):\n'
        f"  %a = {alloc}  %b = {alloc}  %c = {alloc}"
        '  "linalg.fill"(%x, %a) <{operandSegmentSizes = array<i32: 1, 1>}> : (f32, memref<4xf32>) -> ()\n'
        '  "linalg.exp"(%a, %b) <{operandSegmentSizes = array<i32: 1, 1>}> : (memref<4xf32>, memref<4xf32>) -> ()\n'
        '  "memref.copy"(%b, %c) : (memref<4xf32>, memref<4xf32>) -> ()\n'
        '  "func.return"() : () -> ()\n}) : () -> ()\n'
    )
    assert memory(text, ("linalg.fill", "linalg.exp", "memref.copy")) == [(0, 1, LOAD_STORE), (1, 2, LOAD_STORE)]


def test_an_operation_with_a_body_counts_as_all_inside():
    text = (
        '"func.func"() <{sym_name = "f"}> ({\n^bb0(%p: memref<4xf32>, %x: f32, %i: index, %c: i1):\n'
        '  "memref.store"(%x, %p, %i) : (f32, memref<4xf32>, index) -> ()\n'
        '  "scf.if"(%c) ({\n    %a = "memref.load"(%p, %i) : (memref<4xf32>, index) -> f32\n'
        '    "scf.yield"() : () -> ()\n  }, {}) : (i1) -> ()\n'
        '  "func.return"() : () -> ()\n}) : () -> ()\n'
    )
    assert memory(text, ("memref.store", "scf.if", "memref.load")) == [(0, 1, LOAD_STORE)]


def test_calls_within_a_program_lead_to_the_function_and_others_to_a_symbol():
    program = ir.read(
        "declare void @outside()\ndefine void @f() {\n  call void @g()\n  call void @outside()\n  ret void\n}\n"
        "define void @g() {\n  call void @f()\n  ret void\n}\n"
    )
    graph = program.graph()
    functions = np.flatnonzero(graph.node_token == token_id("llvm.func")).tolist()
    calls = np.flatnonzero(graph.node_token == token_id("llvm.call")).tolist()
    (symbol,) = np.flatnonzero(graph.node_kind == NodeKind.SYMBOL).tolist()
    chosen = graph.edge_kind == EdgeKind.CALL
    assert graph.edge_index[:, chosen].T.tolist() == [
        [calls[0], functions[1]],
        [calls[1], symbol],
        [calls[2], functions[0]],
    ]
    assert not (graph.edge_kind == EdgeKind.MEMORY)[np.isin(graph.edge_index[0], functions)].any()


def test_many_accesses_take_linear_time_and_edges():
    lines = "".join(
        f"  %a{i} = load float, ptr %{'pq'[i % 2]}\n  call void @k()\n  store float %a{i}, ptr @g{i}\n"
        for i in range(3000)
    )
    graph = ir.read(llvm(lines + "  ret void")).functions[0].graph()
    assert int((graph.edge_kind == EdgeKind.MEMORY).sum()) < 8 * 9000
