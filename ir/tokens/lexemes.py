"""Tokens of text whose structure no reader knows: its lexemes, under the same names of schemes.

Owns the lexer of last resort. Invariant: linear, and no text fails. `ops` keeps words that look like operations,
`ops-operands` adds values, `anonymized` keeps every lexeme but punctuation, names and numbers replaced.
"""

from __future__ import annotations

import math
import re

from costmodel.ir.tokens.attributes import type_parts
from costmodel.ir.tokens.names import (
    ARGUMENT,
    BLOCK_NAME,
    END,
    FUNCTION,
    REGION,
    RESULT,
    STRING,
    SYMBOL,
    Names,
    magnitude,
)

_LEXEME = re.compile(
    r"//[^\n]*+|;[^\n]*+|loc\((?:#[\w]+|unknown|\"[^\"\n]*+\"[^()\n]*+)\)|\"(?:[^\"\\\n]++|\\.)*+\"|%[\w$.\-]++(?:#\d++)?"
    r"|\^[\w$.\-]++|@(?:\"[^\"\n]*+\"|[\w$.\-]++)|(?:tensor|memref|vector)<[^<>\n]*+>|[#!][A-Za-z_][\w$.\-]*+"
    r"|0x[0-9A-Fa-f]++|(?:\d++|\?)x[\w?]*+|-?\d++(?:\.\d*+)?+(?:[eE][+-]?\d++)?+|[A-Za-z_][\w$.]*+|[{}]"
)
_CLASSES = {"%": RESULT, "^": BLOCK_NAME, "@": SYMBOL}


def tokenize_lexemes(text: str, scheme: str, names: Names) -> list[str]:
    """Tokens between `<function>` and `<end>`; equal lexemes give equal tokens."""
    keep = {"ops": _operation, "ops-operands": _operand, "anonymized": _anything}[scheme]
    known: dict[str, tuple[str, ...]] = {}
    tokens = [FUNCTION]
    for lexeme in _LEXEME.findall(text):
        found = known.get(lexeme)
        if found is None:
            found = known[lexeme] = keep(lexeme, names)
        tokens += found
    tokens.append(END)
    return tokens


def _operation(lexeme: str, names: Names) -> tuple[str, ...]:
    word = lexeme.strip('"')
    is_name = "." in word and word[0].isalpha() and word.replace(".", "").replace("_", "").isalnum()
    return (word,) if is_name else ()


def _operand(lexeme: str, names: Names) -> tuple[str, ...]:
    if lexeme[0] == "%":
        return (_value(lexeme, names),)
    return _operation(lexeme, names)


def _value(lexeme: str, names: Names) -> str:
    return names.of(lexeme, ARGUMENT if lexeme.startswith("%arg") else RESULT)


def _anything(lexeme: str, names: Names) -> tuple[str, ...]:
    first = lexeme[0]
    if lexeme.startswith(("//", ";", "loc(")):
        return ()
    if first in "{}":
        return (REGION if first == "{" else END,)
    if first in _CLASSES:
        return (names.of(lexeme, _CLASSES[first]),)
    if lexeme.endswith(">"):
        return type_parts(lexeme)
    if first == '"':
        return _operation(lexeme, names) or (STRING,)
    if first in "-?0123456789":
        return _numbers(lexeme)
    return (lexeme,)


def _numbers(lexeme: str) -> tuple[str, ...]:
    if "x" in lexeme and not lexeme.startswith("0x"):
        parts = [part for part in lexeme.split("x") if part]
        return tuple(magnitude(_float(part)) if part.isdigit() else part for part in parts)
    return (magnitude(_float(lexeme)),)


def _float(text: str) -> float:
    try:
        return float(int(text, 16)) if text.startswith("0x") else float(text)
    except (ValueError, OverflowError):
        return math.inf
