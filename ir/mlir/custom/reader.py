"""Reader of MLIR's custom form, for any dialect, without dialect definitions.

Owns the walk over the text: statements, regions, blocks. An operation is a name with what stands on its lines; its `%x`
are operands, unless they are seen to bind (`%i = ...`, `(%a: f32) {`); `{` opens a region unless it holds `name = ...`.
Layers: `state`, `uses`, `braces`, `bodies`, and the statements here. Invariant: linear time, no recursion; whatever
cannot be read is skipped, counted and reported, never fatal.
"""

from __future__ import annotations

import re

from costmodel.core.errors import ParseError
from costmodel.ir import collector
from costmodel.ir.mlir import syntax
from costmodel.ir.mlir.attributes import define_alias, parse_string
from costmodel.ir.mlir.custom import lexical, structured
from costmodel.ir.mlir.custom.bodies import BodiesPart
from costmodel.ir.mlir.custom.known import implicit_terminator
from costmodel.ir.mlir.custom.lines import Lines
from costmodel.ir.mlir.custom.state import ISOLATED_WORDS, MAX_FAILED, CustomModule, Head
from costmodel.ir.mlir.structure import Block, MlirModule, Operation, Source, Value

_BROKEN_STATEMENT = re.compile(r"[^\n]*+")
_MAX_INDENT = 1000
_LONG_LINE = 20_000
_SPACE = re.compile(syntax.SPACE)


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


class _Part(BodiesPart):
    """Reads one `// -----` part."""

    lines: Lines

    def run(self) -> None:
        """Read statement after statement; a head whose region closed goes on where it stopped."""
        position, end, text = self.start, self.end, self.text
        match_line, match_space = lexical.LINE.match, _SPACE.match
        lines, aliases = Lines(text, position, end), 0
        self.lines = lines
        while True:
            at_line = lines.seek(position)
            if at_line and lines.lines[lines.index][:1] not in ("#", "!"):
                if len(self.chunk.aliases) != aliases:
                    aliases = len(self.chunk.aliases)
                    lines.resolve(self.chunk.aliases)
                position = self._known_lines(position)
            if position > self.line_end:
                self._next_line(position)
            line = match_line(text, position, end) if self.line_end - self.line_start < _LONG_LINE else None
            if line is not None:
                operation = self._line(line)
                if at_line and self.typed_by_text:
                    lines.learn(operation, line)
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
        if self.failed > MAX_FAILED:
            match = syntax.ALIAS.match(self.text, at, self.end)
            return match.end() if match is not None else -1
        locations = syntax.LOCATION_ALIASES.match(self.text, at, self.end)
        if locations is not None:
            return locations.end()
        position, unclosed = define_alias(self.text, at, self.end, self.chunk.aliases)
        if unclosed >= 0:
            self.failed += self.end - at
            name = self.text[at:position].split(maxsplit=1)[0].partition("=")[0]
            self.problem(unclosed, f"a bracket in the value of {name} is never closed")
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

    def _known_lines(self, position: int) -> int:
        """Operations on lines whose shape is known; the offset to go on from."""
        lines, values = self.lines, self.names.values
        known, shapes = lines.known, lines.shapes
        while True:
            template = known.get(shapes[lines.index])
            if template is None or not (shapes[lines.index + 1] in known or lines.starts_statement(lines.index + 1)):
                return position
            before = lines.before + template.holes
            names = lines.names[lines.before : before]
            operation = self._new(template.name, lines.begin + template.at)
            operation._property_text, operation._attribute_text = template.properties, template.attributes
            kind = template.type_text
            if kind is not None:
                result = names.pop(0)
                operation.offset += len(result) - 1
            operands = operation.operands
            for use in names:
                found = values.get(use)
                if found is not None:
                    operands.append(found[0])
                else:
                    self.names.use(operation, use)
            if template.is_swapped:
                operands[:2] = operands[1::-1]
            if kind is not None:
                value = Value(result, kind, operation, 0)
                operation.results.append(value)
                self.names.define(result, [value])
            lines.begin += len(lines.lines[lines.index]) + 1
            lines.before, position = before, lines.begin
            lines.index += 1

    def _line(self, match: re.Match[str]) -> Operation:
        """A whole operation on one line."""
        self.typed_by_text = True
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
                    operation._attribute_text = structured.attributes(operation, item[1], rest)
                    suffix = rest[item.end() :]
                    rest = rest[: item.start()] + suffix
                    break
        elif "#" in rest and name in structured.WITH_TRAIT:
            operation._attribute_text = structured.attributes(operation, "", rest)
        self._complete(operation, results, rest, suffix)
        if name.startswith("linalg."):
            structured.complete(operation, self.chunk)
        return operation

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
        return self._body(Head(operation, results, match.end(), indent), match.end())

    def _region_end(self, at: int) -> int:
        head = self.heads.pop()
        assert head is not None
        scope = self.names.scope
        assert scope.region is not None
        for label, offset in scope.forward_blocks.items():
            self.problem(offset, f"block {label} is never defined in its region")
            scope.region.blocks.append(scope.labels[label])
        implicit_terminator(head.operation, scope.region, self.chunk)
        self.names.close(isolated=head.operation.name.endswith(ISOLATED_WORDS))
        return self._body(head, at + 1)
