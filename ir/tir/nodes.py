"""JSON of `tvm.ir.save_json` (TVM 0.27) to operations.

Owns the node graph: `nodes` refer to each other by number, `root_index` is a function or a module. Invariant: a number
that is no node, a cycle of statements or a missing field ends in a `ParseError`; kinds of nodes that are not known
become `tir.KIND`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from typing import NoReturn

from costmodel.core.errors import Location, ParseError
from costmodel.ir.mlir.structure import MlirModule, Source, Value
from costmodel.ir.tir.builder import Builder, element_of, memref_type, mlir_type

Node = dict[str, object]
_LOOPS = {0: "serial", 1: "parallel", 2: "vectorized", 3: "unrolled", 4: "thread"}
_BINARY = {
    "Add": "add",
    "Sub": "sub",
    "Mul": "mul",
    "Div": "div",
    "Mod": "mod",
    "FloorDiv": "floordiv",
    "FloorMod": "floormod",
    "Min": "min",
    "Max": "max",
    "EQ": "eq",
    "NE": "ne",
    "LT": "lt",
    "LE": "le",
    "GT": "gt",
    "GE": "ge",
    "And": "and",
    "Or": "or",
}
_REDUCTION = 2


def parse_json(text: str, file: str) -> tuple[MlirModule, str | None]:
    """The module and who saved it.

    Raises:
        ParseError: it is no JSON, no node graph, or holds no primitive function.
        RecursionError: nested too deeply.
    """
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        location = Location(file=file, line=error.lineno, column=error.colno)
        raise ParseError(f"this is no JSON: {error.msg}", location=location) from None
    except ValueError as error:
        raise ParseError(f"this is no JSON: {error}", location=Location(file=file, line=1, column=1)) from None
    reader = _Graph(document, text, file)
    reader.run()
    metadata = document.get("metadata")
    version = metadata.get("tvm_version") if isinstance(metadata, dict) else None
    return reader.builder.module, f"TVM {version}" if isinstance(version, str) else None


class _Graph:
    def __init__(self, document: object, text: str, file: str) -> None:
        self.file = file
        self.builder = Builder(Source(text, file))
        nodes = document.get("nodes") if isinstance(document, dict) else None
        root = document.get("root_index") if isinstance(document, dict) else None
        if not isinstance(nodes, list) or not isinstance(root, int):
            self.fail("expected an object with `root_index` and `nodes`, as tvm.ir.save_json of TVM 0.27 writes it")
        self.nodes: list[object] = nodes
        self.root = root
        self.values: dict[int, Value] = {}
        self.open: set[int] = set()

    def fail(self, message: str) -> NoReturn:
        raise ParseError(message, location=Location(file=self.file, line=1, column=1))

    # ---- access ---------------------------------------------------------------------------------------------------

    def node(self, index: object) -> tuple[str, object]:
        """Kind without its package, and data, of a node."""
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(self.nodes):
            self.fail(f"reference {index!r} is no node in [0, {len(self.nodes)})")
        node = self.nodes[index]
        if not isinstance(node, dict) or not isinstance(node.get("type"), str):
            self.fail(f"node {index} is no object with a `type`")
        return node["type"].rpartition(".")[2], node.get("data")

    def fields(self, index: object) -> tuple[str, Node]:
        kind, data = self.node(index)
        return kind, data if isinstance(data, dict) else {}

    def need(self, fields: Node, name: str, kind: str) -> object:
        if name not in fields:
            self.fail(f"a node {kind} lacks its field {name!r}; was it saved by another version of TVM?")
        return fields[name]

    def items(self, index: object) -> list[object]:
        kind, data = self.node(index)
        if kind == "None":
            return []
        if not isinstance(data, list):
            self.fail(f"node {index} is a {kind}, expected an array")
        return data

    def text(self, index: object) -> str:
        data = self.node(index)[1]
        return data if isinstance(data, str) else ""

    def number(self, index: object) -> int | None:
        """The value of an integer literal."""
        kind, data = self.node(index)
        if kind == "IntImm" and isinstance(data, dict):
            value = data.get("value")
            if isinstance(value, int) and 0 <= value < len(self.nodes):
                inner = self.node(value)
                return inner[1] if inner[0] == "int" and isinstance(inner[1], int) else None
        return data if kind == "int" and isinstance(data, int) else None

    def type(self, index: object) -> str:
        kind, fields = self.fields(index)
        if kind == "PrimType":
            dtype = fields.get("dtype")
            return mlir_type(dtype if isinstance(dtype, str) else self.text(dtype))
        if kind == "BufferType":
            return self.buffer_type(fields)
        return "!llvm.ptr" if kind in ("PointerType", "Type") else f"!tir.{kind.lower()}"

    def buffer_type(self, fields: Node) -> str:
        _, prim = self.fields(self.need(fields, "dtype", "BufferType"))
        dtype = prim.get("dtype")
        shape = [self.number(item) for item in self.items(self.need(fields, "shape", "BufferType"))]
        scope = fields.get("storage_scope")
        return memref_type(shape, dtype if isinstance(dtype, str) else "float32", self.text(scope) if scope else "")

    # ---- functions ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        kind, fields = self.fields(self.root)
        if kind == "PrimFunc":
            self.function(self.root, "main")
        elif kind == "IRModule":
            entries = self.items(self.need(fields, "functions", kind))
            for name, function in zip(entries[::2], entries[1::2], strict=False):
                if self.node(function)[0] == "PrimFunc":
                    self.function(function, self.text(self.fields(name)[1].get("name_hint", 0)))
        else:
            self.fail(f"the root is a {kind}, expected an IRModule or a PrimFunc")
        if not self.builder.module.operations:
            self.fail("this module holds no primitive function")

    def function(self, index: object, name: str) -> None:
        kind, fields = self.fields(index)
        with self.builder.function(self._symbol(fields) or name or "main") as operation:
            block = operation.regions[0].blocks[0]
            for parameter in self.items(self.need(fields, "params", kind)):
                _, variable = self.fields(parameter)
                self._define(parameter, self.builder.argument(block, self.type(self.need(variable, "ty", "Var"))))
            self.statement(self.need(fields, "body", kind))

    def _symbol(self, fields: Node) -> str:
        attrs = fields.get("attrs")
        if not attrs:
            return ""
        entries = self.items(self.fields(attrs)[1].get("__dict__", 0))
        for key, value in zip(entries[::2], entries[1::2], strict=False):
            if self.text(key) == "global_symbol":
                return self.text(value)
        return ""

    def _define(self, index: object, value: Value) -> None:
        assert isinstance(index, int)
        self.values[index] = value

    # ---- statements -----------------------------------------------------------------------------------------------

    def statement(self, index: object) -> None:
        kind, fields = self.fields(index)
        if kind == "None":
            return
        assert isinstance(index, int)
        if index in self.open:
            self.fail(f"statement {index} contains itself")
        self.open.add(index)
        handler = _STATEMENTS.get(kind)
        if handler is not None:
            handler(self, fields)
        else:
            self._other_statement(kind, fields)
        self.open.discard(index)

    def _other_statement(self, kind: str, fields: Node) -> None:
        if "body" in fields:
            with self.builder.region(self.builder.op(f"tir.{kind}"), "tir.yield"):
                self.statement(fields["body"])
        else:
            self.builder.op(f"tir.{kind}")

    def sequence(self, fields: Node) -> None:
        for item in self.items(self.need(fields, "seq", "SeqStmt")):
            self.statement(item)

    def for_(self, fields: Node) -> None:
        lower = self.expression(self.need(fields, "min", "For"))
        extent = self.expression(self.need(fields, "extent", "For"))
        step = fields.get("step")
        stride = self.expression(step) if step else self.builder.constant(1, extent.type_text)
        first = self.number(fields["min"])
        upper = extent if first == 0 else self._end(fields, lower, extent)
        kind = fields.get("kind")
        with self.builder.loop(lower, upper, stride, _LOOPS.get(kind if isinstance(kind, int) else 0, "serial")) as i:
            self._define(self.need(fields, "loop_var", "For"), i)
            self.statement(self.need(fields, "body", "For"))

    def _end(self, fields: Node, lower: Value, extent: Value) -> Value:
        first, size = self.number(fields["min"]), self.number(fields["extent"])
        if first is not None and size is not None:
            return self.builder.constant(first + size, extent.type_text)
        return self.builder.binary("add", lower, extent)

    def while_(self, fields: Node) -> None:
        operation = self.builder.op("scf.while")
        with self.builder.region(operation):
            self.builder.op("scf.condition", [self.expression(self.need(fields, "condition", "While"))])
        with self.builder.region(operation, "scf.yield"):
            self.statement(self.need(fields, "body", "While"))

    def if_(self, fields: Node) -> None:
        operation = self.builder.op("scf.if", [self.expression(self.need(fields, "condition", "IfThenElse"))])
        for name in ("then_case", "else_case"):
            branch = fields.get(name)
            if branch:
                with self.builder.region(operation, "scf.yield"):
                    self.statement(branch)

    def realize(self, fields: Node) -> None:
        """Block axes are the values that they are bound to; the root block around a function shows nothing."""
        _, block = self.fields(self.need(fields, "block", "SBlockRealize"))
        axes = [self.fields(axis)[1] for axis in self.items(block.get("iter_vars", 0))]
        letters = "".join("R" if axis.get("iter_type") == _REDUCTION else "S" for axis in axes)
        with ExitStack() as stack:
            if axes or self.text(block.get("name_hint", 0)) != "root":
                stack.enter_context(self.builder.block(letters))
            for axis, bound in zip(axes, self.items(fields.get("iter_values", 0)), strict=False):
                self._define(self.need(axis, "var", "IterVar"), self.expression(bound))
            for buffer in self.items(block.get("alloc_buffers", 0)):
                self._allocate(buffer)
            if block.get("init"):
                with self.builder.region(self.builder.op("tir.init"), "tir.yield"):
                    self.statement(block["init"])
            self.statement(self.need(block, "body", "SBlock"))

    def _allocate(self, index: object) -> None:
        _, fields = self.fields(index)
        kind = self.type(self.need(fields, "ty", "Var"))
        self._define(index, self.builder.value("memref.alloc", [], kind))

    def allocate(self, fields: Node) -> None:
        self._allocate(self.need(fields, "buffer", "AllocBuffer"))
        if fields.get("body"):
            self.statement(fields["body"])

    def store(self, fields: Node) -> None:
        value = self.expression(self.need(fields, "value", "BufferStore"))
        buffer = self.expression(self.need(fields, "buffer", "BufferStore"))
        self.builder.store(value, buffer, [self.expression(item) for item in self.items(fields.get("indices", 0))])

    def bind(self, fields: Node) -> None:
        self._define(self.need(fields, "var", "Bind"), self.expression(self.need(fields, "value", "Bind")))
        if fields.get("body"):
            self.statement(fields["body"])

    def evaluate(self, fields: Node) -> None:
        value = self.need(fields, "value", "Evaluate")
        if self.number(value) is None:
            self.expression(value)

    def attribute(self, fields: Node) -> None:
        self.statement(self.need(fields, "body", "AttrStmt"))

    # ---- expressions ----------------------------------------------------------------------------------------------

    def expression(self, index: object) -> Value:
        kind, fields = self.fields(index)
        assert isinstance(index, int)
        known = self.values.get(index)
        if known is not None:
            return known
        if kind in _BINARY:
            left = self.expression(self.need(fields, "a", kind))
            return self.builder.binary(_BINARY[kind], left, self.expression(self.need(fields, "b", kind)))
        handler = _EXPRESSIONS.get(kind)
        if handler is not None:
            return handler(self, index, fields)
        return self.builder.unknown(kind.lower(), [], self._type_of(fields))

    def _type_of(self, fields: Node) -> str:
        return self.type(fields["ty"]) if fields.get("ty") else "i32"

    def variable(self, index: int, fields: Node) -> Value:
        found = self.values[index] = self.builder.unknown("var", [], self._type_of(fields))
        return found

    def integer(self, index: int, fields: Node) -> Value:
        return self.builder.constant(self.number(index) or 0, self._type_of(fields))

    def real(self, index: int, fields: Node) -> Value:
        value = fields.get("value")
        return self.builder.constant(value if isinstance(value, (int, float)) else 0.0, self._type_of(fields))

    def string(self, index: int, fields: Node) -> Value:
        return self.builder.unknown("string", [], "!tir.string")

    def load(self, index: int, fields: Node) -> Value:
        buffer = self.expression(self.need(fields, "source", "TensorLoad"))
        return self.builder.load(buffer, [self.expression(item) for item in self.items(fields.get("indices", 0))])

    def cast(self, index: int, fields: Node) -> Value:
        return self.builder.cast(self.expression(self.need(fields, "value", "Cast")), self._type_of(fields))

    def negation(self, index: int, fields: Node) -> Value:
        value = self.expression(self.need(fields, "a", "Not"))
        return self.builder.binary("bitwise_xor", value, self.builder.constant(True, "i1"))

    def select(self, index: int, fields: Node) -> Value:
        names = ("condition", "true_value", "false_value")
        return self.builder.call(
            "Select", [self.expression(self.need(fields, name, "Select")) for name in names], "i32"
        )

    def ramp(self, index: int, fields: Node) -> Value:
        base = self.expression(self.need(fields, "base", "Ramp"))
        stride = self.expression(self.need(fields, "stride", "Ramp"))
        return self.builder.unknown("ramp", [base, stride], self._vector(fields, base))

    def broadcast(self, index: int, fields: Node) -> Value:
        value = self.expression(self.need(fields, "value", "Broadcast"))
        return self.builder.value("vector.broadcast", [value], self._vector(fields, value))

    def _vector(self, fields: Node, value: Value) -> str:
        lanes = self.number(fields.get("lanes", 0))
        return f"vector<{'?' if lanes is None else lanes}x{element_of(value.type_text)}>"

    def let(self, index: int, fields: Node) -> Value:
        self._define(self.need(fields, "var", "Let"), self.expression(self.need(fields, "value", "Let")))
        return self.expression(self.need(fields, "body", "Let"))

    def call(self, index: int, fields: Node) -> Value:
        _, data = self.node(self.need(fields, "op", "Call"))
        name = data.rpartition(".")[2] if isinstance(data, str) else "call"
        found = []
        for argument in self.items(fields.get("args", 0)):
            if self.node(argument)[0] != "StringImm":
                found.append(self.expression(argument))
        return self.builder.call(name, found, self._type_of(fields))


_STATEMENTS: dict[str, Callable[[_Graph, Node], None]] = {
    "SeqStmt": _Graph.sequence,
    "For": _Graph.for_,
    "While": _Graph.while_,
    "IfThenElse": _Graph.if_,
    "SBlockRealize": _Graph.realize,
    "BlockRealize": _Graph.realize,
    "AllocBuffer": _Graph.allocate,
    "DeclBuffer": _Graph.allocate,
    "BufferStore": _Graph.store,
    "Bind": _Graph.bind,
    "LetStmt": _Graph.bind,
    "Evaluate": _Graph.evaluate,
    "AttrStmt": _Graph.attribute,
}
_EXPRESSIONS: dict[str, Callable[[_Graph, int, Node], Value]] = {
    "Var": _Graph.variable,
    "SizeVar": _Graph.variable,
    "IntImm": _Graph.integer,
    "FloatImm": _Graph.real,
    "StringImm": _Graph.string,
    "TensorLoad": _Graph.load,
    "BufferLoad": _Graph.load,
    "Cast": _Graph.cast,
    "Not": _Graph.negation,
    "Select": _Graph.select,
    "Ramp": _Graph.ramp,
    "Broadcast": _Graph.broadcast,
    "Let": _Graph.let,
    "Call": _Graph.call,
}
