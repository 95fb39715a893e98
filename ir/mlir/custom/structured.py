"""Structured operations of linalg: operand segments, iterator types, and the bodies that named ones leave out.

Owns the table of named operations' arithmetic. Invariant: a body is added only where the generic form has one and the
element types are known.
"""

from __future__ import annotations

import re

from costmodel.ir.mlir.attributes import resolve_aliases
from costmodel.ir.mlir.custom import linalg_maps
from costmodel.ir.mlir.structure import Block, Chunk, Operation, Region, Value
from costmodel.ir.mlir.types import ShapedType, parse_type

_LIST = re.compile(r"\b(ins|outs|init|inits)\s*\(([^:()]*)")
_SEGMENTS = re.compile(r"operandSegmentSizes = array<i32: (\d{1,9}), (\d{1,9})>")
_OWN_MAPS = re.compile(r"\s*(?:[^{}%]*\b)?indexing_maps\s*=\s*(\[[^\[\]]*\])")
_LISTED = re.compile(r"\b(permutation|dimensions)\s*=\s*\[\s*(\d[\d, ]*)\]")
_TRAIT = re.compile(r"\s*(#[\w$.\-]+)\s")
_ITERATOR = re.compile(r'"(parallel|reduction|window)"')
_MULTIPLY = re.compile(r"matmul|matvec|vecmat|dot|conv_|mmt4d|contract")
_BINARY = {"add": ("addf", "addi"), "sub": ("subf", "subi"), "mul": ("mulf", "muli"), "div": ("divf", "divsi"),
           "max": ("maximumf", "maxsi"), "min": ("minimumf", "minsi"), "powf": ("math.powf", ""),
           "div_unsigned": ("", "divui")}  # fmt: skip
_UNARY = {"exp": "math.exp", "log": "math.log", "abs": "math.absf", "ceil": "math.ceil", "floor": "math.floor",
          "negf": "arith.negf", "round": "math.round", "sqrt": "math.sqrt", "rsqrt": "math.rsqrt", "tanh": "math.tanh",
          "erf": "math.erf"}  # fmt: skip
_UNSIGNED = {"maxsi": "arith.maxui", "minsi": "arith.minui", "divsi": "arith.divui", "extsi": "arith.extui",
             "fptosi": "arith.fptoui", "sitofp": "arith.uitofp"}  # fmt: skip
_POOLING = {"max": ("maximumf", "maxsi"), "min": ("minimumf", "minsi"), "sum": ("addf", "addi")}
_WITHOUT_BODY = ("linalg.index", "linalg.yield", "linalg.softmax", "linalg.pack", "linalg.unpack")

WITH_TRAIT = frozenset(("linalg.generic", "linalg.contract", "vector.contract"))
"""Operations whose attributes may be an alias before the operands."""


def inherent(operation: Operation, text: str) -> None:
    """Operand segments of any linalg operation that lists `ins` and `outs`."""
    counts = {match[1]: match[2].count("%") for match in _LIST.finditer(text)}
    outs = counts.get("outs", counts.get("init", counts.get("inits", 0)))
    if outs:
        operation._property_text = f"operandSegmentSizes = array<i32: {counts.get('ins', 0)}, {outs}>"
    listed = [f"{name} = array<i64: {items}>" for name, items in _LISTED.findall(text)]
    operation._property_text = ", ".join(part for part in (*listed, operation._property_text) if part)
    own = _OWN_MAPS.match(text)
    if own is not None:
        maps = resolve_aliases(own[1], operation._chunk.aliases)
        operation._property_text = f"indexing_maps = {maps}, {operation._property_text}".rstrip(", ")


def attributes(operation: Operation, dictionary: str, text: str) -> str:
    """The operation's attributes: its dictionary, and the one that an alias before its operands (`#trait`) stands for.

    `iterator_types` comes out as the generic form prints it.
    """
    trait = _TRAIT.match(text) if operation.name in WITH_TRAIT else None
    if trait is not None:
        value = operation._chunk.aliases.get(trait[1], "")
        if value.startswith("{"):
            dictionary = ", ".join(part for part in (value[1:-1].strip(), dictionary) if part)
    if "iterator_types" not in dictionary:
        return dictionary
    dialect = operation.name.partition(".")[0]
    return _ITERATOR.sub(lambda match: f"#{dialect}.iterator_type<{match[1]}>", dictionary)


def num_outputs(operation: Operation) -> int:
    """How many of the operands are outputs."""
    sizes = _SEGMENTS.search(operation._property_text)
    return int(sizes[2]) if sizes is not None else 0


def complete(operation: Operation, chunk: Chunk) -> None:
    """Fill in result types, which are those of the outputs, and the body of a named operation."""
    outputs = num_outputs(operation)
    for result, value in zip(operation.results, operation.operands[len(operation.operands) - outputs :], strict=False):
        result.type_text = value.type_text or result.type_text
    linalg_maps.add_maps(operation)
    if operation.regions or operation.name in _WITHOUT_BODY or not outputs or not operation.name.startswith("linalg."):
        return
    builder = _Body(operation, chunk)
    if builder.elements is not None:
        builder.fill(operation.name[len("linalg.") :])


class _Body:
    """Adds operations to the one block of a region it makes."""

    def __init__(self, operation: Operation, chunk: Chunk) -> None:
        self.operation = operation
        self.chunk = chunk
        kinds = [parse_type(value.type_text) for value in operation.operands]
        elements = [str(kind.element) if isinstance(kind, ShapedType) else str(kind) for kind in kinds]
        self.elements = elements if all(elements) else None
        self.block: Block | None = None
        self.unsigned = "unsigned" in operation.name or "cast_unsigned" in operation._attribute_text

    def fill(self, name: str) -> None:
        """The body of `linalg.name`; nothing where the name is not known."""
        assert self.elements is not None
        last = self.elements[-1]
        if _MULTIPLY.search(name):
            self._open()
            left, right = self._cast(self._argument(0), last), self._cast(self._argument(1), last)
            product = self._arith(("mulf", "muli"), left, right, last)
            self._end(self._arith(("addf", "addi"), self._argument(-1), product, last))
        elif name.startswith("pooling_"):
            kind = next((ops for word, ops in _POOLING.items() if word in name), None)
            if kind is not None:
                self._open()
                self._end(self._arith(kind, self._argument(-1), self._cast(self._argument(0), last), last))
        elif name in _BINARY and len(self.elements) == 3:
            self._open()
            left, right = self._cast(self._argument(0), last), self._cast(self._argument(1), last)
            self._end(self._arith(_BINARY[name], left, right, last))
        elif name in _UNARY:
            self._open()
            self._end(self._add(_UNARY[name], [self._argument(0)], last))
        elif name == "square":
            self._open()
            self._end(self._arith(("mulf", "muli"), self._argument(0), self._argument(0), last))
        elif name == "reciprocal":
            self._open()
            one = self._add("arith.constant", [], last, f"value = 1.000000e+00 : {last}")
            self._end(self._arith(("divf", ""), one, self._argument(0), last))
        elif name == "select" and len(self.elements) == 4:
            self._open()
            self._end(self._add("arith.select", [self._argument(index) for index in range(3)], last))
        elif name in ("fill", "copy", "transpose", "broadcast"):
            self._open()
            self._end(self._cast(self._argument(0), last) if name in ("fill", "copy") else self._argument(0))

    def _open(self) -> None:
        region = Region(self.operation)
        self.operation.regions.append(region)
        self.block = Block(None, region)
        region.blocks.append(self.block)
        assert self.elements is not None
        self.block.args = [Value("", kind, self.block, index) for index, kind in enumerate(self.elements)]

    def _argument(self, index: int) -> Value:
        assert self.block is not None
        return self.block.args[index]

    def _add(self, name: str, operands: list[Value], kind: str | None, properties: str = "") -> Value:
        assert self.block is not None
        added = Operation(name, self.operation.offset, self.chunk, self.block)
        added.operands = operands
        added._property_text = properties
        if name.startswith("math.") or (name.startswith("arith.") and name.endswith("f")):
            added._property_text = "fastmath = #arith.fastmath<none>"
        elif name in ("arith.addi", "arith.subi", "arith.muli"):
            added._property_text = "overflowFlags = #arith.overflow<none>"
        self.block.operations.append(added)
        if kind is not None:
            added.results = [Value("", kind, added, 0)]
            return added.results[0]
        return operands[0]

    def _arith(self, names: tuple[str, str], left: Value, right: Value, kind: str) -> Value:
        name = names[0] if kind.startswith(("f", "bf", "tf")) else names[1]
        if self.unsigned and "unsigned" in self.operation.name:
            name = _UNSIGNED.get(name, name)
        return self._add(name if "." in name else f"arith.{name}", [left, right], kind)

    def _cast(self, value: Value, kind: str) -> Value:
        if value.type_text == kind:
            return value
        source, target = parse_type(value.type_text), parse_type(kind)
        bits = getattr(source, "bits", 0), getattr(target, "bits", 0)
        floats = getattr(source, "is_float", False), getattr(target, "is_float", False)
        if floats == (True, True):
            name = "arith.extf" if bits[0] < bits[1] else "arith.truncf"
        elif floats == (False, False):
            name = "arith.extsi" if bits[0] < bits[1] else "arith.trunci"
        else:
            name = "arith.fptosi" if floats[0] else "arith.sitofp"
        if self.unsigned:
            name = _UNSIGNED.get(name.removeprefix("arith."), name)
        return self._add(name, [value], kind)

    def _end(self, value: Value) -> None:
        self._add("linalg.yield", [value], None)
