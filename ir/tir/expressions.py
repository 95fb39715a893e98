"""Expressions of TVM script to values.

Owns names, literals, arithmetic, buffer accesses and intrinsics. Invariant: every expression gives a value; a name that
nothing defines becomes the result of `tir.var`, as TVM's own free variables are.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from costmodel.ir.mlir.structure import Value
from costmodel.ir.tir.builder import Builder, element_of, is_float, mlir_type

_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "div",
    ast.FloorDiv: "floordiv",
    ast.Mod: "floormod",
    ast.Pow: "pow",
    ast.BitAnd: "bitwise_and",
    ast.BitOr: "bitwise_or",
    ast.BitXor: "bitwise_xor",
    ast.LShift: "shift_left",
    ast.RShift: "shift_right",
}
_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Eq: "eq",
    ast.NotEq: "ne",
    ast.Lt: "lt",
    ast.LtE: "le",
    ast.Gt: "gt",
    ast.GtE: "ge",
}
_SCALARS = ("float", "int", "uint", "bool", "bfloat", "handle")
_VECTOR_MARK = "vector"


class Expressions:
    """Turns syntax into values at the builder's place. `names` are values, `numbers` the module's constants."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.names: dict[str, Value] = {}
        self.numbers: dict[str, float] = {}

    def element(self, buffer: ast.expr) -> str | None:
        """Element type of a named buffer."""
        value = self.names.get(buffer.id) if isinstance(buffer, ast.Name) else None
        return element_of(value.type_text) if value is not None else None

    def value(self, node: ast.expr, wanted: str | None = None) -> Value:
        """The value of an expression; a bare literal takes the type `wanted`."""
        handler = _EXPRESSIONS.get(type(node))
        if handler is not None:
            return handler(self, node, wanted)
        return self.builder.unknown(type(node).__name__.lower(), [], wanted or "i32")

    def _name(self, node: ast.Name, wanted: str | None) -> Value:
        found = self.names.get(node.id)
        if found is None and node.id in self.numbers:
            return self._number(self.numbers[node.id], wanted)
        if found is None:
            found = self.names[node.id] = self.builder.unknown("var", [], wanted or "i32")
        return found

    def _number(self, number: float, wanted: str | None) -> Value:
        kind = wanted
        if kind is None or kind.startswith((_VECTOR_MARK, "memref", "!")):
            kind = "f32" if isinstance(number, float) else "i1" if isinstance(number, bool) else "i32"
        if isinstance(number, float) and not is_float(kind):
            kind = "f32"
        return self.builder.constant(number, kind)

    def _constant(self, node: ast.Constant, wanted: str | None) -> Value:
        if isinstance(node.value, (bool, int, float)):
            return self._number(node.value, wanted)
        return self.builder.unknown("string" if isinstance(node.value, str) else "none", [], "!tir.string")

    def _binary(self, node: ast.BinOp, wanted: str | None) -> Value:
        name = _BINARY.get(type(node.op), "add")
        left, right = self._pair(node.left, node.right, wanted)
        return self.builder.binary(name, left, right)

    def _pair(self, first: ast.expr, second: ast.expr, wanted: str | None) -> tuple[Value, Value]:
        """Both values; a literal takes the other's type."""
        if literal(first, self.numbers) is not None and literal(second, self.numbers) is None:
            right = self.value(second, wanted)
            return self.value(first, element_of(right.type_text)), right
        left = self.value(first, wanted)
        return left, self.value(second, element_of(left.type_text))

    def _compare(self, node: ast.Compare, wanted: str | None) -> Value:
        found: Value | None = None
        operands = [node.left, *node.comparators]
        for operator, first, second in zip(node.ops, operands, node.comparators, strict=False):
            left, right = self._pair(first, second, None)
            test = self.builder.binary(_COMPARE.get(type(operator), "eq"), left, right)
            found = test if found is None else self.builder.binary("and", found, test)
        assert found is not None
        return found

    def _logic(self, node: ast.BoolOp, wanted: str | None) -> Value:
        name = "and" if isinstance(node.op, ast.And) else "or"
        found = self.value(node.values[0])
        for item in node.values[1:]:
            found = self.builder.binary(name, found, self.value(item))
        return found

    def _unary(self, node: ast.UnaryOp, wanted: str | None) -> Value:
        number = literal(node, self.numbers)
        if number is not None:
            return self._number(number, wanted)
        value = self.value(node.operand, wanted)
        if isinstance(node.op, ast.UAdd):
            return value
        if isinstance(node.op, ast.USub) and is_float(value.type_text):
            return self.builder.value("arith.negf", [value], value.type_text)
        kind = element_of(value.type_text)
        if isinstance(node.op, ast.USub):
            return self.builder.binary("sub", self.builder.constant(0, kind), value)
        return self.builder.binary("bitwise_xor", value, self.builder.constant(1 if kind == "i1" else -1, kind))

    def _choice(self, node: ast.IfExp, wanted: str | None) -> Value:
        test = self.value(node.test)
        left, right = self._pair(node.body, node.orelse, wanted)
        return self.builder.value("arith.select", [test, left, right], left.type_text)

    def _access(self, node: ast.Subscript, wanted: str | None) -> Value:
        return self.builder.load(self.value(node.value), self.indices(node))

    def indices(self, node: ast.Subscript) -> list[Value]:
        """Index values of a buffer access; a slice is a vector of its length."""
        items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return [self._slice(item) if isinstance(item, ast.Slice) else self.value(item) for item in items]

    def _slice(self, node: ast.Slice) -> Value:
        start = self.value(node.lower) if node.lower is not None else self.builder.constant(0, "i32")
        lanes = self._lanes(node)
        return self.builder.unknown("ramp", [start], f"vector<{lanes}x{element_of(start.type_text)}>")

    def _lanes(self, node: ast.Slice) -> int | str:
        lower = 0.0 if node.lower is None else literal(node.lower, self.numbers)
        upper = None if node.upper is None else literal(node.upper, self.numbers)
        if lower is not None and upper is not None and upper > lower:
            return int(upper - lower)
        if isinstance(node.upper, ast.BinOp) and isinstance(node.upper.op, ast.Add) and node.lower is not None:
            for size, base in ((node.upper.right, node.upper.left), (node.upper.left, node.upper.right)):
                number = literal(size, self.numbers)
                if number is not None and ast.dump(base) == ast.dump(node.lower):
                    return int(number)
        return "?"

    def _attribute(self, node: ast.Attribute, wanted: str | None) -> Value:
        if node.attr in ("data", "access_ptr") and isinstance(node.value, ast.Name):
            return self.value(node.value)
        return self.builder.unknown(node.attr, [], wanted or "!llvm.ptr")

    def _sequence(self, node: ast.Tuple | ast.List, wanted: str | None) -> Value:
        return self.builder.unknown("tuple", [self.value(item) for item in node.elts], "!tir.tuple")

    def _call(self, node: ast.Call, wanted: str | None) -> Value:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        name = node.func.id if isinstance(node.func, ast.Name) else name
        strings = texts(node.args)
        args = [
            argument for argument in node.args if not isinstance(argument, (ast.Starred,)) and not _is_text(argument)
        ]
        if name.startswith(_SCALARS) and mlir_type(name) != "!tir.unknown" and not name.startswith(("if_",)):
            return self._typed(name, args, strings)
        if name in ("Cast", "cast", "reinterpret", "astype") and args:
            kind = mlir_type(strings[0]) if strings else wanted or "f32"
            source = self.value(node.func.value) if name == "astype" and isinstance(node.func, ast.Attribute) else None
            return self.builder.cast(source if source is not None else self.value(args[-1]), kind)
        if name in ("Broadcast", "broadcast") and len(args) == 2:
            value, lanes = self.value(args[0]), literal(args[1], self.numbers)
            return self.builder.value("vector.broadcast", [value], f"vector<{_size(lanes)}x{value.type_text}>")
        if name in ("Ramp", "ramp") and len(args) == 3:
            base, lanes = self.value(args[0]), literal(args[2], self.numbers)
            return self.builder.unknown("ramp", [base, self.value(args[1])], f"vector<{_size(lanes)}x{base.type_text}>")
        if name in ("min_value", "max_value", "infinity") and strings:
            return self.builder.constant(math.inf if name != "min_value" else -math.inf, mlir_type(strings[0]))
        if name in ("if_then_else", "Select") and len(args) == 3:
            test = self.value(args[0])
            left, right = self._pair(args[1], args[2], wanted)
            return self.builder.value("arith.select", [test, left, right], left.type_text)
        if len(args) == 2:
            return self.builder.call(name, self._pair(args[0], args[1], wanted), wanted or "i32")
        values = [self.value(argument, wanted) for argument in args]
        kind = mlir_type(strings[0]) if strings and name.startswith("call_") else wanted or "i32"
        return self.builder.call(name, values, kind)

    def _typed(self, name: str, args: Sequence[ast.expr], strings: Sequence[str]) -> Value:
        """`T.float32(0)` is a literal, `T.float32(x)` a cast, `T.int32()` a free variable."""
        kind = mlir_type(name)
        if not args:
            special = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}.get(strings[0] if strings else "")
            return self.builder.unknown("var", [], kind) if special is None else self.builder.constant(special, kind)
        number = literal(args[0], self.numbers)
        if number is not None and not kind.startswith((_VECTOR_MARK, "!")):
            return self.builder.constant(number, kind)
        return self.builder.cast(self.value(args[0]), kind)


_EXPRESSIONS: dict[type[ast.expr], Callable[[Expressions, Any, str | None], Value]] = {
    ast.Name: Expressions._name,
    ast.Constant: Expressions._constant,
    ast.BinOp: Expressions._binary,
    ast.Compare: Expressions._compare,
    ast.BoolOp: Expressions._logic,
    ast.UnaryOp: Expressions._unary,
    ast.IfExp: Expressions._choice,
    ast.Subscript: Expressions._access,
    ast.Attribute: Expressions._attribute,
    ast.Tuple: Expressions._sequence,
    ast.List: Expressions._sequence,
    ast.Call: Expressions._call,
}


def literal(node: ast.expr, numbers: Mapping[str, float]) -> float | None:
    """The number that a literal, a named constant of the module, or a sign before one is."""
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = literal(node.operand, numbers)
        return None if inner is None else -inner
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and len(node.args) == 1:
        is_integer = node.func.attr.startswith(("int", "uint"))
        return literal(node.args[0], numbers) if is_integer else None
    return numbers.get(node.id) if isinstance(node, ast.Name) else None


def called(node: ast.expr, group: str) -> str | None:
    """`remap` of `T.axis.remap(...)` where the group is `axis`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        owner = node.func.value
        if (
            owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
        ) == group:
            return node.func.attr
    return None


def texts(nodes: Sequence[ast.expr]) -> list[str]:
    """The string literals among expressions."""
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _size(number: float | None) -> int | str:
    return "?" if number is None else int(number)
