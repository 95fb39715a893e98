"""Instruction shapes: each distinct text of an instruction, names of locals aside, is parsed once.

Owns `Template` and its cache. A program of a million instructions has some thousand shapes; a shape is the text between
the names of locals (values, blocks), so `  %a = fadd float %x, %y` and `  %r = fadd float %p, %p` are one.
Invariant: a template depends on the shape alone; the cache is bounded.
"""

from __future__ import annotations

import re
from typing import Any

from costmodel.core.errors import ParseError
from costmodel.ir.llvm.instructions import parse
from costmodel.ir.llvm.legacy import upgrade
from costmodel.ir.llvm.shapes import HOLE
from costmodel.ir.llvm.types import UNKNOWN_TYPE

_INSTRUCTION = re.compile(
    r"\s*(?:(%\"[^\"]*\"|%[\w$.\-]+)\s*=\s*)?(?:(?:tail|musttail|notail) )?([a-z_]+)(?:[ \t]+(.*))?$", re.DOTALL
)
_METADATA = re.compile(r"(?:,\s*![\w.\\]+\s+(?:![\w.]+(?:\([^()]*\))?|!\{[^{}]*\}))+\s*$")
_GROUPS = re.compile(r"(?: #\d+)+(?= \[|$|\s+to )")
_DEBUG = re.compile(r"@llvm\.(?:dbg|pseudoprobe)\b")
_MARK = "%\u00b5"
_LONG_SHAPE = 1000
_MAX_TEMPLATES = 1 << 15
_NO_INSTRUCTION = "expected an instruction, found {!r}"

Slot = int | str | tuple[str, str]
"""An operand: number of a local in the instruction, the name of a local spelled out, or a constant's (type, text)."""


PLAIN, MIXED, LEAVING, GENERAL, EMPTY = range(5)
"""Kinds of templates.

`PLAIN`: after its result a line names its operands, each once, and nothing else. `MIXED`: operands are locals of the
line and constants. `LEAVING`: the same without a result and with labels. `GENERAL`: all others.
`EMPTY`: gives no operation (debug intrinsics).
"""


class Template:
    """What all instructions of one shape share. `result` is a slot or None; numbers count locals from 0.

    `slots` are the operands without their types, `first` the number of the first local behind the result. `tokens` is
    for `tokens.llvm_text` to keep.
    """

    __slots__ = (
        "first", "holes", "incoming", "kind", "labels", "name", "operands", "properties", "result", "slots", "tokens",
        "types",
    )  # fmt: skip

    def __init__(self, name: str, properties: str, types: str | None) -> None:
        self.name = name
        self.properties = properties
        self.types = types
        self.result: Slot | None = None
        self.operands: tuple[tuple[str, Slot], ...] = ()
        self.labels: tuple[Slot, ...] = ()
        self.incoming: tuple[tuple[Slot, Slot], ...] = ()
        self.slots: tuple[Slot, ...] = ()
        self.kind = EMPTY
        self.first = self.holes = 0
        self.tokens: list[Any] = [None, None]

    def classify(self, holes: int) -> None:
        """Set what follows from the rest; `holes` is the number of locals."""
        self.holes, self.kind = holes, GENERAL
        self.slots = tuple(slot for _, slot in self.operands)
        self.first = int(self.result is not None)
        if self.incoming or any(isinstance(slot, str) for slot in (*self.slots, *self.labels, self.result)):
            return
        if self.labels:
            self.kind = LEAVING if self.result is None and self.types is None else GENERAL
        else:
            self.kind = PLAIN if self.slots == tuple(range(self.first, holes)) else MIXED


TEMPLATES: dict[str, Template] = {}
"""By shape; what is missing is built by `template_of`."""


def template_of(shape: str) -> Template:
    """The template of a shape; Raises `ParseError` without location."""
    found = TEMPLATES.get(shape)
    if found is None:
        found = _build(shape)
        if len(TEMPLATES) >= _MAX_TEMPLATES:
            TEMPLATES.clear()
        if len(shape) < _LONG_SHAPE:
            TEMPLATES[shape] = found
    return found


def _build(shape: str) -> Template:
    holes = iter(range(shape.count(HOLE)))
    text = re.sub(HOLE, lambda _: f"{_MARK}{next(holes)}", shape) if HOLE in shape else shape
    text = _METADATA.sub("", text)
    match = _INSTRUCTION.match(text)
    if match is None:
        raise ParseError(_NO_INSTRUCTION.format(shape.strip().replace(HOLE, "%")[:40]))
    opcode, rest = match[2], match[3] or ""
    if opcode == "call" and _DEBUG.search(rest):
        template = Template("", "", None)
        template.holes = shape.count(HOLE)
        return template
    try:
        parsed = parse(opcode, upgrade(opcode, _GROUPS.sub("", rest) if " #" in rest else rest))
    except (ParseError, IndexError, ValueError) as error:
        message = str(error).replace(_MARK, "%")
        raise ParseError(f"cannot read this {opcode}: {message}") from None
    types = parsed.result_type
    template = Template(parsed.name, parsed.properties, types if match[1] is None else types or UNKNOWN_TYPE)
    template.result = _slot(match[1]) if match[1] is not None else None
    template.operands = tuple((kind, _operand(kind, value)) for kind, value in parsed.operands)
    template.labels = tuple(_slot(label) for label in parsed.labels)
    template.incoming = tuple((_operand(types or "", value), _slot(label)) for value, label in parsed.incoming)
    template.classify(shape.count(HOLE))
    return template


def _slot(text: str) -> int | str:
    if not text.startswith(_MARK):
        return text
    number = text[len(_MARK) :]
    if not (number.isascii() and number.isdigit()):
        raise ParseError(f"expected one operand, found {text.replace(_MARK, '%')[:60]!r}")
    return int(number)


def _operand(kind: str, text: str) -> Slot:
    if text.startswith("%"):
        return _slot(text)
    return kind, text.replace(_MARK, "%")
