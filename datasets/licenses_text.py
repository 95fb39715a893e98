"""Which licence a text is, by phrases that the licence has and its relatives have not.

Owns the table of common licences. Source: the texts of the SPDX licence list. Invariant: a text that is not surely one
of them is None, never a guess.
"""

from __future__ import annotations

import re

_WORDS = re.compile(r"[^a-z0-9.]+")

_MIT = "permission is hereby granted free of charge"
_APACHE = "apache license version 2.0 january 2004"
_BSD = "redistribution and use in source and binary forms"
_PHRASES: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("AGPL-3.0-only", ("gnu affero general public license version 3",), ()),
    ("LGPL-2.1-only", ("gnu lesser general public license version 2.1", "terms and conditions"), ()),
    ("LGPL-3.0-only", ("gnu lesser general public license version 3", "additional"), ()),
    ("GPL-3.0-only", ("gnu general public license version 3", "terms and conditions"), ()),
    ("GPL-2.0-only", ("gnu general public license version 2", "terms and conditions"), ()),
    ("MPL-2.0", ("mozilla public license version 2.0",), ()),
    ("Apache-2.0", (_APACHE,), ("llvm exceptions to the apache",)),
    ("Apache-2.0 WITH LLVM-exception", (_APACHE, "llvm exceptions to the apache"), ()),
    ("Apache-2.0", ("licensed under the apache license version 2.0",), ("llvm exception",)),
    ("BSL-1.0", ("boost software license version 1.0",), ()),
    ("CC0-1.0", ("cc0 1.0 universal",), ()),
    ("Unlicense", ("this is free and unencumbered software released into the public domain",), ()),
    ("PSF-2.0", ("python software foundation license version 2",), ()),
    (
        "Zlib",
        (
            "the origin of this software must not be misrepresented",
            "altered source versions must be plainly marked as such",
            "this notice may not be removed or altered from any source distribution",
        ),
        (),
    ),
    ("BSD-4-Clause", (_BSD, "all advertising materials mentioning features"), ()),
    ("BSD-3-Clause", (_BSD, "be used to endorse or promote products"), ("all advertising materials",)),
    ("BSD-2-Clause", (_BSD, "must reproduce the above copyright notice"), ("endorse or promote", "advertising mat")),
    ("MIT-0", (_MIT,), ("the above copyright notice and this permission notice",)),
    (
        "MIT",
        (_MIT, "the above copyright notice and this permission notice"),
        ("names of contributors may not be used", "except as contained in this notice"),
    ),
    ("0BSD", ("permission to use copy modify and or distribute this software for any purpose with or without fee",),
     ("provided that the above copyright notice",)),
    (
        "ISC",
        (
            "permission to use copy modify and or distribute this software for any purpose with or without fee",
            "provided that the above copyright notice and this permission notice appear in all copies",
        ),
        (),
    ),
)  # fmt: skip


def identify(text: str) -> str | None:
    """The SPDX expression of a licence's text, or None. Several licences in one text are joined by AND."""
    words = " ".join(_WORDS.sub(" ", text.lower()).split())
    found = []
    for name, wanted, unwanted in _PHRASES:
        if all(phrase in words for phrase in wanted) and not any(phrase in words for phrase in unwanted):
            found.append(name)
    return " AND ".join(dict.fromkeys(found)) or None
