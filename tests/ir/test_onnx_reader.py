import pytest

from costmodel import ir
from costmodel.core.errors import CostModelError, ParseError

onnx = pytest.importorskip("onnx", reason="needs the onnx extra")
helper, FLOAT = onnx.helper, onnx.TensorProto.FLOAT


def info(name, shape, kind=FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def model(nodes, inputs, outputs, initializers=(), functions=()):
    graph = helper.make_graph(nodes, "net", inputs, outputs, list(initializers))
    opsets = [helper.make_opsetid("", 20), *(helper.make_opsetid(f.domain, 1) for f in functions)]
    made = helper.make_model(graph, producer_name="tool", producer_version="3", opset_imports=opsets)
    made.functions.extend(functions)
    return made


@pytest.fixture
def convolution():
    weight = helper.make_tensor("w", FLOAT, [8, 3, 3, 3], [0.0] * 216)
    bias = helper.make_tensor("b", FLOAT, [8], [0.5] * 8)
    conv = helper.make_node("Conv", ["x", "w", "b"], ["h"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=1)
    relu = helper.make_node("Relu", ["h"], ["y"])
    return model([conv, relu], [info("x", [1, 3, 16, 16])], [info("y", [1, 8, 16, 16])], [weight, bias])


def read(made):
    return ir.read(made.SerializeToString())


def test_nodes_become_operations_with_types(convolution):
    program = read(convolution)
    assert (program.format, program.level, program.diagnostics) == ("onnx", "graph", ())
    assert program.producer.startswith("tool 3 (ONNX IR ")
    assert "opset ai.onnx 20" in program.producer
    function = program.functions[0]
    assert (function.name, function.ops, function.resolved) == ("net", 3, 1.0)
    conv, relu, back = function.operation.regions[0].blocks[0].operations
    assert (conv.name, relu.name, back.name) == ("onnx.Conv", "onnx.Relu", "func.return")
    assert [value.type_text for value in conv.operands] == [
        "tensor<1x3x16x16xf32>",
        "tensor<8x3x3x3xf32>",
        "tensor<8xf32>",
    ]
    assert conv.results[0].type_text == "tensor<1x8x16x16xf32>"  # inferred: the model does not say
    assert relu.operands == conv.results
    assert conv.attribute("pads").as_int_array() == (1, 1, 1, 1)
    assert conv.attribute("group").as_int() == 1


def test_weights_are_constants_and_leave_their_payload(convolution):
    weight, bias = (
        value.owner
        for value in read(convolution).functions[0].operation.regions[0].blocks[0].operations[0].operands[1:]
    )
    assert weight.attribute("value") == "dense_resource<blob> : tensor<8x3x3x3xf32>"
    assert bias.attribute("value") == "dense<5.000000e-01> : tensor<8xf32>"
    assert weight.parent is None


def test_tokens_features_and_graph(convolution):
    function = read(convolution).functions[0]
    assert function.tokens("ops") == ["<function>", "onnx.Conv", "onnx.Relu", "func.return", "<end>"]
    assert "c:tensor<8x3x3x3xf32>" in function.tokens("ops-operands")
    assert "group 1 kernel_shape array i64 3 3 pads array i64 1 1 1 1" in " ".join(function.tokens("anonymized"))
    assert function.features().ops == 3
    assert function.graph().node_kind.shape[0] > 6


def test_names_do_not_matter(convolution):
    first = read(convolution).functions[0].tokens("anonymized")
    renamed = onnx.ModelProto()
    renamed.CopyFrom(convolution)
    names = {"x": "input/0", "w": "größe", "b": "b::1", "h": 'q"', "y": "out"}
    for value in (*renamed.graph.input, *renamed.graph.output, *renamed.graph.initializer):
        value.name = names[value.name]
    for node in renamed.graph.node:
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    renamed.graph.name = "other"
    assert read(renamed).functions[0].tokens("anonymized") == first


def test_subgraphs_are_regions_that_see_outer_values():
    branches = [
        helper.make_graph([helper.make_node(kind, ["x"], [f"{kind}_out"])], kind, [], [info(f"{kind}_out", [4])])
        for kind in ("Neg", "Abs")
    ]
    choose = helper.make_node("If", ["c"], ["y"], then_branch=branches[0], else_branch=branches[1])
    made = model([choose], [info("c", [], onnx.TensorProto.BOOL), info("x", [4])], [info("y", [4])])
    function = read(made).functions[0]
    assert function.tokens("ops")[1:-1] == [
        "onnx.If",
        "onnx.Abs",
        "onnx.Yield",
        "onnx.Neg",
        "onnx.Yield",
        "func.return",
    ]
    inner = function.operation.regions[0].blocks[0].operations[0].regions[0].blocks[0].operations[0]
    assert inner.operands == [function.operation.regions[0].blocks[0].args[1]]


def test_local_functions_optional_inputs_and_foreign_domains():
    body = [helper.make_node("Add", ["a", "a"], ["b"]), helper.make_node("Clip", ["b", "", "a"], ["c"])]
    local = helper.make_function("mine", "Twice", ["a"], ["c"], body, [helper.make_opsetid("", 20)])
    node = helper.make_node("Twice", ["x"], ["y"], domain="mine")
    program = read(model([node], [info("x", [4])], [info("y", [4])], functions=[local]))
    assert [function.name for function in program.functions] == ["net", "mine.Twice"]
    assert program.functions[0].tokens("ops")[1] == "mine.Twice"
    clip = program.functions[1].operation.regions[0].blocks[0].operations[1]
    assert [value.type_text for value in clip.operands][1] == "none"


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_an_error(convolution, keep):
    data = convolution.SerializeToString()
    with pytest.raises(CostModelError):
        ir.read(data[: int(len(data) * keep)], format="onnx")


def test_damaged_files_end_in_an_error_or_a_program(convolution):
    data = bytearray(convolution.SerializeToString())
    outcomes = set()
    for position in range(0, len(data), 97):
        changed = bytearray(data)
        changed[position] ^= 0x55
        try:
            outcomes.add(ir.read(bytes(changed), format="onnx").level)
        except CostModelError as error:
            outcomes.add(type(error).__name__)
    assert "graph" in outcomes


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (("Relu", ["nowhere"], ["y"]), "uses 'nowhere', which nothing defines"),
        (("Relu", ["x"], ["z"]), "graph output 'y' is defined by nothing"),
        (("", ["x"], ["y"]), "names no operator"),
    ],
)
def test_models_that_do_not_hold_together(node, message):
    with pytest.raises(ParseError, match=message):
        read(model([helper.make_node(*node)], [info("x", [4])], [info("y", [4])]))


def test_what_is_no_model(tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(b"hello, this is text")
    with pytest.raises(ParseError, match=r"a\.onnx:1:1: this is no ONNX model, or it is truncated"):
        ir.read(path)
    with pytest.raises(ParseError, match="holds no ONNX graph"):
        ir.read(b"\x08\x08", format="onnx")


def test_weights_in_other_files_are_not_opened(convolution):
    tensor = convolution.graph.initializer[0]
    tensor.ClearField("float_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    program = read(convolution)
    assert "1 tensors are in other files" in program.diagnostics[-1].message
    assert (
        program.functions[0].operation.regions[0].blocks[0].operations[0].operands[1].type_text == "tensor<8x3x3x3xf32>"
    )
