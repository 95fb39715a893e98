"""Which numbers of an encoding a model reads, in which order, on which scale.

Owns the choice of columns and the vectors. Invariant: chosen once in `fit` from the training functions, stored by name
in the checkpoint; a number that a function lacks is 0; operations outside the list are told as a share.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np

from costmodel.core.errors import UsageError
from costmodel.models.base import Array
from costmodel.models.encode import SIZE_NAME
from costmodel.models.examples import Encoding, Examples

MAX_COLUMNS = 640
MIN_SUPPORT = 4
"""Functions a name must occur in."""
OTHERS = "share:others"
"""Name of the column that tells the share of operations outside the list."""
_COUNT = "count:"
_SHARED = (_COUNT, "static:machine_", "static:frame_instructions_")
_LARGEST = 3e38
FEW_ENCODINGS = 64


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Names of function numbers, beside the names of the context; what follows from them is found once."""

    numbers: tuple[str, ...]
    context: tuple[str, ...]

    @classmethod
    def choose(cls, examples: Examples, most: int = MAX_COLUMNS) -> Columns:
        """All static features, and the commonest counts."""
        support: Counter[str] = Counter()
        for encoding in examples.encodings:
            support.update(encoding.numbers.keys())
        static = sorted(name for name in support if name.startswith(("static:", "module:")))
        floor = min(MIN_SUPPORT, max(1, len(examples.encodings) // 8))
        others = [name for name, n in support.items() if n >= floor and not name.startswith(("static:", "module:"))]
        others.sort(key=lambda name: (-support[name], name))
        return cls(numbers=(*static, *sorted(others[: max(0, most - len(static))])), context=examples.context_names)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the columns of `matrix`."""
        return (*self.numbers, OTHERS, *self.context)

    @property
    def width(self) -> int:
        """Columns of `matrix`."""
        return len(self.numbers) + 1 + len(self.context)

    @cached_property
    def size(self) -> int:
        """Place of the number of operations among `numbers`."""
        return self.numbers.index(SIZE_NAME) if SIZE_NAME in self.numbers else 0

    @cached_property
    def shared(self) -> Array:
        """Places among `numbers` of what models see over the number of operations too (`share_columns`)."""
        return np.array(share_columns(self.numbers), np.int64)

    @cached_property
    def _nothing(self) -> dict[str, float]:
        """Zeros by name, in the order of `numbers`."""
        return dict.fromkeys(self.numbers, 0.0)

    def functions(self, encodings: Sequence[Encoding]) -> Array:
        """`[N, P + 1]` f32, raw: the numbers, then the share of operations under names that are not listed."""
        width = len(self.numbers)
        found = np.zeros((len(encodings), width + 1), np.float32)
        for row, encoding in zip(found, encodings, strict=True):
            numbers = {**self._nothing, **encoding.numbers}
            values = np.fromiter(numbers.values(), np.float64, len(numbers))
            row[:-1] = np.minimum(np.maximum(values[:width], -_LARGEST), _LARGEST)
            others = islice(numbers.items(), width, None)
            missing = sum([number for name, number in others if name.startswith(_COUNT)])
            row[-1] = missing / max(1.0, encoding.numbers.get(SIZE_NAME, 1.0))
        return found

    def matrix(self, examples: Examples) -> Array:
        """`[n, width]` f32: numbers of each row's function, then its context."""
        self.check(examples)
        return np.concatenate([self.of(examples)[examples.program], examples.context], axis=1)

    def of(self, examples: Examples) -> Array:
        """`functions` of the examples' encodings; kept with few examples, since several parts of a model ask."""
        if len(examples.encodings) > FEW_ENCODINGS:
            return self.functions(examples.encodings)
        found = examples.kept.get(self.numbers)
        if found is None:
            found = examples.kept[self.numbers] = self.functions(examples.encodings)
        return found

    def check(self, examples: Examples) -> None:
        """Raise `UsageError` for a context of other columns."""
        if examples.context_names != self.context or examples.context.shape[1] != len(self.context):
            raise UsageError(
                f"the model was trained on {len(self.context)} context numbers, got "
                f"{examples.context.shape[1]} others; "
                "encode the rows with this version"
            )


def share_columns(numbers: Sequence[str]) -> list[int]:
    """Places of the numbers that models see over the number of operations too: those that grow with the program."""
    return [i for i, name in enumerate(numbers) if name.startswith(_SHARED)]


def compressed(raw: Array) -> Array:
    """Numbers of any size on one scale: sign(x) log(1 + |x|)."""
    return np.asarray(np.sign(raw) * np.log1p(np.abs(raw)), np.float32)
