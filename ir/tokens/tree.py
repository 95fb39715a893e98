"""Tokens of a function's operation tree: the definition that the fast paths over text must agree with.

Owns the order: each operation gives its results with their types, its name, operands, successors and attributes, then
its regions between `<region>` and `<end>`; a function begins with `<function>` and ends with `<end>`.
"""

from __future__ import annotations

from costmodel.ir import semantics
from costmodel.ir.mlir.attributes import parse_string
from costmodel.ir.mlir.structure import Block, Operation, Value
from costmodel.ir.tokens.attributes import attribute_tokens, type_parts, type_token
from costmodel.ir.tokens.names import (
    ARGUMENT,
    BLOCK,
    BLOCK_NAME,
    END,
    FUNCTION,
    REGION,
    RESULT,
    SYMBOL,
    Names,
    constant_token,
)


def operation_names(root: Operation) -> list[str]:
    """The `ops` scheme."""
    return [FUNCTION, *(operation.name for operation in root.walk() if operation is not root), END]


class TreeTokenizer:
    """One use: `run` gives the tokens of `ops-operands` (`full` false) or `anonymized` (`full` true)."""

    def __init__(self, full: bool, names: Names) -> None:
        self.full = full
        self.names = names
        self.tokens: list[str] = []
        self.values: dict[Value, str] = {}
        self.attribute_cache: dict[tuple[int, str, str], list[str]] = {}

    def run(self, root: Operation) -> list[str]:
        """Iterative walk; a plain string on the stack is a token to emit."""
        tokens = self.tokens
        tokens.append(FUNCTION)
        stack: list[str | Operation | Block] = [END, root]
        while stack:
            item = stack.pop()
            if isinstance(item, str):
                tokens.append(item)
            elif isinstance(item, Block):
                self._block(item)
                stack.extend(reversed(item.operations))
            else:
                self._operation(item)
                if self.full and item is root and item.symbol is not None:
                    tokens.append(self.names.of(f"@{item.symbol}", SYMBOL))
                if item.regions:
                    pushed: list[str | Operation | Block] = []
                    for region in item.regions:
                        if region.blocks:
                            pushed += [REGION, *region.blocks, END]
                    stack.extend(reversed(pushed))
        return tokens

    def _value(self, value: Value) -> str:
        found = self.values.get(value)
        if found is None:
            found = self.values[value] = self._new_value(value)
        return found

    def _new_value(self, value: Value) -> str:
        owner = value.owner
        if not isinstance(owner, Operation):
            return self.names.new(ARGUMENT)
        if owner.name not in semantics.CONSTANT_NAMES:
            return self.names.new(RESULT)
        number = semantics.number_of(semantics.constant_text(owner))
        if number is None and owner.parent is None and value.type_text.startswith("tensor<"):
            return self._weight(value.type_text)
        return constant_token(number)

    def _weight(self, kind: str) -> str:
        """A constant tensor that stands in no block (a model's weight) shows its type, as nothing else does."""
        return f"c:{'x'.join(type_parts(kind)[1:])}" if self.full else f"c:{type_token(kind)}"

    def _block(self, block: Block) -> None:
        if not self.full:
            return
        self.tokens += [BLOCK, self.names.of(block, BLOCK_NAME)]
        for argument in block.args:
            self.tokens.append(self._value(argument))
            self.tokens += type_parts(argument.type_text)

    def _operation(self, operation: Operation) -> None:
        tokens, values = self.tokens, self.values
        for result in operation.results:
            if self.full:
                tokens.append(self._value(result))
                tokens += type_parts(result.type_text)
            else:
                tokens.append(type_token(result.type_text))
        tokens.append(operation.name)
        for value in operation.operands:
            found = values.get(value)
            tokens.append(found if found is not None else self._value(value))
        if self.full:
            for block in operation.successors:
                tokens.append(self.names.of(block, BLOCK_NAME))
            for token in self._attributes(operation):
                tokens.append(token if token[0] != "@" else symbol_token(self.names, token))

    def _attributes(self, operation: Operation) -> list[str]:
        properties, attributes = operation.dictionary_texts
        if not properties and not attributes:
            return []
        key = (id(operation._chunk), properties, attributes)
        found = self.attribute_cache.get(key)
        if found is None:
            found = self.attribute_cache[key] = attribute_tokens(operation.properties, operation.attributes)
        return found


def symbol_token(names: Names, symbol: str) -> str:
    """`@name` or `@"name"` as a number of its class."""
    return names.of(symbol_key(symbol), SYMBOL)


def symbol_key(symbol: str) -> str:
    """The same key for `@name` and `@"name"`."""
    return f"@{parse_string(symbol[1:])}" if symbol.startswith('@"') and symbol.endswith('"') else symbol
