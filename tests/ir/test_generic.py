import textwrap

import pytest

from costmodel.core.errors import ParseError
from costmodel.ir.mlir import parse_generic


def test_operations_values_and_regions_are_linked(sample):
    module = parse_generic(sample("matmul.mlir"), file="matmul.mlir")
    names = [operation.name for operation in module.walk()]
    assert names == [
        "builtin.module",
        "func.func",
        "linalg.generic",
        "arith.mulf",
        "arith.addf",
        "linalg.yield",
        "func.return",
    ]
    function = module.body[0]
    entry = function.regions[0].blocks[0]
    generic, ret = entry.operations
    assert function.symbol == "matmul"
    assert function.attributes == {"llvm.emit_c_interface": "unit"}
    assert generic.operands == entry.args
    assert ret.operands == generic.results
    assert ret.operands[0].owner is generic
    assert [value.type_text for value in entry.args] == ["tensor<4x8xf32>", "tensor<8x16xf32>", "tensor<4x16xf32>"]
    assert (str(generic.location), str(ret.location)) == ("matmul.mlir:7:10", "matmul.mlir:13:5")


def test_aliases_in_properties_are_resolved(sample):
    generic = parse_generic(sample("matmul.mlir")).body[0].regions[0].blocks[0].operations[0]
    maps = [item.as_affine_map().permutation() for item in generic.properties["indexing_maps"].as_list()]
    assert maps == [(0, 2), (2, 1), (0, 1)]
    assert generic.properties["operandSegmentSizes"].as_int_array() == (2, 1)


def test_blocks_and_successors(sample):
    function = parse_generic(sample("branches.mlir")).operations[0]
    entry, first, second = function.regions[0].blocks
    assert entry.operations[0].successors == [first, second]
    assert first.operations[0].operands == first.args
    assert [block.label for block in (entry, first, second)] == ["^bb0", "^bb1", "^bb2"]


def test_several_results_and_several_regions():
    text = """
    %0:2, %x = "a.b"() ({
      "in.one"() : () -> ()
    }, {
    ^bb0(%y: i32):
      "in.two"(%y) : (i32) -> ()
    }) {k} : () -> (i32, f32, !my.type<a, (i32) -> i8>)
    "use"(%0#1, %x) : (f32, !my.type<a, (i32) -> i8>) -> ()
    """
    operation, use = parse_generic(text).operations
    assert [value.type_text for value in operation.results] == ["i32", "f32", "!my.type<a, (i32) -> i8>"]
    assert use.operands == operation.results[1:]
    assert [region.blocks[0].operations[0].name for region in operation.regions] == ["in.one", "in.two"]


def test_a_use_before_its_definition_gets_the_definition():
    text = '"g"() ({\n"use"(%later) : (i32) -> ()\n%later = "def"() : () -> i32\n}) : () -> ()'
    use, definition = parse_generic(text).operations[0].regions[0].blocks[0].operations
    assert use.operands == definition.results
    assert use.operands[0].owner is definition


def test_sibling_regions_may_reuse_names():
    body = '"f"() ({\n%0 = "def"() : () -> i32\n"use"(%0) : (i32) -> ()\n}) : () -> ()\n'
    first, second = parse_generic(body + body).operations
    assert first.regions[0].blocks[0].operations[0].results != second.regions[0].blocks[0].operations[0].results


def test_locations_comments_and_strings_are_no_trouble():
    text = textwrap.dedent(
        """
        // "not"() : () -> ()
        #loc1 = loc("f.py":1:2)
        "a"() {s = "x } // \\22 {", t = "//"} : () -> () loc(#loc1) // "b"() : () -> ()
        %0 = "c"() : () -> i32 loc(fused["x", callsite("y" at "z":1:1)])
        "d"(%0) ({
        ^bb0(%arg0: i32 loc("f":1:1), %arg1: f32 loc(unknown)):
        }) : (i32) -> () loc(unknown)
        """
    )
    first, _, last = parse_generic(text).operations
    assert first.attributes["s"].as_string() == 'x } // " {'
    assert [value.type_text for value in last.regions[0].blocks[0].args] == ["i32", "f32"]


def test_parts_split_by_a_rule_have_their_own_aliases_and_names():
    part = '#m = {value}\n%0 = "a"() {{m = #m}} : () -> i32\n'
    module = parse_generic("// -----\n".join([part.format(value="1 : i8"), part.format(value="2 : i8")]))
    assert [operation.attributes["m"].as_int() for operation in module.operations] == [1, 2]


def test_resources_stay_within_reach():
    tail = '{-#\n dialect_resources: {builtin: {w: "0x040000000000803F"}}\n#-}\n'
    module = parse_generic('"a"() {v = dense_resource<w> : tensor<1xf32>} : () -> ()\n' + tail)
    assert module.resource("w") == '"0x040000000000803F"'
    assert module.resource("absent") is None


def test_brackets_nested_deeper_than_the_fast_pattern():
    deep = "[" * 50 + "1" + "]" * 50
    kind = f"tuple<{'tuple<' * 40}{'>' * 40}>"
    text = f'%0 = "a"() <{{p = {deep}}}> {{a = {deep}, b}} : () -> {kind}'
    operation = parse_generic(text).operations[0]
    assert operation.properties["p"] == operation.attributes["a"] == deep
    assert operation.attributes["b"] == "unit"
    assert operation.results[0].type_text == kind


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f:1:1: no operation found"),
        ("func.func @f() {}", "f:1:1: 'func.func' is not the generic form"),
        ('"a"() : () -> (', "f:1:16: the text ends inside an operation, begun at f:1:1"),
        ('"a"() ({\n  "b"() : () -> ()\n', "f:3:1: the text ends inside a region of 'a', begun at f:1:1"),
        ('\n  "a"(%1) : (i32) -> ()', "f:2:3: use of undefined value %1"),
        ('%0 = "a"() : () -> i32\n%0 = "a"() : () -> i32', "f:2:6: redefinition of %0"),
        ('"a"() : (i32) -> ()', "f:1:1: 'a' has no operands but types 'i32'"),
        ('%0:2 = "a"() : () -> i32', "f:1:8: 'a' names 2 results but has 1 result types"),
        ('"a"() ({\n"b"()[^bb9] : () -> ()\n}) : () -> ()', "f:2:1: block ^bb9 is never defined in its region"),
        ('"a"() : () -> ()\n}', "f:2:1: expected an operation in generic form, found '}'"),
        ('"a"() {x = [} : () -> ()', "f:1:25: the text ends inside an operation, begun at f:1:1"),
        ('%0 = "a"() : () -> i32\n"b"(%0#1) : (i32) -> ()', "f:2:1: %0 has 1 results, so %0#1 does not exist"),
    ],
)
def test_errors_carry_position_and_what_was_seen(text, message):
    with pytest.raises(ParseError) as caught:
        parse_generic(text, file="f")
    assert str(caught.value).startswith(message)


def test_a_value_does_not_leave_its_function():
    text = (
        '"func.func"() <{sym_name = "f"}> ({\n"use"(%5) : (i32) -> ()\n}) : () -> ()\n'
        '"func.func"() <{sym_name = "g"}> ({\n%5 = "def"() : () -> i32\n}) : () -> ()\n'
    )
    with pytest.raises(ParseError, match="2:1: use of undefined value %5"):
        parse_generic(text)
