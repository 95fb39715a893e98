"""Affine maps: parsing and the one question asked of them most, "is this expression linear, with which coefficients".

Owns `AffineMap` and `AffineExpr`. Does not simplify.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from costmodel.core.errors import ParseError

_TOKEN = re.compile(r"\s*(?:(\d{1,18}(?!\d))|([A-Za-z_][\w$.]*)|(->|[()\[\],+\-*<>]))")
_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "floordiv": 2, "ceildiv": 2, "mod": 2}
_MAX_DEPTH = 200


@dataclass(frozen=True, slots=True)
class AffineExpr:
    """A tree: `kind` is `dim`, `symbol` or `const` (with `value`), or an operator (with `left` and `right`).

    Operators: `+`, `*`, `floordiv`, `ceildiv`, `mod`. Dimensions and symbols are numbered from 0.
    """

    kind: str
    value: int = 0
    left: AffineExpr | None = None
    right: AffineExpr | None = None
    num_dims: int = 0

    def linear(self) -> tuple[tuple[int, ...], int] | None:
        """Coefficient of each dimension of the map, and the constant; None if not linear in the dimensions alone."""
        if self.kind == "const":
            return (0,) * self.num_dims, self.value
        if self.kind == "dim":
            return tuple(int(index == self.value) for index in range(self.num_dims)), 0
        if self.left is None or self.right is None or self.kind not in ("+", "*"):
            return None
        left, right = self.left.linear(), self.right.linear()
        if left is None or right is None:
            return None
        if self.kind == "+":
            return tuple(a + b for a, b in zip(left[0], right[0], strict=True)), left[1] + right[1]
        if any(right[0]) and any(left[0]):
            return None
        (coefficients, constant), factor = (left, right[1]) if not any(right[0]) else (right, left[1])
        return tuple(a * factor for a in coefficients), constant * factor

    def evaluate(self, dims: Sequence[int], symbols: Sequence[int] = ()) -> int:
        """Value at a point; Raises `ZeroDivisionError` for a division by zero."""
        if self.kind == "const":
            return self.value
        if self.left is None or self.right is None:
            return dims[self.value] if self.kind == "dim" else symbols[self.value]
        left, right = self.left.evaluate(dims, symbols), self.right.evaluate(dims, symbols)
        if self.kind == "+":
            return left + right
        if self.kind == "*":
            return left * right
        if self.kind == "floordiv":
            return left // right
        return -(-left // right) if self.kind == "ceildiv" else left % right

    def dims(self) -> frozenset[int]:
        """Dimensions that occur."""
        if self.kind == "dim":
            return frozenset((self.value,))
        return frozenset().union(*(side.dims() for side in (self.left, self.right) if side is not None))

    def __str__(self) -> str:
        if self.left is None or self.right is None:
            return {"dim": "d", "symbol": "s"}.get(self.kind, "") + str(self.value)
        return f"({self.left} {self.kind} {self.right})"


@dataclass(frozen=True, slots=True)
class AffineMap:
    """`(d0, ...)[s0, ...] -> (results)`."""

    num_dims: int
    num_symbols: int
    results: tuple[AffineExpr, ...]

    def permutation(self) -> tuple[int, ...] | None:
        """The dimensions, one for each result, if every result is a bare dimension and none repeats."""
        dims = tuple(result.value for result in self.results if result.kind == "dim")
        return dims if len(dims) == len(self.results) == len(set(dims)) else None

    def __str__(self) -> str:
        dims = ", ".join(f"d{index}" for index in range(self.num_dims))
        symbols = "[" + ", ".join(f"s{index}" for index in range(self.num_symbols)) + "]" if self.num_symbols else ""
        return f"affine_map<({dims}){symbols} -> ({', '.join(map(str, self.results))})>"


class _Parser:
    """Precedence climbing over a token list; identifiers are those bound in the map's head."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[str] = []
        position = 0
        stripped = text.rstrip()
        while position < len(stripped):
            match = _TOKEN.match(stripped, position)
            if match is None:
                raise ParseError(f"unexpected character {stripped[position]!r} in affine map {text[:80]!r}")
            self.tokens.append(match[0].strip())
            position = match.end()
        self.index = 0
        self.depth = 0
        self.names: dict[str, tuple[str, int]] = {}

    def peek(self) -> str:
        return self.tokens[self.index] if self.index < len(self.tokens) else ""

    def take(self, expected: str | None = None) -> str:
        token = self.peek()
        if not token or (expected is not None and token != expected):
            raise ParseError(f"expected {expected or 'more'!r}, found {token or 'the end'!r} in {self.text[:80]!r}")
        self.index += 1
        return token

    def bind(self, opener: str, closer: str, kind: str) -> int:
        self.take(opener)
        count = 0
        while self.peek() != closer:
            if count:
                self.take(",")
            self.names[self.take()] = (kind, count)
            count += 1
        self.take(closer)
        return count

    def atom(self, num_dims: int) -> AffineExpr:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise ParseError(f"affine expression nested over {_MAX_DEPTH} deep in {self.text[:80]!r}")
        token = self.take()
        if token == "(":
            result = self.expression(num_dims, 1)
            self.take(")")
        elif token == "-":
            minus = AffineExpr("const", -1, num_dims=num_dims)
            result = AffineExpr("*", 0, self.atom(num_dims), minus, num_dims)
            if result.left is not None and result.left.kind == "const":
                result = AffineExpr("const", -result.left.value, num_dims=num_dims)
        elif token.isdigit():
            result = AffineExpr("const", int(token), num_dims=num_dims)
        elif token in self.names:
            kind, index = self.names[token]
            result = AffineExpr(kind, index, num_dims=num_dims)
        else:
            raise ParseError(f"unknown name {token!r} in affine map {self.text[:80]!r}")
        self.depth -= 1
        return result

    def expression(self, num_dims: int, lowest: int) -> AffineExpr:
        left = self.atom(num_dims)
        while _PRECEDENCE.get(self.peek(), 0) >= lowest:
            operator = self.take()
            right = self.expression(num_dims, _PRECEDENCE[operator] + 1)
            if operator == "-":
                minus = AffineExpr("const", -1, num_dims=num_dims)
                right = AffineExpr("*", 0, right, minus, num_dims)
                operator = "+"
            left = AffineExpr(operator, 0, left, right, num_dims)
        return left


def parse_affine_map(text: str) -> AffineMap:
    """`affine_map<(d0, d1)[s0] -> (d0 + s0, d1 floordiv 4)>`; Raises `ParseError`."""
    stripped = text.strip()
    if not (stripped.startswith("affine_map<") and stripped.endswith(">")):
        raise ParseError(f"expected affine_map<...>, found {stripped[:60]!r}")
    parser = _Parser(stripped[len("affine_map<") : -1])
    num_dims = parser.bind("(", ")", "dim")
    num_symbols = parser.bind("[", "]", "symbol") if parser.peek() == "[" else 0
    parser.take("->")
    parser.take("(")
    results: list[AffineExpr] = []
    while parser.peek() != ")":
        if results:
            parser.take(",")
        results.append(parser.expression(num_dims, 1))
    parser.take(")")
    if parser.peek():
        raise ParseError(f"unexpected {parser.peek()!r} after affine map {stripped[:80]!r}")
    return AffineMap(num_dims, num_symbols, tuple(results))
