"""Reader of MLIR's custom form, for any dialect, without dialect definitions.

Owns the walk over the text: statements, regions, blocks. An operation is a name with what stands on its lines; its `%x`
are operands, unless they are seen to bind (`%i = ...`, `(%a: f32) {`); `{` opens a region unless it holds `name = ...`.
Invariant: linear time, no recursion; whatever cannot be read is skipped, counted and reported, never fatal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from costmodel.core.errors import ParseError
from costmodel.ir import collector
from costmodel.ir.mlir import syntax
from costmodel.ir.mlir.attributes import parse_string, resolve_aliases
from costmodel.ir.mlir.custom import lexical, structured
from costmodel.ir.mlir.custom.headers import (
    bound_types,
    declare_symbol,
    default_dialect,
    header_bindings,
    is_declaration,
    is_symbol_definition,
    without_tied,
)
from costmodel.ir.mlir.custom.known import holds_code, implicit_terminator, inherent, later_region, pad_regions
from costmodel.ir.mlir.custom.result_types import result_types, suffix_of
from costmodel.ir.mlir.custom.scopes import Names, Scope, Use
from costmodel.ir.mlir.structure import Block, Chunk, MlirModule, Operation, Region, Source, Value

_ISOLATED_WORDS = ("func", "module", "component", "executable", "class", "machine")
_BROKEN_STATEMENT = re.compile(r"[^\n]*+")
_CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">"}
_MAX_PROBLEMS = 100
_MAX_INDENT = 1000
_LONG_LINE = 20_000
_MAX_FAILED = 4_000_000
_SPACE = re.compile(syntax.SPACE)


@dataclass(slots=True)
class CustomModule:
    """What was read: the tree, where each operation with a region ends, and what went wrong (offset, message)."""

    module: MlirModule
    ends: dict[Operation, int] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)
    unresolved: list[Use] = field(default_factory=list)
    skipped: int = 0


class _Head:
    """An operation under way: brackets open in it, pieces of its own text, how much of it was looked through."""

    __slots__ = (
        "begun",
        "brackets",
        "dictionary",
        "header",
        "indent",
        "operation",
        "pieces",
        "properties",
        "results",
        "shared",
        "start",
    )

    def __init__(self, operation: Operation, results: str | None, start: int, indent: int) -> None:
        self.operation = operation
        self.results = results
        self.start = self.begun = start
        self.indent = indent
        self.header = ""
        self.brackets: list[str] = []
        self.pieces: list[str] = []
        self.dictionary: list[str] = []
        self.properties = ""
        self.shared: list[tuple[str, Value]] = []


def parse_custom(text: str, *, file: str = "<string>") -> CustomModule:
    """Read MLIR in custom form, mixed with generic form or not; parts split by `// -----` go into one module.

    Args:
        text: the whole text.
        file: name used in locations.

    Raises:
        ParseError: no operation was found at all.
    """
    source = Source(text, file)
    found = CustomModule(MlirModule(source))
    start = 0
    with collector.paused():
        for mark in syntax.SPLIT_MARK.finditer(text):
            _Part(found, start, mark.start()).run()
            start = mark.end()
        _Part(found, start, len(text)).run()
    if not found.module.operations:
        raise ParseError("no operation found; expected MLIR", location=source.location(0))
    return found


class _Part:
    """Reads one `// -----` part."""

    def __init__(self, found: CustomModule, start: int, end: int) -> None:
        self.found = found
        self.module = found.module
        self.text = found.module.source.text
        self.start = start
        self.end = end
        self.chunk = Chunk(found.module.source)
        self.names = Names()
        self.heads: list[_Head | None] = [None]
        self.types: dict[tuple[str, str, int], list[str]] = {}
        self.line_start = self.line_end = start - 1
        self.failed = self.declared = 0

    def problem(self, offset: int, message: str) -> None:
        """Note what cannot be read."""
        self.found.skipped += 1
        if len(self.found.problems) < _MAX_PROBLEMS:
            self.found.problems.append((offset, message))

    def run(self) -> None:
        """Read statement after statement; a head whose region closed goes on where it stopped."""
        position, end, text = self.start, self.end, self.text
        match_line, match_space = lexical.LINE.match, _SPACE.match
        while True:
            if position > self.line_end:
                self._next_line(position)
            line = match_line(text, position, end) if self.line_end - self.line_start < _LONG_LINE else None
            if line is not None:
                self._line(line)
                position = line.end()
                continue
            space = match_space(text, position, end)
            position = space.end() if space is not None else position
            if position >= end:
                break
            position = self._statement(position)
        self._finish()

    def _next_line(self, position: int) -> None:
        """Note where the line of `position` begins and ends; blank lines before it count."""
        self.line_start = self.text.rfind("\n", self.start, position) + 1
        stop = self.text.find("\n", position + 1, self.end)
        self.line_end = stop if stop >= 0 else self.end

    def _finish(self) -> None:
        while len(self.names.scopes) > 1:
            self.problem(self.end, f"the text ends inside a region of {self._owner_name()}")
            self.names.close(isolated=False)
            head = self.heads.pop()
            if head is not None:
                self._close_operation(head, self.end)
        for uses in self.names.scope.pending.values():
            self.names.unresolved.extend(uses)
        self.found.unresolved.extend(self.names.unresolved)

    def _owner_name(self) -> str:
        region = self.names.scope.region
        assert region is not None
        return f"{region.parent.name!r}, begun at {region.parent.location}"

    # ---- statements ---------------------------------------------------------------------------------------------

    def _statement(self, at: int) -> int:
        text, first = self.text, self.text[at]
        scope = self.names.scope
        if first == "}" and scope.region is not None:
            return self._region_end(at)
        if first == "^" and scope.region is not None:
            label = lexical.LABEL_DEFINITION.match(text, at, self.end)
            if label is not None:
                return self._block(label)
        if first in "#!" and scope.region is None:
            stop = self._alias(at)
            if stop > 0:
                return stop
        if first == "{" and text.startswith("{-#", at):
            return self._resources(at)
        head = lexical.HEAD.match(text, at, self.end)
        if head is None:
            return self._broken(at)
        if at > self.line_end:
            self._next_line(at)
        indent = at - self.line_start
        if indent > _MAX_INDENT or text[self.line_start : at].strip():
            indent = scope.indent
        return self._operation(head, indent)

    def _broken(self, at: int) -> int:
        found = self.text[at : at + 30].split("\n")[0]
        self.problem(at, f"expected an operation, found {found!r}")
        match = _BROKEN_STATEMENT.match(self.text, at + 1, self.end)
        return match.end() if match is not None else at + 1

    def _alias(self, at: int) -> int:
        match = syntax.ALIAS.match(self.text, at, self.end)
        if match is None:
            return -1
        name, value, position = match[1], match[2], match.end()
        if not value.startswith("loc"):
            stop = syntax.alias_end(self.text, match.start(2), self.end) if self.failed <= _MAX_FAILED else position
            if stop < 0:
                self.failed += self.end - at
                self.problem(-1 - stop, f"a bracket in the value of {name} is never closed")
                return position
            position = max(position, stop)
            value = self.text[match.start(2) : position]
            value = syntax.COMMENT.sub(lambda found: found[1] or " ", value) if "//" in value else value
            self.chunk.aliases[name] = resolve_aliases(value.strip(), self.chunk.aliases)
        return position

    def _resources(self, at: int) -> int:
        stop = self.text.find("#-}", at, self.end)
        if stop < 0:
            self.problem(at, "'{-#' is never closed by '#-}'")
            return self.end
        self.module.resource_span = (at, stop)
        return stop + 3

    def _block(self, match: re.Match[str]) -> int:
        text = match[0]
        opened = text.find("(")
        label = (text[:opened] if opened >= 0 else text[: text.rindex(":")]).split("//")[0].strip()
        scope = self.names.scope
        block = scope.labels.get(label)
        assert scope.region is not None
        if block is None or scope.forward_blocks.pop(label, None) is None:
            if block is not None:
                self.problem(match.start(), f"redefinition of block {label}")
            block = scope.labels[label] = Block(label, scope.region)
        first = scope.region.blocks[0] if scope.region.blocks else None
        if first is not None and first.label is None and not first.operations:
            # Arguments bound in the header, then an explicit label: one entry block.
            block.args = first.args
            scope.region.blocks.pop()
        scope.region.blocks.append(block)
        scope.block = block
        if opened >= 0:
            for item in syntax.split_items(text[opened + 1 : text.rindex(")")]):
                name, _, type_text = item.partition(":")
                self._argument(block, name.strip(), type_text)
        return match.end()

    def _argument(self, block: Block, name: str, type_text: str) -> Value:
        type_text = resolve_aliases(syntax.drop_location(type_text).strip(), self.chunk.aliases)
        value = Value(name, type_text, block, len(block.args))
        block.args.append(value)
        self.names.define(name, [value])
        return value

    # ---- operations ---------------------------------------------------------------------------------------------

    def _new(self, name: str, offset: int) -> Operation:
        scope = self.names.scope
        if scope.region is None:
            operation = Operation(name, offset, self.chunk, None)
            self.module.operations.append(operation)
            return operation
        block = scope.block
        if block is None:
            block = scope.block = Block(None, scope.region)
            scope.region.blocks.append(block)
        operation = Operation(name, offset, self.chunk, block)
        block.operations.append(operation)
        return operation

    def _line(self, match: re.Match[str]) -> None:
        """A whole operation on one line: the fast way."""
        results, name, rest = match.groups()
        if name == "return":
            name = self._qualified(name)
        operation = self._new(name, match.start(2))
        if "loc(" in rest:
            rest = lexical.LOC_TAIL.sub("", rest)
        if "@" not in rest or not self._symbol(operation, rest):
            self._line_uses(operation, rest)
        if "^" in rest:
            self._successors(operation, rest)
        suffix = rest
        if "{" in rest:
            for item in lexical.LINE_DICTIONARY.finditer(rest):
                if item[1] is not None:
                    operation._attribute_text = structured.iterator_types(item[1])
                    suffix = rest[item.end() :]
                    rest = rest[: item.start()] + suffix
                    break
        self._complete(operation, results, rest, suffix)
        if name.startswith("linalg."):
            structured.complete(operation, self.chunk)

    @staticmethod
    def _symbol(operation: Operation, rest: str) -> bool:
        """Note the symbol that an operation on one line defines; whether it is a declaration, which uses nothing."""
        declares = is_declaration(operation.name, rest)
        if declares or is_symbol_definition(operation.name):
            declare_symbol(operation, rest)
            pad_regions(operation)
        return declares

    def _line_uses(self, operation: Operation, rest: str) -> None:
        if '"' in rest:
            self._uses(operation, rest)
            return
        if "%" not in rest:
            return
        used = rest if ") ->" not in rest else without_tied(rest)
        values = self.names.values
        operands = operation.operands
        for text in lexical.OPERAND.findall(used):
            found = values.get(text)
            if found is not None:
                operands.append(found[0])
            else:
                self.names.use(operation, text)

    def _qualified(self, name: str) -> str:
        scope = self.names.scope
        scope.bare = scope.bare or name != "return"
        return default_dialect(name, scope.region.parent if scope.region is not None else None)

    def _uses(self, operation: Operation, text: str) -> None:
        names = self.names
        if ") ->" in text:
            text = without_tied(text)
        for match in lexical.OPERAND_OR_STRING.finditer(text):
            if match[1] is not None:
                names.use(operation, match[1])

    def _successors(self, operation: Operation, text: str) -> None:
        if self.names.scope.region is None:
            return
        for match in lexical.SUCCESSOR.finditer(text):
            if match[1] is not None:
                operation.successors.append(self.names.block(match[1], operation.offset))

    def _complete(self, operation: Operation, results: str | None, rest: str, suffix: str) -> None:
        """Results with their types, and attributes that the custom form writes without braces."""
        if rest:
            special = inherent(operation.name)
            if special is not None:
                special(operation, rest)
        if results is None:
            return
        if ":" not in results and "," not in results:
            types = self._types(operation, suffix, 1)
            value = Value(results, types[0], operation, 0)
            operation.results.append(value)
            self.names.define(results, [value])
            return
        groups = syntax.RESULT.findall(results)
        sizes = [int(size) if size and len(size) < 6 else 1 for _, size in groups]
        self.declared += sum(sizes)
        if self.declared > self.end - self.start:
            self.problem(
                operation.offset, f"{operation.name!r} names {sum(sizes)} results, more than the text has room for"
            )
            sizes = [1] * len(sizes)
        types = self._types(operation, suffix, sum(sizes))
        first = 0
        for (name, _), size in zip(groups, sizes, strict=True):
            values = [Value(name, types[first + k], operation, first + k) for k in range(size)]
            first += size
            operation.results.extend(values)
            self.names.define(name, values)

    def _types(self, operation: Operation, suffix: str, count: int) -> list[str]:
        arrow = suffix.rfind("->")
        kinds = suffix[arrow + 2 :] if arrow >= 0 else suffix[suffix.rfind(" : ") + 3 :] if " : " in suffix else ""
        if kinds.count(">") != kinds.count("<") or kinds.count(")") != kinds.count("(") or not kinds:
            kinds = suffix_of(suffix)
        if "%" in kinds:
            kinds = lexical.OPERAND.sub(lambda match: self._type_of(match[0]), kinds)
        key = (operation.name, kinds, count)
        types = self.types.get(key)
        if types is None:
            resolved = resolve_aliases(kinds.strip(), self.chunk.aliases)
            types = self.types[key] = result_types(operation.name, resolved, count, arrow >= 0)
        if not types[0] and operation.operands and not kinds:
            return [operation.operands[0].type_text] * count
        return types

    def _type_of(self, text: str) -> str:
        name, mark, index = text.partition("#")
        values = self.names.values.get(text) or self.names.values.get(name)
        number = int(index) if mark else 0
        return values[number].type_text if values is not None and number < len(values) else ""

    def _operation(self, match: re.Match[str], indent: int) -> int:
        results, quoted, bare = match.groups()
        if quoted is not None:
            name = parse_string(quoted)
        else:
            name = bare if "." in bare else self._qualified(bare)
        scope = self.names.scope
        if scope.indent < 0:
            scope.indent = indent
        start = match.start(2) if quoted is not None else match.start(3)
        operation = self._new(name, start)
        return self._body(_Head(operation, results, match.end(), indent), match.end())

    def _body(self, head: _Head, position: int) -> int:
        """Go through the pieces of an operation until it ends or a region opens; the offset to go on from."""
        text, end = self.text, self.end
        match_item, match_group = lexical.ITEM.match, lexical.GROUP.match
        head.begun = position
        brackets = head.brackets
        fresh = text[position - 1] == "}"
        while position < end:
            item = match_item(text, position, end)
            if item is None:
                break
            kind = item.lastindex
            if kind == lexical.SPACES:
                position = item.end()
                if not brackets and (fresh or "\n" in item[0]) and self._starts_statement(position, item[0]):
                    break
                continue
            if kind == lexical.OPENER:
                group = match_group(text, position, end)
                if group is None:
                    brackets.append(_CLOSING[item[0]])
                position = group.end() if group is not None else item.end()
            elif kind == lexical.BRACE:
                stop = self._brace(head, position)
                if stop < 0:
                    return -stop
                position = stop
            elif kind == lexical.CLOSER:
                if brackets and brackets[-1] == item[0]:
                    brackets.pop()
                elif item[0] == "}" and "}" not in brackets:
                    break
                position = item.end()
                fresh = item[0] == "}" and not brackets
                continue
            elif kind == lexical.PROPERTIES:
                position = self._properties(head, position, item.end())
            elif kind in (lexical.LOC, lexical.COMMENT):
                head.pieces.append(text[head.begun : position])
                head.begun = position = item.end()
            elif not brackets and self._ends_before(kind, position, head, fresh):
                break
            else:
                position = item.end()
            fresh = False
        if brackets:
            where = "the text ends inside" if position >= end else "a bracket is never closed in"
            self.problem(min(position, end), f"{where} {head.operation.name!r}, begun at {head.operation.location}")
        head.pieces.append(text[head.begun : position])
        self._close_operation(head, position)
        return position

    def _ends_before(self, kind: int | None, at: int, head: _Head, fresh: bool) -> bool:
        """Whether the operation ends before the item at `at`, in the middle of a line."""
        if kind == lexical.VALUE:
            return self._result_follows(at, head.begun)
        if kind == lexical.LABEL:
            return lexical.LABEL_AMID.match(self.text, at, self.end) is not None
        return kind == lexical.WORD and fresh and self._starts_statement(at, "")

    def _properties(self, head: _Head, at: int, past: int) -> int:
        """`<{...}>` of the generic form."""
        stop = self._balanced(at)
        if stop < 0:
            return past
        head.properties = self.text[at + 2 : stop - 2]
        head.pieces.append(self.text[head.begun : at])
        head.begun = stop
        return stop

    def _result_follows(self, at: int, begun: int) -> bool:
        """Whether `%x = dialect.op` begins here, in the middle of a line."""
        if at <= begun:
            return False
        match = lexical.STATEMENT.match(self.text, at, self.end)
        return match is not None and match[1] is not None and (match[2] is not None or match[0].endswith("("))

    def _starts_statement(self, at: int, space: str) -> bool:
        """Whether a new operation begins at the start of a line."""
        text = self.text
        if at >= self.end:
            return True
        first = text[at]
        if first == "}":
            return True
        if first == "^":
            return lexical.LABEL_DEFINITION.match(text, at, self.end) is not None
        if first in "#!":
            return self.names.scope.region is None and syntax.ALIAS.match(text, at, self.end) is not None
        if first == "{":
            return text.startswith("{-#", at)
        if not (first in '%"_' or first.isalpha()):
            return False
        match = lexical.STATEMENT.match(text, at, self.end)
        if match is None:
            return False
        results, _, bare_result, quoted, dotted, bare = match.groups()
        if results is not None:
            if bare_result is None or self.names.scope.bare:
                return True
            return not text.startswith("(", match.end()) and bare_result not in ("max", "min", "dense")
        if quoted is not None or dotted is not None:
            return True
        if bare in lexical.BARE_OPERATIONS:
            return bare not in ("func", "call") or "\n" in space
        if bare in lexical.KEYWORDS or bare.startswith("partition"):
            return False
        scope = self.names.scope
        return scope.bare and "\n" in space and at - (text.rfind("\n", self.start, at) + 1) == scope.indent

    # ---- braces -------------------------------------------------------------------------------------------------

    def _brace(self, head: _Head, at: int) -> int:
        """A `{` in an operation: past a dictionary (positive), or into a region (minus the offset to go on from)."""
        text, end = self.text, self.end
        operands = lexical.OPERAND_BRACE if not head.brackets else lexical.TYPED_OPERAND_BRACE
        if operands.match(text, at, end) or (text[at - 1] == ">" and not text.startswith("{\n", at)):
            head.brackets.append("}")
            return at + 1
        dictionary = lexical.DICTIONARY.match(text, at, end)
        if dictionary is not None and not self._is_short_body(head, dictionary, text[max(head.begun, at - 20) : at]):
            stop = self._balanced(at)
            if stop > 0:
                self._dictionary(head, at, stop)
                return stop
        elif lexical.REGION.match(text, at, end):
            head.pieces.append(text[head.begun : at])
            self._open_region(head)
            return -(at + 1)
        head.brackets.append("}")
        return at + 1

    def _balanced(self, at: int) -> int:
        """Offset past the bracket that closes the one at `at`, or -1; failed searches have a budget of characters."""
        if self.failed > _MAX_FAILED:
            return -1
        stop = syntax.balanced_end(self.text, at, self.end)
        if stop < 0:
            self.failed += self.end - at
        return stop

    def _dictionary(self, head: _Head, at: int, stop: int) -> None:
        inside = self.text[at + 1 : stop - 1]
        head.pieces.append(self.text[head.begun : at])
        head.begun = stop
        if "%" in inside:
            values = [match[1] for match in lexical.OPERAND_OR_STRING.finditer(inside) if match[1] is not None]
            head.pieces.append(f" {' '.join(values)} ")
        if not head.brackets:
            head.dictionary.append(inside)

    @staticmethod
    def _is_short_body(head: _Head, dictionary: re.Match[str], before: str) -> bool:
        """`{ arith.addf }`, `{ scf.yield }`, `{}` of an operation that holds code: a region all the same."""
        content = dictionary[0]
        if not content.endswith("}"):
            return False
        word = content[1:-1].strip()
        if not word:
            name = head.operation.name
            return (name.endswith(_ISOLATED_WORDS) or holds_code(name)) and not before.rstrip().endswith("attributes")
        short = head.operation.name in ("linalg.map", "linalg.reduce")
        return short or ("." in word and lexical.is_terminator(word)) or word == "return"

    def _open_region(self, head: _Head) -> None:
        operation = head.operation
        region = Region(operation)
        operation.regions.append(region)
        bindings = self._header(head)
        scope = self.names.open(region, "}")
        self.heads.append(head)
        own = not head.shared or later_region(operation, head.shared)
        for name, shared in head.shared:
            if own:
                self._argument(self._entry(scope), name, shared.type_text)
            else:
                self.names.define(name, [shared])
        for name, type_text in bindings:
            value = self._argument(self._entry(scope), name, type_text)
            head.shared.append((name, value))

    @staticmethod
    def _entry(scope: Scope) -> Block:
        if scope.block is None:
            assert scope.region is not None
            scope.block = Block(None, scope.region)
            scope.region.blocks.append(scope.block)
        return scope.block

    def _header(self, head: _Head) -> list[tuple[str, str]]:
        """Operands of the text read so far; what it binds for the region that opens here (name, type)."""
        operation = head.operation
        text = "".join(head.pieces)
        head.pieces = []
        if not head.header:
            head.header = text
            special = inherent(operation.name)
            if special is not None:
                special(operation, text)
            if "@" in text:
                declare_symbol(operation, text)
        uses, bindings = header_bindings(text, self.names.values)
        for use in uses:
            self.names.use(operation, use)
        if "^" in text:
            self._successors(operation, text)
        return bound_types(bindings, self.names.values)

    def _region_end(self, at: int) -> int:
        head = self.heads.pop()
        assert head is not None
        scope = self.names.scope
        assert scope.region is not None
        for label, offset in scope.forward_blocks.items():
            self.problem(offset, f"block {label} is never defined in its region")
            scope.region.blocks.append(scope.labels[label])
        implicit_terminator(head.operation, scope.region, self.chunk)
        self.names.close(isolated=head.operation.name.endswith(_ISOLATED_WORDS))
        return self._body(head, at + 1)

    def _close_operation(self, head: _Head, position: int) -> None:
        operation = head.operation
        rest = "".join(head.pieces)
        dictionary = ", ".join(item.strip() for item in head.dictionary if item.strip())
        if operation.regions:
            bindings = self._header(head)
            for name, _ in bindings:
                self.names.use(operation, name)
            self.found.ends[operation] = position
            self._complete(operation, head.results, "", rest if ":" in rest or "->" in rest else head.header)
        else:
            if not is_declaration(operation.name, rest):
                self._uses(operation, rest)
                if "^" in rest:
                    self._successors(operation, rest)
            if "@" in rest and (is_declaration(operation.name, rest) or is_symbol_definition(operation.name)):
                declare_symbol(operation, rest)
            self._complete(operation, head.results, rest, rest)
        if head.properties:
            operation._property_text = head.properties
        pad_regions(operation)
        if dictionary:
            operation._attribute_text = structured.iterator_types(dictionary)
        if operation.name.startswith("linalg."):
            structured.complete(operation, self.chunk)
