"""LLVM's optimisation remarks, read: the subset of YAML that `-pass-remarks-output` writes.

Owns that subset; it is not a YAML parser. Source: llvm/lib/Remarks/YAMLRemarkSerializer.cpp.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FIELD = re.compile(r"^(Pass|Name|Function): +(.*)$")
_ARGUMENT = re.compile(r"^  - (\w+): +(.*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One remark. `numbers` are those of its arguments that are whole numbers, by key."""

    pass_name: str
    name: str
    function: str
    numbers: dict[str, int]


def parse_remarks(text: str) -> Iterator[Remark]:
    """The remarks of a file in order."""
    for document in text.split("\n...\n"):
        fields: dict[str, str] = {}
        numbers: dict[str, int] = {}
        for line in document.splitlines():
            if field := _FIELD.match(line):
                fields[field[1]] = _scalar(field[2])
            elif (argument := _ARGUMENT.match(line)) and _scalar(argument[2]).isdigit():
                numbers[argument[1]] = int(_scalar(argument[2]))
        if "Pass" in fields:
            yield Remark(
                pass_name=fields["Pass"],
                name=fields.get("Name", ""),
                function=fields.get("Function", ""),
                numbers=numbers,
            )


def _scalar(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
