"""What one execution of one operation costs: floating-point operations, bytes moved, and its category.

Owns the tables. Counting rules: an addition, multiplication, division, negation, minimum or maximum is one
floating-point operation an element; a fused multiply-add is two; a mathematical function (exp, sqrt, ...) is one, and
counted as transcendental too; comparisons, selects and conversions are none. Unknown operations cost nothing.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod

from costmodel.ir import semantics
from costmodel.ir.linalg import loop_sizes, operand_shape
from costmodel.ir.mlir.structure import Operation
from costmodel.ir.mlir.types import OtherType, ScalarType, ShapedType, VectorType, parse_type

_SIMPLE = frozenset(
    "addf subf mulf divf remf negf maximumf minimumf maxnumf minnumf fadd fsub fmul fdiv frem fneg".split()
    + "intr.maxnum intr.minnum intr.maximum intr.minimum".split()
)
_FUSED = frozenset(("fma", "intr.fma", "intr.fmuladd"))
_FUNCTIONS = frozenset(
    "acos acosh asin asinh atan atan2 atanh cbrt cos cosh erf erfc exp exp2 expm1 log log10 log1p log2 pow powf powi "
    "fpowi rsqrt sin sinh sqrt tan tanh sincos".split()
)
_LOADS = frozenset(
    "memref.load affine.load vector.load vector.transfer_read affine.vector_load vector.gather vector.maskedload "
    "vector.expandload llvm.load tensor.extract memref.atomic_rmw tt.load llvm.intr.masked.load "
    "llvm.intr.masked.gather llvm.intr.masked.expandload".split()
)
_STORES = frozenset(
    "memref.store affine.store vector.store vector.transfer_write affine.vector_store llvm.store tt.store "
    "llvm.intr.masked.store llvm.intr.masked.scatter llvm.intr.masked.compressstore vector.maskedstore "
    "vector.scatter vector.compressstore".split()
)
_STORED_LAST = frozenset(("vector.maskedstore", "vector.scatter", "vector.compressstore"))
_STORED_SECOND = frozenset(("tt.store", "tensor.insert_slice"))
DEPENDS_ON_OPERANDS = -1
"""`flops_of` needs the operation itself, not its name and result type alone."""
_REDUCTION = "intr.vector.reduce."
_CONTROL = frozenset(("cf", "scf", "affine"))
_MEMORY_WORDS = ("alloc", "load", "store", "copy", "getelementptr", "subview", "dealloc", "memcpy", "memset")
_SHAPE_WORDS = (
    "broadcast",
    "shuffle",
    "extract",
    "insert",
    "transpose",
    "shape",
    "slice",
    "concat",
    "splat",
    "interleave",
)
_CONVERSION_WORDS = ("ext", "trunc", "cast", "itofp", "fptosi", "fptoui", "ptrto", "toptr", "bitcast")
_TERMINATOR_WORDS = ("return", "yield", "br", "cond_br", "switch", "unreachable", "resume", "terminator")

CATEGORIES = (
    "float_arithmetic",
    "integer_arithmetic",
    "math_function",
    "compare_select",
    "conversion",
    "memory",
    "data_movement",
    "control",
    "call",
    "constant",
    "structured",
    "other",
)
"""Columns of the operation mix."""


@lru_cache(maxsize=16384)
def num_lanes(type_text: str) -> int:
    """Elements of a shaped type (dynamic dimensions count as 1), 1 for a scalar."""
    kind = parse_type(type_text)
    if not isinstance(kind, ShapedType):
        return 1
    return prod(size for size in kind.shape or () if size is not None)


@lru_cache(maxsize=16384)
def num_bytes(type_text: str) -> int | None:
    """Bytes of a value of the type; None for dynamic or opaque types; pointers are 8."""
    kind = parse_type(type_text)
    if isinstance(kind, ScalarType):
        return (kind.bits + 7) // 8
    if isinstance(kind, OtherType):
        return 8 if kind.text.startswith("!llvm.ptr") else None
    return kind.num_bytes


@lru_cache(maxsize=16384)
def element_bytes(type_text: str) -> int:
    """Bytes of one element of a shaped type, of the value itself otherwise; 0 where unknown."""
    kind = parse_type(type_text)
    return num_bytes(str(kind.element) if isinstance(kind, ShapedType) else type_text) or 0


def _is_float(type_text: str) -> bool:
    kind = parse_type(type_text)
    element = kind.element if isinstance(kind, ShapedType) else kind
    return isinstance(element, ScalarType) and element.is_float


def is_vector(type_text: str) -> bool:
    """Whether the type is a vector."""
    return isinstance(parse_type(type_text), VectorType)


@lru_cache(maxsize=4096)
def _kind(name: str) -> str:
    return name.partition(".")[2]


@lru_cache(maxsize=4096)
def _library_function(callee: str) -> bool:
    return callee in _FUNCTIONS or (callee[-1:] in ("f", "l") and callee[:-1] in _FUNCTIONS)


def is_math_function(operation: Operation) -> bool:
    """Whether it computes exp, sqrt, ... : a math operation, an LLVM intrinsic or a libm call."""
    kind = _kind(operation.name)
    if operation.name.startswith("math."):
        return kind in _FUNCTIONS
    if kind.startswith("intr."):
        return kind[5:] in _FUNCTIONS
    callee = semantics.callee_of(operation)
    return callee is not None and _library_function(callee)


def flops_of(operation: Operation) -> int:
    """Floating-point operations of one execution."""
    if not operation.results:
        return 0
    kind, result = _kind(operation.name), operation.results[0].type_text
    if kind in _SIMPLE or is_math_function(operation):
        return num_lanes(result)
    if kind in _FUSED:
        return 2 * num_lanes(result)
    if not _is_float(result):
        return 0
    if operation.name == "vector.contract":
        return 2 * prod(size or 1 for size in loop_sizes(operation))
    if operation.name in _TILE_PRODUCTS:
        return 2 * num_lanes(result) * _inner_size(operation.operands[0].type_text)
    if operation.name == "vector.outerproduct":
        return (2 if len(operation.operands) > 2 else 1) * num_lanes(result)
    if operation.name in ("vector.reduction", "vector.multi_reduction"):
        with_start = len(operation.operands) > 1
        return num_lanes(operation.operands[0].type_text) - (0 if with_start else num_lanes(result))
    if kind.startswith(_REDUCTION):
        return num_lanes(operation.operands[-1].type_text) - (2 - len(operation.operands))
    return 0


def _inner_size(type_text: str) -> int:
    shape = operand_shape(type_text)
    return (shape[-1] or 1) if shape else 1


def named_flops_of(operation: Operation) -> int:
    """Floating-point operations of a linalg operation that is written without its body, over its whole space."""
    if operation.regions or not operation.operands or not _is_float(operation.operands[-1].type_text):
        return 0
    kind = _kind(operation.name)
    each = next((count for word, count in _NAMED if word in kind), 0)
    return each * prod(size or 1 for size in loop_sizes(operation)) if each else 0


_NAMED = (
    *((word, 2) for word in ("matmul", "conv", "matvec", "vecmat", "dot", "mmt4d")),
    *((word, 1) for word in ("pooling", "add", "sub", "mul", "div", "max", "min", "neg", "exp", "log", "sqrt", "tanh")),
)
"""Operations a point of the iteration space, by a word of the name."""


def stored_operand(operation: Operation) -> int:
    """Index of the operand that a store writes (of any operation without result: the operand that tells its type)."""
    if operation.name in _STORED_LAST:
        return -1
    return 1 if operation.name in _STORED_SECOND and len(operation.operands) > 1 else 0


def is_access(name: str) -> bool:
    """Whether the operation loads or stores by address or index."""
    return name in _LOADS or name in _STORES


def is_store(name: str) -> bool:
    """Whether the operation stores by address or index."""
    return name in _STORES


def needs_operands(name: str) -> bool:
    """Whether `flops_of` looks beyond the name and the type of the first result."""
    return name in _CONTRACTIONS or name in _TILE_PRODUCTS or name.partition(".")[2].startswith(_REDUCTION)


def bytes_of(operation: Operation) -> int:
    """Bytes that one execution of a load, store or copy moves; 0 for others and for unknown sizes."""
    if operation.name in _LOADS and operation.results:
        return num_bytes(operation.results[0].type_text) or 0
    if operation.name in _STORES and operation.operands:
        return num_bytes(operation.operands[stored_operand(operation)].type_text) or 0
    if operation.name == "memref.copy":
        return 2 * (num_bytes(operation.operands[0].type_text) or 0)
    return 0


def category_of(operation: Operation) -> str:
    """One of `CATEGORIES`."""
    if operation.name in semantics.CONSTANT_NAMES:
        return "constant"
    if is_math_function(operation):
        return "math_function"
    if semantics.callee_of(operation) is not None:
        return "call"
    return _category(operation.name)


@lru_cache(maxsize=4096)
def _category(name: str) -> str:
    dialect, _, kind = name.partition(".")
    if kind in _SIMPLE or kind in _FUSED or kind.startswith(_REDUCTION + "f") or name in _CONTRACTIONS:
        return "float_arithmetic"
    if kind in ("icmp", "fcmp", "cmpi", "cmpf", "select", "cmp"):
        return "compare_select"
    if (dialect in _CONTROL and kind in ("for", "if", "while", "forall", "parallel")) or kind in _TERMINATOR_WORDS:
        return "control"
    if dialect == "linalg":
        return "structured"
    if name in _LOADS or name in _STORES or any(word in kind for word in _MEMORY_WORDS):
        return "memory"
    if any(word in kind for word in _SHAPE_WORDS) and not kind.startswith(("zext", "sext", "ext")):
        return "data_movement"
    if any(word in kind for word in _CONVERSION_WORDS):
        return "conversion"
    return "integer_arithmetic" if kind in _INTEGER or dialect == "index" else "other"


_TILE_PRODUCTS = frozenset(("tt.dot", "ttng.warp_group_dot", "triton_nvidia_gpu.warp_group_dot"))
_CONTRACTIONS = frozenset(("vector.contract", "vector.outerproduct", "vector.reduction", "vector.multi_reduction"))
_INTEGER = frozenset(
    "addi subi muli divsi divui remsi remui ceildivsi floordivsi andi ori xori shli shrsi shrui maxsi maxui minsi "
    "minui add sub mul udiv sdiv urem srem shl lshr ashr and or xor apply min max intr.smax intr.smin intr.umax "
    "intr.umin".split()
)
