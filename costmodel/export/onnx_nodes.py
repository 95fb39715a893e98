"""Nodes of an ONNX graph as they are written, and numpy's formulas written down as nodes.

Owns names, constants and types. Invariant: a formula over `Value` gives in ONNX what numpy gives of the same formula in
double precision, operation by operation, so that what trees compare is equal to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from costmodel.models.base import Array

FLOAT, DOUBLE = 1, 11
"""Types of elements, as `onnx.TensorProto` numbers them."""
_UFUNCS = {
    np.add: "Add", np.subtract: "Sub", np.multiply: "Mul", np.true_divide: "Div", np.maximum: "Max",
    np.minimum: "Min", np.ceil: "Ceil", np.rint: "Round", np.power: "Pow", np.greater: "Greater",
    np.bitwise_and: "And",
}  # fmt: skip


class Nodes:
    """Nodes and constants with names that count up. Values are double where nothing else is said."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def __call__(self, op: str, *inputs: str, name: str | None = None, domain: str = "", **attributes: Any) -> str:
        """A node of one output, whose name is returned."""
        return self.several(op, inputs, (name or f"v{len(self.nodes)}",), domain=domain, **attributes)[0]

    def several(self, op: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> Sequence[str]:
        """A node of these outputs."""
        from onnx import helper

        self.nodes.append(helper.make_node(op, list(inputs), list(outputs), **attributes))
        return outputs

    def constant(self, value: object, kind: Any = np.float64) -> str:
        """A tensor of `kind`."""
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def stored(self, value: object) -> str:
        """A double tensor of single-precision numbers, which the file holds as such."""
        return self.double(self.constant(value, np.float32))

    def double(self, value: str) -> str:
        """The value in double precision."""
        return self("Cast", value, to=DOUBLE)

    def single(self, value: str, name: str | None = None) -> str:
        """The value in single precision, rounded to the nearest."""
        return self("Cast", value, to=FLOAT, name=name)

    def columns(self, value: str, which: Sequence[int] | Array) -> str:
        """Some columns, in this order."""
        return self("Gather", value, self.constant(which, np.int64), axis=1)

    def clip(self, value: str, low: float | None, high: float | None) -> str:
        """The value inside bounds."""
        value = value if low is None else self("Max", value, self.constant(low))
        return value if high is None else self("Min", value, self.constant(high))

    def where(self, mask: Sequence[bool], yes: str, no: str) -> str:
        """Columns of `yes` where `mask[M]` holds, else of `no`."""
        return self("Where", self.constant([list(mask)], np.bool_), yes, no)

    def mean(self, values: Sequence[str]) -> str:
        """Of values of the same shape."""
        total = values[0]
        for value in values[1:]:
            total = self("Add", total, value)
        return total if len(values) == 1 else self("Div", total, self.constant(float(len(values))))


class Value(np.lib.mixins.NDArrayOperatorsMixin):
    """A value of a graph; numpy's arithmetic on it adds nodes: `_UFUNCS`, `np.exp2` and `np.where`."""

    def __init__(self, graph: Nodes, name: str) -> None:
        self.graph, self.name = graph, name

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if ufunc is np.exp2:
            ufunc, inputs = np.power, (2.0, *inputs)
        if method != "__call__" or options or ufunc not in _UFUNCS:
            return NotImplemented
        return Value(self.graph, self.graph(_UFUNCS[ufunc], *map(self._name_of, inputs)))

    def __array_function__(self, function: Callable[..., Any], _types: Any, inputs: Any, options: Any) -> Any:
        if function is not np.where or options:
            return NotImplemented
        return Value(self.graph, self.graph("Where", *map(self._name_of, inputs)))

    def _name_of(self, value: Any) -> str:
        return value.name if isinstance(value, Value) else self.graph.constant(value)
