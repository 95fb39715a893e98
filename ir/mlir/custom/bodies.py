"""The body of an operation in custom form: its items one after the other, until it ends or a region opens.

Owns the layer between `braces` and `reader`, above all where an operation ends: before what may begin a statement, at
the start of a line or behind a brace. Invariant: linear time; an operation whose brackets do not match is reported.
"""

from __future__ import annotations

from costmodel.ir.mlir import syntax
from costmodel.ir.mlir.custom import lexical
from costmodel.ir.mlir.custom.braces import BracesPart
from costmodel.ir.mlir.custom.state import Head

_CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">"}


class BodiesPart(BracesPart):
    """Reads an operation's items."""

    def _body(self, head: Head, position: int) -> int:
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

    def _ends_before(self, kind: int | None, at: int, head: Head, fresh: bool) -> bool:
        """Whether the operation ends before the item at `at`, in the middle of a line."""
        if kind == lexical.VALUE:
            return self._result_follows(at, head.begun)
        if kind == lexical.LABEL:
            return lexical.LABEL_AMID.match(self.text, at, self.end) is not None
        return kind == lexical.WORD and fresh and self._starts_statement(at, "")

    def _properties(self, head: Head, at: int, past: int) -> int:
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
