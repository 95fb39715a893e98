"""Tokens of whole texts, for gathering many: the fast paths where they apply, the tree where they do not.

Owns the choice. Invariant: the same names and tokens as `ir.read(text).functions` give, for generic MLIR and for
LLVM IR as LLVM prints it; only sooner, because no operation tree is built.
"""

from __future__ import annotations

from costmodel.core.errors import ParseError
from costmodel.ir.tokens import check_scheme, cut
from costmodel.ir.tokens.rows import Unusual

Tokens = list[tuple[str, list[str]]]


def tokenize_source(text: str, scheme: str, *, format: str, seed: int | None = None) -> Tokens:
    """Name and tokens of every function of a text.

    Args:
        text: a program.
        scheme: one of `tokens.SCHEMES`.
        format: `mlir` (fast in generic form) or `llvm` (fast always; text that LLVM would upgrade is read as it
            stands); any other reader's name takes that reader.
        seed: draws random numbers for anonymized names.

    Raises:
        UnknownNameError: no scheme or reader of that name.
        ParseError: what the reader raises.
    """
    check_scheme(scheme)
    source = "anonymized" if scheme == "bpe" else scheme
    found = _fast(text, source, format, seed)
    if found is None:
        from costmodel.ir.reading import read

        program = read(text.encode("utf-8", "surrogateescape"), format=format)
        found = [(function.name, function.tokens(source, seed=seed)) for function in program.functions]
    return found if scheme != "bpe" else [(name, cut(tokens)) for name, tokens in found]


def _fast(text: str, scheme: str, format: str, seed: int | None) -> Tokens | None:
    """None where the tree has to be taken, or where the reader has to say what is wrong."""
    try:
        if format == "mlir":
            from costmodel.ir.tokens import generic_text

            return generic_text.function_tokens(text, scheme, seed) or None
        if format == "llvm":
            from costmodel.ir.tokens import llvm_text

            return llvm_text.function_tokens(text, scheme, seed) or None
    except (Unusual, ParseError):
        return None
    return None
