"""Half precision for CPUs that convert it but do not compute with it: fused multiply-adds go through single precision.

Owns a rewrite of LLVM IR text. LLVM 22 itself computes `llvm.fma` on halves lane by lane in double precision and rounds
by a function of the compiler's runtime library (`__truncdfhf2`), which neither the process nor a shared library of ours
has. Through single precision it is vector instructions (F16C, Neon), and one rounding more, within the bounds outputs
are checked by.
"""

from __future__ import annotations

import re

NATIVE = ("avx512fp16", "fullfp16", "zvfh", "zfh")
"""LLVM's names of features with which a CPU multiplies and adds halves."""

_HALVES = r"(?:half|<(?:vscale x )?\d+ x half>)"
_NAME = r"%(?:\"[^\"\n]*\"|[^\s\"]+)"
_FMA = re.compile(
    rf"^(?P<indent> *)(?P<name>{_NAME}) = (?:tail )?call (?:[a-z]+ )*(?P<type>{_HALVES}) @llvm\.fma\.\w+"
    r"\((?P=type) (?P<a>.+), (?P=type) (?P<b>.+), (?P=type) (?P<c>.+)\)(?P<rest>[^)\n]*)$",
    re.MULTILINE,
)
_NARROW = re.compile(
    rf"^(?P<indent> *)(?P<name>{_NAME}) = fptrunc (?P<from>double|<(?:vscale x )?\d+ x double>) (?P<value>.+) "
    rf"to (?P<to>{_HALVES})(?P<rest>[^)\n]*)$",
    re.MULTILINE,
)


def computes_halves(features: str) -> bool:
    """Whether a CPU with these features (`+f16c,+avx512fp16,-…`, LLVM's notation) adds and multiplies halves."""
    there = set(features.split(","))
    return any(f"+{name}" in there for name in NATIVE)


def through_single(ir: str) -> str:
    """LLVM IR whose fused multiply-adds of halves, and roundings of doubles to halves, go through `float`.

    Named values are added, so that unnamed ones keep their numbers; all else is returned as it is.
    """
    return _NARROW.sub(_narrowed, _FMA.sub(_fused, ir)) if "half" in ir else ir


def _fused(found: re.Match[str]) -> str:
    indent, name, halves, rest = (found[part] for part in ("indent", "name", "type", "rest"))
    floats = halves.replace("half", "float")
    own = [_own(name, part) for part in "abcd"]
    lanes = halves.strip("<>").split(" x ")
    suffix = "f32" if len(lanes) == 1 else f"{'nx' if len(lanes) == 3 else ''}v{lanes[-2]}f32"
    lines = [f"{new} = fpext {halves} {found[part]} to {floats}" for new, part in zip(own, "abc", strict=False)]
    operands = ", ".join(f"{floats} {new}" for new in own[:3])
    lines.append(f"{own[3]} = call {floats} @llvm.fma.{suffix}({operands})")
    lines.append(f"{name} = fptrunc {floats} {own[3]} to {halves}{rest if rest.startswith(', !') else ''}")
    return "\n".join(indent + line for line in lines)


def _narrowed(found: re.Match[str]) -> str:
    indent, name, wide = found["indent"], found["name"], found["from"]
    floats, middle = wide.replace("double", "float"), _own(name, "d")
    first = f"{middle} = fptrunc {wide} {found['value']} to {floats}"
    return f"{indent}{first}\n{indent}{name} = fptrunc {floats} {middle} to {found['to']}{found['rest']}"


def _own(name: str, part: str) -> str:
    """The name of a value that the value `name` is computed from."""
    bare = f"half.{name[1:].strip(chr(34))}.{part}"
    return f'%"{bare}"' if name[1] == '"' else f"%{bare}"
