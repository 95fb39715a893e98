"""TIR programs as operations of MLIR's dialects wherever the meaning is the same.

Owns the lowering that script and JSON share: a loop is `scf.for` (attribute `kind` where it is not serial), buffers are
memrefs with `memref.load` and `memref.store`, arithmetic is `arith` and `math`, a condition is `scf.if`. What MLIR has
no word for keeps TIR's: `tir.block` (attribute `axes`, one letter for each: S spatial, R reduction), `tir.init`,
`tir.thread`, `tir.call_extern` and other intrinsics. So graph, tokens and features work as on MLIR. Literals are
constants that stand in no block. Floor division and modulo are those of numbers that are not negative.
Invariant: every operand is defined; at most `MAX_OPERATIONS` operations come of one text.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from costmodel.core.errors import ParseError
from costmodel.ir.mlir.structure import Block, Chunk, MlirModule, Operation, Region, Source, Value
from costmodel.ir.mlir.types import ScalarType, ShapedType, parse_type

MAX_OPERATIONS = 2_000_000
"""JSON may share an expression exponentially often; a program of this size is refused."""

_LARGEST_INTEGER = 1 << 128
_LARGEST_FLOAT = sys.float_info.max
_DTYPE = re.compile(r"(float|bfloat|int|uint|bool|handle|void)(\d*)(?:_(\w+))?(?:x(\d+))?")
_COMPARISONS = {"eq": (0, 1), "ne": (1, 6), "lt": (2, 4), "le": (3, 5), "gt": (4, 2), "ge": (5, 3)}
"""Predicates of `arith.cmpi` (signed) and of `arith.cmpf` (ordered)."""
_ARITHMETIC = {
    "add": ("arith.addi", "arith.addf"),
    "sub": ("arith.subi", "arith.subf"),
    "mul": ("arith.muli", "arith.mulf"),
    "div": ("arith.divsi", "arith.divf"),
    "mod": ("arith.remsi", "arith.remf"),
    "floordiv": ("arith.floordivsi", "arith.divf"),
    "floormod": ("arith.remsi", "arith.remf"),
    "truncdiv": ("arith.divsi", "arith.divf"),
    "truncmod": ("arith.remsi", "arith.remf"),
    "indexdiv": ("arith.floordivsi", "arith.divf"),
    "indexmod": ("arith.remsi", "arith.remf"),
    "ceildiv": ("arith.ceildivsi", "arith.divf"),
    "min": ("arith.minsi", "arith.minimumf"),
    "max": ("arith.maxsi", "arith.maximumf"),
    "and": ("arith.andi", "arith.andi"),
    "or": ("arith.ori", "arith.ori"),
    "bitwise_and": ("arith.andi", "arith.andi"),
    "bitwise_or": ("arith.ori", "arith.ori"),
    "bitwise_xor": ("arith.xori", "arith.xori"),
    "shift_left": ("arith.shli", "arith.shli"),
    "shift_right": ("arith.shrsi", "arith.shrsi"),
    "pow": ("math.ipowi", "math.powf"),
    "atan2": ("math.atan2", "math.atan2"),
}
_MATH = {
    name: f"math.{name}"
    for name in "acos acosh asin asinh atan atanh ceil cos cosh erf exp exp2 floor log log10 log1p log2 round rsqrt "
    "sin sinh sqrt tan tanh trunc".split()
}
_MATH |= {"abs": "math.absf", "fabs": "math.absf", "nearbyint": "math.roundeven", "popcount": "math.ctpop"}


def mlir_type(dtype: str) -> str:
    """`float32` to `f32`, `int8x4` to `vector<4xi8>`, `float8_e4m3fn` to `f8E4M3FN`, `handle` to `!llvm.ptr`."""
    match = _DTYPE.fullmatch(dtype)
    if match is None:
        return f"!tir<{dtype}>" if re.fullmatch(r"\w+", dtype) else "!tir.unknown"
    kind, bits, form, lanes = match.groups()
    scalar = {
        "float": f"f{bits or 32}{(form or '').upper()}",
        "bfloat": "bf16",
        "int": f"i{bits or 32}",
        "uint": f"ui{bits or 32}" if bits != "1" else "i1",
        "bool": "i1",
        "handle": "!llvm.ptr",
        "void": "none",
    }[kind]
    return f"vector<{lanes}x{scalar}>" if lanes else scalar


def element_of(kind: str) -> str:
    """Element type of a shaped type, the type itself else."""
    parsed = parse_type(kind)
    return str(parsed.element) if isinstance(parsed, ShapedType) else kind


def is_float(kind: str) -> bool:
    """Whether a type or its element is floating-point."""
    parsed = parse_type(element_of(kind))
    return isinstance(parsed, ScalarType) and parsed.is_float


class Builder:
    """Grows one module. Blocks are entered by the `with` methods; all else appends to the innermost one."""

    def __init__(self, source: Source) -> None:
        self.module = MlirModule(source)
        self.chunk = Chunk(source)
        self.blocks: list[Block] = []
        self.offset = 0
        self._constants: dict[tuple[str, str], Value] = {}
        self._count = 0

    # ---- structure ------------------------------------------------------------------------------------------------

    @contextmanager
    def function(self, name: str) -> Iterator[Operation]:
        """A `func.func`; ends with `func.return`."""
        operation = Operation("func.func", self.offset, self.chunk, None)
        operation._property_text = f'sym_name = "{_plain(name)}"'
        self.module.operations.append(operation)
        with self.region(operation):
            yield operation
            self.op("func.return")

    @contextmanager
    def region(self, operation: Operation, end: str = "") -> Iterator[Block]:
        """Another region of an operation, closed by the terminator `end`."""
        region = Region(operation)
        operation.regions.append(region)
        block = Block(None, region)
        region.blocks.append(block)
        self.blocks.append(block)
        yield block
        if end:
            self.op(end)
        self.blocks.pop()

    @contextmanager
    def loop(self, lower: Value, upper: Value, step: Value, kind: str) -> Iterator[Value]:
        """`scf.for`; gives the induction variable."""
        operation = self.op("scf.for", [lower, upper, step], properties="" if kind == "serial" else f'kind = "{kind}"')
        with self.region(operation, "scf.yield") as block:
            yield self.argument(block, upper.type_text)

    @contextmanager
    def block(self, axes: str) -> Iterator[None]:
        """`tir.block`."""
        with self.region(self.op("tir.block", properties=f'axes = "{axes}"' if axes else ""), "tir.yield"):
            yield

    def argument(self, block: Block, kind: str) -> Value:
        """One more argument of a block."""
        value = Value(f"%arg{len(block.args)}", kind, block, len(block.args))
        block.args.append(value)
        return value

    # ---- operations -----------------------------------------------------------------------------------------------

    def op(
        self, name: str, operands: Sequence[Value] = (), result: str | None = None, properties: str = ""
    ) -> Operation:
        """Append an operation."""
        self._count += 1
        if self._count > MAX_OPERATIONS:
            raise ParseError(
                f"the program has more than {MAX_OPERATIONS} operations; it may share expressions exponentially often",
                location=self.module.source.location(self.offset),
            )
        parent = self.blocks[-1]
        operation = Operation(name, self.offset, self.chunk, parent)
        operation.operands = list(operands)
        operation._property_text = properties
        parent.operations.append(operation)
        if result is not None:
            operation.results.append(Value("", result, operation, 0))
        return operation

    def value(self, name: str, operands: Sequence[Value], result: str, properties: str = "") -> Value:
        """Append an operation with one result."""
        return self.op(name, operands, result, properties).results[0]

    def constant(self, number: float | bool, kind: str) -> Value:
        """A literal."""
        if kind == "i1":
            text = "true" if number else "false"
        elif is_float(kind):
            text = f"{float(number):e} : {kind}" if abs(number) <= _LARGEST_FLOAT else '"not finite"'
        elif abs(number) > _LARGEST_INTEGER:
            text = '"huge"'
        else:
            text = f"{int(number)} : {kind}"
        found = self._constants.get((text, kind))
        if found is None:
            operation = Operation("arith.constant", self.offset, self.chunk, None)
            operation._property_text = f"value = {text}"
            found = self._constants[text, kind] = Value("", kind, operation, 0)
            operation.results.append(found)
        return found

    def unknown(self, name: str, operands: Sequence[Value], kind: str) -> Value:
        """An intrinsic that MLIR has no word for: `tir.NAME`."""
        return self.value(f"tir.{_plain(name)}", operands, kind)

    # ---- arithmetic -----------------------------------------------------------------------------------------------

    def binary(self, name: str, left: Value, right: Value) -> Value:
        """Arithmetic or a comparison by TIR's name."""
        left, right = self._matched(left, right)
        kind = left.type_text
        if name in _COMPARISONS:
            predicate = _COMPARISONS[name][is_float(kind)]
            result = kind.replace(element_of(kind), "i1") if kind.startswith("vector") else "i1"
            operation = "arith.cmpf" if is_float(kind) else "arith.cmpi"
            return self.value(operation, [left, right], result, f"predicate = {predicate} : i64")
        return self.value(_ARITHMETIC[name][is_float(kind)], [left, right], kind)

    def _matched(self, left: Value, right: Value) -> tuple[Value, Value]:
        """A scalar beside a vector is broadcast."""
        if left.type_text.startswith("vector") and not right.type_text.startswith("vector"):
            return left, self.value("vector.broadcast", [right], left.type_text)
        if right.type_text.startswith("vector") and not left.type_text.startswith("vector"):
            return self.value("vector.broadcast", [left], right.type_text), right
        return left, right

    def call(self, name: str, operands: Sequence[Value], kind: str) -> Value:
        """An intrinsic by TIR's name."""
        if name in _MATH and len(operands) == 1:
            if name in ("abs", "fabs") and not is_float(operands[0].type_text):
                return self.value("math.absi", operands, operands[0].type_text)
            return self.value(_MATH[name], operands, operands[0].type_text)
        if (name in _ARITHMETIC or name in _COMPARISONS) and len(operands) == 2:
            return self.binary(name, operands[0], operands[1])
        if name in ("if_then_else", "Select", "select") and len(operands) == 3:
            return self.value("arith.select", operands, operands[1].type_text)
        if name == "fma" and len(operands) == 3:
            return self.value("math.fma", operands, operands[0].type_text)
        if name == "sigmoid" and len(operands) == 1:
            return self.value("tir.sigmoid", operands, operands[0].type_text)
        return self.unknown(name, operands, kind)

    def cast(self, value: Value, kind: str) -> Value:
        """Between scalar types or vectors of equal length."""
        if value.type_text == kind:
            return value
        source, target = element_of(value.type_text), element_of(kind)
        if is_float(source) and is_float(target):
            name = "arith.extf" if _bits(target) > _bits(source) else "arith.truncf"
        elif is_float(source):
            name = "arith.fptosi"
        elif is_float(target):
            name = "arith.uitofp" if source.startswith("u") or source == "i1" else "arith.sitofp"
        elif _bits(target) > _bits(source):
            name = "arith.extui" if source.startswith("u") or source == "i1" else "arith.extsi"
        else:
            name = "arith.trunci" if _bits(target) < _bits(source) else "arith.bitcast"
        return self.value(name, [value], kind)

    # ---- memory ---------------------------------------------------------------------------------------------------

    def load(self, buffer: Value, indices: Sequence[Value]) -> Value:
        """`memref.load`, or `vector.load` where an index is a vector."""
        wide = next((index for index in indices if index.type_text.startswith("vector")), None)
        element = element_of(buffer.type_text)
        if wide is None:
            return self.value("memref.load", [buffer, *indices], element)
        lanes = wide.type_text[len("vector<") :].partition("x")[0]
        return self.value("vector.load", [buffer, *indices], f"vector<{lanes}x{element}>")

    def store(self, value: Value, buffer: Value, indices: Sequence[Value]) -> None:
        """`memref.store`, or `vector.store` of a vector."""
        name = "vector.store" if value.type_text.startswith("vector") else "memref.store"
        self.op(name, [value, buffer, *indices])


def memref_type(shape: Sequence[int | None], dtype: str, scope: str = "") -> str:
    """Type of a buffer; None is a dynamic size."""
    dims = "".join(f"{'?' if size is None or size < 0 else size}x" for size in shape)
    element = mlir_type(dtype)
    memory = f', "{_plain(scope)}"' if scope not in ("", "global") else ""
    return f"memref<{dims}{element}{memory}>"


def _plain(name: str) -> str:
    return re.sub(r"[^\w.$\-]", "_", name)


def _bits(kind: str) -> int:
    parsed = parse_type(kind)
    return parsed.bits if isinstance(parsed, ScalarType) else 64
