"""The parsed form of MLIR text: operations, values, blocks, regions.

Owns the object tree. Invariant: every operand is the `Value` object of its definition. Objects are mutable for speed of
construction; readers treat them as read-only. Attribute and property dictionaries are split on first use.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from costmodel.core.errors import Location, ParseError
from costmodel.ir.mlir.attributes import Attribute, dictionary


class Source:
    """One text with its name; turns offsets into locations on demand."""

    __slots__ = ("_line_starts", "file", "text")

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self._line_starts: list[int] | None = None

    def location(self, offset: int) -> Location:
        """Line and column (from 1) of a character offset (from 0)."""
        if self._line_starts is None:
            starts = [0]
            position = self.text.find("\n")
            while position >= 0:
                starts.append(position + 1)
                position = self.text.find("\n", position + 1)
            self._line_starts = starts
        line = bisect_right(self._line_starts, offset)
        return Location(file=self.file, line=line, column=offset - self._line_starts[line - 1] + 1)


@dataclass(slots=True)
class Chunk:
    """What the operations of one module text share: the source, its aliases and split dictionaries."""

    source: Source
    aliases: dict[str, str] = field(default_factory=dict)
    dictionaries: dict[str, dict[str, Attribute]] = field(default_factory=dict)

    def dictionary(self, text: str) -> dict[str, Attribute]:
        """Attributes of the inside of `{...}`, aliases resolved; equal texts share one dictionary."""
        found = self.dictionaries.get(text)
        if found is None:
            found = self.dictionaries[text] = dictionary(text, self.aliases)
        return found


class Value:
    """A result of an operation or an argument of a block. `owner` is the defining operation or block."""

    __slots__ = ("index", "name", "owner", "type_text")

    def __init__(self, name: str, type_text: str, owner: Operation | Block | None, index: int) -> None:
        self.name = name
        self.type_text = type_text
        self.owner = owner
        self.index = index

    def __repr__(self) -> str:
        return f"Value({self.name}: {self.type_text})"


class Block:
    """A label (None for an unlabelled entry block), arguments and operations in order."""

    __slots__ = ("args", "label", "operations", "parent")

    def __init__(self, label: str | None, parent: Region) -> None:
        self.label = label
        self.args: list[Value] = []
        self.operations: list[Operation] = []
        self.parent = parent


class Region:
    """A list of blocks, the first being the entry; may be empty."""

    __slots__ = ("blocks", "parent")

    def __init__(self, parent: Operation) -> None:
        self.blocks: list[Block] = []
        self.parent = parent


class Operation:
    """One operation. `successors` are blocks; `properties` is the `<{...}>` part, `attributes` the `{...}` part."""

    __slots__ = (
        "_attribute_text",
        "_chunk",
        "_property_text",
        "name",
        "offset",
        "operands",
        "parent",
        "regions",
        "results",
        "successors",
    )

    def __init__(self, name: str, offset: int, chunk: Chunk, parent: Block | None) -> None:
        self.name = name
        self.offset = offset
        self.parent = parent
        self.operands: list[Value] = []
        self.results: list[Value] = []
        self.regions: list[Region] = []
        self.successors: list[Block] = []
        self._property_text = ""
        self._attribute_text = ""
        self._chunk = chunk

    def __repr__(self) -> str:
        return f"Operation({self.name} at {self.location})"

    @property
    def properties(self) -> dict[str, Attribute]:
        """The inherent attributes printed as `<{...}>`. Shared between equal operations: do not modify."""
        return self._dictionary(self._property_text) if self._property_text else {}

    @property
    def attributes(self) -> dict[str, Attribute]:
        """The attributes printed as `{...}`. Shared between equal operations: do not modify."""
        return self._dictionary(self._attribute_text) if self._attribute_text else {}

    def _dictionary(self, text: str) -> dict[str, Attribute]:
        try:
            return self._chunk.dictionary(text)
        except ParseError as error:
            raise ParseError(str(error), location=self.location) from None

    def attribute(self, name: str) -> Attribute | None:
        """The property or, failing that, the attribute called `name`."""
        found = self.properties.get(name)
        return found if found is not None else self.attributes.get(name)

    @property
    def dictionary_texts(self) -> tuple[str, str]:
        """The unsplit insides of `<{...}>` and `{...}`: equal texts (in one module) mean equal dictionaries."""
        return self._property_text, self._attribute_text

    @property
    def location(self) -> Location:
        """Where the operation's text starts (not its debug location, which is dropped)."""
        return self._chunk.source.location(self.offset)

    @property
    def symbol(self) -> str | None:
        """The symbol it defines (`sym_name`), without quotes."""
        if "sym_name" not in self._property_text and "sym_name" not in self._attribute_text:
            return None
        name = self.attribute("sym_name")
        try:
            return name.as_string() if name is not None else None
        except ParseError as error:
            raise ParseError(str(error), location=self.location) from None

    def walk(self) -> Iterator[Operation]:
        """This operation and all inside it, in textual order (a region's operations follow their parent)."""
        stack = [self]
        while stack:
            operation = stack.pop()
            yield operation
            for region in reversed(operation.regions):
                for block in reversed(region.blocks):
                    stack.extend(reversed(block.operations))


@dataclass(slots=True)
class MlirModule:
    """A whole text. `operations` are the top-level ones (usually one `builtin.module` for each `// -----` part)."""

    source: Source
    operations: list[Operation] = field(default_factory=list)
    resource_span: tuple[int, int] | None = None

    @property
    def body(self) -> list[Operation]:
        """The operations inside the top-level `builtin.module`s, and those outside any."""
        found: list[Operation] = []
        for operation in self.operations:
            if operation.name != "builtin.module":
                found.append(operation)
                continue
            for region in operation.regions:
                for block in region.blocks:
                    found.extend(block.operations)
        return found

    def walk(self) -> Iterator[Operation]:
        """Every operation in textual order."""
        for operation in self.operations:
            yield from operation.walk()

    def resource(self, key: str) -> str | None:
        """The quoted hex blob of `dense_resource<key>`, or None when the text does not carry it."""
        if self.resource_span is None:
            return None
        from costmodel.ir.mlir.dense import find_resource

        return find_resource(self.source.text, self.resource_span, key)
