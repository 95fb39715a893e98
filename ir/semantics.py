"""What little the graph, the tokens and the features must know about operations of any dialect.

Owns: which operations are constants and what they hold, which operands a terminator forwards to which block, what a
call calls. Invariant: works on unknown dialects by structure alone. MLIR's LLVM dialect and LLVM IR come out alike.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from zlib import crc32

from costmodel.core.errors import ParseError
from costmodel.ir.mlir.affine import parse_affine_map
from costmodel.ir.mlir.attributes import Attribute, parse_float
from costmodel.ir.mlir.structure import Block, Operation, Value
from costmodel.ir.mlir.types import ScalarType, ShapedType, parse_type

CONSTANT_NAMES = frozenset(
    (
        "arith.constant",
        "complex.constant",
        "index.constant",
        "llvm.mlir.addressof",
        "llvm.mlir.constant",
        "llvm.mlir.poison",
        "llvm.mlir.undef",
        "llvm.mlir.zero",
        "onnx.Constant",
        "spirv.Constant",
        "stablehlo.constant",
        "tosa.const",
        "ub.poison",
    )
)
_INTEGER = re.compile(r"\s*(-?\d+)\s*(?::.*)?", re.DOTALL)
_VALUE = re.compile(r"value = (-?\d{1,40}) : i\d+")
_SPLAT = re.compile(r"dense<([^\[\"<>]+)>\s*:\s*(.*)", re.DOTALL)
_AFFINE = re.compile(r"affine_map<(?:[^<>\-]++|->|-)*+>")
_FLOAT = re.compile(r"\s*(-?\d+\.\d*(?:[eE][+-]?\d+)?|0x[0-9A-Fa-f]+)\s*(?::\s*(.*))?", re.DOTALL)
_GAP = re.compile(r"\s+(?!\w)|(?<!\w)\s+")
_LONG_TEXT = 4096


def is_constant(operation: Operation) -> bool:
    """Whether the operation only brings a constant into being."""
    return operation.name in CONSTANT_NAMES and len(operation.results) == 1


def constant_text(operation: Operation) -> str:
    """The attribute that a constant holds, or its kind (`zero`, `undef`, `poison`) where it holds none."""
    value = operation.attribute("value") or operation.attribute("values") or operation.attribute("global_name")
    return value if value is not None else operation.name.rpartition(".")[2]


def number_of(text: str) -> float | None:
    """The number an attribute holds: integers, floats, booleans and splats; None for anything else."""
    return None if len(text) > _LONG_TEXT else _number_of(text)


@lru_cache(maxsize=65536)
def _number_of(text: str) -> float | None:
    if text in ("true", "false"):
        return float(text == "true")
    integer = _INTEGER.fullmatch(text)
    if integer is not None:
        return float(integer[1])
    real = _FLOAT.fullmatch(text)
    if real is not None:
        return _real(real[1], real[2])
    splat = _SPLAT.fullmatch(text)
    if splat is None:
        return None
    kind = parse_type(splat[2])
    element = kind.element if isinstance(kind, ShapedType) else kind
    return _number_of(f"{splat[1].strip()} : {element}" if isinstance(element, ScalarType) else splat[1].strip())


def _real(value: str, type_text: str | None) -> float | None:
    try:
        number = parse_float(f"{value} : {type_text}" if type_text else value)
    except ParseError:
        return None
    return number if math.isfinite(number) else None


_TRUTH = {"false": 0, "true": 1}


def integer_constant(value: Value) -> int | None:
    """The integer that a value is known to hold, if a constant operation defines it."""
    owner = value.owner
    if not isinstance(owner, Operation) or owner.name not in CONSTANT_NAMES:
        return None
    if owner.name == "llvm.mlir.zero":
        return 0
    found = _only_value(owner._property_text)
    return found if found is not None else _integer(constant_text(owner)[:80])


@lru_cache(maxsize=65536)
def _only_value(text: str) -> int | None:
    """The integer of properties that hold nothing but a value that is one."""
    match = _VALUE.fullmatch(text)
    return int(match[1]) if match else None


@lru_cache(maxsize=65536)
def _integer(text: str) -> int | None:
    match = _INTEGER.fullmatch(text)
    return int(match[1]) if match else _TRUTH.get(text)


def forwarded(operation: Operation) -> list[tuple[Block, list[Value]]]:
    """For each successor of a terminator, the operands that become its arguments.

    Forwarded operands are the last ones, in the order of the successors, as in every upstream dialect.
    """
    successors, operands = operation.successors, operation.operands
    if len(successors) == 1:
        count = len(successors[0].args)
        return [(successors[0], operands[len(operands) - count :] if count <= len(operands) else [])]
    first = len(operands) - sum([len(block.args) for block in successors])
    found: list[tuple[Block, list[Value]]] = []
    for block in successors:
        count = len(block.args)
        found.append((block, operands[first : first + count] if first >= 0 else []))
        first += count
    return found


def num_own_operands(operation: Operation) -> int:
    """Operands that the operation itself consumes: all but the forwarded ones."""
    if not operation.successors:
        return len(operation.operands)
    total = sum(len(block.args) for block in operation.successors)
    return max(0, len(operation.operands) - total)


def callee_of(operation: Operation) -> str | None:
    """The symbol a call names (`""` for an indirect call), None if the operation is no call."""
    kind = operation.name.rpartition(".")[2]
    if kind not in ("call", "call_indirect", "invoke", "launch_func", "callbr"):
        return None
    target = operation.attribute("callee") or operation.attribute("kernel")
    return target.lstrip("@").strip('"') if target is not None else ""


def canonical_attribute(text: str) -> str:
    """The same text for equal attributes: affine maps with canonical names, spaces only between words.

    A text of over 4096 characters (a large constant) comes back as its beginning, length and checksum.
    """
    if len(text) > _LONG_TEXT:
        return f"{text[:16]}...{len(text)}:{crc32(text.encode('utf-8', 'surrogatepass')):08x}"
    return _canonical(text)


@lru_cache(maxsize=16384)
def _canonical(text: str) -> str:
    if "affine_map<" in text:
        text = _AFFINE.sub(lambda match: _canonical_map(match[0]), text)
    return " ".join(_GAP.sub("", text).split())


def _canonical_map(text: str) -> str:
    try:
        return str(parse_affine_map(text))
    except ParseError:
        return text


def attribute_items(operation: Operation) -> list[tuple[str, Attribute]]:
    """Properties then attributes, without what only names things, repeats operands or types, or is the default.

    So an operation has the same attributes in the generic form, in its custom form and, in MLIR's LLVM dialect, as the
    instruction that it stands for.
    """
    items = [*operation.properties.items(), *operation.attributes.items()]
    return [
        (_SAME_AS.get(name, name), _WRAPPING.get(value, value) if name == "overflowFlags" else value)
        for name, value in items
        if name not in NAMING_ATTRIBUTES and not value.startswith("@") and not _is_default(name, value)
    ]


def _is_default(name: str, value: str) -> bool:
    default = _DEFAULTS.get(name)
    if default is None:
        return False
    return value in default or (value.endswith("<none>") and "none" in default)


_SAME_AS = {"linalg.memoized_indexing_maps": "indexing_maps"}
_WRAPPING = {
    f"{bits} : i32": Attribute(f"#llvm.overflow<{flags}>")
    for bits, flags in enumerate(("none", "nsw", "nuw", "nsw, nuw"))
}
_NONE = ("none", "0 : i32")
_DEFAULTS = {
    "fastmath": _NONE,
    "fastmathFlags": _NONE,
    "ordering": ("0 : i64",),
    "overflowFlags": _NONE,
}
"""Values that the generic form prints and no other form does; "none" stands for `#dialect.name<none>`."""

NAMING_ATTRIBUTES = frozenset(
    (
        "CConv",
        "TailCallKind",
        "arg_attrs",
        "callee",
        "dso_local",
        "function_type",
        "linkage",
        "noWrapFlags",
        "op_bundle_sizes",
        "op_bundle_tags",
        "operandSegmentSizes",
        "operand_segment_sizes",
        "res_attrs",
        "resultSegmentSizes",
        "result_segment_sizes",
        "sym_name",
        "sym_visibility",
        "symbol",
        "unnamed_addr",
        "value_type",
        "var_callee_type",
        "visibility_",
    )
)
