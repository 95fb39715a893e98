"""New names for values, blocks and functions of LLVM IR."""

from __future__ import annotations

import re

import numpy as np

from costmodel.ir.rewrites.llvm_text import parse
from costmodel.ir.rewrites.names import fresh_names

_TYPE_NAME = re.compile(r'^(%"[^"\n]*"|%[\w$.\-]+) = type ', re.MULTILINE)
_DEFINED = re.compile(r'^define [^@\n]*@("[^"\n]*"|[\w$.\-]+)\(', re.MULTILINE)
_GLOBAL = re.compile(r'"[^"\n]*"|[@$](?:"[^"\n]*"|[\w$.\-]+)')
_KEPT = ("main", "llvm.", '"llvm.')


def rename(text: str, rng: np.random.Generator) -> str | None:
    """Random names for values, blocks and the functions that the module defines (`main` excepted)."""
    module = parse(text)
    if not module.functions:
        return None
    types = {match[1] for match in _TYPE_NAME.finditer(text)}
    for function in module.functions:
        names = sorted(function.locals() - types)
        fresh = fresh_names(len(names), rng)
        function.substitute({old: f"%{new}" for old, new in zip(names, fresh, strict=True)})
    rendered = module.render()
    symbols = sorted({match[1] for match in _DEFINED.finditer(rendered) if not match[1].startswith(_KEPT)})
    fresh = fresh_names(len(symbols), rng, prefix="fn_")
    renamed = {sigil + old: sigil + new for old, new in zip(symbols, fresh, strict=True) for sigil in ("@", "$")}
    return _GLOBAL.sub(lambda match: renamed.get(match[0], match[0]), rendered)
