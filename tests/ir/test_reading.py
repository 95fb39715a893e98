from pathlib import Path

import pytest

from costmodel import ir
from costmodel.core.errors import ParseError, UnknownNameError, UnsupportedError, UsageError


def test_generic_form(sample_path):
    program = ir.read(sample_path("matmul.mlir"))
    assert (program.format, program.level, program.producer, program.diagnostics) == ("mlir", "graph", None, ())
    function = program.functions[0]
    assert (function.name, function.ops, function.resolved, function.level) == ("matmul", 5, 1.0, "graph")
    assert len(program.sha256) == 64


def test_custom_form_with_two_parts(sample_path):
    program = ir.read(sample_path("custom.mlir"))
    assert (program.level, program.diagnostics) == ("graph", ())
    assert [(function.name, function.ops) for function in program.functions] == [("relu", 6), ("nothing", 1)]


def test_unknown_dialect_in_custom_form_is_a_graph():
    program = ir.read("func.func @f(%x: tensor<4x?xf32>) {\n  mine.op %x {a = 100} : tensor<4x?xf32>\n  return\n}\n")
    assert (program.level, program.diagnostics) == ("graph", ())
    function = program.functions[0]
    assert (function.name, function.ops, function.resolved) == ("f", 2, 1.0)
    assert function.tokens("ops") == ["<function>", "mine.op", "func.return", "<end>"]
    assert function.graph().num_nodes > 4


UNTOLD = "func.func @f(%x: i32) {\n  mine.op %y, %z, %x : i32\n  return\n}\nfunc.func @g() {\n  return\n}\n"


def test_a_function_whose_operands_do_not_resolve_is_tokens_with_a_position():
    program = ir.read(UNTOLD)
    assert program.level == "tokens"
    assert str(program.diagnostics[0]) == "<string>:2:3: f: %y, an operand of 'mine.op', is never defined"
    function, other = program.functions
    assert (function.name, function.level, function.ops, function.resolved) == ("f", "tokens", 0, 0.0)
    assert (other.name, other.level, other.ops) == ("g", "graph", 1)
    assert "mine.op" in function.tokens("ops")
    with pytest.raises(UnsupportedError, match="generic form"):
        function.graph()
    with pytest.raises(UnsupportedError, match="generic form"):
        function.features()


def test_a_function_that_is_not_quite_resolved_stays_a_graph_and_says_its_share():
    body = "  mine.op %x, %x : i32\n" * 80
    program = ir.read("func.func @f(%x: i32) {\n" + body + "  mine.op %y : i32\n  return\n}\n")
    assert program.level == "graph"
    assert 0.99 <= program.functions[0].resolved < 1
    assert "%y, an operand of 'mine.op'" in str(program.diagnostics[0])


def test_the_position_of_an_error_in_a_later_part_counts_from_the_file():
    program = ir.read("func.func @f() {\n  return\n}\n// -----\nfunc.func @g() {\n  mine.op %q\n}\n")
    assert str(program.diagnostics[0].location) == "<string>:6:3"


def test_bytecode(sample, tmp_path):
    from io import BytesIO

    mlir = pytest.importorskip("mlir.ir", reason="the MLIR bindings are not installed")
    with mlir.Context():
        stream = BytesIO()
        mlir.Module.parse("func.func @f(%x: f32) -> f32 {\n  return %x : f32\n}").operation.write_bytecode(stream)
    path = tmp_path / "f.mlirbc"
    path.write_bytes(stream.getvalue())
    assert [function.name for function in ir.read(path).functions] == ["f"]
    with pytest.raises(ParseError, match="bytecode that cannot be read"):
        ir.read(stream.getvalue()[:40])


def test_a_text_without_functions_is_one_module():
    program = ir.read('"a.b"() : () -> ()\n"c.d"() : () -> ()\n')
    assert [(function.name, function.ops) for function in program.functions] == [("<module>", 2)]


def test_functions_inside_named_modules_are_found_and_declarations_are_not():
    text = (
        '"builtin.module"() <{sym_name = "outer"}> ({\n  "gpu.module"() <{sym_name = "kernels"}> ({\n'
        '    "gpu.func"() <{sym_name = "k"}> ({\n    "gpu.return"() : () -> ()\n    }) : () -> ()\n  }) : () -> ()\n'
        '  "func.func"() <{sym_name = "declared"}> ({\n  }) : () -> ()\n}) : () -> ()\n'
    )
    assert [function.name for function in ir.read(text).functions] == ["k"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "<string>:1:1: the input is empty"),
        ("// only a comment\n", "<string>:1:1: "),
        ("Dear reader,\nthis is (only) prose. No more.\n", "<string>:1:1: this looks like none of the known formats"),
        (b'"a.b"() : () -> ()\n"\xff"() : () -> ()\n', "<bytes>:2:2: byte 0xff is not UTF-8"),
        (b"BC\xc0\xdeabc", "<bytes>:1:1: bitcode that LLVM 22 cannot read"),
        ('"a"() ({\n', "<string>:2:1: the text ends inside a region"),
    ],
)
def test_what_is_no_program_is_refused_with_position(source, message):
    with pytest.raises(ParseError) as caught:
        ir.read(source)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("format", ["mlir", "llvm"])
def test_prose_is_refused_by_each_reader(format):
    with pytest.raises(ParseError, match="this is no"):
        ir.read("Dear reader,\nthis is (only) prose.\n", format=format)


def test_files_that_cannot_be_read_and_unknown_formats(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        ir.read("absent.mlir")
    with pytest.raises(UsageError, match="cannot read"):
        ir.read(tmp_path)
    with pytest.raises(UnknownNameError, match="unknown reader 'mlri'.*did you mean 'mlir'"):
        ir.read(Path(__file__), format="mlri")


def test_every_reader_keeps_the_contract():
    for name in ir.READERS:
        reader = ir.READERS.get(name)()
        assert all(suffix.startswith(".") for suffix in reader.suffixes)
        assert not reader.sniff(b"")
        with pytest.raises(ParseError):
            reader.read(b"", "empty")
