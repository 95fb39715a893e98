"""Types of results from the type suffix of a custom form.

Owns the guesses: after an arrow, `to` or `into`; else the last types listed; with a table for operations whose suffix
names another type. Invariant: a list as long as the results; "" where nothing can be told.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from costmodel.ir.mlir.syntax import BALANCED, STRING, balanced_end, split_items
from costmodel.ir.mlir.types import MemRefType, TensorType, VectorType, parse_type

_PIECE = re.compile(
    rf"{STRING}|\({BALANCED}\)|<{BALANCED}>|\[{BALANCED}\]|\{{{BALANCED}\}}|->|::|:|\b(?:to|into|from)\b"
)
_TYPE = re.compile(
    rf"\s*((?:!?[\w$.\-]+(?:<{BALANCED}>)?|\({BALANCED}\)\s*->\s*[!\w$.]+(?:<{BALANCED}>)?))(?:\{{[^{{}}]*\}})?\s*(,)?"
)
_POINTEE = re.compile(r"(tensor<.*?x)?!tt\.ptr<(.+?)(?:, \d+)?>(, .*>|>)?", re.DOTALL)
_DIMENSIONS = re.compile(r"((?:\[?\d+\]?x|\?x)*)")


def suffix_of(text: str) -> tuple[str, bool]:
    """The part of an operation's text that names result types, and whether it follows an arrow, not a colon."""
    arrow = colon = 0
    for match in _PIECE.finditer(text):
        if match[0] == "->":
            arrow = match.end()
        elif match[0] == ":":
            colon = match.end()
    return (text[arrow:], True) if arrow else (text[colon:] if colon else "", False)


def listed_types(text: str, limit: int) -> list[str]:
    """Up to `limit` types of a list, with or without parentheses; what follows the list is ignored."""
    text = text.strip()
    if text.startswith("("):
        stop = balanced_end(text, 0, len(text))
        if stop > 0:
            return [item.split(" loc(")[0].strip() for item in split_items(text[1 : stop - 1])][:limit]
    types: list[str] = []
    position = 0
    while len(types) < limit:
        match = _TYPE.match(text, position)
        if match is None:
            break
        types.append(match[1])
        position = match.end()
        if match[2] is None:
            break
    return types


def suffix_types(suffix: str, count: int) -> list[str]:
    """Result types from a suffix such as `(f32, i1)`, `i32 to f32`, `vector<2xf32>, f32`, `f32 from vector<2xf32>`."""
    keyword, end = "", 0
    if "to " in suffix or "from " in suffix:
        for match in _PIECE.finditer(suffix):
            if match[0] in ("to", "into", "from"):
                keyword, end = match[0], match.end()
    if keyword == "from":
        return _filled(listed_types(suffix[: end - 4], count), count)
    if keyword:
        return _filled(listed_types(suffix[end:], count), count)
    types = listed_types(suffix, 64 + count)
    return _filled(types[-count:], count)


def _filled(types: list[str], count: int) -> list[str]:
    return types if len(types) == count else types * count if len(types) == 1 else types + [""] * (count - len(types))


def _element(text: str) -> str:
    kind = parse_type(text)
    if isinstance(kind, MemRefType | TensorType | VectorType):
        return str(kind.element)
    return text[text.index("<") + 1 : -1] if text.startswith("complex<") else ""


def _boolean_like(text: str) -> str:
    """`i1` in the shape of a type."""
    kind = parse_type(text)
    if isinstance(kind, TensorType | VectorType) and kind.shape is not None:
        opened = text.index("<") + 1
        match = _DIMENSIONS.match(text, opened)
        dims = match[1] if match else ""
        rest = text[opened + len(dims) + len(str(kind.element)) :]
        return f"{text[:opened]}{dims}i1{rest}"
    return "i1"


def _pointee(text: str) -> str:
    match = _POINTEE.fullmatch(text)
    if match is None:
        return ""
    inner = match[2]
    return f"{match[1]}{inner}{match[3] or '>'}" if match[1] else inner


def _first(suffix: str) -> str:
    items = split_items(suffix)
    return items[0] if items else ""


def _outer_product(suffix: str) -> str:
    items = split_items(suffix)
    if len(items) != 2:
        return ""
    left, right = parse_type(items[0]), parse_type(items[1])
    if not isinstance(left, VectorType) or left.shape is None:
        return ""
    if not isinstance(right, VectorType) or right.shape is None:
        return items[0]
    return f"vector<{left.shape[0]}x{right.shape[0]}x{left.element}>"


def _fixed(text: str, suffix: str) -> str:
    return text


_TO_ELEMENT = (
    "memref.load affine.load tensor.extract memref.atomic_rmw memref.generic_atomic_rmw complex.re complex.im "
    "complex.abs complex.angle vector.extractelement llvm.extractelement"
).split()
_TO_INDEX = (
    "memref.dim tensor.dim tensor.rank memref.rank affine.apply affine.min affine.max affine.linearize_index "
    "index.add index.sub index.mul index.constant index.divs index.divu index.ceildivs index.ceildivu "
    "index.floordivs index.rems index.remu index.maxs index.maxu index.mins index.minu index.shl index.shrs "
    "index.shru index.and index.or index.xor gpu.thread_id gpu.block_id gpu.block_dim gpu.grid_dim "
    "gpu.global_id gpu.lane_id gpu.subgroup_id gpu.num_subgroups gpu.subgroup_size gpu.cluster_id "
    "gpu.cluster_dim gpu.cluster_block_id memref.extract_aligned_pointer_as_index vector.vscale "
    "hal.interface.workgroup.id affine.delinearize_index hal.interface.workgroup.count "
    "hal.interface.workgroup.size flow.dispatch.workgroup.id flow.dispatch.workgroup.count "
    "flow.dispatch.workgroup.size "
).split()
_TO_FIRST = (
    "llvm.insertvalue tt.addptr llvm.shufflevector vector.insertelement llvm.insertelement ttg.async_wait"
).split()
_TO_BOOLEAN = ("arith.cmpi", "arith.cmpf", "llvm.icmp", "llvm.fcmp", "complex.eq", "complex.neq")
_FIXED = {
    "index.cmp": "i1",
    "index.bool.constant": "i1",
    "index.sizeof": "index",
    "torch.constant.int": "!torch.int",
    "torch.constant.float": "!torch.float",
    "torch.constant.bool": "!torch.bool",
    "torch.constant.none": "!torch.none",
    "torch.constant.str": "!torch.str",
    "torch.constant.device": "!torch.Device",
    "gpu.wait": "!gpu.async.token",
}
_ALWAYS = frozenset((*_TO_INDEX, "tt.load"))
_SPECIAL: dict[str, Callable[[str], str]] = {
    **{name: lambda suffix: _element(_first(suffix)) for name in _TO_ELEMENT},
    **{name: partial(_fixed, "index") for name in _TO_INDEX},
    **dict.fromkeys(_TO_FIRST, _first),
    **{name: lambda suffix: _boolean_like(_first(suffix)) for name in _TO_BOOLEAN},
    **{name: partial(_fixed, text) for name, text in _FIXED.items()},
    "arith.constant": lambda suffix: suffix or "i1",
    "llvm.cmpxchg": lambda suffix: f"!llvm.struct<({split_items(suffix)[-1].strip()}, i1)>",
    "tt.load": _pointee,
    "vector.outerproduct": _outer_product,
}


def result_types(name: str, suffix: str, count: int, arrow: bool) -> list[str]:
    """Types of `count` results of the operation called `name`; `arrow` says that the suffix followed an arrow."""
    special = _SPECIAL.get(name)
    if special is not None and (not arrow or name in _ALWAYS):
        found = special(suffix)
        if found:
            return [found] * count
    if not suffix:
        return [""] * count
    if arrow:
        return _filled(listed_types(suffix, count), count)
    return suffix_types(suffix, count)
