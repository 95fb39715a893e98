"""T1: the definition of a search space without measurements, from the autotuning benchmark hub.

Owns the safe evaluation of its expressions: `Values` is a text that holds a Python list, a condition is a Python
expression. Names, numbers, arithmetic, comparisons and and/or/not are evaluated; anything else is refused, never run.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from costmodel.core.errors import ParseError
from costmodel.datasets.loaders.files import read_json

_BINARY: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Eq: operator.eq, ast.NotEq: operator.ne,
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.In: lambda one, some: one in some, ast.NotIn: lambda one, some: one not in some,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceDefinition:
    """Parameters with their values, and the conditions a configuration must meet."""

    name: str
    parameters: Mapping[str, tuple[Any, ...]]
    conditions: tuple[str, ...]

    @property
    def cartesian_size(self) -> int:
        """Configurations before conditions."""
        size = 1
        for values in self.parameters.values():
            size *= len(values)
        return size

    def allowed(self) -> Iterator[tuple[Any, ...]]:
        """Configurations that meet all conditions, values in the order of `parameters`."""
        trees = [ast.parse(text, mode="eval").body for text in self.conditions]
        for values in product(*self.parameters.values()):
            names = dict(zip(self.parameters, values, strict=True))
            if all(evaluate(tree, names) for tree in trees):
                yield values


def load_t1(path: Path) -> SpaceDefinition:
    """Read a `t1.json`; raises `ParseError`."""
    space = read_json(path, "ConfigurationSpace")["ConfigurationSpace"]
    try:
        parameters = {one["Name"]: tuple(_values(one["Values"])) for one in space["TuningParameters"]}
        conditions = tuple(one["Expression"] for one in space.get("Conditions", []))
        probe = {name: values[0] for name, values in parameters.items()}
        for text in conditions:
            evaluate(ast.parse(text, mode="eval").body, probe)
    except (KeyError, TypeError, SyntaxError, ValueError, IndexError) as error:
        raise ParseError(f"{path}: no T1 search space: {type(error).__name__}: {error}") from error
    return SpaceDefinition(name=path.parent.name, parameters=parameters, conditions=conditions)


def evaluate(tree: ast.AST, names: Mapping[str, Any]) -> Any:
    """The value of a condition; raises `ParseError` for what is neither arithmetic nor comparison."""
    match tree:
        case ast.Constant(value=value) if isinstance(value, (int, float, str, bool)):
            return value
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return [evaluate(part, names) for part in parts]
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(evaluate(part, names) for part in parts)
        case ast.BoolOp(values=parts):
            return any(evaluate(part, names) for part in parts)
        case ast.UnaryOp(op=ast.Not(), operand=one):
            return not evaluate(one, names)
        case ast.UnaryOp(op=ast.USub(), operand=one):
            return -evaluate(one, names)
        case ast.BinOp(left=left, op=kind, right=right) if type(kind) in _BINARY:
            return _BINARY[type(kind)](evaluate(left, names), evaluate(right, names))
        case ast.Compare(left=left, ops=kinds, comparators=others) if all(type(kind) in _BINARY for kind in kinds):
            values = [evaluate(part, names) for part in (left, *others)]
            return all(_BINARY[type(k)](a, b) for k, a, b in zip(kinds, values, values[1:], strict=False))
    raise ParseError(f"{ast.unparse(tree)!r} in a condition is neither a known name, arithmetic nor a comparison")


def _values(text: object) -> list[Any]:
    values = ast.literal_eval(text) if isinstance(text, str) else text
    if not isinstance(values, (list, tuple)) or not values:
        raise ValueError(f"Values {text!r} is no list")
    return list(values)
