"""Schedule text, version 1: `v1; fuse(producers=1); tile(level=cache, m=64, n=256); order(m, n, k); vectorize(16)`.

Owns the syntax. Invariant: `parse_schedule(str(s)) == s`. What a step means for a kernel is in `plan.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from costmodel.core.errors import Location, ParseError

VERSION = "v1"
Argument = int | str
_TOKEN = re.compile(r"\s*(?:(?P<name>[A-Za-z_][A-Za-z_0-9]*)|(?P<number>-?\d+)|(?P<mark>[();,=]))")
# step -> (positional kind, keyword kind): "dim" takes names, "size" takes positive integers, "count" also zero
STEPS: dict[str, tuple[str | None, str | None]] = {
    "fuse": (None, "count"),
    "tile": (None, "size"),
    "order": ("dim", None),
    "pack": ("dim", None),
    "vectorize": ("size", "dim"),
    "unroll": (None, "size"),
}
LEVELS = ("cache", "register")
OPERAND_NAMES = "abcdefghijklmnop"
_FUSE_KEYS = ("producers", "consumers", "depth")


@dataclass(frozen=True, slots=True)
class Step:
    """One step: positional and keyword arguments in the order they were written."""

    name: str
    args: tuple[Argument, ...] = ()
    kwargs: tuple[tuple[str, Argument], ...] = ()

    def get(self, key: str) -> Argument | None:
        """The keyword argument, or None."""
        return next((v for k, v in self.kwargs if k == key), None)

    def sizes(self) -> dict[str, int]:
        """Keyword arguments that are numbers."""
        return {k: v for k, v in self.kwargs if isinstance(v, int)}

    def __str__(self) -> str:
        parts = [str(a) for a in self.args] + [f"{k}={v}" for k, v in self.kwargs]
        return f"{self.name}({', '.join(parts)})"


@dataclass(frozen=True, slots=True)
class Schedule:
    """A sequence of steps. An empty schedule is the plain loop nest."""

    steps: tuple[Step, ...] = ()

    def __str__(self) -> str:
        return "; ".join([VERSION, *map(str, self.steps)])

    def find(self, name: str, level: str | None = None) -> Step | None:
        """The first step of a name (and level), or None."""
        return next((s for s in self.steps if s.name == name and (level is None or s.get("level") == level)), None)


def parse_schedule(text: str) -> Schedule:
    """Read schedule text; raises `ParseError` with the column of what is wrong."""
    return _Parser(text).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, str, int]] = []
        position = 0
        while position < len(text.rstrip()):
            match = _TOKEN.match(text, position)
            if match is None:
                at = len(text) - len(text[position:].lstrip())
                raise self.error(f"unexpected {text[at]!r}", at)
            kind = str(match.lastgroup)
            self.tokens.append((kind, match.group(kind), match.start(kind)))
            position = match.end()
        self.at = 0

    def error(self, message: str, offset: int) -> ParseError:
        return ParseError(message, location=Location(file="<schedule>", line=1, column=offset + 1))

    def peek(self) -> tuple[str, str, int]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "end of text", len(self.text))

    def take(self, kind: str, value: str | None = None) -> tuple[str, int]:
        found_kind, found, offset = self.peek()
        if found_kind != kind or (value is not None and found != value):
            raise self.error(f"found {found!r}, expected {value or ('a ' + kind)!r}", offset)
        self.at += 1
        return found, offset

    def parse(self) -> Schedule:
        version, offset = self.take("name")
        if version != VERSION:
            raise self.error(f"schedule version {version!r} is not known here; this program reads {VERSION!r}", offset)
        steps = []
        while self.peek()[0] != "end":
            self.take("mark", ";")
            steps.append(self.step())
        return Schedule(tuple(steps))

    def step(self) -> Step:
        name, offset = self.take("name")
        if name not in STEPS:
            raise self.error(f"unknown step {name!r}; known: {', '.join(sorted(STEPS))}", offset)
        self.take("mark", "(")
        args: list[Argument] = []
        kwargs: list[tuple[str, Argument]] = []
        while self.peek()[1] != ")":
            if args or kwargs:
                self.take("mark", ",")
            self.argument(name, args, kwargs)
        self.take("mark", ")")
        step = Step(name, tuple(args), tuple(kwargs))
        self.check(step, offset)
        return step

    def argument(self, step: str, args: list[Argument], kwargs: list[tuple[str, Argument]]) -> None:
        kind, value, offset = self.peek()
        if kind not in ("name", "number"):
            raise self.error(f"found {value!r}, expected an argument", offset)
        self.at += 1
        positional, keyword = STEPS[step]
        if self.peek()[1] == "=" and kind == "name":
            self.take("mark", "=")
            if any(k == value for k, _ in kwargs):
                raise self.error(f"{step} has {value!r} twice", offset)
            kwargs.append((value, self.value("level" if value == "level" and step == "tile" else keyword, step)))
            return
        if kwargs:
            raise self.error("a positional argument after a keyword argument", offset)
        self.at -= 1
        args.append(self.value(positional, step))

    def value(self, kind: str | None, step: str) -> Argument:
        found, text, offset = self.peek()
        self.at += 1
        if kind == "level" and text in LEVELS:
            return text
        if kind == "dim" and found == "name":
            return text
        if kind in ("size", "count") and found == "number" and int(text) >= (kind == "size"):
            return int(text)
        wanted = {
            "level": " or ".join(LEVELS),
            "dim": "a name",
            "size": "a positive integer",
            "count": "an integer, 0 or more",
        }
        raise self.error(f"{step} got {text!r}, expected {wanted.get(kind or '', 'no such argument')}", offset)

    def check(self, step: Step, offset: int) -> None:
        if step.name == "tile" and step.get("level") is None:
            raise self.error(f"tile needs level={' or level='.join(LEVELS)}", offset)
        if step.name == "vectorize" and (len(step.args) != 1 or any(k != "dim" for k, _ in step.kwargs)):
            raise self.error("vectorize takes one number of lanes, and dim=NAME", offset)
        if step.name == "fuse" and any(k not in _FUSE_KEYS for k, _ in step.kwargs):
            raise self.error(f"fuse takes {', '.join(_FUSE_KEYS)}", offset)
        if len(set(step.args)) != len(step.args):
            raise self.error(f"{step.name} names something twice", offset)
