"""Hashes of texts of IR that names do not sway.

Owns what counts as a name in a property or type text. Invariant: equal over runs and machines.
"""

from __future__ import annotations

import re
from hashlib import blake2b

_MAX_TEXTS = 1 << 16
_MAX_LENGTH = 1 << 12
"""Of a text that is kept: constants may hold megabytes."""
_NAMES = re.compile(
    r"@(?:\"[^\"]*\"|[\w.$-]+)|(?<=struct<)(?:\"[^\"]*\"|(?!packed\b|opaque\b)[\w.$-]+)(?:, )?"
    r"|[#!][A-Za-z_]\w*(?![\w.<])|\s"
)
"""Symbols, names of structs, aliases of attributes and types; and spaces, which only format."""


class _Texts(dict[str, int]):
    """Hashes of 64 bits, by text; bounded."""

    def __missing__(self, text: str) -> int:
        plain = _NAMES.sub("", text).encode("utf-8", "surrogatepass")
        found = int.from_bytes(blake2b(plain, digest_size=8).digest(), "little")
        if len(text) <= _MAX_LENGTH:
            if len(self) > _MAX_TEXTS:
                self.clear()
            self[text] = found
        return found


hash_of = _Texts().__getitem__
"""The hash of a text without its names."""
