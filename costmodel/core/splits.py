"""A split of a data set as a file: which functions belong to which part.

Owns the value and its JSON, which `costmodel data split` writes into the data set's folder and training and evaluation
read. Makes no split: `costmodel.datasets.splits` does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from costmodel.core.errors import ParseError

PARTS = ("train", "validation", "test")
SPLIT_FILE = "split.json"
"""Its name in the data set's folder."""
SPLIT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Which functions belong to which part."""

    by: str
    seed: int
    fractions: tuple[float, ...]
    groups: Mapping[str, tuple[str, ...]]
    """Part to the names of what it holds: families, projects, networks or targets."""
    parts: Mapping[str, tuple[str, ...]]
    """Part to sorted function ids. By target, a function is in several parts, with other labels in each."""
    refused: int = 0
    """Near-duplicates of functions of an earlier part, left out of all."""
    schema_version: int = field(default=SPLIT_VERSION)

    def to_json(self) -> str:
        """As text; equal splits give equal bytes."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Split:
        """The inverse; raises `ParseError`."""
        try:
            document = json.loads(text)
            if document["schema_version"] != SPLIT_VERSION:
                raise ParseError(f"split version {document['schema_version']}, this costmodel reads {SPLIT_VERSION}")
            named = {
                name: {part: tuple(document[name].get(part, ())) for part in PARTS} for name in ("groups", "parts")
            }
            return cls(**{**document, **named, "fractions": tuple(document["fractions"])})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ParseError(f"no split: {error}; write it with `costmodel data split`") from error
