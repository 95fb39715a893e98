"""What the custom form of one operation says besides its regions: uses, successors, results with their types.

Owns the layer below bodies and statements. Invariant: every `%x` of an operation's text is an operand unless it is seen
to bind; results get a type wherever the text names one.
"""

from __future__ import annotations

from costmodel.ir.mlir import syntax
from costmodel.ir.mlir.attributes import resolve_aliases
from costmodel.ir.mlir.custom import lexical, llvm_dialect
from costmodel.ir.mlir.custom.headers import (
    declare_symbol,
    default_dialect,
    is_declaration,
    is_symbol_definition,
    without_tied,
)
from costmodel.ir.mlir.custom.known import inherent, pad_regions
from costmodel.ir.mlir.custom.result_types import result_types, suffix_of
from costmodel.ir.mlir.custom.state import Part
from costmodel.ir.mlir.structure import Operation, Value


class UsesPart(Part):
    """Adds operands, successors and results to operations."""

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
        place = suffix.rfind("->")
        arrow = place >= 0
        kinds = suffix[place + 2 :] if arrow else suffix[suffix.rfind(" : ") + 3 :] if " : " in suffix else ""
        if kinds.count(">") != kinds.count("<") or kinds.count(")") != kinds.count("(") or not kinds:
            kinds, arrow = suffix_of(suffix)
        self.typed_by_text = "%" not in kinds
        if "%" in kinds:
            kinds = lexical.OPERAND.sub(lambda match: self._type_of(match[0]), kinds)
        key = (operation.name, kinds, count)
        types = self.types.get(key)
        if types is None:
            resolved = resolve_aliases(kinds.strip(), self.chunk.aliases)
            types = self.types[key] = result_types(operation.name, resolved, count, arrow)
        if not types:
            return []  # `%x:0 = …` names no result
        if operation.name == "llvm.extractvalue":
            return [llvm_dialect.extracted_type(operation, types[0]) or types[0]] * count
        if not types[0] and operation.operands and not kinds:
            self.typed_by_text = False
            return [operation.operands[0].type_text] * count
        return types

    def _type_of(self, text: str) -> str:
        name, mark, index = text.partition("#")
        values = self.names.values.get(text) or self.names.values.get(name)
        number = int(index) if mark else 0
        return values[number].type_text if values is not None and number < len(values) else ""
