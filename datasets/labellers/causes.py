"""Errors as a label's cause: one line that begins with its kind.

Owns the kinds: `unsupported:`, `compile_error:`, `timeout`, `crash`.
"""

from __future__ import annotations

from costmodel.core.errors import CostModelError, UnsupportedError

MOST_CHARACTERS = 400
_KINDS = ("unsupported:", "timeout", "crash", "compile_error:")


def cause_of(error: CostModelError) -> str:
    """A label's cause in one line."""
    text = " ".join(str(error).split())[:MOST_CHARACTERS]
    if text.startswith(_KINDS):
        return text
    return f"unsupported: {text}" if isinstance(error, UnsupportedError) else f"compile_error: {text}"
