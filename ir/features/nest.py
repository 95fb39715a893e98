"""Numbers of the linalg operation with the most work: what its body does at each point, and how it reads.

Owns the names and definitions (`NEST_FEATURES`). 0 where there is no linalg operation with a known iteration space.
What a schedule makes of it is told by the schedule's own numbers; both together give the innermost loop's body.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod

from costmodel.ir import linalg
from costmodel.ir.mlir.affine import AffineMap
from costmodel.ir.mlir.structure import Operation
from costmodel.ir.mlir.types import ScalarType, ShapedType, parse_type

NEST_FEATURES: tuple[tuple[str, str, str], ...] = (
    ("points", "points", "of the iteration space of the linalg operation with the most work"),
    ("reduction", "points", "product of its reduced dimensions, 1 without"),
    ("is_reduction", "0 or 1", "1 where its body reads its output"),
    ("dims", "dimensions", "of its iteration space"),
    ("inputs", "operands", "that it reads, outputs excluded"),
    ("inputs_broadcast", "operands", "that lack a dimension of the space that is not reduced"),
    ("inputs_last", "operands", "whose last dimension is the last parallel one of the space"),
    ("inputs_reduced_last", "operands", "whose last dimension is a reduced one"),
    ("inputs_strided", "operands", "whose indices add or scale dimensions"),
    ("bits_in", "bits", "of an element of its narrowest input"),
    ("bits_in_most", "bits", "of an element of its widest input"),
    ("bits_out", "bits", "of an element of its output"),
    ("bits_body", "bits", "of the widest value in its body"),
    *((f"has_{kind}", "0 or 1", f"1 where an operand's elements are {kind}") for kind in ("f16", "bf16", "f64", "i8")),
    ("is_integer", "0 or 1", "1 where its output's elements are integers"),
    ("fused", "operations", "multiplications whose result is added, in its body: fused multiply-adds"),
    ("float", "operations", "other float additions, multiplications, minima and maxima in its body"),
    ("int", "operations", "integer operations in its body"),
    ("int_multiplies", "operations", "integer multiplications in its body"),
    ("converts", "operations", "conversions in its body"),
    ("compares", "operations", "comparisons and selects in its body"),
    ("divisions", "operations", "divisions and roots in its body"),
    ("math", "operations", "other mathematical functions in its body"),
    ("others", "operations", "linalg operations with an eighth of its work at least, itself excluded"),
    ("other_math", "operations", "divisions and mathematical functions in their bodies"),
    ("share", "share", "of its work in that of all linalg operations"),
)
"""(name without `nest_`, unit, definition)."""
_DIVISIONS = frozenset("divf remf divsi divui remsi remui sqrt rsqrt".split())
_COMPARES = frozenset("cmpf cmpi select".split())
_CONVERTS = frozenset("extf truncf extsi extui trunci sitofp uitofp fptosi fptoui index_cast bitcast".split())
_WEIGHTS = {"divisions": 8, "math": 16}
_PRODUCTS = ("matmul", "matvec", "vecmat", "dot", "conv", "batch_matmul")
_SHARE = 8


def nest_numbers(operations: Sequence[Operation]) -> dict[str, float]:
    """Numbers by name without prefix, of a function's linalg operations; empty where no size is known."""
    found = []
    for operation in operations:
        sizes = linalg.loop_sizes(operation)
        if not sizes or None in sizes or operation.name in ("linalg.fill", "linalg.yield", "linalg.index"):
            continue
        body = body_counts(operation)
        points = prod(size or 1 for size in sizes)
        weight = 1 + sum(count * _WEIGHTS.get(name, 1) for name, count in body.items() if name != "bits_body")
        found.append((points * weight, points, operation, tuple(size or 1 for size in sizes), body))
    if not found:
        return {}
    most = max(found, key=lambda item: item[0])
    total = sum(item[0] for item in found)
    others = [item for item in found if item is not most and item[0] * _SHARE >= most[0]]
    numbers = {"points": float(most[1]), "share": most[0] / total, "others": float(len(others)), **most[4]}
    numbers["other_math"] = sum(item[4]["divisions"] + item[4]["math"] for item in others)
    numbers.update(_reads(most[2], most[3]))
    return numbers


def body_counts(operation: Operation) -> dict[str, float]:
    """Operations of one point by class, and the bits of the widest value."""
    counts = dict.fromkeys(
        ("fused", "float", "int", "int_multiplies", "converts", "compares", "divisions", "math"), 0.0
    )
    blocks = operation.regions[0].blocks if operation.regions else []
    inner = blocks[0].operations if blocks else []
    bits = 0
    for one in inner:
        dialect, _, short = one.name.partition(".")
        bits = max(bits, *(_element_bits(value.type_text) for value in one.results), 0)
        name = _class_of(dialect, short)
        if name is not None:
            counts[name] += 1
        if short in ("addf", "subf") and any(_is_product(value.owner) for value in one.operands):
            counts["fused"] += 1
            counts["float"] -= 2
    if not inner and any(word in operation.name for word in _PRODUCTS):
        counts["fused"] = 1
    return {**counts, "bits_body": float(bits)}


def _is_product(owner: object) -> bool:
    return isinstance(owner, Operation) and owner.name == "arith.mulf"


def _class_of(dialect: str, short: str) -> str | None:
    if short in _DIVISIONS:
        return "divisions"
    if short in _CONVERTS:
        return "converts"
    if short in _COMPARES:
        return "compares"
    if dialect == "math":
        return "float" if short in ("fma", "absf") else "math"
    if dialect != "arith" or short == "constant":
        return None
    if short.endswith("f"):
        return "float"
    return "int_multiplies" if short == "muli" else "int"


@lru_cache(maxsize=4096)
def _element_bits(text: str) -> int:
    kind = parse_type(text)
    element = kind.element if isinstance(kind, ShapedType) else kind
    return element.bits if isinstance(element, ScalarType) else 0


def _element(text: str) -> str:
    kind = parse_type(text)
    return str(kind.element if isinstance(kind, ShapedType) else kind)


def _reads(operation: Operation, sizes: tuple[int, ...]) -> dict[str, float]:
    """How inputs lie over the iteration space."""
    inputs = linalg.num_inputs(operation)
    maps = linalg.indexing_maps(operation) or []
    kept = _dims_of(maps[inputs]) if len(maps) > inputs else set(range(len(sizes)))
    reduced = [dim for dim in range(len(sizes)) if dim not in kept]
    bits = [_element_bits(value.type_text) for value in operation.operands[:inputs]] or [0]
    outputs = [_element_bits(value.type_text) for value in operation.operands[inputs:]] or [0]
    numbers = {
        "reduction": float(prod(sizes[dim] for dim in reduced)), "dims": float(len(sizes)), "inputs": float(inputs),
        "is_reduction": float(bool(reduced)), "bits_in": float(min(bits)), "bits_in_most": float(max(bits)),
        "bits_out": float(outputs[0]),
    }  # fmt: skip
    kinds = [_element(value.type_text) for value in operation.operands]
    numbers |= {f"has_{kind}": float(kind in kinds) for kind in ("f16", "bf16", "f64", "i8")}
    numbers["is_integer"] = float(kinds[-1].startswith("i"))
    last = max(kept, default=-1)
    for name in ("inputs_broadcast", "inputs_last", "inputs_reduced_last", "inputs_strided"):
        numbers[name] = 0.0
    for one in maps[:inputs]:
        ends = _dims_of(one, last_only=True)
        numbers["inputs_broadcast"] += bool(kept - _dims_of(one))
        numbers["inputs_last"] += last in ends
        numbers["inputs_reduced_last"] += bool(ends & set(reduced))
        numbers["inputs_strided"] += any(result.kind not in ("dim", "const") for result in one.results)
    return numbers


def _dims_of(one: AffineMap, *, last_only: bool = False) -> set[int]:
    results = one.results[-1:] if last_only else one.results
    return {dim for result in results for dim in result.dims()}
