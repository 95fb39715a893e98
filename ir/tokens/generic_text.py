"""Tokens straight from MLIR text in generic form, without building the operation tree.

Owns the fast path. Lines are read by what follows their operands, which is parsed once and gives a row of tokens with
gaps for values, blocks and symbols; these are numbered by their first appearance when the whole function is read.
Invariant: the tokens are those of `tree`, or `Unusual` is raised and the caller takes the tree: operations over several
lines, uses before definitions, symbols in attributes after regions.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from costmodel.ir.mlir import syntax
from costmodel.ir.mlir.attributes import resolve_aliases
from costmodel.ir.tokens import generic_entries as lines
from costmodel.ir.tokens.generic_entries import Entry, Scope
from costmodel.ir.tokens.generic_names import names_of_part
from costmodel.ir.tokens.names import ARGUMENT, BLOCK, BLOCK_NAME, END, FUNCTION, REGION, RESULT, SYMBOL, Names
from costmodel.ir.tokens.rows import GAP, Row, Unusual, filled

__all__ = ["Unusual", "function_tokens"]
Key = int | str
"""Of a gap: the number of a value or a block, `@symbol`, or a constant's token."""


def function_tokens(text: str, scheme: str, seed: int | None = None) -> list[tuple[str, list[str]]]:
    """Name and tokens of each function of a text, in order; Raises `Unusual`."""
    text = lines.without_locations(text)
    found: list[tuple[str, list[str]]] = []
    start = 0
    marks = [match.span() for match in syntax.SPLIT_MARK.finditer(text)] if "// -----" in text else []
    for end, after in (*marks, (len(text), len(text))):
        last = _without_resources(text, start, end)
        found += names_of_part(text, start, last) if scheme == "ops" else _Part(text, scheme, seed).run(start, last)
        start = after
    return found


def _without_resources(text: str, start: int, end: int) -> int:
    """Where the blobs at the end of a part begin; they are no tokens."""
    at = text.find("\n{-#", start, end)
    if at < 0:
        return end
    stop = text.find("#-}", at, end)
    if stop < 0 or text[stop + 3 : end].strip():
        raise Unusual
    return at


class _Part:
    """Reads one `// -----` part under a scheme with operands."""

    def __init__(self, text: str, scheme: str, seed: int | None) -> None:
        self.text = text
        self.full = scheme == "anonymized"
        self.seed = seed
        self.aliases = lines.Aliases()
        self.found: list[tuple[str, list[str]]] = []
        self.modules = 0
        self.scopes: list[Scope] = []
        self.fresh = True
        self.rows: list[Row] = []
        self.keys: list[Key] = []
        self.table: dict[str, Key] = {}
        self.defined: list[str] = []
        self.kinds: dict[Key, str] = {}
        self.new: Callable[[], int] = count().__next__

    def run(self, start: int, end: int) -> list[tuple[str, list[str]]]:
        """The functions between two offsets, in order."""
        self.aliases, start = lines.aliases_before(self.text, start, end)
        found = lines.LINE.findall(self.text, start, end)
        lines.drop_aliases(found)
        self._lines(found)
        if self.scopes or self.modules:
            raise Unusual
        return self.found

    def _lines(self, found: list[tuple[str, ...]]) -> None:
        """Lines in order; those without anything special are read right here."""
        full, table, new, keys = self.full, self.table, self.new, self.keys
        add_row, define, known = self.rows.append, self.defined.append, self.aliases.known[self.full]
        for line in found:
            result, more, name, operands, successors, rest = line
            entry = known.get((name, rest))
            if (
                entry is None
                or successors
                or more
                or not entry.is_direct
                or entry.count != (result != "")
                or result in table
            ):
                self._line(line)
                continue
            if self.fresh:
                if not self.scopes:
                    self._top(name, operands, bool(result), rest)
                    continue
                self._in_block()
            add_row(entry.row)
            if operands:
                try:
                    uses = [table[use] for use in operands.split(", ")]
                except KeyError:
                    uses = self._uses(operands)
            else:
                uses = []
            if len(uses) != entry.arity:
                raise Unusual
            if result:
                table[result] = key = entry.constant or new()
                define(result)
                if full:
                    keys.append(key)
            keys += uses

    def _line(self, line: tuple[str, ...]) -> None:
        """Any line."""
        result, more, name, operands, successors, rest = line
        if name and not self.scopes:
            self._top(name, operands, bool(result), rest)
        elif name:
            self._in_block()
            if rest.rstrip().endswith("({"):
                self._open(result + more, name, operands, successors, lines.opened(rest))
            else:
                self._operation(result + more, lines.entry(self.aliases, self.full, name, rest), operands, successors)
        elif rest[0] == "}" and (self.scopes or self.modules):
            self._region_end(rest)
        elif rest[0] == "^" and self.scopes:
            self._block(rest)
        else:
            raise Unusual

    # ---- operations -----------------------------------------------------------------------------------------------

    def _operation(self, results: str, entry: Entry, operands: str, successors: str) -> None:
        uses = self._uses(operands) if operands else []
        targets = self._targets(successors) if successors and self.full else []
        drawn: list[Key] = [entry.constant or self.new() for _ in range(entry.count)]
        if len(uses) != entry.arity:
            raise Unusual
        if results:
            self._define(lines.result_keys(results), drawn)
        self.rows.append((*entry.head, *[GAP] * len(targets), *entry.tail))
        if self.full:
            self.keys += drawn
        self.keys += uses
        self.keys += targets
        self.keys += entry.symbols

    def _define(self, names: list[str], keys: list[Key]) -> None:
        """Raises `Unusual` where a name is visible already."""
        if len(names) != len(keys) or not self.table.keys().isdisjoint(names):
            raise Unusual
        self.table.update(zip(names, keys, strict=True))
        self.defined += names

    def _uses(self, operands: str) -> list[Key]:
        """`%x#0` is `%x` where that has one result."""
        table, found = self.table, list[Key]()
        for use in operands.split(","):
            name = use.strip()
            key = table.get(name)
            if key is None:
                key = table.get(name.removesuffix("#0") if name.endswith("#0") else f"{name}#0")
            if key is None:
                raise Unusual
            found.append(key)
        return found

    def _targets(self, successors: str) -> list[Key]:
        scope, found = self.scopes[-1], list[Key]()
        for item in successors.split(","):
            label = item.strip()
            if label not in scope.labels:
                scope.labels[label] = self._number(BLOCK_NAME)
                scope.missing.add(label)
            found.append(scope.labels[label])
        return found

    def _number(self, kind: str) -> int:
        number = self.new()
        self.kinds[number] = kind
        return number

    # ---- structure ------------------------------------------------------------------------------------------------

    def _top(self, name: str, operands: str, has_results: bool, rest: str) -> None:
        """An operation of the module: another module, a function, or what gives no tokens."""
        if has_results:
            raise Unusual
        if not rest.rstrip().endswith("({"):
            lines.whole_tail(rest)
            return
        properties = resolve_aliases(lines.opened(rest), self.aliases.texts)
        if name.rpartition(".")[2] == "module":
            self.modules += 1
            return
        symbol = lines.symbol_of(properties)
        if operands:
            raise Unusual
        symbols = self._symbols(properties)
        self._push(Scope(name, properties, [], [], 0, 0, 0, 0, symbols, is_function=True))
        if self.full:
            self.keys += (*symbols, f"@{symbol}")

    def _symbols(self, properties: str) -> tuple[str, ...]:
        if not self.full or "@" not in properties:
            return ()
        return lines.entry_of(True, "", lines.Tail(properties, "", "", "()")).symbols

    def _open(self, results: str, name: str, operands: str, successors: str, properties: str) -> None:
        properties = resolve_aliases(properties, self.aliases.texts)
        names = lines.result_keys(results) if results else []
        drawn = [self.new() for _ in names]
        uses = self._uses(operands) if operands else []
        targets = self._targets(successors) if successors and self.full else []
        if self.full:
            self.keys += drawn
        self.keys += uses
        self.keys += targets
        symbols, index, begin = self._symbols(properties), len(self.rows), len(self.defined)
        self.keys += symbols
        self._push(Scope(name, properties, names, drawn, len(uses), len(targets), index, begin, symbols, False))

    def _push(self, scope: Scope) -> None:
        self.scopes.append(scope)
        self.rows.append(())
        self.fresh = True

    def _in_block(self) -> None:
        """The first operation of a region without a label begins its entry block."""
        if not self.scopes[-1].has_block:
            self._begin_block(())
            if self.full:
                self.keys.append(self._number(BLOCK_NAME))

    def _begin_block(self, arguments: Row) -> None:
        scope = self.scopes[-1]
        row: Row = () if scope.has_block else (REGION,)
        self.rows.append((*row, BLOCK, GAP, *arguments) if self.full else row)
        scope.has_block, self.fresh = True, False

    def _block(self, line: str) -> None:
        label, text = lines.label_and_arguments(line)
        scope = self.scopes[-1]
        if label not in scope.labels:
            scope.labels[label] = self._number(BLOCK_NAME)
        elif label not in scope.missing:
            raise Unusual
        scope.missing.discard(label)
        arguments = lines.block_arguments(resolve_aliases(text, self.aliases.texts)) if text else ()
        keys: list[Key] = [self._number(ARGUMENT) for _ in arguments]
        self._begin_block(tuple(part for _, kind in arguments for part in (GAP, *kind)))
        self._define([name for name, _ in arguments], keys)
        if self.full:
            self.keys += (scope.labels[label], *keys)

    def _region_end(self, line: str) -> None:
        again = line.rstrip() == "}, {"
        if not self.scopes:
            lines.closing_tail(line, "")
            self.modules -= 1
            return
        scope = self.scopes[-1]
        if scope.missing:
            raise Unusual
        if scope.has_block:
            self.rows.append((END,))
        for name in self.defined[scope.begin :]:
            del self.table[name]
        del self.defined[scope.begin :]
        if again:
            scope.labels, scope.has_block, self.fresh = {}, False, True
        else:
            self._finish(scope, lines.closing_tail(resolve_aliases(line, self.aliases.texts), scope.properties))

    def _finish(self, scope: Scope, tail: lines.Tail) -> None:
        """The attributes and types after the regions complete the row of the operation."""
        entry = lines.entry_of(self.full, scope.name, tail)
        if len(scope.results) != entry.count or entry.arity != scope.uses or entry.constant is not None:
            raise Unusual
        if entry.symbols != scope.symbols:
            raise Unusual
        if scope.is_function and "sym_name" in tail.attributes:
            raise Unusual
        self.scopes.pop()
        row = (*entry.head, *[GAP] * scope.targets, *entry.tail)
        if scope.is_function:
            self._end_function(scope, (FUNCTION, *row, GAP) if self.full else (FUNCTION, *row))
            return
        self.rows[scope.index] = row
        self.fresh = False
        self._define(scope.results, [*scope.keys])

    def _end_function(self, scope: Scope, row: Row) -> None:
        """One without blocks or without a symbol is no function."""
        symbol = lines.symbol_of(scope.properties)
        if symbol and len(self.rows) > 1:
            self.rows[0] = row
            self.rows.append((END,))
            table = self._numbered()
            self.found.append((symbol, filled(self.rows, [table[key] for key in self.keys])))
        self.fresh = True
        for part in (self.rows, self.keys, self.table, self.defined, self.kinds):
            part.clear()

    def _numbered(self) -> dict[Key, str]:
        """Keys to tokens: within each class in order of first appearance."""
        names, kinds = Names(self.seed), self.kinds
        makers = {kind: names.maker(kind) for kind in (RESULT, ARGUMENT, BLOCK_NAME, SYMBOL)}
        new_result, table = makers[RESULT], dict[Key, str]()
        for key in dict.fromkeys(self.keys):
            if isinstance(key, int):
                kind = kinds.get(key)
                table[key] = new_result() if kind is None else makers[kind]()
            else:
                table[key] = makers[SYMBOL]() if key[0] == "@" else key
        return table
