"""MLIR literals that denote a number exactly."""

from __future__ import annotations

import struct

_PATTERNS = {"f32": ("<f", 8), "f64": ("<d", 16)}


def literal(value: float | int | bool, dtype: str) -> str:
    """MLIR text for `value`; floats of 32 and 64 bits are printed as bit patterns."""
    if dtype == "i1":
        return "true" if value else "false"
    if dtype in _PATTERNS:
        pattern, digits = _PATTERNS[dtype]
        raw = struct.pack(pattern, float(value))
        return f"0x{int.from_bytes(raw, 'little'):0{digits}X}"
    if dtype in ("f16", "bf16"):
        return repr(float(value))
    return str(int(value))
