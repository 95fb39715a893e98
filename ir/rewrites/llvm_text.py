"""LLVM IR as lines that rewrites may change: functions, blocks, instructions, every value named.

Owns the split of a module's text. Invariant: `parse(text).render()` is the module with names instead of numbers. Reads
what LLVM prints (one instruction a line, `switch`, `invoke`, `landingpad` over several).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from costmodel.core.errors import Location, ParseError

LOCAL = re.compile(r'%"[^"\n]*"|"[^"\n]*"|%[\w$.\-]+')
"""A local name, or a string to skip (it starts with a quote)."""
_TYPE = re.compile(r'^(%"[^"\n]*"|%[\w$.\-]+) = type ', re.MULTILINE)
_DEFINE = re.compile(r"^define [^\n]*\{[ \t]*(?:;[^\n]*)?$", re.MULTILINE)
_LABEL = re.compile(r'^("[^"\n]*"|[\w$.\-]+):')
_RESULT = re.compile(r'^\s*(%"[^"\n]*"|%[\w$.\-]+) = ')
_COMMENT = re.compile(r'("[^"\n]*")|[ \t]*;.*$')
_OPCODE = re.compile(r'^\s*(?:(?:%"[^"\n]*"|%[\w$.\-]+) = )?(?:(?:tail|musttail|notail) )?([a-z_]+|#\w+)')
_PHI_LABEL = re.compile(r'(%"[^"\n]*"|%[\w$.\-]+) \]')
_TARGET = re.compile(r'label (%"[^"\n]*"|%[\w$.\-]+)')
TERMINATORS = frozenset(
    "br ret switch unreachable invoke callbr resume indirectbr cleanupret catchret catchswitch".split()
)


@dataclass(slots=True)
class Instruction:
    """One instruction's text, without indentation; it may hold newlines."""

    text: str

    @property
    def opcode(self) -> str:
        """`add`, `phi`, ...; `#dbg_value` for a debug record."""
        match = _OPCODE.match(self.text)
        return match[1] if match is not None else ""

    @property
    def result(self) -> str | None:
        """The name that it defines, with `%`."""
        match = _RESULT.match(self.text)
        return match[1] if match is not None else None

    def uses(self) -> set[str]:
        """Local names that occur in it, its own result excepted."""
        names = {match[0] for match in LOCAL.finditer(self.text) if match[0][0] == "%"}
        return names - {self.result or ""}

    def targets(self) -> list[str]:
        """Labels that a terminator names."""
        return _TARGET.findall(self.text)


@dataclass(slots=True)
class TextBlock:
    """A block: its name (with `%`) and instructions."""

    name: str
    instructions: list[Instruction] = field(default_factory=list)

    @property
    def terminator(self) -> Instruction:
        """The last instruction."""
        return self.instructions[-1]

    def first_movable(self) -> int:
        """Index of the first instruction that is not pinned to the block's start."""
        pinned = ("phi", "landingpad", "catchpad", "cleanuppad", "catchswitch")
        return next(
            (index for index, item in enumerate(self.instructions) if item.opcode not in pinned), len(self.instructions)
        )


@dataclass(slots=True)
class TextFunction:
    """A function: its `define` line and blocks, the first being the entry."""

    head: str
    blocks: list[TextBlock]

    def substitute(self, names: dict[str, str]) -> None:
        """Replace local names everywhere."""
        self.head = replace_locals(self.head, names)
        for block in self.blocks:
            block.name = names.get(block.name, block.name)
            for item in block.instructions:
                item.text = replace_locals(item.text, names)

    def move_edges(self, old: str, new: str) -> None:
        """Phis take from block `new` what they took from block `old`."""
        for block in self.blocks:
            for item in block.instructions:
                if item.opcode == "phi":
                    item.text = _PHI_LABEL.sub(lambda m: f"{new} ]" if m[1] == old else m[0], item.text)

    def locals(self) -> set[str]:
        """Every local name."""
        names = {match[0] for match in LOCAL.finditer(self.head) if match[0][0] == "%"}
        for block in self.blocks:
            names.add(block.name)
            for item in block.instructions:
                names |= item.uses() | {item.result or block.name}
        return names

    def render(self, indent: str = "  ") -> str:
        """The function's text."""
        lines = [self.head]
        for block in self.blocks:
            lines.append(f"{block.name[1:]}:")
            lines.extend(indent + item.text for item in block.instructions)
        return "\n".join([*lines, "}"])


@dataclass(slots=True)
class TextModule:
    """A module: text between functions, and the functions."""

    between: list[str]
    functions: list[TextFunction]

    def render(self) -> str:
        """The module's text."""
        parts = [self.between[0]]
        for function, after in zip(self.functions, self.between[1:], strict=True):
            parts += [function.render(), after]
        return "".join(parts)


def replace_locals(text: str, names: dict[str, str]) -> str:
    """Replace local names outside strings."""
    return LOCAL.sub(lambda match: names.get(match[0], match[0]), text)


def parse(text: str) -> TextModule:
    """Split a module; unnamed values become `%vN`. Raises `ParseError` where a function has no end or no body."""
    between: list[str] = []
    functions: list[TextFunction] = []
    position = 0
    types = {match[1] for match in _TYPE.finditer(text)}
    for match in _DEFINE.finditer(text):
        end = text.find("\n}", match.end())
        if end < 0 or match.start() < position:
            line = text.count("\n", 0, match.start()) + 1
            raise ParseError("a function has no end", location=Location(file="<string>", line=line, column=1))
        between.append(text[position : match.start()])
        functions.append(_function(match[0], text[match.end() : end], types))
        position = end + 2
    between.append(text[position:])
    return TextModule(between, functions)


def _function(head: str, body: str, types: set[str]) -> TextFunction:
    head = _COMMENT.sub(lambda match: match[1] or "", head)
    blocks: list[TextBlock] = []
    for line in body.split("\n"):
        label = _LABEL.match(line)
        line = _COMMENT.sub(lambda match: match[1] or "", line).rstrip()
        if not line.strip():
            continue
        if label is not None and line[0] not in " \t":
            blocks.append(TextBlock(f"%{label[1]}"))
            continue
        if not blocks:
            blocks.append(TextBlock(_entry_name(head, types)))
        _add_line(blocks[-1], line)
    function = TextFunction(head, blocks)
    if not blocks or any(not block.instructions for block in blocks):
        raise ParseError(f"a block of {head[:60]!r} has no instructions")
    taken = function.locals()
    numbers = {name: f"%v{name[1:]}" for name in taken if name[1:].isdigit()}
    while set(numbers.values()) & taken:
        numbers = {name: f"%v.{other[1:]}" for name, other in numbers.items()}
    function.substitute(numbers)
    return function


def _add_line(block: TextBlock, line: str) -> None:
    """A new instruction, or a further line of one printed over several."""
    stripped = line.strip()
    previous = block.instructions[-1] if block.instructions else None
    open_switch = previous is not None and previous.text.count("[") > previous.text.count("]")
    if previous is not None and (open_switch or line.startswith(("    ", "\t\t", "  ]"))):
        previous.text += "\n    " + stripped
    else:
        block.instructions.append(Instruction(stripped))


def _entry_name(head: str, types: set[str]) -> str:
    """The number that LLVM gives an entry block without label: one past the unnamed arguments."""
    names = {match[0] for match in LOCAL.finditer(head) if match[0][0] == "%"} - types
    return f"%{sum(1 for name in names if name[1:].isdigit())}"
