"""New names, another layout and debug locations for MLIR in generic form."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from costmodel.ir.mlir.attributes import Attribute
from costmodel.ir.mlir.generic import parse_generic
from costmodel.ir.mlir.structure import MlirModule
from costmodel.ir.rewrites.names import fresh_names
from costmodel.ir.rewrites.printing import Style, print_module

_SYMBOL = re.compile(r'"(?:[^"\\\n]|\\.)*"|@[\w$.\-]+')
_SYMBOL_NAME = re.compile(r'sym_name = "([\w$.\-]+)"')
_COMMENTS = (" // a comment\n", ' // "quoted\n', " // ({ %0\n")


class _Renamed(Style):
    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def value_name(self, number: int) -> str:
        return f"{fresh_names(1, self.rng)[0]}{number}"

    def block_name(self, number: int) -> str:
        return f"{fresh_names(1, self.rng)[0]}{number}"


class _Spaced(Style):
    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def space(self) -> str:
        chance = self.rng.random()
        if chance < 0.85:
            return " "
        return "  " if chance < 0.95 else "\n  "

    def newline(self, depth: int) -> str:
        comment = _COMMENTS[int(self.rng.integers(len(_COMMENTS)))] if self.rng.random() < 0.15 else "\n"
        return comment + " " * int(self.rng.integers(0, 7))

    def entries(self, dictionary: Mapping[str, Attribute]) -> list[tuple[str, Attribute]]:
        items = list(dictionary.items())
        return [items[index] for index in self.rng.permutation(len(items))]


class _Located(Style):
    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def location(self) -> str:
        line, column = (int(value) for value in self.rng.integers(1, 500, 2))
        return f' loc("rewritten.mlir":{line}:{column})'


def rename(text: str, rng: np.random.Generator) -> str | None:
    """Random names for values, blocks and the functions with bodies (`main` excepted)."""
    module = parse_generic(text)
    printed = print_module(module, _Renamed(rng))
    symbols = _symbols(module)
    fresh = dict(zip(symbols, fresh_names(len(symbols), rng, prefix="fn_"), strict=True))
    printed = _SYMBOL_NAME.sub(lambda match: f'sym_name = "{fresh.get(match[1], match[1])}"', printed)
    return _SYMBOL.sub(lambda match: f"@{fresh[match[0][1:]]}" if match[0][1:] in fresh else match[0], printed)


def _symbols(module: MlirModule) -> list[str]:
    """Functions with bodies whose name is bare and means one thing only."""
    names = [
        operation.symbol or ""
        for operation in module.walk()
        if operation.name.rpartition(".")[2] in ("func", "kernel")
        and any(region.blocks for region in operation.regions)
    ]
    return sorted({name for name in names if re.fullmatch(r"[\w$.\-]+", name) and name != "main"})


def reformat(text: str, rng: np.random.Generator) -> str | None:
    """Other spaces, line breaks, comments and order of attributes."""
    return print_module(parse_generic(text), _Spaced(rng))


def add_locations(text: str, rng: np.random.Generator) -> str | None:
    """A file location for each operation (those that there were are dropped)."""
    return print_module(parse_generic(text), _Located(rng))
