"""LLVM constants as the operations and attributes that MLIR's LLVM dialect has for them.

Owns the spelling of constants. Invariant: equal texts of one type give equal attributes; anything is spelled somehow.
"""

from __future__ import annotations

import math
import re
import struct

from costmodel.core.errors import ParseError

_NAMES = {
    "null": "llvm.mlir.zero",
    "zeroinitializer": "llvm.mlir.zero",
    "none": "llvm.mlir.zero",
    "undef": "llvm.mlir.undef",
    "poison": "llvm.mlir.poison",
}
_SPLAT = re.compile(r"splat \((?:\S+) (\S+)\)")
_FORMATS = {"f16": (">e", 2), "bf16": (">f", 2), "f32": (">f", 4), "f64": (">d", 8)}
"""How `struct` writes a float, and how many of the bytes the type has."""
_HEX_KINDS = frozenset(_FORMATS)
_SPECIAL = re.compile(r"([+\-]?)(?:[qs](?=nan))?(inf|nan)(?:\(0x[0-9A-Fa-f]+\))?")
_HEX_PREFIXES = "KLMHRf"


def constant_operation(kind: str, text: str) -> tuple[str, str]:
    """Operation name and properties of a constant of an MLIR type; Raises `ParseError` for a bad number."""
    if text.startswith("@"):
        return "llvm.mlir.addressof", f"global_name = {text}"
    name = _NAMES.get(text, "llvm.mlir.constant")
    return name, f"value = {_attribute(kind, text)}" if name == "llvm.mlir.constant" else ""


def _attribute(kind: str, text: str) -> str:
    splat = _SPLAT.fullmatch(text)
    if splat is not None and kind.startswith("vector"):
        element = kind[kind.rindex("x") + 1 : -1]
        return f"dense<{_scalar(element, splat[1])}> : {kind}"
    if text[:1] in "<[{c" or " " in text:
        return f'"{text}"' if '"' not in text else "unit"
    return f"{_scalar(kind, text)} : {kind}" if text not in ("true", "false") else text


def _scalar(kind: str, text: str) -> str:
    """A number as MLIR writes it.

    LLVM prints a float that decimals cannot hold as the bits of a double (`0x...`), halves as `0xH...`; MLIR prints
    what is not finite as the bits of its own type.
    """
    if kind not in _HEX_KINDS:
        return text
    word = _SPECIAL.fullmatch(text)
    if word is not None:
        return _bits(kind, float(f"{word[1]}{word[2]}"))
    if not text.startswith(("0x", "f0x")):
        return text
    digits = text[text.index("x") + 1 :]
    if kind in ("f16", "bf16"):
        return f"0x{digits.lstrip('HR')}"
    if digits[:1] in _HEX_PREFIXES:
        return text
    try:
        number = struct.unpack("<d", bytes.fromhex(f"{digits:0>16}")[::-1])[0]
    except (ValueError, struct.error):
        raise ParseError(f"{text!r} is no hexadecimal float") from None
    return f"{number:.17e}" if math.isfinite(number) else _bits(kind, number)


def _bits(kind: str, number: float) -> str:
    code, size = _FORMATS[kind]
    return f"0x{struct.pack(code, number)[:size].hex().upper()}"
