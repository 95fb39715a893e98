"""Tokens of types and attributes: the parts of an operation that do not depend on names of values.

Owns two spellings of a type (one token, or its parts with sizes as magnitudes) and the lexing of attributes.
Invariant: white space, comments and the names of aliases, of structs and of affine dimensions never show. A token that
begins with `@` stands for a symbol as written; whoever emits it replaces it by a number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import islice

from costmodel.ir import semantics
from costmodel.ir.mlir.attributes import Attribute
from costmodel.ir.mlir.types import MemRefType, OtherType, ScalarType, ShapedType, parse_type
from costmodel.ir.tokens.names import LONG, STRING, magnitude

Dictionary = Mapping[str, Attribute]

MAX_TOKENS = 48
"""Tokens of one attribute, at most; the rest becomes `<long>`."""

_HIDDEN = frozenset(
    ("arg_attrs", "function_type", "res_attrs", "sym_name", "sym_visibility", "value_type", "var_callee_type")
)
_STRUCT_NAME = re.compile(r"(!llvm\.struct<)(?:\"[^\"]*\"|[\w$.\-]+)(?:,\s*)?")
_LEXEME = re.compile(
    r"//[^\n]*|affine_(?:map|set)<(?:[^<>\-]++|->|-|>=)*+>|(?:tensor|memref|vector)<(?:[^<>]|<(?:[^<>]|<[^<>]*+>)*+>)*+>"
    r"|\"(?:[^\"\\]|\\.)*+\"|@(?:\"[^\"]*\"|[\w$.\-]+)|0x[0-9A-Fa-f]+|-?\d+(?:\.\d*+(?:[eE][+-]?\d+)?)?(?![\w])"
    r"|[#!]?[A-Za-z_][\w$.\-]*+"
)
_PLAIN_WORD = re.compile(r"\"([A-Za-z_][\w.\-]{0,31})\"")
_NUMBER_START = "-0123456789"


@lru_cache(maxsize=65536)
def type_token(text: str) -> str:
    """A type as one token; shapes stay exact (`tensor<4x?xf32>`), layouts and encodings are dropped."""
    kind = parse_type(text)
    if isinstance(kind, ScalarType):
        return kind.name
    if isinstance(kind, OtherType):
        return "".join(_STRUCT_NAME.sub(r"\1", semantics.canonical_attribute(kind.text)).split())
    name = type(kind).__name__.removesuffix("Type").lower()
    shape = "*x" if kind.shape is None else "".join(f"{'?' if size is None else size}x" for size in kind.shape)
    return f"{name}<{shape}{''.join(str(kind.element).split())}>"


@lru_cache(maxsize=65536)
def type_parts(text: str) -> tuple[str, ...]:
    """A type in parts: `tensor<1x64x?xf32>` is `tensor 1 2^6 ? f32`; layout and memory space of a memref follow."""
    kind = parse_type(text)
    if isinstance(kind, ScalarType):
        return (kind.name,)
    if isinstance(kind, OtherType):
        return tuple(_lex(_STRUCT_NAME.sub(r"\1", kind.text), 0))
    shape = ("*",) if kind.shape is None else tuple("?" if size is None else magnitude(size) for size in kind.shape)
    suffix = tuple(_lex(kind.suffix, 0)) if isinstance(kind, MemRefType) and kind.suffix else ()
    return (type(kind).__name__.removesuffix("Type").lower(), *shape, *type_parts(str(kind.element)), *suffix)


def attribute_tokens(properties: Dictionary, attributes: Dictionary) -> list[str]:
    """Name and value of every attribute that says something, in the order of the names."""
    found: list[str] = []
    for name, text in sorted([*properties.items(), *attributes.items()]):
        if name not in _HIDDEN:
            found.append(name)
            found += _value(text)
    return found


def _value(text: Attribute) -> list[str]:
    number = semantics.number_of(text)
    if number is not None:
        return [magnitude(number)]
    if text == "unit":
        return []
    return _lex(_STRUCT_NAME.sub(r"\1", text) if "!llvm.struct<" in text else text, 0)


def _lex(text: str, depth: int) -> list[str]:
    tokens: list[str] = []
    for match in islice(_LEXEME.finditer(text), MAX_TOKENS + 1):
        if len(tokens) >= MAX_TOKENS:
            return [*tokens[:MAX_TOKENS], LONG]
        tokens += _lexeme(match[0], depth)
    return tokens


def _lexeme(lexeme: str, depth: int) -> tuple[str, ...]:
    first = lexeme[0]
    if first == "/":
        return ()
    if first == '"':
        word = _PLAIN_WORD.fullmatch(lexeme)
        return (word[1] if word else STRING,)
    if first in _NUMBER_START:
        return (_number(lexeme),)
    if lexeme.startswith("affine_"):
        return ("".join(semantics.canonical_attribute(lexeme).split()),)
    if lexeme.endswith(">") and depth == 0 and first in "tmv":
        return _shaped(lexeme)
    return (lexeme,)


def _shaped(text: str) -> tuple[str, ...]:
    kind = parse_type(text)
    return type_parts(text) if isinstance(kind, ShapedType) else tuple(_lex(text[text.index("<") + 1 : -1], 1))


def _number(text: str) -> str:
    try:
        return magnitude(float(int(text, 16)) if text.startswith("0x") else float(text))
    except OverflowError:
        return "inf"
