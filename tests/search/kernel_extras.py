"""Functions beyond the generated families: element types, several stages, slices, pads, index bodies."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from kernel_samples import generic

sys.path.pop(0)

BOTH = "(i, j)"
_MAPS = f"affine_map<(i, j) -> {BOTH}>"
_KINDS = 'iterator_types = ["parallel", "parallel"]'


def t(*shape: int, dtype: str = "f32") -> str:
    return f"tensor<{''.join(f'{s}x' for s in shape)}{dtype}>"


def matmul(dtype: str, m: int = 5, n: int = 19, k: int = 11) -> str:
    kind, zero = ("f", "0.0") if dtype.startswith("f") else ("i", "0")
    body = f"%m = arith.mul{kind} %x0, %x1 : {dtype}\n    %q = arith.add{kind} %m, %y : {dtype}"
    shapes = [t(m, k, dtype=dtype), t(k, n, dtype=dtype)]
    maps = ["(m, k)", "(k, n)", "(m, n)"]
    return generic(maps, "ppr", shapes, t(m, n, dtype=dtype), body, dims="m, n, k", init=zero)


def reduction(op: str, dtype: str, init: str, m: int = 5, n: int = 29) -> str:
    body = f"%q = arith.{op} %x0, %y : {dtype}"
    return generic([BOTH, "(i)"], "pr", [t(m, n, dtype=dtype)], t(m, dtype=dtype), body, init=init)


def matmul_then(dtype: str, body: str) -> str:
    """A matrix product, and an elementwise operation on it that gives elements of `dtype` as %q from %x."""
    a, b, c, out = t(5, 11), t(11, 19), t(5, 19), t(5, 19, dtype=dtype)
    return f"""func.func @main(%a: {a}, %b: {b}) -> {out} {{
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : {c}
  %f = linalg.fill ins(%z : f32) outs(%e : {c}) -> {c}
  %p = linalg.matmul ins(%a, %b : {a}, {b}) outs(%f : {c}) -> {c}
  %oe = tensor.empty() : {out}
  %r = linalg.generic {{indexing_maps = [{_MAPS}, {_MAPS}], {_KINDS}}} ins(%p : {c}) outs(%oe : {out}) {{
  ^bb0(%x: f32, %y: {dtype}):
    {body}
    linalg.yield %q : {dtype}
  }} -> {out}
  return %r : {out}
}}
"""


def _pointwise(name: str, ins: list[str], type_: str, body: str) -> str:
    maps = ", ".join([_MAPS] * (len(ins) + 1))
    args = ", ".join([*(f"%x{i}: f32" for i in range(len(ins))), "%y: f32"])
    types = ", ".join([type_] * len(ins))
    return (
        f"  %{name} = linalg.generic {{indexing_maps = [{maps}], {_KINDS}}} ins({', '.join(ins)} : {types}) "
        f"outs(%e : {type_}) {{\n  ^bb0({args}):\n    {body}\n    linalg.yield %q : f32\n  }} -> {type_}\n"
    )


def both_are_results() -> str:
    """exp(a) is a result and the input of a second result."""
    a = t(5, 23)
    body = _pointwise("p", ["%a"], a, "%q = math.exp %x0 : f32")
    body += _pointwise("r", ["%p", "%b"], a, "%q = arith.addf %x0, %x1 : f32")
    return (
        f"func.func @main(%a: {a}, %b: {a}) -> ({a}, {a}) {{\n  %e = tensor.empty() : {a}\n"
        f"{body}  return %p, %r : {a}, {a}\n}}\n"
    )


def product_is_a_result() -> str:
    """A matrix product is a result and the input of a second result."""
    a, b, c = t(5, 11), t(11, 19), t(5, 19)
    return f"""func.func @main(%a: {a}, %b: {b}) -> ({c}, {c}) {{
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : {c}
  %f = linalg.fill ins(%z : f32) outs(%e : {c}) -> {c}
  %p = linalg.matmul ins(%a, %b : {a}, {b}) outs(%f : {c}) -> {c}
{_pointwise("r", ["%p", "%p"], c, "%q = arith.mulf %x0, %x1 : f32")}  return %p, %r : {c}, {c}
}}
"""


def exponentials_are_a_result() -> str:
    """exp(a) is a result, and its sum over each row another."""
    a, r = t(5, 23), t(5)
    return f"""func.func @main(%a: {a}) -> ({a}, {r}) {{
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : {a}
{_pointwise("p", ["%a"], a, "%q = math.exp %x0 : f32")}  %re = tensor.empty() : {r}
  %f = linalg.fill ins(%z : f32) outs(%re : {r}) -> {r}
  %r = linalg.generic {{indexing_maps = [{_MAPS}, affine_map<(i, j) -> (i)>],
    iterator_types = ["parallel", "reduction"]}} ins(%p : {a}) outs(%f : {r}) {{
  ^bb0(%x: f32, %y: f32):
    %q = arith.addf %x, %y : f32
    linalg.yield %q : f32
  }} -> {r}
  return %p, %r : {a}, {r}
}}
"""


def matmul_onto(m: int = 5, n: int = 19, k: int = 11) -> str:
    """C + A B: the product starts from an argument."""
    a, b, c = t(m, k), t(k, n), t(m, n)
    return f"""func.func @main(%a: {a}, %b: {b}, %c: {c}) -> {c} {{
  %r = linalg.matmul ins(%a, %b : {a}, {b}) outs(%c : {c}) -> {c}
  return %r : {c}
}}
"""


def tensors(body: str, ins: list[str], out: str) -> str:
    """A function of tensor operations: arguments %a0, %a1, …, result %r."""
    head = ", ".join(f"%a{i}: {type_}" for i, type_ in enumerate(ins))
    return f"func.func @main({head}) -> {out} {{\n{body}  return %r : {out}\n}}\n"


def padded() -> str:
    body = f"""  %c = arith.constant 2.5 : f32
  %r = tensor.pad %a0 low[1, 2] high[0, 3] {{
  ^bb0(%i: index, %j: index):
    tensor.yield %c : f32
  }} : {t(4, 7)} to {t(5, 12)}
"""
    return tensors(body, [t(4, 7)], t(5, 12))


def padded_convolution() -> str:
    a, p, w, o = t(1, 3, 9, 9), t(1, 3, 11, 11), t(5, 3, 3, 3), t(1, 5, 9, 9)
    body = f"""  %z = arith.constant 0.0 : f32
  %p = tensor.pad %a0 low[0, 0, 1, 1] high[0, 0, 1, 1] {{
  ^bb0(%i: index, %j: index, %k: index, %l: index):
    tensor.yield %z : f32
  }} : {a} to {p}
  %e = tensor.empty() : {o}
  %f = linalg.fill ins(%z : f32) outs(%e : {o}) -> {o}
  %r = linalg.conv_2d_nchw_fchw ins(%p, %a1 : {p}, {w}) outs(%f : {o}) -> {o}
"""
    return tensors(body, [a, w], o)


def concatenated() -> str:
    body = f"  %r = tensor.concat dim(1) %a0, %a1 : ({t(5, 7)}, {t(5, 12)}) -> {t(5, 19)}\n"
    return tensors(body, [t(5, 7), t(5, 12)], t(5, 19))


def sliced() -> str:
    slice_ = f"tensor.extract_slice %a0[1, 2] [3, 5] [2, 3] : {t(8, 17)} to {t(3, 5)}"
    body = f"  %s = {slice_}\n  %e = tensor.empty() : {t(3, 5)}\n"
    return tensors(body + _pointwise("r", ["%s"], t(3, 5), "%q = arith.negf %x0 : f32"), [t(8, 17)], t(3, 5))


def inserted() -> str:
    body = f"  %r = tensor.insert_slice %a0 into %a1[1, 2] [3, 5] [2, 3] : {t(3, 5)} into {t(8, 17)}\n"
    return tensors(body, [t(3, 5), t(8, 17)], t(8, 17))


def stencil() -> str:
    """Three neighbours of a padded row, added: shifted reads of one temporary."""
    a, p, s = t(4, 19), t(4, 21), t(4, 19)
    body = f"""  %z = arith.constant 0.0 : f32
  %p = tensor.pad %a0 low[0, 1] high[0, 1] {{
  ^bb0(%i: index, %j: index):
    tensor.yield %z : f32
  }} : {a} to {p}
"""
    for name, at in (("s", 0), ("u", 1), ("v", 2)):
        body += f"  %{name} = tensor.extract_slice %p[0, {at}] [4, 19] [1, 1] : {p} to {s}\n"
    body += f"  %e = tensor.empty() : {s}\n"
    text = "%w = arith.addf %x0, %x1 : f32\n    %q = arith.addf %w, %x2 : f32"
    return tensors(body + _pointwise("r", ["%s", "%u", "%v"], s, text), [a], s)


def differences() -> str:
    """exp(a), and neighbours of it subtracted: the reader's rows are shorter than the writer's."""
    a, s = t(4, 20), t(4, 19)
    body = f"  %e0 = tensor.empty() : {a}\n"
    body += _pointwise("p", ["%a0"], a, "%q = math.exp %x0 : f32").replace("%e :", "%e0 :")
    for name, at in (("s", 0), ("u", 1)):
        body += f"  %{name} = tensor.extract_slice %p[0, {at}] [4, 19] [1, 1] : {a} to {s}\n"
    body += f"  %e = tensor.empty() : {s}\n"
    return tensors(body + _pointwise("r", ["%s", "%u"], s, "%q = arith.subf %x1, %x0 : f32"), [a], s)


def reshaped() -> str:
    """exp over a matrix, seen as a vector, twice it."""
    a, v = t(4, 9), t(36)
    body = f"  %e = tensor.empty() : {a}\n" + _pointwise("p", ["%a0"], a, "%q = math.exp %x0 : f32")
    body += f"  %v = tensor.collapse_shape %p [[0, 1]] : {a} into {v}\n  %o = tensor.empty() : {v}\n"
    line = "affine_map<(i) -> (i)>"
    body += f"""  %r = linalg.generic {{indexing_maps = [{line}, {line}], iterator_types = ["parallel"]}}
    ins(%v : {v}) outs(%o : {v}) {{
  ^bb0(%x: f32, %y: f32):
    %q = arith.addf %x, %x : f32
    linalg.yield %q : f32
  }} -> {v}
"""
    return tensors(body, [a], v)


def ahead() -> str:
    """a into the middle of a longer row; then that row from its start and from five behind the middle, added to a."""
    a, row = t(64), t(144)
    line = "affine_map<(i) -> (i)>"
    body = f"""  %p = tensor.insert_slice %a0 into %a1[64] [64] [1] : {a} into {row}
  %e = tensor.empty() : {a}
  %s = tensor.extract_slice %p[0] [64] [1] : {row} to {a}
  %u = tensor.extract_slice %p[69] [64] [1] : {row} to {a}
  %r = linalg.generic {{indexing_maps = [{line}, {line}, {line}, {line}], iterator_types = ["parallel"]}}
    ins(%s, %u, %a0 : {a}, {a}, {a}) outs(%e : {a}) {{
  ^bb0(%x: f32, %y: f32, %z: f32, %o: f32):
    %w = arith.addf %x, %y : f32
    %q = arith.addf %w, %z : f32
    linalg.yield %q : f32
  }} -> {a}
"""
    return tensors(body, [a, row], a)


def symmetric() -> str:
    """A padded square, and what it and the exponentials of its transpose add up to."""
    a, p = t(7, 7), t(9, 9)
    turned = "affine_map<(i, j) -> (j, i)>"
    body = f"""  %z = arith.constant 0.0 : f32
  %p = tensor.pad %a0 low[1, 1] high[1, 1] {{
  ^bb0(%i: index, %j: index):
    tensor.yield %z : f32
  }} : {a} to {p}
  %e = tensor.empty() : {p}
  %s = linalg.generic {{indexing_maps = [{turned}, {_MAPS}], {_KINDS}}} ins(%p : {p}) outs(%e : {p}) {{
  ^bb0(%x: f32, %o: f32):
    %q = math.exp %x : f32
    linalg.yield %q : f32
  }} -> {p}
"""
    return tensors(body + _pointwise("r", ["%p", "%s"], p, "%q = arith.addf %x0, %x1 : f32"), [a], p)


_INDEX = """%i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %k = arith.muli %i, %j : index
    %s = arith.addi %k, %j : index
    %q = arith.index_cast %s : index to i32"""
_WEIGHTED = """%j = linalg.index 1 : index
    %k = arith.index_cast %j : index to i32
    %g = arith.sitofp %k : i32 to f32
    %m = arith.mulf %g, %x0 : f32
    %q = arith.addf %m, %y : f32"""
_POSITION = """%j = linalg.index 1 : index
    %k = arith.index_cast %j : index to i32
    %g = arith.sitofp %k : i32 to f32
    %q = arith.addf %g, %x : f32"""

EXTRAS: dict[str, str] = {
    "matmul_f64": matmul("f64"),
    "matmul_f16": matmul("f16"),
    "matmul_i32": matmul("i32"),
    "matmul_i64": matmul("i64"),
    "matmul_i8": matmul("i8"),
    "matmul_onto": matmul_onto(),
    "sum_from_5": reduction("addi", "i32", "5"),
    "product_from_3": reduction("mulf", "f32", "3.0", n=13),
    "product_i32": reduction("muli", "i32", "1"),
    "max_from_0": reduction("maximumf", "f32", "0.0"),
    "min": reduction("minimumf", "f32", "0x7F800000"),
    "maxnum": reduction("maxnumf", "f32", "0xFF800000"),
    "minnum": reduction("minnumf", "f32", "0x7F800000"),
    "sum_to_scalar": generic(["(i)", "()"], "r", [t(37)], t(), "%q = arith.addf %x0, %y : f32", dims="i", init="0.0"),
    "scalar": generic(["()", "()"], "", [t()], t(), "%q = arith.addf %x0, %x0 : f32", dims=""),
    "less": generic([BOTH] * 3, "pp", [t(5, 23)] * 2, t(5, 23, dtype="i1"), "%q = arith.cmpf olt, %x0, %x1 : f32"),
    "select": generic(
        [BOTH] * 3,
        "pp",
        [t(5, 23, dtype="i1"), t(5, 23)],
        t(5, 23),
        "%z = arith.constant 2.0 : f32\n    %q = arith.select %x0, %x1, %z : f32",
    ),
    "indices": generic([BOTH], "pp", [], t(5, 23, dtype="i32"), _INDEX),
    "weighted_rows": generic([BOTH, "(i)"], "pr", [t(5, 23)], t(5), _WEIGHTED, init="0.0"),
    "matmul_to_f16": matmul_then("f16", "%q = arith.truncf %x : f32 to f16"),
    "matmul_to_f64": matmul_then("f64", "%q = arith.extf %x : f32 to f64"),
    "matmul_to_i1": matmul_then("i1", "%c = arith.constant 0.0 : f32\n    %q = arith.cmpf ogt, %x, %c : f32"),
    "matmul_plus_column": matmul_then("f32", _POSITION),
    "both_are_results": both_are_results(),
    "product_is_a_result": product_is_a_result(),
    "exponentials_are_a_result": exponentials_are_a_result(),
    "padded": padded(),
    "padded_convolution": padded_convolution(),
    "concatenated": concatenated(),
    "sliced": sliced(),
    "inserted": inserted(),
    "stencil": stencil(),
    "differences": differences(),
    "reshaped": reshaped(),
    "ahead": ahead(),
    "symmetric": symmetric(),
}
