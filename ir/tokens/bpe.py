"""Byte-pair encoding of anonymized tokens, through the `tokenizers` library (Sennrich et al., arXiv 1508.07909).

Owns the conversation with the library: a token is a word, its first piece begins with `▁`, special tokens are never
cut. Invariant: the same corpus gives the same merges and these the same pieces (the library's own mark of continuing
pieces numbers them in the order of a hash table, so it is not used); nothing of its file form is stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType

from costmodel.core.errors import MissingDependencyError, ParseError
from costmodel.ir.tokens.names import SPECIAL, UNKNOWN

BEGINS = "▁"
"""Marks the first piece of a token."""


def library() -> ModuleType:
    """The `tokenizers` package; Raises `MissingDependencyError` naming the extra."""
    try:
        import tokenizers
    except ImportError:
        raise MissingDependencyError(
            "the bpe scheme needs the Python package 'tokenizers'; pip install 'costmodel-ir[tokens]'"
        ) from None
    module: ModuleType = tokenizers
    return module


class Splitter:
    """Cuts tokens into pieces; remembers every token it has seen."""

    def __init__(self, index: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> None:
        """Raises `ParseError` where the merges do not fit the tokens."""
        for pair in merges:
            if not all(part in index for part in (*pair, "".join(pair))):
                raise ParseError(f"the vocabulary has merge {pair!r} but not all of its parts and its result")
        self._model = library().models.BPE(dict(index), list(merges), unk_token=UNKNOWN, fuse_unk=True)
        self._known: dict[str, list[str]] = {token: [token] for token in SPECIAL}

    def split(self, tokens: Sequence[str]) -> list[str]:
        """Pieces of each token, one after another."""
        known, found = self._known, list[str]()
        for token in tokens:
            pieces = known.get(token)
            if pieces is None:
                pieces = known[token] = [piece.value for piece in self._model.tokenize(BEGINS + token)]
            found += pieces
        return found


def train(
    sequences: Iterable[Sequence[str]], *, min_count: int, max_size: int
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Tokens and merges learned from anonymized sequences; raises like `library`."""
    import json

    tokenizers = library()
    model = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token=UNKNOWN))
    model.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=max_size,
        min_frequency=min_count,
        special_tokens=list(SPECIAL),
        show_progress=False,
    )
    special = frozenset(SPECIAL)
    words = (" ".join(BEGINS + token for token in sequence if token not in special) for sequence in sequences)
    model.train_from_iterator(words, trainer)
    document = json.loads(model.to_str())["model"]
    index: dict[str, int] = document["vocab"]
    merges = tuple(_pair(merge) for merge in document["merges"])
    return tuple(sorted(index, key=index.__getitem__)), merges


def _pair(merge: str | list[str]) -> tuple[str, str]:
    first, second = merge.split(" ") if isinstance(merge, str) else merge
    return first, second
