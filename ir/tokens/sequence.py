"""From a function to a sequence that a model can take: tokens, reduced, in pieces.

Owns the order of the steps: the scheme's tokens, the reduction, then (for `bpe`) the pieces.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from costmodel.ir.tokens.reduction import MIN_TOKENS, reduce
from costmodel.ir.tokens.vocabulary import Vocabulary


class Tokenized(Protocol):
    """Something with tokens: an `ir.Function`."""

    def tokens(self, scheme: str, *, seed: int | None = None) -> list[str]:
        """Tokens under a scheme."""
        ...


def sequence(
    function: Tokenized, vocabulary: Vocabulary, *, seed: int | None = None, max_tokens: int | None = None
) -> list[str]:
    """Tokens of a function under the vocabulary's scheme (pieces for `bpe`), at most `max_tokens`.

    Raises:
        UsageError: `max_tokens` is below `reduction.MIN_TOKENS`.
        MissingDependencyError: `bpe` without the `tokens` extra.
    """
    scheme = "anonymized" if vocabulary.scheme == "bpe" else vocabulary.scheme
    return fit(function.tokens(scheme, seed=seed), vocabulary, max_tokens)


def fit(tokens: Sequence[str], vocabulary: Vocabulary, max_tokens: int | None) -> list[str]:
    """Reduce tokens until they, or their pieces, are at most `max_tokens`."""
    if max_tokens is None:
        return vocabulary.pieces(tokens)
    room = max_tokens
    while True:
        pieces = vocabulary.pieces(reduce(tokens, room))
        if len(pieces) <= max_tokens or room <= MIN_TOKENS:
            return pieces
        room = max(MIN_TOKENS, min(room - 1, room * max_tokens // len(pieces)))
