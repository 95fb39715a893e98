"""Malformed and hostile inputs end quickly, in a program or in an error with a position."""

import random
import time

import pytest

from costmodel import ir
from costmodel.core.errors import CostModelError, ParseError
from costmodel.ir.llvm import parse_module
from costmodel.ir.mlir import parse_generic
from costmodel.ir.mlir.custom import parse_custom
from costmodel.ir.mlir.levels import levelled
from costmodel.ir.program import functions_of

LIMIT_S = 2.0


def survive(parse, text):
    """Parse and derive everything; anything but a CostModelError with a position escapes. Returns seconds taken."""
    begun = time.process_time()
    try:
        module = parse(text)
        for function in functions_of(module) if module.operations else ():
            function.graph()
            function.tokens("anonymized")
            function.features()
    except CostModelError as error:
        if error.location is None:
            raise AssertionError("an error without a position") from error
    return time.process_time() - begun


def mutate(text, generator):
    kind = generator.randrange(5)
    first, second = sorted(generator.randrange(len(text)) for _ in range(2))
    if kind == 0:
        return text[:first]
    if kind == 1:
        return text[:first] + chr(generator.randrange(1, 0x250)) + text[first + 1 :]
    if kind == 2:
        return text[:first] + text[second:]
    if kind == 3:
        return text[:first] + text[second:] + text[first:second]
    return text[:first] + generator.choice('([{<"') * generator.randrange(1, 2000) + text[first:]


@pytest.mark.parametrize("name", ["matmul.mlir", "branches.mlir", "loops.mlir", "dot.ll"])
def test_mutations(name, sample):
    generator = random.Random(7)
    parse = parse_module if name.endswith(".ll") else parse_generic
    text = sample(name)
    slowest = max(survive(parse, mutate(text, generator)) for _ in range(300))
    assert slowest < LIMIT_S


def direct(text):
    """What the reader of our own makes of a text, at its level; seconds taken."""
    begun = time.process_time()
    try:
        functions, diagnostics = levelled(parse_custom(text))
    except ParseError as error:
        place = error.location
    else:
        place = diagnostics or all(function.level == "graph" for function in functions)
    assert place
    return time.process_time() - begun


@pytest.mark.parametrize("name", ["custom.mlir", "matmul.mlir"])
def test_mutations_of_the_custom_form(name, sample):
    generator = random.Random(11)
    text = sample(name)
    assert max(direct(mutate(text, generator)) for _ in range(300)) < LIMIT_S


HOSTILE_CUSTOM = {
    "open dictionaries": " a.b " + "{a = " * 18_000,
    "open brackets": " a.b " + "(" * 90_000,
    "open regions": " a.b {\n" * 10_000,
    "deep regions": " a.b (%u : i32) {\n" * 5_000 + "}\n" * 5_000,
    "half labels": "^a(%x: " * 14_000,
    "never defined": "".join(f" a.b %u{n}\n" for n in range(4_000)) + " a.c {\n a.d\n}\n" * 3_000,
    "one line": "%r = a.b %x : i32 " * 5_000,
    "half locations": " a.b " + "loc(" * 22_000,
    "half types": " a.b " + "!a<" * 30_000,
    "half properties": " a.b " + "<{" * 45_000,
    "groups": " a.b " + "(%i, %j) = " * 8_000 + "{\n}\n",
    "many results": " %a:99999 = a.b\n" * 5_000,
    "bounds": " affine.for %i = max #m(" + "%a, " * 20_000 + ") to 4 {\n}\n",
    "blank": " a.b " + " \n" * 45_000,
}


@pytest.mark.parametrize("name", HOSTILE_CUSTOM)
def test_hostile_custom_forms_of_100_kilobytes(name):
    assert direct("func.func @f() {\n" + HOSTILE_CUSTOM[name]) < LIMIT_S
    assert direct("func.func @f() {\n" + HOSTILE_CUSTOM[name] + "\n}\n") < LIMIT_S


@pytest.mark.parametrize(
    "text",
    [
        '"a"() ({' * 12_000,
        '"a"() ({' * 12_000 + "}) : () -> ()" * 12_000,
        '"a"() {x = ' + "[" * 50_000 + "]" * 50_000 + "} : () -> ()",
        '"a"() {x = ' + "<" * 90_000,
        '"a"(' + "%x, " * 20_000,
        "%0 = " * 20_000,
        "#a = " * 20_000,
        "#a = [\n" * 10_000,
        '"' * 99_999,
        "^bb" * 30_000,
        '"a"() : () -> ' + "(" * 90_000,
        '"a"() {' + "x = 1, " * 14_000 + "} : () -> ()",
    ],
    ids=range(12),
)
def test_hostile_texts_of_100_kilobytes(text):
    assert survive(parse_generic, text) < LIMIT_S


@pytest.mark.parametrize(
    "line",
    ["  %a = add i32 " + "(" * 90_000, "  call void @f(" + "i32 1, " * 12_000, "  %a = phi i32 " + "[ 1, " * 18_000,
     "  switch i32 1, label %x [" + " i32 1, label %x" * 5_000, "  %a = add " + "<{[(" * 20_000, "  " + "x " * 45_000],
    ids=range(6),
)  # fmt: skip
def test_hostile_llvm_lines(line):
    assert survive(parse_module, f"define void @f() {{\n{line}\n}}\n") < LIMIT_S


def test_a_program_on_one_line_of_a_megabyte():
    text = '"f"() ({' + ' "a.b"() {x = "y z"} : () -> ()' * 33_000 + "}) : () -> ()"
    assert len(text) > 1_000_000
    begun = time.process_time()
    assert sum(1 for _ in parse_generic(text).walk()) == 33_001
    assert time.process_time() - begun < 10


def test_a_large_constant_costs_little():
    blob = "00000000" * 500_000
    text = f'%0 = "arith.constant"() <{{value = dense<"0x{blob}"> : tensor<500000xf32>}}> : () -> tensor<500000xf32>'
    assert survive(parse_generic, text) < LIMIT_S
    listed = ", ".join(["-1.5"] * 300_000)
    text = f'%0 = "arith.constant"() <{{value = dense<[{listed}]> : tensor<300000xf32>}}> : () -> tensor<300000xf32>'
    assert survive(parse_generic, text) < LIMIT_S


@pytest.mark.parametrize(
    "text",
    [
        "\n" * 99_000 + "x (",
        "a." + "a" * 99_000,
        "a." * 49_000 + "(",
        "%a" + "," * 99_000,
        "define " + "x" * 99_000,
        '"' + "\\" * 99_000,
        "func.func @f() {\n  mine.op " + "0x" + "f" * 90_000 + " " + "9" * 9_000 + "\n}\n",
    ],
    ids=range(7),
)
def test_hostile_texts_through_read(text):
    ir.read('"a.b"() : () -> ()\n')
    ir.read("func.func @warm() {\n  return\n}\n")
    begun = time.process_time()
    try:
        found = ir.read(text).functions[0].tokens("anonymized")
    except CostModelError as error:
        found = [str(error.location)]
    assert found[0].startswith("<")
    assert time.process_time() - begun < LIMIT_S


@pytest.mark.parametrize(
    "text",
    [
        f'%0:{"9" * 5_000} = "a"() : () -> i32',
        f'%0 = "a"() : () -> tensor<{"9" * 5_000}xf32>',
        f'%0 = "a"() : () -> i{"9" * 5_000}',
        f'%0 = "arith.constant"() <{{value = {"9" * 5_000} : i32}}> : () -> i32',
        f'%0 = "a"() {{m = affine_map<(d0) -> (d0 + {"9" * 5_000})>}} : () -> i32',
    ],
    ids=range(5),
)
def test_absurd_numbers(text):
    assert survive(parse_generic, text) < LIMIT_S


@pytest.mark.parametrize("name", ["custom.mlir", "dot.ll"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_truncated_files_through_the_real_tools(name, share, sample_path, tmp_path):
    data = sample_path(name).read_bytes()
    path = tmp_path / name
    path.write_bytes(data[: int(len(data) * share)])
    try:
        program = ir.read(path)
    except ParseError as error:
        found = str(error.location)
    else:
        found = str(program.diagnostics[0].location)
        assert program.level == "tokens"
    assert found.startswith(f"{path}:")
