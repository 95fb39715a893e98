"""Vocabularies: tokens to numbers and back, for one scheme, saved as JSON.

Owns the file form, building from corpora, and the shares of unknown tokens. Invariant: the special tokens stand first,
in the order of `names.SPECIAL`, so `<pad>` is 0 and `<unk>` is 1; a file of another version, another scheme or with
damaged content is refused.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from costmodel.core.errors import Location, ParseError, UnknownNameError, UsageError
from costmodel.core.schema import check_version, require
from costmodel.ir.tokens.names import SPECIAL, UNKNOWN

if TYPE_CHECKING:
    from costmodel.ir.tokens.bpe import Splitter

FORMAT_VERSION = 1
"""Of the file."""
TOKENS_VERSION = 1
"""Of what the schemes emit: grows when a scheme changes, because old numbers then mean something else."""
MAX_FILE_BYTES = 256 << 20

_KIND = "costmodel-vocabulary"
_UNKNOWN_ID = SPECIAL.index(UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """Numbers of a token sequence, and what they could not say."""

    ids: npt.NDArray[np.int32]
    """shape [num_tokens]"""
    unknown: int
    """tokens that are not in the vocabulary"""

    @property
    def unknown_share(self) -> float:
        """Share of the tokens that are not in the vocabulary, 0 for an empty sequence."""
        return self.unknown / len(self.ids) if len(self.ids) else 0.0


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """The tokens of one scheme, a token's number being its position; `merges` are those of `bpe`, in order."""

    scheme: str
    tokens: tuple[str, ...]
    merges: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if self.tokens[: len(SPECIAL)] != SPECIAL:
            raise ParseError(f"a vocabulary begins with the special tokens {' '.join(SPECIAL)}; make it with `build`")
        if len(set(self.tokens)) != len(self.tokens):
            twice = next(token for token, count in Counter(self.tokens).items() if count > 1)
            raise ParseError(f"token {twice!r} stands twice in the vocabulary")

    def __len__(self) -> int:
        return len(self.tokens)

    @cached_property
    def index(self) -> dict[str, int]:
        """Number of each token."""
        return {token: number for number, token in enumerate(self.tokens)}

    @cached_property
    def _splitter(self) -> Splitter:
        from costmodel.ir.tokens.bpe import Splitter

        return Splitter(self.index, self.merges)

    def pieces(self, tokens: Sequence[str]) -> list[str]:
        """Anonymized tokens cut into the pieces of a `bpe` vocabulary; other schemes return the tokens.

        Raises:
            MissingDependencyError: the `tokens` extra is not installed.
        """
        return list(tokens) if self.scheme != "bpe" else self._splitter.split(tokens)

    def encode(self, tokens: Sequence[str]) -> Encoding:
        """Numbers of tokens (for `bpe`: of pieces), unknown ones being `<unk>`."""
        get = self.index.get
        ids = np.fromiter((get(token, _UNKNOWN_ID) for token in tokens), np.int32, len(tokens))
        given = sum(1 for token in tokens if token == UNKNOWN) if UNKNOWN in tokens and self.scheme != "bpe" else 0
        return Encoding(ids=ids, unknown=int((ids == _UNKNOWN_ID).sum()) - given)

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Tokens of numbers; Raises `UsageError` for a number out of range."""
        found = []
        for number in ids:
            if not 0 <= int(number) < len(self.tokens):
                raise UsageError(f"token number {int(number)} is not in [0, {len(self.tokens)}) of this vocabulary")
            found.append(self.tokens[int(number)])
        return found

    def save(self, path: Path | str) -> None:
        """Write the JSON file; Raises `UsageError` where that fails."""
        document = {
            "kind": _KIND,
            "schema_version": FORMAT_VERSION,
            "tokens_version": TOKENS_VERSION,
            "scheme": self.scheme,
            "special_tokens": list(SPECIAL),
            "unknown_token": UNKNOWN,
            "sha256": _digest(self.tokens, self.merges),
            "tokens": list(self.tokens),
            "merges": [list(pair) for pair in self.merges],
        }
        try:
            Path(path).write_text(json.dumps(document, ensure_ascii=True, indent=0) + "\n", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"cannot write {str(path)!r}: {error.strerror or error}") from None

    @staticmethod
    def load(path: Path | str, *, scheme: str | None = None) -> Vocabulary:
        """Read a file that `save` wrote.

        Raises:
            UsageError: it cannot be read, or it is of another scheme than `scheme`.
            ParseError: it is no vocabulary, of another version, or damaged.
        """
        document = _document(Path(path))
        what = f"vocabulary {str(path)!r}"
        if document.get("kind") != _KIND:
            raise ParseError(f"{what}: this is no vocabulary (kind {document.get('kind')!r}, expected {_KIND!r})")
        check_version(document, FORMAT_VERSION, what)
        if document.get("tokens_version") != TOKENS_VERSION:
            raise ParseError(
                f"{what}: made for version {document.get('tokens_version')!r} of the token schemes, this is version "
                f"{TOKENS_VERSION}; build it anew"
            )
        found = str(require(document, "scheme", str, what))
        if scheme is not None and found != scheme:
            raise UsageError(f"{what} is of scheme {found!r}, not {scheme!r}; give `--scheme {found}` or another file")
        tokens = _texts(document, "tokens", what)
        merges = _merges(document, what)
        if document.get("sha256") != _digest(tokens, merges):
            raise ParseError(f"{what}: the tokens do not match their checksum; the file is damaged, get it again")
        return Vocabulary(scheme=found, tokens=tokens, merges=merges)

    @staticmethod
    def build(
        sequences: Iterable[Sequence[str]], scheme: str, *, min_count: int = 1, max_size: int | None = None
    ) -> Vocabulary:
        """The vocabulary of token sequences: most frequent first, ties in the order of the text.

        Args:
            sequences: tokens of functions under `scheme`; anonymized tokens for `bpe`.
            scheme: the scheme they are of.
            min_count: tokens seen less often are left out.
            max_size: tokens at most, special ones included; `bpe` needs it to know when to stop merging (default 4096).

        Raises:
            UsageError: `min_count` or `max_size` leaves no room.
            MissingDependencyError: `bpe` without the `tokens` extra.
        """
        if min_count < 1 or (max_size is not None and max_size <= len(SPECIAL)):
            raise UsageError(
                f"a vocabulary needs min_count of at least 1 and max_size above {len(SPECIAL)} (its special tokens), "
                f"given {min_count} and {max_size}"
            )
        if scheme == "bpe":
            from costmodel.ir.tokens.bpe import train

            tokens, merges = train(sequences, min_count=min_count, max_size=max_size or 4096)
            return Vocabulary(scheme=scheme, tokens=tokens, merges=merges)
        counts: Counter[str] = Counter()
        for sequence in sequences:
            counts.update(sequence)
        kept = [token for token, count in counts.items() if count >= min_count and token not in SPECIAL]
        kept.sort(key=lambda token: (-counts[token], token))
        room = None if max_size is None else max_size - len(SPECIAL)
        return Vocabulary(scheme=scheme, tokens=(*SPECIAL, *kept[:room]))


@lru_cache(maxsize=8)
def shipped(scheme: str) -> Vocabulary:
    """The vocabulary that comes with the package; Raises `UnknownNameError` for a scheme that has none."""
    path = Path(__file__).parent / f"vocabulary_{scheme.replace('-', '_')}.json"
    if not path.is_file():
        raise UnknownNameError(f"no vocabulary is shipped for scheme {scheme!r}; give one")
    return Vocabulary.load(path, scheme=scheme)


def _digest(tokens: Sequence[str], merges: Sequence[Sequence[str]]) -> str:
    text = json.dumps([list(tokens), [list(pair) for pair in merges]], ensure_ascii=True)
    return sha256(text.encode()).hexdigest()


def _document(path: Path) -> dict[str, object]:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ParseError(f"vocabulary {str(path)!r} is larger than {MAX_FILE_BYTES} bytes; it is no vocabulary")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot read vocabulary {str(path)!r}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ParseError(f"vocabulary {str(path)!r} is not UTF-8 text; it is no vocabulary") from None
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        location = Location(file=str(path), line=error.lineno, column=error.colno)
        raise ParseError(f"this vocabulary is no JSON: {error.msg}", location=location) from None
    except RecursionError:
        raise ParseError(f"vocabulary {str(path)!r} is nested too deeply; it is no vocabulary") from None
    if not isinstance(document, dict):
        raise ParseError(f"vocabulary {str(path)!r}: expected a JSON object, found {type(document).__name__}")
    return document


def _texts(document: dict[str, object], name: str, what: str) -> tuple[str, ...]:
    values = cast("list[object]", require(document, name, list, what))
    if not all(isinstance(value, str) for value in values):
        raise ParseError(f"{what}: field {name!r} holds something that is no text")
    return tuple(cast("list[str]", values))


def _merges(document: dict[str, object], what: str) -> tuple[tuple[str, str], ...]:
    found = []
    for pair in cast("list[object]", require(document, "merges", list, what)):
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair)):
            raise ParseError(f"{what}: field 'merges' holds {pair!r}, expected pairs of texts")
        found.append((pair[0], pair[1]))
    return tuple(found)
