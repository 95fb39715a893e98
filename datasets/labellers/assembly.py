"""LLVM's verbose assembly, read: functions, blocks with their loops, instructions, spill comments, registers.

Owns the syntax of the five architectures' assembly as LLVM prints it. Knows no tool and runs none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

COMMENT = {"x86-64": "#", "aarch64": "//", "riscv64": "#", "nvptx64": "//", "amdgcn": ";"}
"""What begins a comment."""

_BLOCK = re.compile(r"^(?:(\$?\.?L(?:__)?BB\d+_\d+)|(?:# |// |; )%bb\.(\d+)):")
"""Other labels (`.Ltmp0`, RISC-V's `.Lpcrel_hi0`) stand within blocks."""
_IR_NAME = re.compile(r"%\"?([^\"\s]+)\"?")
_SPILL = re.compile(r"(\d+)-byte (Folded )?(Spill|Reload)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One printed machine instruction."""

    mnemonic: str
    operands: str
    comment: str

    @property
    def text(self) -> str:
        """Without its comment."""
        return f"{self.mnemonic} {self.operands}".strip()

    @property
    def touches(self) -> tuple[str, ...]:
        """`Spill` or `Reload` for each that the comment speaks of."""
        return tuple(kind for kind, _ in self.slots)

    @property
    def slots(self) -> tuple[tuple[str, int], ...]:
        """`Spill` or `Reload` and bytes for each that the comment speaks of; of a pair perhaps half."""
        return tuple((kind, int(size)) for size, _, kind in _SPILL.findall(self.comment))


@dataclass(slots=True, kw_only=True)
class Block:
    """A machine block; `loops` are the labels of the headers of its loops, outermost first, its own included."""

    label: str
    ir_name: str | None = None
    loops: tuple[str, ...] = ()
    instructions: list[Instruction] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class AsmFunction:
    """A function as printed. `notes` is what its lines and the lines after it say in comments alone."""

    name: str
    blocks: list[Block] = field(default_factory=list)
    notes: str = ""

    @property
    def instructions(self) -> Iterator[Instruction]:
        """All instructions in order of layout."""
        return (instruction for block in self.blocks for instruction in block.instructions)


def split_functions(text: str, arch: str) -> dict[str, AsmFunction]:
    """Functions of an assembly file by name."""
    parser = _PtxParser() if arch == "nvptx64" else _Parser(COMMENT[arch])
    for line in text.splitlines():
        parser.line(line)
    return parser.functions


class _Parser:
    """ELF-style assembly: a function runs from its label to `.Lfunc_end`."""

    def __init__(self, comment: str) -> None:
        self.comment = comment
        self.functions: dict[str, AsmFunction] = {}
        self._names: set[str] = set()
        self._function: AsmFunction | None = None
        self._last: AsmFunction | None = None
        self._notes: list[str] = []
        self._parents: list[str] = []
        self._inline = False

    def line(self, line: str) -> None:
        """Take the next line."""
        code, comment = self._split(line)
        stripped = code.strip()
        if stripped.startswith(".type") and stripped.endswith("@function"):
            self._names.add(stripped[5:].rpartition(",")[0].strip().strip('"'))
        elif self._function is None:
            self._outside(stripped, comment)
        else:
            self._inside(self._function, code, stripped, comment)

    def _split(self, line: str) -> tuple[str, str]:
        """Code and comment; a comment mark within quotes is none."""
        at = line.find(self.comment)
        while at > 0 and (line[:at].count('"') % 2 == 1 or not line[at - 1].isspace()):
            at = line.find(self.comment, at + 1)
        return (line, "") if at < 0 else (line[:at], line[at + len(self.comment) :].strip())

    def _outside(self, stripped: str, comment: str) -> None:
        name = stripped[:-1].strip('"') if stripped.endswith(":") else ""
        if name in self._names:
            self._function = self._last = self.functions[name] = AsmFunction(name=name)
            self._function.blocks.append(Block(label=name))
            self._parents = []
        elif self._last is not None and comment:
            self._last.notes += comment + "\n"

    def _inside(self, function: AsmFunction, code: str, stripped: str, comment: str) -> None:
        if stripped.startswith(".Lfunc_end"):
            self._function = None
            return
        whole_line = code + self.comment + " " + comment if comment else code
        block = _BLOCK.match(whole_line)
        if block is not None:
            self._begin(function, block, comment)
        elif not stripped:
            self._comment_line(function, comment)
        elif not stripped.startswith(".") and not stripped.endswith(":"):
            mnemonic, _, operands = stripped.replace("\t", " ").partition(" ")
            function.blocks[-1].instructions.append(
                Instruction(mnemonic=mnemonic, operands=operands.strip(), comment=comment)
            )

    def _begin(self, function: AsmFunction, match: re.Match[str], comment: str) -> None:
        label = match[1] or f"%bb.{match[2]}"
        said = comment.partition("%bb.")[2].partition(":")[2] if match[1] is None else comment
        name = _IR_NAME.search(said)
        first = function.blocks[-1]
        if len(function.blocks) == 1 and not first.instructions and first.label == function.name:
            function.blocks.pop()
        block = Block(label=label, ir_name=name[1] if name else None)
        function.blocks.append(block)
        self._parents = []
        self._comment_line(function, said)

    def _comment_line(self, function: AsmFunction, comment: str) -> None:
        """Loop remarks that follow a block's label: its parents, outermost first, then what it is itself."""
        block = function.blocks[-1]
        if parent := re.search(r"Parent Loop (BB\S+) Depth=", comment):
            self._parents.append(".L" + parent[1])
        elif "Loop Header: Depth=" in comment and "=>" in comment:
            block.loops = (*self._parents, block.label)
        elif inner := re.search(r"in Loop: Header=(BB\S+) Depth=", comment):
            header = next((b for b in function.blocks if b.label == ".L" + inner[1]), None)
            block.loops = header.loops if header is not None else (".L" + inner[1],)


class _PtxParser(_Parser):
    """PTX: a function is `.entry name(` or `.func … name(` and a body in braces."""

    _HEAD = re.compile(r"\.(?:entry|func)\s+(?:\(.*\)\s*)?([\w$.]+)\s*\(?")

    def __init__(self) -> None:
        super().__init__("//")
        self._pending: str | None = None

    def line(self, line: str) -> None:
        """Take the next line."""
        code, comment = self._split(line)
        stripped = code.strip()
        if self._function is not None:
            if line.startswith("}"):
                self._function = None
            elif stripped.startswith("$L") or not stripped.startswith((".", "{", "}")):
                self._inside(self._function, code, stripped, comment)
        elif stripped == "{" and self._pending:
            self._function = self.functions[self._pending] = AsmFunction(name=self._pending)
            self._function.blocks.append(Block(label=self._pending))
        elif head := self._HEAD.search(stripped):
            self._pending = head[1]
        elif stripped.endswith(";"):
            self._pending = None
