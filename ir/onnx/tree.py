"""A checked `ModelProto` to operations: `onnx.Conv` and so on, subgraphs as regions.

Owns the translation. Invariant: operands are the values of their definitions, of this graph or one around it; an
initializer is the result of an `arith.constant` that stands in no block (as constants of LLVM IR do), so operations are
the model's nodes and one terminator for each graph. An optional input left out is such a constant of type `none`.
"""

from __future__ import annotations

from typing import Any, NoReturn

from costmodel.core.errors import Location, ParseError
from costmodel.ir import collector
from costmodel.ir.mlir.structure import Block, Chunk, MlirModule, Operation, Region, Source, Value
from costmodel.ir.onnx.types import UNKNOWN_TYPE, number_text, quoted, tensor_text, tensor_type, type_of

MAIN_NAME = "main"
_DEFAULT_DOMAINS = ("", "ai.onnx")
_FLOAT, _INT, _STRING, _TENSOR, _GRAPH, _FLOATS, _INTS, _STRINGS, _TENSORS, _GRAPHS = range(1, 11)
Scope = dict[str, Value]


def build(model: Any, types: dict[str, Any], file: str) -> MlirModule:
    """One function for the main graph and one for each local function; Raises `ParseError` naming the node."""
    return _Builder(types, file).run(model)


class _Builder:
    def __init__(self, types: dict[str, Any], file: str) -> None:
        self.file = file
        self.types = types
        self.module = MlirModule(Source("", file))
        self.chunk = Chunk(self.module.source)

    def fail(self, message: str) -> NoReturn:
        raise ParseError(message, location=Location(file=self.file, line=1, column=1))

    def run(self, model: Any) -> MlirModule:
        with collector.paused():
            graph = model.graph
            function = self._function(graph.name or MAIN_NAME)
            self._graph(graph, Region(function), function, {}, self.types, "func.return")
            for local in model.functions:
                self._local(local)
        return self.module

    def _function(self, name: str) -> Operation:
        function = Operation("func.func", 0, self.chunk, None)
        function._property_text = f"sym_name = {quoted(name)}"
        self.module.operations.append(function)
        return function

    def _local(self, local: Any) -> None:
        function = self._function(f"{local.domain}.{local.name}" if local.domain else local.name)
        region = Region(function)
        function.regions.append(region)
        block = Block(None, region)
        region.blocks.append(block)
        scope: Scope = {}
        for name in local.input:
            self._argument(block, name, UNKNOWN_TYPE, scope)
        types = {info.name: info.type for info in local.value_info}
        self._nodes(local.node, block, scope, types, function)
        self._terminate(block, "func.return", list(local.output), scope)

    def _graph(
        self, graph: Any, region: Region, parent: Operation, outer: Scope, types: dict[str, Any], terminator: str
    ) -> None:
        parent.regions.append(region)
        block = Block(None, region)
        region.blocks.append(block)
        scope = dict(outer)
        constants = {tensor.name for tensor in graph.initializer}
        for value in graph.input:
            if value.name not in constants:
                self._argument(block, value.name, type_of(value.type), scope)
        for tensor in graph.initializer:
            kind = tensor_type(list(tensor.dims), tensor.data_type)
            scope[tensor.name] = self._constant(f"value = {tensor_text(tensor)}", kind)
        for sparse in graph.sparse_initializer:
            kind = tensor_type(list(sparse.dims), sparse.values.data_type)
            scope[sparse.values.name] = self._constant(f"value = dense_resource<blob> : {kind}", kind)
        known = {info.name: info.type for info in (*graph.value_info, *graph.output)}
        self._nodes(graph.node, block, scope, {**types, **known}, parent)
        self._terminate(block, terminator, [value.name for value in graph.output], scope)

    def _argument(self, block: Block, name: str, kind: str, scope: Scope) -> None:
        value = Value(name, kind, block, len(block.args))
        block.args.append(value)
        scope[name] = value

    def _constant(self, properties: str, kind: str) -> Value:
        operation = Operation("arith.constant", 0, self.chunk, None)
        operation._property_text = properties
        value = Value("", kind, operation, 0)
        operation.results.append(value)
        return value

    def _nodes(self, nodes: Any, block: Block, scope: Scope, types: dict[str, Any], parent: Operation) -> None:
        """Results of all nodes first, then operands: a model whose nodes are out of order is read all the same."""
        made: list[tuple[Any, Operation]] = []
        seen: set[str] = set()
        for node in nodes:
            operation = Operation(self._name(node), 0, self.chunk, block)
            block.operations.append(operation)
            made.append((node, operation))
            for index, name in enumerate(node.output):
                if name and name in seen:
                    self.fail(f"node {_title(node)} defines {name!r}, which another node of its graph defines as well")
                kind = type_of(types[name]) if name in types else UNKNOWN_TYPE
                value = Value(name, kind if name else "none", operation, index)
                operation.results.append(value)
                if name:
                    seen.add(name)
                    scope[name] = value
        for node, operation in made:
            for name in node.input:
                operation.operands.append(self._operand(node, name, scope))
            self._attributes(node, operation, scope, types)

    def _name(self, node: Any) -> str:
        if not node.op_type:
            self.fail(f"node {node.name!r} names no operator; the model is damaged")
        domain = "onnx" if node.domain in _DEFAULT_DOMAINS else node.domain
        return f"{domain}.{node.op_type}"

    def _operand(self, node: Any, name: str, scope: Scope) -> Value:
        if not name:
            return self._constant("value = unit", "none")
        value = scope.get(name)
        if value is None:
            self.fail(f"node {_title(node)} uses {name!r}, which nothing defines; the model is damaged")
        return value

    def _terminate(self, block: Block, name: str, outputs: list[str], scope: Scope) -> None:
        operation = Operation(name, 0, self.chunk, block)
        block.operations.append(operation)
        for output in outputs:
            value = scope.get(output)
            if value is None:
                self.fail(f"graph output {output!r} is defined by nothing; the model is damaged")
            operation.operands.append(value)

    def _attributes(self, node: Any, operation: Operation, scope: Scope, types: dict[str, Any]) -> None:
        parts: list[str] = []
        for attribute in sorted(node.attribute, key=lambda item: str(item.name)):
            graphs = [attribute.g] if attribute.type == _GRAPH else list(attribute.graphs)
            for graph in graphs:
                self._graph(graph, Region(operation), operation, scope, types, "onnx.Yield")
            text = self._attribute(attribute)
            if text is not None and not graphs:
                parts.append(f"{_key(attribute.name)} = {text}")
        operation._property_text = ", ".join(parts)

    def _attribute(self, attribute: Any) -> str | None:
        if attribute.ref_attr_name:
            return quoted(attribute.ref_attr_name)
        writer = _WRITERS.get(attribute.type)
        return writer(attribute) if writer is not None else "unit"


def _key(name: str) -> str:
    return name if name.isidentifier() and name.isascii() else quoted(name)


def _title(node: Any) -> str:
    return f"{node.name!r} ({node.op_type})" if node.name else node.op_type


def _text(data: bytes) -> str:
    return quoted(data.decode("utf-8", "replace")[:256])


_WRITERS = {
    _FLOAT: lambda attribute: number_text(attribute.f, "f32"),
    _INT: lambda attribute: number_text(attribute.i, "i64"),
    _STRING: lambda attribute: _text(attribute.s),
    _TENSOR: lambda attribute: tensor_text(attribute.t),
    _FLOATS: lambda attribute: f"array<f32: {', '.join(f'{value:e}' for value in attribute.floats[:256])}>",
    _INTS: lambda attribute: f"array<i64: {', '.join(map(str, attribute.ints[:256]))}>",
    _STRINGS: lambda attribute: f"[{', '.join(map(_text, attribute.strings[:256]))}]",
}
