"""From a function to its `Encoding`: static features, counts of operations by type, tokens, graph.

Owns the names of the numbers. Invariant: renaming values or reformatting the text changes nothing, nor do needless
blocks. One walk over the operations; memory grows with distinct names only.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import isfinite, prod
from zlib import crc32

import numpy as np

from costmodel.core.errors import UnsupportedError, UsageError
from costmodel.ir.features import FEATURES_VERSION, StaticFeatures, feature_names
from costmodel.ir.graph import GRAPH_VERSION
from costmodel.ir.mlir.structure import Operation
from costmodel.ir.mlir.types import OtherType, ScalarType, parse_type
from costmodel.ir.program import Function
from costmodel.ir.tokens.vocabulary import TOKENS_VERSION, shipped
from costmodel.ir.vocabulary import VOCABULARY_VERSION
from costmodel.models.base import Array
from costmodel.models.context import CONTEXT_VERSION
from costmodel.models.examples import Encoding

ENCODING_VERSION = 2
MAX_TOKENS = 1 << 16
"""Of a function's tokens that are kept; sequence models read far fewer."""
MAX_GRAPH_OPERATIONS = 100_000
UNKNOWN_BUCKETS = 64
"""Numbers for words that a vocabulary lacks."""
SIZE_NAME = "static:ops"
_STATIC = tuple(f"static:{name}" for name in feature_names())


def versions() -> dict[str, int]:
    """What a checkpoint depends on; equal versions mean equal numbers."""
    return {
        "features": FEATURES_VERSION,
        "vocabulary": VOCABULARY_VERSION,
        "tokens": TOKENS_VERSION,
        "graph": GRAPH_VERSION,
        "encoding": ENCODING_VERSION,
        "context": CONTEXT_VERSION,
    }


def encode_function(function: Function, *, scheme: str | None = None, graph: bool = False) -> Encoding:
    """Encode one function; tokens under `scheme` and the graph only where asked for.

    Raises:
        UnsupportedError: the function was read as tokens only, or its graph is too large.
        UsageError: the function is empty, or a feature is not a finite number.
    """
    if function.operation is None:
        raise UnsupportedError(
            f"function {function.name!r} was read as tokens only, so nothing can be predicted for it; give the generic "
            "form (mlir-opt -mlir-print-op-generic)"
        )
    features = function.features(simplify=True)
    numbers = _numbers(function, features)
    if graph and numbers[SIZE_NAME] > MAX_GRAPH_OPERATIONS:
        raise UnsupportedError(
            f"function {function.name!r} has {numbers[SIZE_NAME]:.0f} operations; models on graphs take at most "
            f"{MAX_GRAPH_OPERATIONS}; use a model on static features"
        )
    return Encoding(
        numbers=numbers,
        tokens=None if scheme is None else token_numbers(function, scheme),
        graph=function.graph() if graph else None,
        shingles=features.shingles,
    )


def function_numbers(function: Function) -> dict[str, float]:
    """Numbers by name, all finite; raises `UsageError` otherwise."""
    return _numbers(function, function.features(simplify=True))


def _numbers(function: Function, features: StaticFeatures) -> dict[str, float]:
    assert function.operation is not None
    numbers = dict(zip(_STATIC, features.numbers.values(), strict=True))
    if numbers[SIZE_NAME] == 0:
        raise UsageError(f"function {function.name!r} is empty: it has no operation, so there is nothing to predict")
    check_finite(numbers, function.name)
    _add_counts(numbers, features.counts)
    numbers.update(_module_numbers(function.operation))
    return numbers


def check_finite(numbers: Mapping[str, float], name: str) -> None:
    """Raise `UsageError` where a feature is NaN or infinite."""
    if isfinite(sum(numbers.values())):
        return
    for feature, value in numbers.items():
        if not isfinite(value):
            raise UsageError(f"feature {feature!r} of {name!r} is {value}, expected a finite number; report the input")


def token_numbers(function: Function, scheme: str) -> Array:
    """`[T]` i32, the first `MAX_TOKENS`: numbers of the scheme's shipped vocabulary, then buckets for unknown words."""
    vocabulary = shipped(scheme)
    words = function.tokens(scheme)[:MAX_TOKENS]
    known, first = vocabulary.index, len(vocabulary)
    numbers = (known.get(word, first + crc32(word.encode("utf-8", "replace")) % UNKNOWN_BUCKETS) for word in words)
    return np.fromiter(numbers, np.int32, len(words))


def num_token_numbers(scheme: str) -> int:
    """Above every number of `token_numbers`."""
    return len(shipped(scheme)) + UNKNOWN_BUCKETS


def _add_counts(numbers: dict[str, float], counts: Mapping[tuple[str, str], int]) -> None:
    """Operations by name and type, and the elements of those on shaped types."""
    for counted, count in counts.items():
        key, wide, most, elements = _names(counted)
        numbers[key] = numbers.get(key, 0.0) + count
        if elements > 1:
            numbers[wide] = numbers.get(wide, 0.0) + count * elements
            numbers[most] = max(numbers.get(most, 0.0), elements)


@lru_cache(maxsize=16384)
def _names(counted: tuple[str, str]) -> tuple[str, str, str, float]:
    name, type_text = counted
    label, elements = _type_label(type_text)
    return f"count:{name} {label}", f"elements:{name}", f"most:{label}", elements


def _type_label(text: str) -> tuple[str, float]:
    """A type as one short word, vectors with their shape, tensors and memrefs without; and its static elements."""
    if not text:
        return "-", 1.0
    kind = parse_type(text)
    if isinstance(kind, ScalarType):
        return kind.name, 1.0
    if isinstance(kind, OtherType):
        return kind.text.partition("<")[0].strip()[:24] or "other", 1.0
    word = type(kind).__name__.removesuffix("Type").lower()
    shape = kind.shape or ()
    elements = float(prod(size for size in shape if size is not None))
    element = "".join(str(kind.element).split())[:16]
    lanes = "x".join(map(str, shape)) if word == "vector" else str(len(shape))
    return f"{word}{lanes}x{element}", elements


def _module_numbers(root: Operation) -> dict[str, float]:
    """Whole numbers among the attributes of the module around, such as `ttg.num-warps`."""
    block = root.parent
    if block is None:
        return {}
    found = {}
    for name, attribute in block.parent.parent.attributes.items():
        text = attribute.partition(":")[0].strip()
        if text.isdigit():
            found[f"module:{name}"] = float(text)
    return found
