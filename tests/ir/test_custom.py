"""The direct reader of the custom form: structure without dialect definitions."""

import pytest

from costmodel.core.errors import ParseError
from costmodel.ir.mlir.custom import parse_custom
from costmodel.ir.mlir.levels import levelled


def read(text):
    found = parse_custom(text)
    assert (found.problems, found.unresolved) == ([], [])
    return found.module


def names(module):
    return [operation.name for operation in module.walk()]


def only(module, name):
    (found,) = [operation for operation in module.walk() if operation.name == name]
    return found


def test_an_unknown_dialect_gives_operands_results_types_and_attributes():
    module = read(
        "func.func @f(%x: !my.type<4, [1]>, %n: index) {\n"
        '  %a:2, %b = my.op "tag" %x[%n, 3] {k = 1 : i32, u} : (!my.type<4, [1]>, index) -> (i1, i2, f32)\n'
        "  my.use %a#1, %b : i2, f32\n  return\n}\n"
    )
    operation = only(module, "my.op")
    assert [value.name for value in operation.operands] == ["%x", "%n"]
    assert [value.type_text for value in operation.results] == ["i1", "i2", "f32"]
    assert operation.attributes == {"k": "1 : i32", "u": "unit"}
    assert only(module, "my.use").operands == operation.results[1:]
    assert names(module) == ["func.func", "my.op", "my.use", "func.return"]


def test_regions_of_unknown_operations_bind_what_their_header_names():
    module = read(
        "func.func @f(%lo: index, %hi: index, %v: f32) {\n"
        "  %r = my.loop %i = %lo to %hi iter(%acc = %v) -> f32 {\n    my.yield %acc, %i : f32, index\n  }\n"
        "  my.launch (%x, %y) in (%hi, %hi) {\n    my.use %x, %y\n  }\n"
        "  my.execute (%v as %inner: f32) {\n    my.use2 %inner\n  } cleanup {\n    my.done\n  }\n  return\n}\n"
    )
    loop = only(module, "my.loop")
    assert [value.name for value in loop.operands] == ["%lo", "%hi", "%v"]
    assert [(a.name, a.type_text) for a in loop.regions[0].blocks[0].args] == [("%i", "index"), ("%acc", "f32")]
    assert [value.name for value in only(module, "my.launch").operands] == ["%hi", "%hi"]
    execute = only(module, "my.execute")
    assert [len(region.blocks[0].operations) for region in execute.regions] == [1, 1]
    assert only(module, "my.use2").operands == execute.regions[0].blocks[0].args


def test_braces_that_are_dictionaries_sizes_and_regions():
    module = read(
        "func.func @f(%t: tensor<?xf32>, %d: index) attributes {a.b, c = {d = 1}} {\n"
        "  %0 = my.size %t : tensor<?xf32>{%d} -> index\n  my.unit {flag}\n  my.region {\n  }\n"
        "  my.short { my.terminator }\n"
        "  return\n}\n"
    )
    assert [value.name for value in only(module, "my.size").operands] == ["%t", "%d"]
    assert only(module, "my.unit").attributes == {"flag": "unit"}
    assert only(module, "func.func").attributes == {"a.b": "unit", "c": "{d = 1}"}
    assert [operation.name for operation in only(module, "my.short").regions[0].blocks[0].operations] == [
        "my.terminator"
    ]


def test_attributes_of_a_functions_arguments_are_its_property():
    text = """tt.func public @k(%x: !tt.ptr<f32> {tt.divisibility = 16 : i32}, %n: i32, %s: i32 {a.b = "}, %c: {"})
    -> (i32 {not.of = "an argument"}) attributes {noinline = false} {
  tt.return %n : i32
}"""
    function = read(text).operations[0]
    listed = function.properties["arg_attrs"].as_list()
    assert listed == ["{tt.divisibility = 16 : i32}", "{}", '{a.b = "}, %c: {"}']
    assert [argument.type_text for argument in function.regions[0].blocks[0].args] == ["!tt.ptr<f32>", "i32", "i32"]


def test_a_function_without_them_has_no_such_property():
    module = read("func.func @f(%a: f32) -> (f32 {x.y = 1 : i64}) {\n  return %a : f32\n}")
    assert "arg_attrs" not in module.operations[0].properties


def test_blocks_and_successors():
    module = read(
        "func.func @f(%c: i1, %x: i32) -> i32 {\n  cf.cond_br %c,\n    ^bb1(%x : i32),\n    ^bb2\n"
        "^bb1(%y: i32):  // pred\n  return %y : i32\n^bb2:\n  cf.br ^bb1(%x : i32)\n}\n"
    )
    function = only(module, "func.func")
    entry, first, second = function.regions[0].blocks
    assert [block.label for block in entry.operations[-1].successors] == ["^bb1", "^bb2"]
    assert entry.operations[-1].successors == [first, second]
    assert second.operations[0].successors == [first]


def test_generic_form_inside_custom_form():
    module = read(
        "module {\n  tt.func @k(%x: tensor<4xf32> {tt.d = 16 : i32} loc(unknown)) attributes {noinline = false} {\n"
        '    %0 = "tt.reduce"(%x) <{axis = 0 : i32}> ({\n    ^bb0(%a: f32 loc("f":1:2), %b: f32):\n'
        "      %s = arith.addf %a, %b : f32 loc(#loc2)\n      tt.reduce.return %s : f32\n"
        "    }) : (tensor<4xf32>) -> f32\n    tt.return loc(#loc)\n  } loc(#loc)\n}\n#loc = loc(unknown)\n"
    )
    reduce = only(module, "tt.reduce")
    assert reduce.properties == {"axis": "0 : i32"}
    assert reduce.results[0].type_text == "f32"
    assert [a.type_text for a in reduce.regions[0].blocks[0].args] == ["f32", "f32"]
    assert only(module, "tt.func").symbol == "k"


def test_aliases_parts_comments_and_forward_uses():
    module = read(
        "#map = affine_map<(d0) -> (d0)>\n!t = memref<4xf32, #map>\nfunc.func @f(%m: !t) { // first\n  return\n}\n"
        "// -----\nhw.module @g(in %a : i8, out s : i8) {\n  %r = comb.add %later, %a : i8\n"
        "  %later = comb.xor %a, %a : i8 // not %this\n  hw.output %r : i8\n}\n"
    )
    first, second = module.operations
    assert first.regions[0].blocks[0].args[0].type_text == "memref<4xf32, affine_map<(d0) -> (d0)>>"
    assert second.regions[0].blocks[0].operations[0].operands[0].owner is second.regions[0].blocks[0].operations[1]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%r = arith.cmpi slt, %i, %i : vector<4xi32>", "vector<4xi1>"),
        ("%r = memref.load %i[%i] : memref<4x8xf32, 1>", "f32"),
        ("%r = arith.extsi %i : i32 to i64", "i64"),
        ("%r = vector.extract %i[0] : f32 from vector<4xf32>", "f32"),
        ("%r = vector.insert %i, %i [0] : f32 into vector<4xf32>", "vector<4xf32>"),
        ("%r = vector.transfer_read %i[%i], %i : memref<4xf32>, vector<2xf32>", "vector<2xf32>"),
        ("%r = affine.apply affine_map<(d0) -> (d0 * 2)>(%i)", "index"),
        ("%r = llvm.getelementptr %i[%i] : (!llvm.ptr, i64) -> !llvm.ptr, f32", "!llvm.ptr"),
        ("%r = tt.load %i : tensor<8x!tt.ptr<f16>>", "tensor<8xf16>"),
        ("%r = stablehlo.compare LT, %i, %i : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>", "tensor<4xi1>"),
        ("%r = arith.constant true", "i1"),
        (
            "%r = torch.aten.add %i, %i : !torch.a<[1,2]>, !torch.b -> !torch.vtensor<[4],f32>",
            "!torch.vtensor<[4],f32>",
        ),
        ("%r = index.add %i, %i", "index"),
        ("%r = my.tied(%i) : (f32) -> %i", "index"),
    ],
)
def test_result_types(line, expected):
    module = read(f"func.func @f(%i: index) {{\n  {line}\n  return\n}}\n")
    assert module.operations[0].regions[0].blocks[0].operations[0].results[0].type_text == expected


def test_attributes_that_features_read():
    module = read(
        "func.func @f(%m: memref<64xf32>, %n: index) {\n  %c = arith.constant 2.500000e+00 : f32\n"
        "  affine.for %i = 4 to 64 step 2 {\n    affine.store %c, %m[%i + symbol(%n)] : memref<64xf32>\n  }\n"
        "  scf.forall (%a, %b) in (4, %n) {\n  }\n"
        "  scf.parallel (%a, %b) = (%n, %n) to (%n, %n) step (%n, %n) {\n  }\n  return\n}\n"
    )
    assert only(module, "arith.constant").properties == {"value": "2.500000e+00 : f32"}
    loop = only(module, "affine.for").properties
    assert (loop["lowerBoundMap"], loop["upperBoundMap"]) == ("affine_map<() -> (4)>", "affine_map<() -> (64)>")
    assert loop["step"] == "2 : index"
    assert only(module, "affine.store").properties["map"] == "affine_map<(d0)[s0] -> (d0 + s0)>"
    assert only(module, "scf.forall").properties["staticUpperBound"] == f"array<i64: 4, {-(2**63)}>"
    assert only(module, "scf.parallel").properties["operandSegmentSizes"] == "array<i32: 2, 2, 2, 0>"
    assert names(module).count("affine.yield") == 1


def test_a_named_structured_operation_gets_the_body_of_its_generic_form():
    module = read(
        "func.func @f(%a: tensor<4x8xf16>, %b: tensor<8x2xf16>, %c: tensor<4x2xf32>) -> tensor<4x2xf32> {\n"
        "  %0 = linalg.matmul ins(%a, %b : tensor<4x8xf16>, tensor<8x2xf16>)\n"
        "    outs(%c : tensor<4x2xf32>) -> tensor<4x2xf32>\n"
        "  return %0 : tensor<4x2xf32>\n}\n"
    )
    matmul = only(module, "linalg.matmul")
    body = [operation.name for operation in matmul.regions[0].blocks[0].operations]
    assert body == ["arith.extf", "arith.extf", "arith.mulf", "arith.addf", "linalg.yield"]
    assert matmul.properties["operandSegmentSizes"] == "array<i32: 2, 1>"


def test_what_cannot_be_read_is_counted_and_the_rest_is_a_graph():
    found = parse_custom("func.func @f(%x: i32) {\n  my.op %x\n^bb1:\n  ??? %x\n  my.op %x\n  return\n}\n")
    assert [operation.name for operation in found.module.walk()] == ["func.func", "my.op", "my.op", "func.return"]
    functions, diagnostics = levelled(found)
    assert functions[0].level == "tokens"
    assert str(diagnostics[0]) == "<string>:4:3: f: expected an operation, found '??? %x'"


@pytest.mark.parametrize("text", ["func.func @f() {\n  my.op\n", "func.func @f() {\n  my.op (%x\n"])
def test_a_text_that_ends_early_is_no_graph(text):
    functions, diagnostics = levelled(parse_custom(text))
    assert functions[0].level == "tokens"
    assert "the text ends inside" in str(diagnostics[0])


def test_no_operation_at_all_is_refused():
    with pytest.raises(ParseError, match="no operation found"):
        parse_custom("1 2 3\n")


def test_aliases_of_aliases_do_not_grow_without_bound():
    text = "\n".join(f"#a{n + 1} = [#a{n}, #a{n}]" for n in range(80))
    module = read(f"{text}\nfunc.func @f() {{\n  my.op {{x = #a80}}\n  return\n}}\n")
    assert len(only(module, "my.op").attributes["x"]) < 1 << 20


def attributes(operation):
    return {**operation.properties, **operation.attributes}


def test_a_strided_convolution_gets_the_maps_of_its_definition():
    module = read(
        "func.func @f(%x: memref<1x9x9x3xf32>, %w: memref<3x3x3x4xf32>, %o: memref<1x4x4x4xf32>) {\n"
        "  linalg.conv_2d_nhwc_hwcf {dilations = dense<1> : tensor<2xi64>, strides = dense<[2, 3]> : tensor<2xi64>}\n"
        "    ins(%x, %w : memref<1x9x9x3xf32>, memref<3x3x3x4xf32>) outs(%o : memref<1x4x4x4xf32>)\n  return\n}\n"
    )
    maps = attributes(only(module, "linalg.conv_2d_nhwc_hwcf"))["linalg.memoized_indexing_maps"]
    dims = "(d0, d1, d2, d3, d4, d5, d6)"
    assert [str(item) for item in maps.as_list()] == [
        f"affine_map<{dims} -> (d0, d1 * 2 + d4, d2 * 3 + d5, d6)>",
        f"affine_map<{dims} -> (d4, d5, d6, d3)>",
        f"affine_map<{dims} -> (d0, d1, d2, d3)>",
    ]


def test_results_of_destination_style_operations_have_the_outputs_type():
    module = read(
        "func.func @f(%a: tensor<2x3xf32>, %o: tensor<3x2xf32>) -> tensor<3x2xf32> {\n"
        "  %t = linalg.transpose ins(%a : tensor<2x3xf32>) outs(%o : tensor<3x2xf32>) permutation = [1, 0]\n"
        "  return %t : tensor<3x2xf32>\n}\n"
    )
    operation = only(module, "linalg.transpose")
    assert operation.results[0].type_text == "tensor<3x2xf32>"
    assert attributes(operation)["permutation"] == "array<i64: 1, 0>"


def test_accesses_of_a_stream_are_operands_and_no_region():
    module = read(
        "util.func @f(%r: !stream.resource<external>, %c: index) {\n"
        "  stream.cmd.dispatch @e::@f {\n    ro %r[%c for %c] : !stream.resource<external>{%c},\n"
        "    wo %r[%c for %c] : !stream.resource<external>{%c}\n  }\n  util.return\n}\n"
    )
    operation = only(module, "stream.cmd.dispatch")
    assert operation.regions == []
    assert [value.name for value in operation.operands] == ["%r", "%c", "%c", "%c"] * 2


def test_lines_of_known_shape_are_read_as_the_first_of_them():
    """Names, operands' numbers, forward uses and aliases are those of each line, whatever its shape taught before."""
    text = """#m = #test.x<{0}>
module {{
  func.func @f(%a: f32, %b: vector<2xf32>, %s: !llvm.struct<(i32, i32)>, %i: i32) {{
    %0 = arith.addf %a, %a fastmath<fast> : f32 loc(#loc1)
    %1 = arith.addf %0, %a fastmath<fast> : f32 loc(#loc2)
    %p:2 = test.pair %1 : f32, f32
    %long.name = arith.addf %p#1, %p#0 fastmath<fast> : f32
    %2 = test.wrap %b : tensor<4xf32, #m>
    %3 = test.wrap %late : tensor<4xf32, #m>
    %s0 = llvm.insertvalue %i, %s[0] : !llvm.struct<(i32, i32)>
    %s1 = llvm.insertvalue %i, %s0[0] : !llvm.struct<(i32, i32)>
    %late = test.make : vector<2xf32>
    return
  }}
}}
"""
    for number in (1, 2):
        found = parse_custom(text.format(number))
        operations = {o.results[0].name: o for o in found.module.walk() if o.results}
        assert not found.unresolved
        assert [value.name for value in operations["%1"].operands] == ["%0", "%a"]
        assert [value.index for value in operations["%long.name"].operands] == [1, 0]
        assert operations["%long.name"].attribute("fastmath") == "#arith.fastmath<fast>"
        assert text.format(number)[operations["%long.name"].offset :].startswith("arith.addf %p#1")
        assert operations["%3"].operands[0] is operations["%late"].results[0]
        assert f"#test.x<{number}>" in operations["%3"].results[0].type_text
        assert [value.name for value in operations["%s1"].operands] == ["%s0", "%i"]


def test_a_group_of_no_results_is_none():
    text = "func.func @f(%a: i32) {\n  %x:0 = test.none %a\n  %y:0 = llvm.extractvalue %a[0] : i32\n  return\n}\n"
    found = parse_custom(text)
    assert [len(o.results) for o in found.module.walk() if o.name.startswith(("test.", "llvm."))] == [0, 0]
