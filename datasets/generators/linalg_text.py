"""Writing linalg functions on tensors: a builder that derives shapes and casts from loop dimensions.

Owns the text only. Invariant: values of 16-bit floats and of integers are widened to the type that is computed in
(f32, i32) before the body sees them, and narrowed after, as compilers of models do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

LOWEST = {"f32": "-3.40282347e+38", "f16": "-65504.0", "bf16": "-3.38953139e+38", "i32": "-2147483648", "i8": "-128"}
_FLOATS = {"f16": 16, "bf16": 16, "f32": 32, "f64": 64}


def compute_type(dtype: str) -> str:
    """What values of `dtype` are computed in."""
    return {"f16": "f32", "bf16": "f32", "i8": "i32"}.get(dtype, dtype)


def cast(name: str, value: str, source: str, target: str) -> str:
    """The operation that makes `%name` of `target` from `%value` of `source`; they differ."""
    if source in _FLOATS and target in _FLOATS:
        op = "arith.extf" if _FLOATS[source] < _FLOATS[target] else "arith.truncf"
    elif source in _FLOATS:
        op = "arith.fptosi"
    elif target in _FLOATS:
        op = "arith.sitofp"
    else:
        op = "arith.extsi" if int(source[1:]) < int(target[1:]) else "arith.trunci"
    return f"%{name} = {op} %{value} : {source} to {target}"


class Function:
    """Builds `@main`. `extents` gives the size of every loop dimension by name."""

    def __init__(self, extents: Mapping[str, int]) -> None:
        self.extents = dict(extents)
        self._types: dict[str, str] = {}
        self._dtypes: dict[str, str] = {}
        self._arguments: list[str] = []
        self._lines: list[str] = []
        self._count = 0

    def tensor(self, indices: str, dtype: str) -> str:
        """Type of a tensor that is indexed by space-separated expressions such as `i`, `o*2+w`."""
        return f"tensor<{''.join(f'{self._extent(e)}x' for e in indices.split())}{dtype}>"

    def _extent(self, expression: str) -> int:
        last = 0
        for term in expression.split("+"):
            name, _, factor = term.partition("*")
            last += (self.extents[name] - 1) * int(factor or 1)
        return last + 1

    def argument(self, indices: str, dtype: str) -> str:
        """A new argument; its name."""
        name = f"arg{len(self._arguments)}"
        self._declare(name, self.tensor(indices, dtype), dtype)
        self._arguments.append(name)
        return name

    def _declare(self, name: str, kind: str, dtype: str) -> None:
        self._types[name], self._dtypes[name] = kind, dtype

    def filled(self, indices: str, dtype: str, value: str) -> str:
        """A tensor of one value."""
        kind, name = self.tensor(indices, dtype), self._fresh()
        self._lines.append(f"  %{name}c = arith.constant {value} : {dtype}")
        self._lines.append(f"  %{name}e = tensor.empty() : {kind}")
        self._lines.append(f"  %{name} = linalg.fill ins(%{name}c : {dtype}) outs(%{name}e : {kind}) -> {kind}")
        self._declare(name, kind, dtype)
        return name

    def _fresh(self) -> str:
        self._count += 1
        return f"t{self._count}"

    def generic(
        self,
        dims: str,
        ins: Sequence[tuple[str, str]],
        out: str,
        body: Sequence[str],
        *,
        dtype: str,
        init: str | None = None,
        compute: str | None = None,
    ) -> str:
        """A `linalg.generic`; the name of its result.

        Args:
            dims: Loop dimensions, space-separated; those that `out` does not use are reductions.
            ins: Names with the expressions that index them.
            out: Expressions that index the result.
            body: Lines over `%x0`, `%x1`, … and, in a reduction, `%y`; the last
                defines `%q`. `$T` is the computed type.
            dtype: Element type of the result.
            init: What a reduction starts from, a name; None for an elementwise operation.
            compute: The type computed in, `compute_type` of the result's by default.
        """
        wide = compute or compute_type(dtype)
        name, kind = self._fresh(), self.tensor(out, dtype)
        if init is None:
            init = f"{name}e"
            self._lines.append(f"  %{init} = tensor.empty() : {kind}")
        names = ", ".join(dims.split())
        maps = [f"affine_map<({names}) -> ({self._map(e)})>" for e in [*(e for _, e in ins), out]]
        used = set(re.findall(r"[a-z]\w*", out))
        iterators = ", ".join('"parallel"' if d in used else '"reduction"' for d in dims.split())
        self._lines.append(
            f"  %{name} = linalg.generic {{indexing_maps = [{', '.join(maps)}], iterator_types = [{iterators}]}}"
        )
        values = (
            f"ins({', '.join('%' + n for n, _ in ins)} : {', '.join(self._types[n] for n, _ in ins)}) " if ins else ""
        )
        self._lines.append(f"    {values}outs(%{init} : {kind}) {{")
        self._body([self._dtypes[n] for n, _ in ins], dtype, wide, body)
        self._lines.append(f"  }} -> {kind}")
        self._declare(name, kind, dtype)
        return name

    def _map(self, indices: str) -> str:
        return ", ".join(e.replace("*", " * ").replace("+", " + ") for e in indices.split())

    def _body(self, sources: Sequence[str], dtype: str, wide: str, body: Sequence[str]) -> None:
        raw = [f"%{'x' if s in (wide, 'i64', 'i1') else 'r'}{i}: {s}" for i, s in enumerate(sources)]
        raw.append(f"%{'y' if dtype == wide else 'z'}: {dtype}")
        self._lines.append(f"  ^bb0({', '.join(raw)}):")
        casts = [cast(f"x{i}", f"r{i}", s, wide) for i, s in enumerate(sources) if s not in (wide, "i64", "i1")]
        lines = [line.replace("$T", wide) for line in body]
        result = "q"
        if dtype != wide:
            lines.append(cast("narrow", "q", wide, dtype))
            result = "narrow"
        self._lines += [f"    {line}" for line in [*casts, *lines]]
        self._lines.append(f"    linalg.yield %{result} : {dtype}")

    def named(self, op: str, ins: Sequence[str], init: str, attributes: str = "") -> str:
        """A named linalg operation whose result has the type of `init`."""
        name, kind = self._fresh(), self._types[init]
        values, types = ", ".join("%" + n for n in ins), ", ".join(self._types[n] for n in ins)
        self._lines.append(
            f"  %{name} = linalg.{op} {attributes}ins({values} : {types}) outs(%{init} : {kind}) -> {kind}"
        )
        self._declare(name, kind, self._dtypes[init])
        return name

    def text(self, result: str) -> str:
        """The module's text, returning `result`."""
        head = ", ".join(f"%{n}: {self._types[n]}" for n in self._arguments)
        kind = self._types[result]
        body = "\n".join(self._lines)
        return f"func.func @main({head}) -> {kind} {{\n{body}\n  return %{result} : {kind}\n}}\n"
