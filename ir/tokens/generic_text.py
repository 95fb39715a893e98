"""Tokens straight from MLIR text in generic form, without building the operation tree.

Owns the fast path. Invariant: the tokens are those of `tree`, or `Unusual` is raised and the caller takes the tree:
text that the one-pattern reader does not match, uses before definitions, symbols in attributes after regions.
"""

from __future__ import annotations

import operator
from itertools import chain
from typing import Any

from costmodel.ir.mlir import syntax
from costmodel.ir.mlir.attributes import define_alias, parse_string, resolve_aliases
from costmodel.ir.mlir.structure import Chunk, Operation, Source
from costmodel.ir.tokens.attributes import attribute_tokens
from costmodel.ir.tokens.generic_entries import (
    Entry,
    Scope,
    Unusual,
    block_arguments,
    operation_name,
    plain_entry,
    result_keys,
)
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
)
from costmodel.ir.tokens.tree import symbol_token

__all__ = ["Unusual", "function_tokens"]
_LAZY_RESULT = f"\0{RESULT}"  # of a value that has no number yet
_is_lazy = operator.methodcaller("startswith", "\0")


def function_tokens(text: str, scheme: str, seed: int | None = None) -> list[tuple[str, list[str]]]:
    """Name and tokens of each function of a text, in order; Raises `Unusual`."""
    found: list[tuple[str, list[str]]] = []
    start = 0
    for mark in syntax.SPLIT_MARK.finditer(text):
        found += _Part(text, start, mark.start(), scheme, seed).run()
        start = mark.end()
    return found + _Part(text, start, len(text), scheme, seed).run()


class _Part:
    """Reads one `// -----` part."""

    def __init__(self, text: str, start: int, end: int, scheme: str, seed: int | None) -> None:
        self.text = text
        self.start = start
        self.end = end
        self.full = scheme == "anonymized"
        self.only_names = scheme == "ops"
        self.seed = seed
        self.chunk = Chunk(Source(text, ""))
        self.entries: dict[tuple[str | None, ...], Entry] = {}
        self.found: list[tuple[str, list[str]]] = []
        self.modules = 0
        self.scopes: list[Scope] = []
        self.parts: list[list[str]] = []
        self.tokens: list[str] = []
        self.table: dict[str, str] = {}
        self.names = Names(None)
        self.new_result = self.names.maker(RESULT)

    def run(self) -> list[tuple[str, list[str]]]:
        match_operation, text, end, position = syntax.OPERATION.match, self.text, self.end, self.start
        read = self._operation
        while True:
            match = match_operation(text, position, end)
            if match is not None:
                position = match.end()
                read(match.groups())
                continue
            position = self._other(position)
            if position < 0:
                break
        if self.scopes or self.modules:
            raise Unusual
        return self.found

    def _other(self, position: int) -> int:
        skipped = syntax.SKIP.match(self.text, position, self.end)
        at = skipped.end() if skipped else position
        if at >= self.end:
            return -1
        first = self.text[at]
        if first == "}" and (self.scopes or self.modules):
            return self._region_end(at)
        if first == "^" and self.scopes:
            return self._block(at)
        if first in "#!" and not self.scopes and not self.modules:
            position, unclosed = define_alias(self.text, at, self.end, self.chunk.aliases)
            if position >= 0 > unclosed:
                return position
        raise Unusual

    # ---- operations -----------------------------------------------------------------------------------------------

    def _operation(self, groups: tuple[Any, ...]) -> None:
        """`groups` are those of `syntax.OPERATION`."""
        results, quoted, operands, successors, properties, opens, attributes, _, result_types = groups
        if not self.scopes:
            self._top(results, quoted, operands, properties, opens)
            return
        if opens is None and self.only_names:
            self._in_block()
            self.tokens.append(operation_name(quoted))
            return
        self._in_block()
        if opens is not None:
            self._open(results, quoted, operands, successors, properties)
            return
        key = (quoted, properties, attributes, result_types)
        entry = self.entries.get(key)
        if entry is None:
            entry = self.entries[key] = self._shared_entry(key)
        tokens, table = self.tokens, self.table
        if self.full:
            self._full_results(results, entry)
            tokens.append(entry.name)
            if operands:
                try:
                    tokens += [table[name] for name in operands.split(", ")]
                except KeyError:
                    tokens += self._uses(operands)
            if successors:
                tokens += self._targets(successors)
            if entry.attributes:
                tokens += entry.attributes if not entry.has_symbols else self._with_symbols(entry.attributes)
            return
        tokens += entry.head
        if operands:
            found = [table.get(name, "\0") for name in operands.split(", ")]
            tokens += found if not any(map(_is_lazy, found)) else self._uses(operands)
        if results is not None:
            self._define_lazily(results, entry)

    def _full_results(self, results: str | None, entry: Entry) -> None:
        """Define the results and emit them with their types."""
        types, tokens = entry.types, self.tokens
        if results is None:
            for kind in types:
                tokens.append(entry.constant or self.names.new(RESULT))
                tokens += kind
            return
        if len(types) == 1 and ":" not in results and "," not in results:
            token = entry.constant or self.new_result()
            table = self.table
            self.scopes[-1].undo.append((results, table.get(results)))
            table[results] = token
            tokens.append(token)
            tokens += types[0]
            return
        keys = result_keys(results)
        if len(keys) != len(types):
            raise Unusual
        for key, kind in zip(keys, types, strict=True):
            token = entry.constant or self.names.new(RESULT)
            self._define(key, token)
            tokens.append(token)
            tokens += kind

    def _define_lazily(self, results: str, entry: Entry) -> None:
        """Without results among the tokens a value gets its number at its first use."""
        token = entry.constant or _LAZY_RESULT
        if ":" in results or "," in results:
            for key in result_keys(results):
                self._define(key, token)
            return
        table = self.table
        self.scopes[-1].undo.append((results, table.get(results)))
        table[results] = token

    def _define(self, key: str, token: str) -> None:
        previous = self.table.get(key)
        self.scopes[-1].undo.append((key, previous))
        self.table[key] = token

    def _uses(self, operands: str) -> list[str]:
        if "//" in operands:
            raise Unusual
        found: list[str] = []
        table = self.table
        for name, index in syntax.OPERAND.findall(operands):
            key = f"{name}#{index}" if index else name
            token = table.get(key)
            if token is None and not index:
                key = f"{name}#0"
                token = table.get(key)
            if token is None:
                raise Unusual
            if token[0] == "\0":
                token = table[key] = self.names.new(token[1:])
            found.append(token)
        return found

    def _targets(self, successors: str) -> list[str]:
        scope, found = self.scopes[-1], []
        for item in successors.split(","):
            label = item.strip()
            token = scope.labels.get(label)
            if token is None:
                token = scope.labels[label] = self.names.new(BLOCK_NAME)
                scope.missing.add(label)
            found.append(token)
        return found

    def _with_symbols(self, tokens: list[str]) -> list[str]:
        return [token if token[0] != "@" else symbol_token(self.names, token) for token in tokens]

    def _shared_entry(self, key: tuple[str, str | None, str | None, str | None]) -> Entry:
        """From the cache of all texts, aliases being resolved before."""
        quoted, properties, attributes, result_types = key
        texts = properties or "", attributes or "", result_types or "()"
        aliases = self.chunk.aliases
        if aliases:
            properties, attributes, result_types = (resolve_aliases(text, aliases) for text in texts)
            return plain_entry(self.full, quoted, properties, attributes, result_types)
        return plain_entry(self.full, quoted, *texts)

    # ---- structure ------------------------------------------------------------------------------------------------

    def _top(self, results: str | None, quoted: str, operands: str, properties: str | None, opens: str | None) -> None:
        """An operation of the module: another module, a function, or what gives no tokens."""
        name = parse_string(quoted)
        if opens is None:
            if results is not None:
                raise Unusual
            return
        if name.rpartition(".")[2] == "module":
            self.modules += 1
            return
        if results is not None or operands or "sym_name" not in (properties or ""):
            raise Unusual
        self.names, self.table = Names(self.seed), {}
        self.new_result = self.names.maker(RESULT)
        self.tokens = []
        self.parts = [self.tokens]
        self.tokens.append(FUNCTION)
        self._push([], quoted, [], [], properties or "")
        self.scopes[-1].is_function = True
        if self.full:
            operation = Operation(name, 0, self.chunk, None)
            operation._property_text = properties or ""
            self._with_symbols(attribute_tokens(operation.properties, {}))
            self.names.of(f"@{operation.symbol}", SYMBOL)

    def _open(
        self, results: str | None, quoted: str, operands: str, successors: str | None, properties: str | None
    ) -> None:
        keys = [] if results is None else result_keys(results)
        drawn = [self.names.new(RESULT) for _ in keys] if self.full else []
        uses = self._uses(operands) if operands and not self.only_names else []
        targets = self._targets(successors) if successors and self.full else []
        if self.full and properties and "@" in properties:
            self._with_symbols(attribute_tokens(self.chunk.dictionary(properties), {}))
        self._push(
            [f"{token}\0{key}" for token, key in zip(drawn, keys, strict=True)] if drawn else keys,
            quoted,
            uses,
            targets,
            properties or "",
        )

    def _push(
        self, results: list[str], quoted: str, operands: list[str], successors: list[str], properties: str
    ) -> None:
        """Open the first region of an operation: its head is filled in once its types are known."""
        head: list[str] = []
        self.parts.append(head)
        self.tokens = []
        self.parts.append(self.tokens)
        self.scopes.append(Scope(quoted, properties, results, self.tokens, head, operands, successors))

    def _in_block(self) -> None:
        """The first operation of a region without a label begins its entry block."""
        scope = self.scopes[-1]
        if not scope.has_block:
            self._begin_region(scope)
            if self.full:
                self.tokens += (BLOCK, self.names.new(BLOCK_NAME))

    def _begin_region(self, scope: Scope) -> None:
        scope.has_block = True
        if not self.only_names:
            self.tokens.append(REGION)

    def _block(self, at: int) -> int:
        match = syntax.BLOCK.match(self.text, at, self.end)
        if match is None:
            raise Unusual
        scope, label = self.scopes[-1], match[1]
        if not scope.has_block:
            self._begin_region(scope)
        token = scope.labels.get(label)
        if token is None:
            token = scope.labels[label] = self.names.new(BLOCK_NAME) if self.full else BLOCK
        elif label not in scope.missing:
            raise Unusual
        scope.missing.discard(label)
        if self.full:
            self.tokens += (BLOCK, token)
        if match[2]:
            self._arguments(match[2])
        return match.end()

    def _arguments(self, text: str) -> None:
        for name, kind in block_arguments(resolve_aliases(text, self.chunk.aliases)):
            if not self.full:
                self._define(name, f"\0{ARGUMENT}")
                continue
            argument = self.names.new(ARGUMENT)
            self._define(name, argument)
            self.tokens.append(argument)
            self.tokens += kind

    def _region_end(self, at: int) -> int:
        match = syntax.REGION_END.match(self.text, at, self.end)
        if match is None:
            raise Unusual
        if not self.scopes:
            return self._module_end(match.end(), bool(match[1]))
        scope = self.scopes[-1]
        if scope.missing:
            raise Unusual
        if scope.has_block and not self.only_names:
            self.tokens.append(END)
        table = self.table
        for name, previous in reversed(scope.undo):
            if previous is None:
                table.pop(name, None)
            else:
                table[name] = previous
        if match[1]:
            scope.undo, scope.labels, scope.missing, scope.has_block = [], {}, set(), False
            return match.end()
        return self._finish(scope, match.end())

    def _module_end(self, position: int, again: bool) -> int:
        tail = syntax.TAIL.match(self.text, position, self.end)
        if tail is None or again:
            raise Unusual
        self.modules -= 1
        return tail.end()

    def _finish(self, scope: Scope, position: int) -> int:
        """The attributes and types after the regions complete the head."""
        tail = syntax.TAIL.match(self.text, position, self.end)
        if tail is None or (tail[1] and "@" in tail[1]):
            raise Unusual
        self.scopes.pop()
        entry = self._shared_entry((scope.quoted, scope.properties, tail[1], tail[3]))
        if len(scope.results) != len(entry.types) or entry.constant is not None:
            raise Unusual
        head = scope.head
        if self.only_names:
            head += () if scope.is_function else (entry.name,)
        else:
            self._head(scope, entry, head)
        if scope.is_function:
            self._end_function(scope)
        else:
            self.tokens = []
            self.parts.append(self.tokens)
        return tail.end()

    def _head(self, scope: Scope, entry: Entry, head: list[str]) -> None:
        for result, kind in zip(scope.results, entry.types, strict=True):
            token, _, key = result.partition("\0")
            if self.full:
                head.append(token)
                self._define(key, token)
            else:
                self._define(result, _LAZY_RESULT)
            head += kind
        head.append(entry.name)
        head += scope.operands
        head += scope.successors
        head += self._with_symbols(entry.attributes)
        if scope.is_function and self.full:
            operation = Operation("", 0, self.chunk, None)
            operation._property_text = scope.properties
            head.append(self.names.of(f"@{operation.symbol}", SYMBOL))

    def _end_function(self, scope: Scope) -> None:
        tokens = [*chain.from_iterable(self.parts), END]
        operation = Operation("", 0, self.chunk, None)
        operation._property_text = scope.properties
        if len(tokens) > len(scope.head) + 2:
            self.found.append((operation.symbol or "", tokens))
