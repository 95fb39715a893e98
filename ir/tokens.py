"""Token sequences of a function, for models that read programs as text.

Owns the schemes: `ops` and `ops-operands` (after "ML-driven Hardware Cost Model for MLIR", arXiv 2302.11405:
operations alone, or with operands, shapes as single tokens), `anonymized` (after "Scope is all you need", arXiv
2308.09440: a name becomes its class and a number, a number its magnitude). Invariant: without a seed the result
depends on the program alone, and renaming or reformatting does not change it. Special tokens stand in angle brackets.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

import numpy as np

from costmodel.core.errors import UnknownNameError
from costmodel.ir import semantics
from costmodel.ir.mlir.attributes import Attribute
from costmodel.ir.mlir.structure import Block, Operation, Value
from costmodel.ir.mlir.types import OtherType, ScalarType, parse_type

SCHEMES = ("ops", "ops-operands", "anonymized")
"""`ops`: operation names in order. `ops-operands`: results' types, name, operands. `anonymized`: all but names."""

FUNCTION, BLOCK, REGION, END = "<function>", "<block>", "<region>", "<end>"
_MIN_RANDOM_NAMES = 1024
_MAX_ATTRIBUTE = 256
_NUMBER = re.compile(r"(?<![\w.%^@#$])-?\d+(?:\.\d*(?:[eE][+-]?\d+)?)?(?![\w.])")
_SYMBOL = re.compile(r"@(?:\"[^\"]*\"|[\w$.\-]+)")
_SHAPE = re.compile(r"(?:\d+|\?)x[A-Za-z?\d]*[\w?]*")
_LEXEME = re.compile(
    r"//[^\n]*|;[^\n]*|\"(?:[^\"\\\n]|\\.)*\"|%[\w$.\-]+(?:#\d+)?|\^[\w$.\-]+|@[\w$.\-]+|[#!][\w$.\-]*"
    r"|0x[0-9A-Fa-f]+|(?:\d+|\?)x[\w?]*|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|[A-Za-z_][\w$.]*|->|\S"
)


def _check(scheme: str) -> None:
    if scheme not in SCHEMES:
        raise UnknownNameError(f"unknown token scheme {scheme!r}; known: {', '.join(SCHEMES)}")


@lru_cache(maxsize=65536)
def magnitude(number: float) -> str:
    """`0`, `1`, ... `16` as themselves, else sign and power of two: 100 is `2^6`, -0.3 is `-2^-2`."""
    if number != number or math.isinf(number):
        return "nan" if number != number else "inf" if number > 0 else "-inf"
    if number == int(number) and abs(number) <= 16:
        return str(int(number))
    return f"{'-' if number < 0 else ''}2^{math.frexp(abs(number))[1] - 1}"


class _Names:
    """Numbers in order of first appearance; with a seed, distinct random numbers instead."""

    def __init__(self, seed: int | None) -> None:
        self.seed = seed
        self.tokens: dict[object, str] = {}
        self.counts: dict[str, int] = {}
        self.shuffled: dict[str, list[int]] = {}
        self.generator = np.random.default_rng(seed) if seed is not None else None

    def of(self, key: object, kind: str) -> str:
        found = self.tokens.get(key)
        if found is None:
            count = self.counts.get(kind, 0)
            self.counts[kind] = count + 1
            found = self.tokens[key] = f"{kind}{count if self.generator is None else self._drawn(kind, count)}"
        return found

    def _drawn(self, kind: str, count: int) -> int:
        numbers = self.shuffled.setdefault(kind, [])
        if count >= len(numbers) and self.generator is not None:
            first = len(numbers)
            size = max(_MIN_RANDOM_NAMES, first)
            numbers.extend(int(number) + first for number in self.generator.permutation(size))
        return numbers[count]


def tokenize_operation(root: Operation, scheme: str, *, seed: int | None = None) -> list[str]:
    """Tokens of a function's operation tree; Raises `UnknownNameError` for an unknown scheme."""
    _check(scheme)
    if scheme == "ops":
        return [FUNCTION, *(op.name for op in root.walk() if op is not root), END]
    return _TreeTokenizer(scheme == "anonymized", _Names(seed)).run(root)


class _TreeTokenizer:
    def __init__(self, full: bool, names: _Names) -> None:
        self.full = full
        self.names = names
        self.tokens: list[str] = []
        self.values: dict[Value, str] = {}
        self.attribute_cache: dict[tuple[int, str, str], list[str]] = {}

    def run(self, root: Operation) -> list[str]:
        """Iterative walk; a plain string on the stack is a token to emit."""
        tokens = self.tokens
        stack: list[str | Operation | Block] = [root]
        while stack:
            item = stack.pop()
            if isinstance(item, str):
                tokens.append(item)
            elif isinstance(item, Block):
                self._block(item)
                stack.extend(reversed(item.operations))
            else:
                if item is root:
                    tokens.append(FUNCTION)
                self._operation(item)
                pushed: list[str | Operation | Block] = []
                for region in item.regions:
                    if region.blocks:
                        pushed += [REGION, *region.blocks, END]
                if item is root:
                    pushed.append(END)
                stack.extend(reversed(pushed))
        return tokens

    def _value(self, value: Value) -> str:
        found = self.values.get(value)
        if found is None:
            owner = value.owner
            if isinstance(owner, Operation) and owner.name in semantics.CONSTANT_NAMES:
                number = semantics.number_of(semantics.constant_text(owner))
                found = f"c:{magnitude(number)}" if number is not None else "c:?"
            else:
                found = self.names.of(value, "v" if isinstance(owner, Operation) else "a")
            self.values[value] = found
        return found

    def _block(self, block: Block) -> None:
        if not self.full:
            return
        self.tokens += [BLOCK, self.names.of(block, "b")]
        for argument in block.args:
            self.tokens += [self._value(argument), type_token(argument.type_text)]

    def _operation(self, operation: Operation) -> None:
        tokens, values = self.tokens, self.values
        for result in operation.results:
            if self.full:
                tokens.append(self._value(result))
            tokens.append(type_token(result.type_text))
        tokens.append(operation.name)
        for value in operation.operands:
            found = values.get(value)
            tokens.append(found if found is not None else self._value(value))
        if self.full:
            for block in operation.successors:
                tokens.append(self.names.of(block, "b"))
            tokens += self._attributes(operation)

    def _attributes(self, operation: Operation) -> list[str]:
        properties, attributes = operation.dictionary_texts
        if not properties and not attributes:
            return []
        key = (id(operation._chunk), properties, attributes)
        found = self.attribute_cache.get(key)
        if found is None:
            found = []
            for name, text in sorted(semantics.attribute_items(operation)):
                found += [name, self._attribute(text)]
            callee = semantics.callee_of(operation)
            if callee:
                found.append(self.names.of(f"@{callee}", "@"))
            self.attribute_cache[key] = found
        return found

    def _attribute(self, text: Attribute) -> str:
        number = semantics.number_of(text)
        if number is not None:
            return magnitude(number)
        if len(text) > _MAX_ATTRIBUTE and "affine_map" not in text:
            return text[: text.index("<")] if "<" in text[:40] else "<long>"
        text = Attribute(_SYMBOL.sub(lambda match: self.names.of(match[0], "@"), text))
        if "affine_map" in text or "<" in text:
            return semantics.canonical_attribute(text).replace(" ", "")
        return _NUMBER.sub(lambda match: magnitude(float(match[0])), semantics.canonical_attribute(text)).replace(
            " ", ""
        )


@lru_cache(maxsize=65536)
def type_token(text: str) -> str:
    """A type as one token; shapes stay exact (`4x?xf32`), layouts are dropped."""
    kind = parse_type(text)
    if isinstance(kind, ScalarType):
        return kind.name
    if isinstance(kind, OtherType):
        return "".join(semantics.canonical_attribute(kind.text).split())
    name = type(kind).__name__.removesuffix("Type").lower()
    shape = "*x" if kind.shape is None else "".join(f"{'?' if size is None else size}x" for size in kind.shape)
    return f"{name}:{shape}{''.join(str(kind.element).split())}"


def tokenize_text(text: str, scheme: str, *, seed: int | None = None) -> list[str]:
    """Tokens of text whose structure no reader knows: lexemes, under the same three names.

    `ops` keeps words that look like operations; `ops-operands` adds values; `anonymized` keeps every lexeme, names and
    numbers replaced.
    """
    _check(scheme)
    names = _Names(seed)
    tokens = [FUNCTION]
    keep = {"ops": _keep_operation, "ops-operands": _keep_operand, "anonymized": _keep_all}[scheme]
    for lexeme in _LEXEME.findall(text):
        token = keep(lexeme, names)
        if token:
            tokens.append(token)
    tokens.append(END)
    return tokens


def _keep_operation(lexeme: str, names: _Names) -> str:
    word = lexeme.strip('"')
    return word if "." in word and word[0].isalpha() else ""


def _keep_operand(lexeme: str, names: _Names) -> str:
    return names.of(lexeme, "v") if lexeme[0] == "%" else _keep_operation(lexeme, names)


_NAME_CLASSES = {"%": "v", "^": "b", "@": "@"}


def _keep_all(lexeme: str, names: _Names) -> str:
    first = lexeme[0]
    if lexeme.startswith("//") or (first == ";" and len(lexeme) > 1):
        return ""
    if _SHAPE.fullmatch(lexeme):
        return lexeme
    if first in _NAME_CLASSES and len(lexeme) > 1:
        return names.of(lexeme, _NAME_CLASSES[first])
    if first.isdigit():
        return magnitude(_float(lexeme))
    return "<string>" if first == '"' and "." not in lexeme else lexeme


def _float(text: str) -> float:
    try:
        return float(int(text, 16)) if text.startswith("0x") else float(text)
    except (ValueError, OverflowError):
        return math.inf
