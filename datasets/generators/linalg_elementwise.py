"""Chains, quantisation, reductions, permutations and gathers of `linalg_families`, as linalg text."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from costmodel.datasets.generators.linalg_parts import ADD, MAX, MUL, zero
from costmodel.datasets.generators.linalg_text import LOWEST, Function, compute_type
from costmodel.datasets.linalg import Sizes

_UNARY = (
    ("%{o} = math.exp %{i} : $T",), ("%{o} = math.tanh %{i} : $T",), ("%{o} = math.absf %{i} : $T",),
    ("%{o} = arith.negf %{i} : $T",), ("%{o} = math.sqrt %{i} : $T",), ("%{o} = arith.mulf %{i}, %{i} : $T",),
    ("%{o}z = arith.constant 0.0 : $T", "%{o} = arith.maximumf %{i}, %{o}z : $T"),
    ("%{o}z = arith.constant 6.0 : $T", "%{o} = arith.minimumf %{i}, %{o}z : $T"),
    ("%{o}c = arith.constant 0.125 : $T", "%{o} = arith.mulf %{i}, %{o}c : $T"),
    ("%{o}c = arith.constant 3.0 : $T", "%{o} = arith.addf %{i}, %{o}c : $T"),
    ("%{o}n = arith.negf %{i} : $T", "%{o}e = math.exp %{o}n : $T", "%{o}c = arith.constant 1.0 : $T",
     "%{o}d = arith.addf %{o}e, %{o}c : $T", "%{o} = arith.divf %{o}c, %{o}d : $T"),
)  # fmt: skip


_BINARY = ("arith.addf", "arith.subf", "arith.mulf", "arith.maximumf", "arith.minimumf", "arith.divf")


def _chain(rng: np.random.Generator, inputs: int, depth: int) -> list[str]:
    """A random body over `inputs` values in which each is used."""
    lines, value = list[str](), "x0"
    waiting = [f"x{i}" for i in range(1, inputs)]
    for step in range(depth + len(waiting)):
        out = f"s{step}"
        if waiting and (rng.random() < 0.5 or depth + inputs - 1 - step <= len(waiting)):
            lines.append(f"%{out} = {_BINARY[int(rng.integers(len(_BINARY)))]} %{value}, %{waiting.pop(0)} : $T")
        else:
            lines += [t.replace("{o}", out).replace("{i}", value) for t in _UNARY[int(rng.integers(len(_UNARY)))]]
        value = out
    one = "%last = arith.constant 0.5 : $T"
    return [*lines, one, f"%q = arith.mulf %{value}, %last : $T"]


def elementwise_random(s: Sizes, dtype: str) -> str:
    """A random chain of operations over one to four operands, some broadcast along an axis."""
    rng = np.random.default_rng([7, s["variant"]])
    f = Function({"i": s["m"], "j": s["n"]})
    layouts = [("i j", "j", "i")[int(rng.choice(3, p=(0.6, 0.25, 0.15)))] for _ in range(int(rng.integers(0, 4)))]
    ins = [(f.argument(at, dtype), at) for at in ["i j", *layouts]]
    value = f.generic("i j", ins, "i j", _chain(rng, len(ins), int(rng.integers(1, 9))), dtype=dtype)
    if rng.random() < 0.4:
        extra = f.argument("i j", dtype)
        body = _chain(rng, 2, int(rng.integers(1, 4)))
        value = f.generic("i j", [(value, "i j"), (extra, "i j")], "i j", body, dtype=dtype)
    return f.text(value)


_INTEGER = (
    "arith.addi",
    "arith.subi",
    "arith.muli",
    "arith.maxsi",
    "arith.minsi",
    "arith.andi",
    "arith.xori",
    "arith.ori",
)


def elementwise_integer(s: Sizes, dtype: str) -> str:
    """A random chain of int32 operations on int8 operands, clamped back to int8."""
    rng = np.random.default_rng([11, s["variant"]])
    f = Function({"i": s["m"], "j": s["n"]})
    ins = [(f.argument("i j", dtype), "i j") for _ in range(int(rng.integers(2, 5)))]
    lines, value = list[str](), "x0"
    for step in range(len(ins) - 1 + int(rng.integers(1, 5))):
        other = f"x{step % (len(ins) - 1) + 1}"
        lines.append(f"%s{step} = {_INTEGER[int(rng.integers(len(_INTEGER)))]} %{value}, %{other} : $T")
        value = f"s{step}"
    lines += [
        "%lo = arith.constant -128 : $T", "%hi = arith.constant 127 : $T", f"%c = arith.maxsi %{value}, %lo : $T",
        "%q = arith.minsi %c, %hi : $T",
    ]  # fmt: skip
    return f.text(f.generic("i j", ins, "i j", lines, dtype=dtype))


def gated(s: Sizes, dtype: str) -> str:
    """Computes activation(x) · y, the activation by variant: sigmoid, silu, hard swish, gelu by tanh, softplus."""
    f = Function({"i": s["m"], "j": s["n"]})
    x, y = f.argument("i j", dtype), f.argument("i j", dtype)
    one = "%one = arith.constant 1.0 : $T"
    sigmoid = [
        "%n = arith.negf %x0 : $T",
        "%e = math.exp %n : $T",
        "%d = arith.addf %e, %one : $T",
        "%g = arith.divf %one, %d : $T",
    ]
    bodies = [
        [one, *sigmoid, "%a = arith.mulf %g, %one : $T"],
        [one, *sigmoid, "%a = arith.mulf %g, %x0 : $T"],
        ["%three = arith.constant 3.0 : $T", "%six = arith.constant 6.0 : $T", "%z0 = arith.constant 0.0 : $T",
         "%h = arith.addf %x0, %three : $T", "%l = arith.maximumf %h, %z0 : $T", "%u = arith.minimumf %l, %six : $T",
         "%v = arith.divf %u, %six : $T", "%a = arith.mulf %v, %x0 : $T"],
        [one, "%k = arith.constant 0.7978845 : $T", "%c = arith.constant 0.044715 : $T",
         "%s2 = arith.mulf %x0, %x0 : $T",
         "%s3 = arith.mulf %s2, %x0 : $T", "%p = arith.mulf %s3, %c : $T", "%r = arith.addf %x0, %p : $T",
         "%w = arith.mulf %r, %k : $T", "%t = math.tanh %w : $T", "%u = arith.addf %t, %one : $T",
         "%a = arith.mulf %u, %x0 : $T"],
        [one, "%e = math.exp %x0 : $T", "%d = arith.addf %e, %one : $T", "%a = math.log %d : $T"],
    ]  # fmt: skip
    body = [*bodies[s["variant"] % len(bodies)], "%q = arith.mulf %a, %x1 : $T"]
    return f.text(f.generic("i j", [(x, "i j"), (y, "i j")], "i j", body, dtype=dtype))


def quantise(s: Sizes, dtype: str) -> str:
    """Rows by their largest magnitude to int8."""
    f = Function({"i": s["m"], "j": s["n"]})
    a = f.argument("i j", dtype)
    body = ["%a = math.absf %x0 : $T", "%q = arith.maximumf %a, %y : $T"]
    high = f.generic("i j", [(a, "i j")], "i", body, dtype="f32", init=f.filled("i", "f32", "1.0e-8"))
    body = ["%n = arith.constant 127.0 : $T", "%s = arith.divf %n, %x1 : $T", "%q = arith.mulf %x0, %s : $T"]
    return f.text(f.generic("i j", [(a, "i j"), (high, "i")], "i j", body, dtype="i8", compute="f32"))


def dequantise(s: Sizes, dtype: str) -> str:
    """int8 to f32 by a scale and a shift for each column."""
    f = Function({"i": s["m"], "j": s["n"]})
    a, g, b = f.argument("i j", dtype), f.argument("j", "f32"), f.argument("j", "f32")
    body = ["%p = arith.subf %x0, %x2 : $T", "%q = arith.mulf %p, %x1 : $T"]
    return f.text(f.generic("i j", [(a, "i j"), (g, "j"), (b, "j")], "i j", body, dtype="f32"))


def reduce_random(s: Sizes, dtype: str) -> str:
    """A reduction of [a, b, c] over one or two axes by sum, largest, smallest, or sum of squares."""
    rng = np.random.default_rng([13, s["variant"]])
    wide = compute_type(dtype)
    f = Function({"i": s["a"], "j": s["b"], "k": s["c"]})
    out = ("i j", "i k", "j k", "i", "j", "k")[int(rng.integers(6))]
    minimum, high = ("arith.minimumf", "3.40282347e+38") if wide == "f32" else ("arith.minsi", "2147483647")
    ops = [
        (zero(wide), [f"%q = {ADD[wide]} %x0, %y : $T"]), (LOWEST[wide], [f"%q = {MAX[wide]} %x0, %y : $T"]),
        (high, [f"%q = {minimum} %x0, %y : $T"]),
        (zero(wide), [f"%m = {MUL[wide]} %x0, %x0 : $T", f"%q = {ADD[wide]} %m, %y : $T"]),
    ]  # fmt: skip
    start, body = ops[int(rng.integers(len(ops)))]
    a = f.argument("i j k", dtype)
    value = f.generic("i j k", [(a, "i j k")], out, body, dtype=wide, init=f.filled(out, wide, start))
    return f.text(value)


def permute(s: Sizes, dtype: str) -> str:
    """[i, j, k, l] in another order, doubled, so that it is a kernel and not a view."""
    orders = [p for p in permutations("ijkl") if p != tuple("ijkl")]
    order = " ".join(orders[s["variant"] % len(orders)])
    wide = compute_type(dtype)
    f = Function({"i": s["a"], "j": s["b"], "k": s["c"], "l": s["d"]})
    a = f.argument("i j k l", dtype)
    body = [f"%q = {ADD[wide]} %x0, %x0 : $T"]
    return f.text(f.generic(order, [(a, "i j k l")], order, body, dtype=dtype))


def gather(s: Sizes, dtype: str) -> str:
    """y[l, n] = table[index[l], n]."""
    f = Function({"v": s["v"], "l": s["l"], "n": s["n"]})
    table, index = f.argument("v n", dtype), f.argument("l", "i64")
    body = [
        "%at = arith.index_cast %x0 : i64 to index", "%column = linalg.index 1 : index",
        f"%q = tensor.extract %{table}[%at, %column] : {f.tensor('v n', dtype)}",
    ]  # fmt: skip
    return f.text(f.generic("l n", [(index, "l")], "l n", body, dtype=dtype, compute=dtype))
