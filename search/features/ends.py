"""How often loops run whose ends the text does not fix: tiles, cut off at an edge or not.

Owns what is remembered of starts and steps. A loop from a start to that start plus a constant runs a known number of
times; one to the least of that and a limit runs so often at most, and is entered at all for sure where no start lies
beyond the limit.
"""

from __future__ import annotations

from collections.abc import Sequence

from costmodel.core.errors import ParseError
from costmodel.ir.loops import loop_dimensions
from costmodel.ir.mlir.structure import Operation, Value
from costmodel.ir.semantics import integer_constant
from costmodel.search.features.lines import Trips, tile_trips


class Ends:
    """Of one function; loops are told in the order of the text."""

    def __init__(self) -> None:
        self._last: dict[Value, int] = {}

    def know(self, loop: Operation, variables: Sequence[Value]) -> None:
        """Remember the last value of a loop whose trips are known and whose start is a constant."""
        (trips, step), *others = loop_dimensions(loop) or [(None, None)]
        start = integer_constant(loop.operands[0]) if loop.name == "scf.for" and loop.operands else 0
        if trips and step and start is not None and not others and variables:
            self._last[variables[0]] = start + (trips - 1) * step

    def of(self, loop: Operation) -> Trips:
        """Of a loop whose trips the text does not fix."""
        if loop.name == "scf.for" and len(loop.operands) >= 3:
            low, high, by = loop.operands[:3]
            step = integer_constant(by) or 1
            return self._between(low, *_end(high, low), max(1, step))
        if loop.name == "affine.for":
            return self._affine(loop)
        return Trips()

    def _between(self, low: Value, span: int | None, limit: int | None, cut: bool, step: int) -> Trips:
        return tile_trips(span, step, cut=cut, limit=limit, last=self._last.get(low))

    def _affine(self, loop: Operation) -> Trips:
        """From `d0` to `d0 + constant`, or to the least of that and a constant."""
        lower, upper, step = (loop.attribute(name) for name in ("lowerBoundMap", "upperBoundMap", "step"))
        if lower is None or upper is None or not loop.operands:
            return Trips()
        try:
            ends = [result.linear() for result in upper.as_affine_map().results]
            stride = step.as_int() if step is not None else 1
        except ParseError:
            return Trips()
        spans = [end[1] for end in ends if end is not None and any(end[0])]
        limits = [end[1] for end in ends if end is not None and not any(end[0])]
        span = min(spans, default=None)
        return self._between(loop.operands[0], span, min(limits, default=None), len(ends) > 1, max(1, stride))


def _end(high: Value, low: Value) -> tuple[int | None, int | None, bool]:
    """What is added to the start, the limit, and whether there is one."""
    owner = high.owner
    if not isinstance(owner, Operation):
        return None, None, False
    for first, second in (owner.operands, owner.operands[::-1]) if len(owner.operands) == 2 else ():
        if owner.name == "arith.addi" and first is low:
            return integer_constant(second), None, False
        if owner.name == "arith.minsi" and (span := _end(first, low)[0]) is not None:
            return span, integer_constant(second), True
    return None, None, owner.name == "arith.minsi"
