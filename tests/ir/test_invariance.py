"""Renaming values and reformatting leave graph arrays and anonymized tokens as they are."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel import ir
from costmodel.ir.llvm import parse_module
from costmodel.ir.mlir import parse_generic
from costmodel.ir.program import functions_of

SPACES = st.sampled_from(["", " ", "\n", '  // a comment { " (\n', "\t"])
NAMES = st.from_regex(r"[a-z_][a-z0-9_.$\-]{0,6}", fullmatch=True)


@st.composite
def programs(draw):
    """A random function in generic form as a list of pieces: names as tuples, the rest as text."""
    pieces: list[object] = ['"func.func"() <{sym_name = "f"}> ({\n', "^bb0(", ("%", 0), ": f32):\n"]
    defined = 1
    depth = 0
    for _ in range(draw(st.integers(1, 12))):
        first, second = draw(st.integers(0, defined - 1)), draw(st.integers(0, defined - 1))
        kind = draw(st.sampled_from(["binary", "constant", "region"]))
        if kind == "binary":
            pieces += [("%", defined), ' = "arith.addf"(', ("%", first), ", ", ("%", second), ") <{x = 1 : i32, y}> "]
            pieces += [": (f32, f32) -> f32\n"]
            defined += 1
        elif kind == "constant":
            number = draw(st.floats(-1e6, 1e6))
            pieces += [("%", defined), f' = "arith.constant"() <{{value = {number:e} : f32}}> : () -> f32\n']
            defined += 1
        elif depth < 3:
            pieces += ['"test.region"(', ("%", first), ") ({\n"]
            depth += 1
    pieces += ["}) {a = [1, 2]} : (f32) -> ()\n"] * depth
    return [*pieces, '"func.return"() : () -> ()\n}) : () -> ()\n']


def render(pieces, names, spaces):
    text = []
    for piece in pieces:
        if isinstance(piece, tuple):
            text.append(f"{piece[0]}{names[piece[1]]}")
        elif spaces is None:
            text.append(piece)
        else:
            text.append(re.sub(r" (?=[=(:<{-])|(?<=[,=:]) ", lambda match: match[0] + next(spaces), piece))
    return "".join(text)


def assert_same(first, second):
    for left, right in zip(functions_of(first), functions_of(second), strict=True):
        assert left.graph().equals(right.graph())
        for scheme in ("ops", "ops-operands", "anonymized"):
            assert left.tokens(scheme) == right.tokens(scheme)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_names_and_format_do_not_matter(data):
    pieces = data.draw(programs())
    names = data.draw(st.lists(NAMES, min_size=13, max_size=13, unique=True))
    filler = data.draw(st.lists(SPACES, min_size=1, max_size=7))
    spaces = (filler[index % len(filler)] for index in range(10**6))
    plain = render(pieces, [str(number) for number in range(13)], None)
    assert_same(parse_generic(plain), parse_generic(render(pieces, names, spaces)))


@settings(max_examples=30, deadline=None)
@given(st.lists(NAMES, min_size=16, max_size=16, unique=True))
def test_names_in_llvm_ir_do_not_matter(sample_text, names):
    found = sorted(set(re.findall(r"%([\w.]+)", sample_text)), key=len, reverse=True)
    renamed = dict(zip(found, names, strict=False))
    text = re.sub(r"%([\w.]+)", lambda match: f"%{renamed[match[1]]}", sample_text)
    text = re.sub(r"^(\w+):", lambda match: f"{renamed[match[1]]}:", text, flags=re.MULTILINE)
    assert_same(parse_module(sample_text), parse_module(text))


@pytest.fixture(scope="module")
def sample_text():
    from pathlib import Path

    return (
        (Path(__file__).parent / "data" / "dot.ll").read_text().replace("entry:", "begin:").replace("%entry", "%begin")
    )


@pytest.mark.parametrize("name", ["matmul.mlir", "branches.mlir", "loops.mlir"])
def test_our_reader_agrees_with_the_bindings(name, sample):
    mlir = pytest.importorskip("mlir.ir", reason="the MLIR bindings are not installed")
    with mlir.Context() as context:
        context.allow_unregistered_dialects = True
        printed = mlir.Module.parse(sample(name)).operation.get_asm(print_generic_op_form=True)
    assert_same(parse_generic(sample(name)), parse_generic(printed))


def test_alias_names_do_not_matter(sample):
    text = sample("matmul.mlir")
    renamed = text.replace("#a", "#first").replace("#firstrith", "#arith").replace("d0", "row")
    assert_same(parse_generic(text), parse_generic(renamed))


def test_another_process_gives_the_same_arrays(sample_path):
    import hashlib
    import subprocess
    import sys

    script = (
        "import sys, hashlib\nfrom pathlib import Path\nfrom costmodel import ir\n"
        "g = ir.read(Path(sys.argv[1])).functions[0].graph()\n"
        "print(hashlib.sha256(g.node_token.tobytes() + g.node_num.tobytes() + g.edge_index.tobytes()).hexdigest())\n"
    )
    path = sample_path("loops.mlir")
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    graph = ir.read(path).functions[0].graph()
    arrays = graph.node_token.tobytes() + graph.node_num.tobytes() + graph.edge_index.tobytes()
    assert done.stdout.strip() == hashlib.sha256(arrays).hexdigest()
