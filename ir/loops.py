"""Structured loops and their trip counts: scf, affine.

Owns `trip_count` of one loop operation. Invariant: a number is exact for the text; what depends on run-time values is
None. Loops made of branches are in `control_flow`.
"""

from __future__ import annotations

from math import prod

from costmodel.core.errors import ParseError
from costmodel.ir.mlir.affine import AffineMap
from costmodel.ir.mlir.attributes import parse_int_array
from costmodel.ir.mlir.structure import Operation
from costmodel.ir.semantics import integer_constant

LOOP_NAMES = frozenset(("scf.for", "scf.forall", "scf.parallel", "scf.while", "affine.for", "affine.parallel"))
"""Operations that run their first region repeatedly."""

_DYNAMIC = -(2**63)
Triple = tuple[int | None, int | None, int | None]
"""Lower bound, upper bound and step of one dimension."""


def steps(lower: int, upper: int, step: int) -> int:
    """Iterations of `for (i = lower; i < upper; i += step)`, step above 0."""
    return max(0, -(-(upper - lower) // step))


def trip_count(operation: Operation) -> int | None:
    """Iterations of a loop operation (all dimensions multiplied), None where not known from the text."""
    counts = [count for count, _ in loop_dimensions(operation)]
    known = [count for count in counts if count is not None]
    return prod(known) if counts and len(known) == len(counts) else None


def loop_dimensions(operation: Operation) -> list[tuple[int | None, int | None]]:
    """(iterations, step) of each dimension of a loop operation, outermost first; None where not known."""
    reader = _READERS.get(operation.name)
    try:
        triples = reader(operation) if reader is not None else None
    except (ParseError, IndexError):
        return []
    return [(_count(triple), triple[2]) for triple in triples or ()]


def _count(triple: Triple) -> int | None:
    lower, upper, step = triple
    if lower is None or upper is None or step is None or step <= 0:
        return None
    return steps(lower, upper, step)


def _scf_for(operation: Operation) -> list[Triple] | None:
    if len(operation.operands) < 3:
        return None
    lower, upper, step = (integer_constant(value) for value in operation.operands[:3])
    return [(lower, upper, step)]


def _scf_parallel(operation: Operation) -> list[Triple] | None:
    sizes = operation.attribute("operandSegmentSizes")
    if sizes is None:
        return None
    rank = parse_int_array(sizes)[0]
    values = [integer_constant(value) for value in operation.operands[: 3 * rank]]
    if len(values) != 3 * rank:
        return None
    return list(zip(values[:rank], values[rank : 2 * rank], values[2 * rank :], strict=True))


def _scf_forall(operation: Operation) -> list[Triple] | None:
    names = ("staticLowerBound", "staticUpperBound", "staticStep")
    arrays = [operation.attribute(name) for name in names]
    if any(array is None for array in arrays):
        return None
    columns = [parse_int_array(array) for array in arrays if array is not None]
    if len({len(column) for column in columns}) != 1:
        return None
    triples = [tuple(None if value == _DYNAMIC else value for value in triple) for triple in zip(*columns, strict=True)]
    return [(lower, upper, step) for lower, upper, step in triples]


def _constants(affine_map: AffineMap) -> list[int] | None:
    found = [result.linear() for result in affine_map.results]
    if any(linear is None or any(linear[0]) for linear in found):
        return None
    return [linear[1] for linear in found if linear is not None]


def _affine_for(operation: Operation) -> list[Triple] | None:
    lower, upper = operation.attribute("lowerBoundMap"), operation.attribute("upperBoundMap")
    step = operation.attribute("step")
    if lower is None or upper is None:
        return None
    lowers, uppers = _constants(lower.as_affine_map()), _constants(upper.as_affine_map())
    stride = step.as_int() if step is not None else 1
    return [(max(lowers) if lowers else None, min(uppers) if uppers else None, stride)]


def _affine_parallel(operation: Operation) -> list[Triple] | None:
    lower, upper = operation.attribute("lowerBoundsMap"), operation.attribute("upperBoundsMap")
    steps_attribute = operation.attribute("steps")
    if lower is None or upper is None or steps_attribute is None:
        return None
    lowers, uppers = _constants(lower.as_affine_map()), _constants(upper.as_affine_map())
    counts = parse_int_array(steps_attribute)
    if lowers is None or uppers is None or not len(lowers) == len(uppers) == len(counts):
        return None
    return list(zip(lowers, uppers, counts, strict=True))


_READERS = {
    "scf.for": _scf_for,
    "scf.parallel": _scf_parallel,
    "scf.forall": _scf_forall,
    "affine.for": _affine_for,
    "affine.parallel": _affine_parallel,
}
