import json
import random
import re

import pytest

from costmodel import ir
from costmodel.core.errors import CostModelError, ParseError

OLD = """
import tvm
from tvm.script import tir as T

M = 16

@tvm.script.ir_module
class Module:
    @T.prim_func
    def main(a: T.handle, b: T.handle) -> None:
        T.func_attr({"global_symbol": "main"})
        A = T.match_buffer(a, (M, 8), dtype="float32")
        B = T.match_buffer(b, [16], "int8")
        with T.block("root"):
            T.reads([])
            for i in T.serial(0, M):
                with T.block("sum"):
                    vi = T.axis.S(16, i)
                    B[vi] = T.cast(A[vi, 3], "int8")
            for tx in T.thread_binding(0, 32, thread="threadIdx.x"):
                if tx < 8 and tx != 3:
                    A[0, tx] += 2.0
"""


def read(text):
    return ir.read(text, format="tir")


def one(body, parameters='A: T.Buffer((64,), "float32")'):
    lines = "\n".join(f"    {line}" for line in body.split("\n"))
    return read(f"@T.prim_func\ndef f({parameters}):\n{lines}\n").functions[0]


def tokens(body, **options):
    return one(body, **options).tokens("ops")[1:-1]


def test_the_readers_are_chosen_by_content(sample, sample_path):
    for name in ("sched.tir", "sched.tir.json"):
        assert ir.read(sample(name)).format == ir.read(sample_path(name)).format == "tir"
    assert ir.read(sample("sched.tir.json")).producer == "TVM 0.27.0.post1"


def test_script_and_json_of_tvm_give_the_same_program(sample):
    script, saved = ir.read(sample("sched.tir")).functions, ir.read(sample("sched.tir.json")).functions
    assert [function.name for function in script] == [function.name for function in saved] == ["main"]
    for scheme in ("ops", "ops-operands", "anonymized"):
        assert script[0].tokens(scheme) == saved[0].tokens(scheme)


def test_features_of_a_scheduled_matmul(sample):
    features = ir.read(sample("sched.tir")).functions[0].features()
    assert features.flops == 2 * 128 * 32 * 64 + 128 * 32
    assert features.loops == 7
    assert features.loop_depth_max == 5


def test_loops_carry_their_kind(sample):
    found = " ".join(ir.read(sample("sched.tir")).functions[0].tokens("anonymized"))
    assert "scf.for c:0 c:16 c:1 kind parallel" in found
    assert "scf.for c:0 c:8 c:1 kind unrolled" in found
    assert "tir.block axes SSR" in found


def test_what_else_the_language_has(sample):
    script, saved = (ir.read(sample(name)).functions[0] for name in ("misc.tir", "misc.tir.json"))
    for function in (script, saved):
        names = function.tokens("ops")
        for name in (
            "math.exp",
            "arith.extf",
            "arith.select",
            "scf.if",
            "scf.while",
            "tir.call_extern",
            "vector.store",
        ):
            assert name in names
        assert function.graph().node_kind.shape[0] > len(names)
    alloc = next(op for op in script.operation.walk() if op.name == "memref.alloc")
    assert alloc.results[0].type_text == 'memref<32xf32, "shared">'


def test_the_older_namespace():
    program = ir.read(OLD)
    (function,) = program.functions
    assert program.diagnostics == ()
    assert [value.type_text for value in function.operation.regions[0].blocks[0].args] == [
        "memref<16x8xf32>",
        "memref<16xi8>",
    ]
    assert (
        function.tokens("ops")[1:-1]
        == (
            "tir.block scf.for tir.block memref.load arith.fptosi memref.store tir.yield scf.yield scf.for arith.cmpi "
            "arith.cmpi arith.andi scf.if memref.load arith.addf memref.store scf.yield scf.yield tir.yield func.return"
        ).split()
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("A[0] = A[1] - 3 * A[2]", "memref.load memref.load arith.mulf arith.subf memref.store"),
        ("A[0] = -A[1]", "memref.load arith.negf memref.store"),
        ("A[T.floordiv(x, 2) % 4] = T.float32(1)", "arith.floordivsi arith.remsi memref.store"),
        ("A[0] = T.min(A[0], A[1])", "memref.load memref.load arith.minimumf memref.store"),
        ("A[0:8] = A[8:16]", "tir.ramp vector.load tir.ramp vector.store"),
        ("A[0] = T.erf(A[0])", "memref.load math.erf memref.store"),
        ("T.evaluate(0)", ""),
        ("pass", ""),
        ("assert x > 0", "arith.cmpi cf.assert"),
        ("A[0] = A[1] if x > 2 else 0.0", "arith.cmpi memref.load arith.select memref.store"),
        ("y: T.int32 = x + 1\nA[y] = T.float32(0)", "arith.addi memref.store"),
        ("for i in T.serial(0, 8, step=2):\n    A[i] = 0.0", "scf.for memref.store scf.yield"),
        ("with T.launch_thread('threadIdx.x', 32) as t:\n    A[t] = 0.0", "scf.for memref.store scf.yield"),
        ("A[0] = 1 < x < 3", "arith.cmpi arith.cmpi arith.andi memref.store"),
    ],
)
def test_statements_and_expressions(body, expected):
    assert tokens(body, parameters='A: T.Buffer((64,), "float32"), x: T.int32') == [*expected.split(), "func.return"]


def test_trip_counts_with_a_step():
    assert one("for i in T.serial(0, 8, step=2):\n    A[i] = A[i] + 1.0").features().flops == 4


def test_what_is_not_known_is_named_or_diagnosed():
    program = read(
        "@T.prim_func\ndef f(x: T.int32):\n    T.mystery(x)\n    try:\n        pass\n    finally:\n        pass\n"
    )
    assert "tir.mystery" in program.functions[0].tokens("ops")
    (diagnostic,) = program.diagnostics
    assert (diagnostic.location.line, diagnostic.location.column) == (4, 5)
    assert "Try is no statement of TVM script" in diagnostic.message


def test_names_and_comments_do_not_matter(sample):
    text = sample("sched.tir")
    changed = text.replace("i_0", "outer").replace("v_k", "kk")
    changed = re.sub(r"^( *)for ([^\n]*) in", r"\1# a loop\n\1for \2   in", changed, flags=re.MULTILINE)
    first, second = ir.read(text).functions[0], ir.read(changed).functions[0]
    assert first.tokens("anonymized") == second.tokens("anonymized")
    assert first.graph().equals(second.graph())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(:\n  pass", r"<string>:1:7: this is no TVM script, which is Python"),
        ("x = 1\n", "no function has the decorator"),
        ('{"root_index": 0}', "expected an object with `root_index` and `nodes`"),
        ('{"root_index": 7, "nodes": []}', "reference 7 is no node"),
        ('{"root_index": 0, "nodes": [{"type": "int", "data": 3}]}', "the root is a int"),
        ('{"root_index": 0, "nodes": [', r"<string>:1:29: this is no JSON"),
        ("x = " + "(" * 5000 + ")" * 5000, "nested"),
        ("@T.prim_func\ndef f(x: T.int32):\n  T.evaluate(" + "x+" * 100000 + "x)\n", "nested too deeply"),
        ("{" * 100000, "no JSON|nested too deeply"),
        ("x = '\0'\n", "which is Python"),
    ],
)
def test_bad_input_is_an_error_with_its_place(text, message):
    with pytest.raises(ParseError, match=message):
        read(text)


def test_cycles_and_shared_expressions_in_json_end():
    nodes = [
        {"type": "tirx.PrimFunc", "data": {"params": 1, "body": 2}},
        {"type": "ffi.Array", "data": []},
        {"type": "tirx.SeqStmt", "data": {"seq": 3}},
        {"type": "ffi.Array", "data": [2]},
    ]
    with pytest.raises(ParseError, match="contains itself"):
        read(json.dumps({"root_index": 0, "nodes": nodes}))
    nodes[3]["data"] = [4]
    nodes.append({"type": "tirx.Evaluate", "data": {"value": 5}})
    nodes.append({"type": "prim.Add", "data": {"a": 5, "b": 5}})
    with pytest.raises(ParseError, match="nested too deeply"):
        read(json.dumps({"root_index": 0, "nodes": nodes}))


@pytest.mark.parametrize("name", ["sched.tir", "misc.tir", "sched.tir.json", "misc.tir.json"])
def test_mutations_end_in_a_program_or_an_error(sample, name):
    data = sample(name).encode()
    rng = random.Random(name)
    outcomes = set()
    for _ in range(60):
        changed = bytearray(data)
        for _ in range(rng.randrange(1, 4)):
            place = rng.randrange(len(changed))
            kind = rng.randrange(3)
            if kind == 0:
                changed[place] = rng.randrange(256)
            elif kind == 1:
                del changed[place : place + rng.randrange(200)]
            else:
                changed[place:place] = data[place // 2 : place // 2 + rng.randrange(100)]
        try:
            program = ir.read(bytes(changed), format="tir")
            outcomes.add(program.level)
            program.functions[0].tokens("anonymized")
        except CostModelError as error:
            outcomes.add(type(error).__name__)
    assert "ParseError" in outcomes
