"""One function out of a module's text: with the types, globals, declarations and metadata it needs, and nothing else.

Owns the cut (what `llvm-extract --func` does, without the tool). Works on what LLVM 22 prints, where every top-level
entity begins a line. Invariant: the result reads back on its own; debug information is dropped; the function becomes
external, other functions become declarations. Does not verify (the caller lets LLVM do that).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

LARGEST_INITIALIZER = 8192
"""Characters; the initialiser of a longer global is left out and the global becomes external."""

_NAME = r'[-$._A-Za-z0-9]+|"[^"]*"'
_GLOBAL = re.compile(rf"^@({_NAME}) = (.*)$")
_TYPE = re.compile(rf"^%({_NAME}) = type ")
_METADATA = re.compile(r"^!(\d+) = (.*)$")
_ATTRIBUTES = re.compile(r"^attributes #(\d+) = ")
_SYMBOL = re.compile(rf"@({_NAME})")
_LOCAL = re.compile(rf"%({_NAME})")
_NODE = re.compile(r"!(\d+)")
_GROUP = re.compile(r"#(\d+)\b")
_DEBUG = re.compile(r",? !(?:dbg|heapallocsite|DIAssignID) !\d+|,? !DIAssignID !\d+")
_LINKAGE = re.compile(
    r"\b(?:private|internal|available_externally|linkonce_odr|linkonce|weak_odr|weak|common|appending|extern_weak|"
    r"external|hidden|protected|dllimport|dllexport)\b ?"
)
_COMDAT = re.compile(rf",? comdat(?:\(\$(?:{_NAME})\))?")
_TAIL = re.compile(r" (?:personality|prefix|prologue) .*$")
_KIND = re.compile(r"\b(global|constant|alias|ifunc)\b ")
_STRING = re.compile(r'([@%$]"[^"]*")|c?"[^"]*"')
"""A quoted name, kept as group 1, or a string."""
_LOCAL_LINKAGE = re.compile(r"^(?:private|internal) ")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleText:
    """A module's entities by name, as printed."""

    target: tuple[str, ...] = ()
    types: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    """Global variables, aliases and ifuncs: what follows `@name = `."""
    definitions: dict[str, list[str]] = field(default_factory=dict)
    """Functions with a body, debug information removed, first line to closing brace."""
    declarations: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    """Numbers of the module flags that say nothing of debug information."""


def split_module(text: str) -> ModuleText:
    """Sort the top-level entities of `text`, a module as LLVM prints it."""
    target: list[str] = []
    module = ModuleText()
    flags: list[str] = []
    lines = iter(text.split("\n"))
    for line in lines:
        if line.startswith("define "):
            body = [_DEBUG.sub("", line), *_body(lines)]
            module.definitions[_function_name(line)] = body
        elif line.startswith("declare "):
            module.declarations[_function_name(line)] = _DEBUG.sub("", line)
        elif match := _GLOBAL.match(line):
            module.variables[match[1]] = _COMDAT.sub("", _DEBUG.sub("", match[2]))
        elif match := _TYPE.match(line):
            module.types[match[1]] = line
        elif match := _METADATA.match(line):
            module.metadata[match[1]] = match[2]
        elif match := _ATTRIBUTES.match(line):
            module.attributes[match[1]] = line
        elif line.startswith("target "):
            target.append(line)
        elif line.startswith("!llvm.module.flags = "):
            flags = _NODE.findall(line)
    kept = [number for number in flags if not re.search("Debug Info|Dwarf|CodeView", module.metadata.get(number, ""))]
    return ModuleText(
        target=tuple(target),
        flags=tuple(kept),
        **{name: getattr(module, name) for name in ModuleText.__slots__ if name not in ("target", "flags")},
    )


def function_text(module: ModuleText, name: str) -> str:
    """The text of a module that defines `name` only."""
    needed = _Closure(module=module, root=name)
    needed.visit_body(module.definitions[name])
    return needed.render()


@dataclass(slots=True, kw_only=True)
class _Closure:
    """What a function refers to, found by following names."""

    module: ModuleText
    root: str
    lines: list[str] = field(default_factory=list)
    types: dict[str, str] = field(default_factory=dict)
    symbols: dict[str, str] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)
    nodes: dict[str, str] = field(default_factory=dict)

    def visit_body(self, body: list[str]) -> None:
        head = _COMDAT.sub("", _unlink("define", body[0]))
        self.lines = [head, *body[1:]]
        for line in self.lines:
            self._visit(line)

    def render(self) -> str:
        for number in self.module.flags:
            self._node(number)
        flags = ", ".join(f"!{number}" for number in self.module.flags)
        parts: list[Iterable[str]] = [
            self.module.target,
            (self.types[name] for name in sorted(self.types)),
            (self.symbols[name] for name in sorted(self.symbols)),
            self.lines,
            (self.module.attributes[number] for number in sorted(self.groups, key=int)),
            [f"!llvm.module.flags = !{{{flags}}}"] if flags else [],
            (f"!{number} = {self.nodes[number]}" for number in sorted(self.nodes, key=int)),
        ]
        return "\n".join(line for part in parts for line in part) + "\n"

    def _visit(self, line: str) -> None:
        if "@" in line:
            for symbol in _SYMBOL.findall(line):
                self._symbol(symbol)
        self._scan(line)

    def _scan(self, line: str) -> None:
        for name in _LOCAL.findall(line):
            if name in self.module.types and name not in self.types:
                self.types[name] = self.module.types[name]
                self._scan(self.types[name].partition(" = ")[2])
        if "#" in line:
            self.groups.update(number for number in _GROUP.findall(line) if number in self.module.attributes)
        if "!" in line:
            for number in _NODE.findall(line):
                self._node(number)

    def _node(self, number: str) -> None:
        if number in self.nodes or number not in self.module.metadata:
            return
        text = self.module.metadata[number]
        if "!DI" in text:  # locations inside loop metadata
            text = "!{}"
        self.nodes[number] = text
        self._visit(_STRING.sub(r"\1", text))

    def _symbol(self, name: str) -> None:
        if name == self.root or name in self.symbols:
            return
        line = self._declaration(name)
        if line is None:
            return
        self.symbols[name] = line
        if line.startswith("@"):
            self._visit(_STRING.sub(r"\1", line.partition(" = ")[2]))
        else:
            self._visit(line)

    def _declaration(self, name: str) -> str | None:
        module = self.module
        if name in module.definitions:
            return declaration(module.definitions[name][0])
        if name in module.declarations:
            return module.declarations[name]
        if name not in module.variables:
            return None  # an "@" inside a string or an asm text
        text = module.variables[name]
        kind = _KIND.search(text)
        if kind is not None and kind[1] in ("alias", "ifunc"):
            return self._alias(name, text[kind.end() :])
        return f"@{name} = {variable(text)}"

    def _alias(self, name: str, text: str) -> str | None:
        for target in _SYMBOL.findall(text):
            line = self._declaration(target)
            if line is None:
                continue
            if line.startswith("declare"):
                return line.replace(f"@{target}(", f"@{name}(", 1)
            return f"@{name} = external global {_value_type(text)}"
        return f"@{name} = external global {_value_type(text)}"


def declaration(head: str) -> str:
    """The `declare` for the first line of a `define`."""
    line = head.rstrip().removesuffix("{").rstrip()
    return _TAIL.sub("", _COMDAT.sub("", _unlink("declare", line)))


def variable(text: str) -> str:
    """A global's text after `=`: local and self-contained, or external."""
    kind = _KIND.search(text)
    assert kind is not None
    if _LOCAL_LINKAGE.match(text) and len(text) <= LARGEST_INITIALIZER:
        return text
    if text.startswith(("external ", "extern_weak ")):
        return text
    kept = _LINKAGE.sub("", text[: kind.start()])
    constant = text.startswith(("linkonce_odr", "weak_odr")) or (kind[1] == "constant")
    rest = text[kind.end() :]
    if constant and len(text) <= LARGEST_INITIALIZER:
        return f"internal {kept.replace('dso_local ', '')}{kind[0]}{rest}"
    value = _value_type(rest)
    tail = re.search(r", align \d+", rest[len(value) :])
    return f"external {kept}{kind[0]}{value}{tail[0] if tail else ''}"


def _value_type(text: str) -> str:
    """The type that `text` begins with."""
    depth = 0
    for at, character in enumerate(text):
        if character in "[{(<":
            depth += 1
        elif character in "]})>":
            depth -= 1
        elif character in " ," and depth == 0:
            return text[:at]
    return text


def _unlink(word: str, line: str) -> str:
    """`line` from `define …` as `word …` with external linkage and default visibility."""
    head, at, rest = line.removeprefix("define ").partition("@")
    return f"{word} {_LINKAGE.sub('', head)}{at}{rest}"


def _function_name(line: str) -> str:
    match = _SYMBOL.search(line)
    assert match is not None
    return match[1]


def _body(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if line.startswith("    #dbg_"):
            continue
        yield _DEBUG.sub("", line) if "!dbg" in line or "!DI" in line or "!heap" in line else line
        if line.startswith("}"):
            return
