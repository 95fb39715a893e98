"""Symbols of a module: which ones code reaches directly, and which functions are bound before they are called.

Owns what an LLVM module's text says of its symbols, kept for a few modules.
"""

from __future__ import annotations

import re

from costmodel.ir.features.machine_costs import is_symbol
from costmodel.ir.features.scan import Scan
from costmodel.ir.mlir.structure import Operation, Value


def constant_key(value: Value, local: frozenset[str]) -> tuple[object, ...]:
    """What tells constants apart that make another row; `("address", text, whether it is local)` for symbols."""
    owner = value.owner
    if not isinstance(owner, Operation):
        return (value.type_text,)
    if not is_symbol(owner):
        return (value.type_text, owner.name, owner._property_text)
    text = owner._property_text
    symbol = _name(text[text.index("@") + 1 :])
    return ("address", text, symbol in local)


def _name(text: str) -> str:
    """The symbol that begins a text without its `@`."""
    if text.startswith('"'):
        return text[1 : text.find('"', 1)]
    found = _WORD.match(text)
    return found[0] if found is not None else text


def local_symbols(scan: Scan) -> frozenset[str]:
    """Symbols of the module that are reached without a table of offsets: those no other module can see."""
    owners = [value.owner for value in scan.outside]
    if not any(isinstance(owner, Operation) and is_symbol(owner) for owner in owners):
        return _NONE
    return _symbols(_text(scan))[0]


def eager_functions(scan: Scan) -> frozenset[str]:
    """Functions that are bound when the program is loaded: calls go through the table of offsets."""
    return _symbols(_text(scan))[1]


def fills_memory(scan: Scan) -> bool:
    """Whether the function's first argument says where its result goes (`sret`)."""
    function = scan.blocks[0].block.parent.parent
    text, offset = function._chunk.source.text, function.offset
    end = text.find("\n", offset)
    return _FILLED.search(text, offset, end if end >= 0 else len(text)) is not None


def _symbols(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """Of a module: symbols no other one can see, and functions that are called through the table of offsets."""
    known = _SYMBOLS.get(text)
    if known is not None:
        return known
    local = frozenset(name.strip('"') for name in _LOCAL.findall(text))
    eager: frozenset[str] = _NONE
    if "nonlazybind" in text:
        groups = frozenset(_EAGER.findall(text))
        eager = frozenset(name.strip('"') for name, group in _DECLARED.findall(text) if group in groups)
    if len(_SYMBOLS) >= _MOST_MODULES:
        _SYMBOLS.clear()
    _SYMBOLS[text] = local, eager
    return local, eager


def _text(scan: Scan) -> str:
    return scan.blocks[0].block.parent.parent._chunk.source.text


_NONE: frozenset[str] = frozenset()
_MOST_MODULES = 4
_SYMBOLS: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
_LOCAL = re.compile(
    r'^@("[^"\n]*"|[\w$.\-]+) = (?:linkonce |weak )?(?:private|internal|dso_local|(?:external )?hidden)\b', re.MULTILINE
)
_FILLED = re.compile(
    r"\((?:ptr|%[\w$.\-]+: !llvm\.ptr)[^,\n]*?[ .]sret(?:\(| = )|\barg_attrs = \[\{[^{}\n]*\bllvm\.sret\b"
)
"""Of LLVM's text, of MLIR's custom form, of its generic form."""
_WORD = re.compile(r"[\w$.\-]+")
_EAGER = re.compile(r"^attributes #(\d+) = \{[^\n]*\bnonlazybind\b", re.MULTILINE)
_DECLARED = re.compile(r'^declare [^\n]*?@("[^"\n]*"|[\w$.\-]+)\([^\n]*\) (?:[a-z_]+ )*#(\d+)', re.MULTILINE)
