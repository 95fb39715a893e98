"""Token sequences of a function, for models that read programs as text.

Owns the schemes. `ops` and `ops-operands` follow "ML-driven Hardware Cost Model for MLIR" (arXiv 2302.11405): the
operations in order, alone or with their operands, a shape being one token. `anonymized` follows "Scope is all you need"
(arXiv 2308.09440): a name becomes its class and a number, a number its magnitude. `bpe` cuts the anonymized tokens into
learned pieces. Invariant: without a seed the result depends on the program alone; renaming and reformatting do not
change it. Tokens in angle brackets are special.
"""

from __future__ import annotations

from collections.abc import Sequence

from costmodel.core.errors import UnknownNameError
from costmodel.ir.mlir.structure import Operation
from costmodel.ir.tokens.attributes import type_parts, type_token
from costmodel.ir.tokens.lexemes import tokenize_lexemes
from costmodel.ir.tokens.names import SPECIAL, Names, magnitude
from costmodel.ir.tokens.tree import TreeTokenizer, operation_names

SCHEMES = ("ops", "ops-operands", "anonymized", "bpe")
"""`ops`: operation names in order. `ops-operands`: results' types, name, operands. `anonymized`: all but names.

`bpe`: pieces of the anonymized tokens, by the shipped vocabulary.
"""

__all__ = [
    "SCHEMES",
    "SPECIAL",
    "magnitude",
    "tokenize_operation",
    "tokenize_text",
    "type_parts",
    "type_token",
]


def check_scheme(scheme: str) -> None:
    """Raises `UnknownNameError` with the choices for a scheme that there is not."""
    if scheme not in SCHEMES:
        raise UnknownNameError(f"unknown token scheme {scheme!r}; known: {', '.join(SCHEMES)}")


def tokenize_operation(root: Operation, scheme: str, *, seed: int | None = None) -> list[str]:
    """Tokens of a function's operation tree; `seed` draws random numbers for anonymized names.

    Raises:
        UnknownNameError: no scheme of that name.
        MissingDependencyError: `bpe` without the `tokens` extra.
    """
    check_scheme(scheme)
    if scheme == "ops":
        return operation_names(root)
    tokens = TreeTokenizer(scheme != "ops-operands", Names(seed)).run(root)
    return cut(tokens) if scheme == "bpe" else tokens


def tokenize_text(text: str, scheme: str, *, seed: int | None = None) -> list[str]:
    """Tokens of text whose structure no reader knows (see `lexemes`); raises like `tokenize_operation`."""
    check_scheme(scheme)
    tokens = tokenize_lexemes(text, "anonymized" if scheme == "bpe" else scheme, Names(seed))
    return cut(tokens) if scheme == "bpe" else tokens


def cut(tokens: Sequence[str]) -> list[str]:
    """Anonymized tokens in pieces, by the shipped vocabulary of `bpe`."""
    from costmodel.ir.tokens.vocabulary import shipped

    return shipped("bpe").pieces(tokens)
