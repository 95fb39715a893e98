"""Special tokens, numbers as magnitudes, and the numbering of anonymized names.

Owns what the tokens of every source share. Invariant: without a seed a number is the order of first appearance within
its class and function, so names as written never show.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from zlib import crc32

import numpy as np

PAD, UNKNOWN, MASK = "<pad>", "<unk>", "<mask>"
FUNCTION, BLOCK, REGION, END = "<function>", "<block>", "<region>", "<end>"
STRING, LONG, REPEAT, CUT = "<string>", "<long>", "<repeat>", "<cut>"
SPECIAL = (PAD, UNKNOWN, FUNCTION, BLOCK, REGION, END, MASK, STRING, LONG, REPEAT, CUT)
"""In this order at the front of every vocabulary.

`<string>` stands for a text that is no short word, `<long>` for the rest of a long attribute, `<repeat>` (followed by
a count) and `<cut>` are left by `reduction.reduce`.
"""

RESULT, ARGUMENT, BLOCK_NAME, SYMBOL = "%var", "%arg", "^block", "@func"
_LARGEST_EXACT = 16
_DRAWN_NUMBERS = 1024


@lru_cache(maxsize=65536)
def magnitude(number: float) -> str:
    """Integers up to 16 as themselves, else sign and power of two: 100 is `2^6`, -5000 is `-2^12`; inf and nan so.

    A number with a fraction is of another class and says so: 0.3 is `f:2^-2`.
    """
    if number != number or math.isinf(number):
        return "nan" if number != number else "inf" if number > 0 else "-inf"
    sign = "-" if number < 0 else ""
    whole = number == int(number)
    if whole and abs(number) <= _LARGEST_EXACT:
        return str(int(number))
    try:
        power = math.frexp(abs(number))[1] - 1
    except OverflowError:
        power = int(abs(number)).bit_length() - 1
    return f"{'' if whole else 'f:'}{sign}2^{power}"


def constant_token(number: float | None) -> str:
    """An operand that is a constant: `c:` and its magnitude, `c:?` where it is no number."""
    return "c:?" if number is None else f"c:{magnitude(number)}"


class Names:
    """Gives keys of a class their tokens: `%var0`, `%var1`, ... ; with a seed, distinct random numbers instead."""

    def __init__(self, seed: int | None) -> None:
        self.tokens: dict[object, str] = {}
        self._makers: dict[str, Callable[[], str]] = {}
        self._seed = seed

    def of(self, key: object, kind: str) -> str:
        """The token of `key`, a new one of class `kind` at its first appearance."""
        found = self.tokens.get(key)
        if found is None:
            found = self.tokens[key] = self.maker(kind)()
        return found

    def new(self, kind: str) -> str:
        """The next token of a class."""
        return self.maker(kind)()

    def maker(self, kind: str) -> Callable[[], str]:
        """What gives the next token of a class, each time it is called."""
        found = self._makers.get(kind)
        if found is None:
            numbers = itertools.count() if self._seed is None else _random((self._seed, crc32(kind.encode())))
            found = self._makers[kind] = map(f"{kind.replace('%', '%%')}%d".__mod__, numbers).__next__
        return found


def _random(seed: tuple[int, int]) -> Iterator[int]:
    """Every number once: a permutation of the first ones, then of as many again."""
    generator = np.random.default_rng(seed)
    first, size = 0, _DRAWN_NUMBERS
    while True:
        for number in generator.permutation(size):
            yield int(number) + first
        first, size = first + size, max(size, first + size)
