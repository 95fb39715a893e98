"""What one LLVM operation becomes in machine code when nothing is folded into it and it is folded into nothing.

Owns the rules of instruction selection, operation by operation, for six machines: x86-64 with vectors of 128, 256 and
512 bits, AArch64, RISC-V without and with its vector extension. Counts are expected instructions, not promises; what
several operations make together (addresses, compare and branch, loads as operands) is `machine_fold`'s. Sources: what
LLVM 22 emits; the instruction sets' manuals.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from math import ceil, log2

from costmodel.ir.costs import is_math_function
from costmodel.ir.features.kinds import TypeFacts, type_facts
from costmodel.ir.features.machine_names import VARIANTS
from costmodel.ir.mlir.structure import Operation, Value
from costmodel.ir.semantics import callee_of, constant_text, integer_constant, is_constant

Cost = tuple[float, ...]
_WIDTHS = (128, 256, 512, 128, 0, 1024)
REGISTER_BITS = 64
_ARGUMENT_REGISTERS = (6, 8, 8)
_INLINE_BYTES = {"memcpy": (128, 256, 512, 128, 64, 64), "memset": (128, 256, 512, 256, 64, 64)}
_STEP_BYTES = (16, 32, 64, 32, 8, 16)
_OVERFLOW = re.compile(r"[us](?:add|sub|mul)\.with\.overflow")


def same(count: float) -> Cost:
    """One count for all machines."""
    return (count,) * len(VARIANTS)


def by(x86: float, a64: float, rv: float, rvv: float | None = None) -> Cost:
    """Counts by instruction set; RISC-V with vectors (profile RVA22 and later) has bit manipulation too."""
    return (x86, x86, x86, a64, rv, rv if rvv is None else rvv)


def times(left: Cost, right: Cost) -> Cost:
    """Products."""
    return tuple(a * b for a, b in zip(left, right, strict=True))


@lru_cache(maxsize=16384)
def parts(text: str) -> Cost:
    """Registers (scalars without a vector unit) that a value of a type takes on each machine."""
    kind = type_facts(text)
    if not kind.is_vector:
        return same(max(1, -(-kind.bits // REGISTER_BITS)) if kind.width in ("i64", "f64") else 1)
    element = kind.bits / kind.lanes if kind.bits else 64.0
    bits = kind.lanes * max(element, 8.0)
    return tuple(float(max(1, ceil(bits / width))) if width else float(kind.lanes) for width in _WIDTHS)


def constant_of(value: Value) -> Operation | None:
    """The operation that holds a constant operand, None for any other value."""
    owner = value.owner
    return owner if isinstance(owner, Operation) and is_constant(owner) else None


def is_symbol(owner: Operation) -> bool:
    """Whether a constant is the address of a symbol, or lies at a known distance from one."""
    return owner.name == "llvm.mlir.addressof" or "ptr @" in owner._property_text


def immediate(value: Value) -> tuple[float, float, float]:
    """Instructions that bring a constant into a register, on x86-64, AArch64 and RISC-V."""
    owner = constant_of(value)
    assert owner is not None
    if is_symbol(owner):
        return 1.0, 2.0, 2.0
    if owner.name in ("llvm.mlir.undef", "llvm.mlir.poison"):
        return 0.0, 0.0, 0.0
    kind = type_facts(value.type_text)
    number = integer_constant(value)
    if kind.is_vector or kind.is_float:
        return _float_constant(owner, kind)
    if number is None:
        return 1.0, 2.0, 2.0
    halves = sum(1 for shift in range(0, 64, 16) if (number >> shift) & 0xFFFF) or 1
    inverted = sum(1 for shift in range(0, 64, 16) if (~number >> shift) & 0xFFFF) or 1
    wide = 1.0 if -2048 <= number < 2048 else 2.0 if -(2**31) <= number < 2**32 else 4.0
    return 1.0, float(min(halves, inverted)), wide


def _float_constant(owner: Operation, kind: TypeFacts) -> tuple[float, float, float]:
    text = constant_text(owner)
    if owner.name == "llvm.mlir.zero" or text.startswith(("0.0", "dense<0>")):
        return 1.0, 1.0, 1.0
    return 1.0, 2.0, 2.0 if not kind.is_vector else 3.0


def fits_immediate(value: Value, kind: str) -> tuple[bool, bool, bool]:
    """Whether an integer operand needs no register in an operation of `kind`, by instruction set."""
    number = integer_constant(value)
    if number is None or not -(2**63) <= number < 2**64:
        return False, False, False
    bits = type_facts(value.type_text).bits
    x86 = -(2**31) <= number < 2**31 or bits <= 32
    rv = number == 0 or (-2048 <= number < 2048 and kind not in ("icmp_branch", "mul", "store"))
    if kind == "store":
        return x86, number == 0, number == 0
    if kind == "logic":
        low, one = low_bits(number), _is_power(number) or _is_power(~number & ((1 << max(bits, 1)) - 1))
        return x86 or one or low == 32, number == -1 or _is_mask(number, bits), rv or one or low in (16, 32)
    if kind == "mul":
        return x86, False, False
    if kind == "shift":
        return True, True, True
    small = abs(number) < 4096 or (abs(number) < 1 << 24 and number % 4096 == 0)
    return x86, small, rv


def low_bits(number: int) -> int:
    """How many of the lowest bits a mask keeps; 0 where it is no such mask."""
    return number.bit_length() if number > 0 and number & (number + 1) == 0 else 0


def _is_power(number: int) -> bool:
    return number > 0 and number & (number - 1) == 0


def _is_mask(number: int, bits: int) -> bool:
    """Whether AArch64's logical instructions hold the number: a rotated run of ones (repetitions left out)."""
    size = 64 if bits > 32 else 32
    number &= (1 << size) - 1
    if number in (0, (1 << size) - 1):
        return False
    low = number & -number
    if ((number // low) + 1) & (number // low) == 0:
        return True
    number = ~number & ((1 << size) - 1)
    low = number & -number
    return ((number // low) + 1) & (number // low) == 0


def integer_cost(name: str, operation: Operation, kind: TypeFacts) -> Cost:
    """Integer arithmetic; the immediates it needs are counted by the caller."""
    count = parts(operation.results[0].type_text)
    if kind.is_vector:
        return times(count, _vector_integer(name, kind))
    wide = count[0]
    if name == "mul":
        factor = integer_constant(operation.operands[1])
        if factor is not None and wide == 1:
            return _product(factor)
        return same(1.0) if wide == 1 else _wide_product(operation, wide)
    if name in ("sdiv", "udiv", "srem", "urem"):
        return _division(name, operation, wide)
    if name in ("shl", "lshr", "ashr"):
        whole = integer_constant(operation.operands[1]) == 64 * (wide - 1)
        return same(1.0) if wide == 1 else same(0.0) if whole else by(1.5 * wide, 2 * wide, 3 * wide)
    if kind.bits == 1:
        return by(1, 1, 1)
    return same(wide) if wide == 1 else by(wide, wide, 2 * wide)


def _wide_product(operation: Operation, wide: float) -> Cost:
    """Machines multiply two registers into two; what is extended to that width needs no more."""
    owners = [value.owner for value in operation.operands]
    extended = all(
        isinstance(owner, Operation) and (owner.name in ("llvm.zext", "llvm.sext") or is_constant(owner))
        for owner in owners
    )
    return by(1.5, 2.0, 2.0) if extended and wide == 2 else by(3 * wide, 3 * wide, 3 * wide)


def _product(factor: int) -> Cost:
    magnitude = abs(factor)
    if magnitude & (magnitude - 1) == 0:
        return same(1.0 + (factor < 0))
    if magnitude in (3, 5, 9):
        return by(1, 1, 2)
    return by(1, 1, 1)


def _division(name: str, operation: Operation, wide: float) -> Cost:
    divisor = integer_constant(operation.operands[1])
    remainder = name.endswith("rem")
    if wide > 1:
        return same(6.0)
    if divisor is None or divisor == 0:
        return by(3.0, 2.0 if remainder else 1.0, 1.0)
    magnitude = abs(divisor)
    if magnitude & (magnitude - 1) == 0:
        if name[0] == "u":
            return same(1.0)
        return by(4.0, 4.0, 4.0) if remainder else by(4.0, 3.0, 4.0)
    more = 2.0 if remainder else 0.0
    return by(3.0 + more + 2 * (name[0] == "s"), 2.0 + more + (name[0] == "s"), 3.0 + more)


def _vector_integer(name: str, kind: TypeFacts) -> Cost:
    element = kind.bits // kind.lanes if kind.bits else 64
    if name == "mul":
        slow = {8: 6.0, 16: 1.0, 32: 1.0, 64: 5.0}.get(element, 1.0)
        return (slow, slow, 1.0 if element == 64 else slow, 4.0 if element == 64 else 1.0, 1.0, 1.0)
    if name in ("sdiv", "udiv", "srem", "urem"):
        each = 3.0 * kind.lanes / max(1.0, kind.bits / 128)
        return (each, each * 2, each * 4, each, 1.0, 1.0)
    if name in ("shl", "lshr", "ashr") and element == 8:
        return (3.0, 3.0, 3.0, 1.0, 1.0, 1.0)
    return same(1.0)


def float_cost(name: str, operation: Operation, kind: TypeFacts) -> Cost:
    """Float arithmetic and mathematical functions that become instructions."""
    count = parts(operation.results[0].type_text)
    if name == "frem":
        return times(count, same(2.0))
    if name in ("fneg", "fabs", "copysign"):
        return times(count, by(1.0 if name != "copysign" else 3.0, 1.0 if name != "copysign" else 2.0, 1.0))
    if name == "fmuladd":
        return times(count, (2.0, 1.0, 1.0, 1.0, 1.0, 1.0))
    if name in ("minnum", "maxnum", "minimum", "maximum", "minimumnum", "maximumnum"):
        return times(count, by(3.0, 1.0, 1.0))
    if name in ("floor", "ceil", "trunc", "rint", "nearbyint", "round", "roundeven"):
        return times(count, by(1.0, 1.0, 6.0))
    return count


def cast_cost(name: str, operation: Operation) -> Cost:
    """Conversions; what loads and narrower registers give for nothing is `machine_fold`'s."""
    target, source = operation.results[0].type_text, operation.operands[0].type_text
    to, of = type_facts(target), type_facts(source)
    if to.is_vector:
        return _vector_cast(name, target, source)
    if name in ("trunc", "ptrtoint", "inttoptr", "freeze", "addrspacecast", "ptrtoaddr"):
        return same(0.0)
    if name == "bitcast":
        return same(1.0 if to.is_float != of.is_float else 0.0)
    if name in ("zext", "sext"):
        narrow = of.bits
        if to.bits > REGISTER_BITS:
            return same(float(name == "sext"))
        if narrow == 1:
            return by(1.0, 0.0, 0.0) if name == "zext" else by(2.0, 1.0, 1.0)
        simple = narrow == 32 if name == "sext" else narrow == 8
        return by(1.0, 1.0, 1.0 if simple else 2.0, 1.0)
    if name == "uitofp":
        return by(1.0 if of.bits <= 32 else 4.0, 1.0, 1.0)
    if name == "fptoui":
        return by(1.0 if to.bits <= 32 else 4.0, 1.0, 1.0)
    return same(1.0)


def _vector_cast(name: str, target: str, source: str) -> Cost:
    if name in ("bitcast", "freeze", "ptrtoint", "inttoptr"):
        return same(0.0)
    wide, narrow = parts(target), parts(source)
    found = tuple(max(a, b) for a, b in zip(wide, narrow, strict=True))
    if name == "trunc":
        return tuple(2 * count if index < 2 else count for index, count in enumerate(found))
    return tuple(
        2 * a - b if index != 5 and a > b else a for index, (a, b) in enumerate(zip(found, narrow, strict=True))
    )


def call_cost(operation: Operation) -> tuple[Cost, dict[str, float]]:
    """A call with what its arguments need: `(instructions, parts)`, the parts by name."""
    arguments = operation.operands if callee_of(operation) != "" else operation.operands[1:]
    found = {"constant_arguments": 0.0, "address_arguments": 0.0, "stack_arguments": 0.0}
    extra = [0.0, 0.0, 0.0]
    general = floats = 0
    for value in arguments:
        kind = type_facts(value.type_text)
        inexact = kind.is_float or kind.is_vector
        floats, general = floats + inexact, general + (not inexact)
        owner = constant_of(value)
        if owner is not None:
            address = is_symbol(owner)
            found["address_arguments" if address else "constant_arguments"] += 1
            needs = immediate(value)
            if not address and not inexact and general > _ARGUMENT_REGISTERS[0]:
                needs = (0.0, needs[1], needs[2])  # x86-64 writes numbers to the stack
            for index, count in enumerate(needs):
                extra[index] += count
    stack = [max(0, general - most) + max(0, floats - 8) for most in _ARGUMENT_REGISTERS]
    found["stack_arguments"] = float(stack[0])
    x86, a64, rv = (1.0 + extra[i] + stack[i] for i in range(3))
    return by(x86 + (stack[0] > 0), a64, rv), found


def block_copy_cost(name: str, operation: Operation) -> tuple[Cost, bool]:
    """A memory copy or fill, and whether it is a call."""
    size = integer_constant(operation.operands[2]) if len(operation.operands) > 2 else None
    kind = "memset" if name.startswith("memset") else "memcpy"
    if size is None or size > max(_INLINE_BYTES[kind]):
        known = sum(1 for value in operation.operands[1:3] if constant_of(value) is not None)
        return same(1.0 + known), True
    found = []
    each = 2.0 if kind == "memcpy" else 1.0
    for most, step in zip(_INLINE_BYTES[kind], _STEP_BYTES, strict=True):
        found.append(max(1, _pieces(size, step)) * each + (kind == "memset") if size <= most else 4.0)
    if size > REGISTER_BITS // 8:
        found[-1] += 0.75 * each  # the vector length is set
    return tuple(found), size > _INLINE_BYTES[kind][0]


def _pieces(size: int, step: int) -> int:
    """Accesses that cover a run of bytes; the last one may overlap the one before."""
    if size >= step:
        return -(-size // step)
    return 1 if size & (size - 1) == 0 else 2


_SMALL: dict[str, Callable[[Cost], Cost]] = {
    "ctpop": lambda n: times(n, by(1, 4, 12, 1)),
    "ctlz": lambda n: times(n, by(1, 1, 10, 1)),
    "cttz": lambda n: times(n, by(1, 2, 8, 1)),
    "bswap": lambda n: times(n, by(1, 1, 8, 1.5)),
    "bitreverse": lambda n: times(n, by(12, 1, 24)),
    "abs": lambda n: times(n, by(3, 2, 3, 2)),
    "smax": lambda n: times(n, by(2, 2, 1)),
    "umul.with.overflow": lambda n: times(n, by(1, 3, 3)),
    "stacksave": lambda n: by(1, 1, 1),
    "stackrestore": lambda n: by(1, 1, 1),
    "prefetch": lambda n: by(1, 1, 0),
    "trap": lambda n: same(1),
    "fshl": lambda n: times(n, by(1, 1, 3, 1.5)),
    "va_start": lambda n: by(15, 13, 6),
    "va_end": lambda n: same(0),
    "va_copy": lambda n: by(4, 4, 2),
    "is.constant": lambda n: same(1),
    "threadlocal.address": lambda n: by(2, 3, 3),
}
_ALIASES = {"fshr": "fshl", "umax": "smax", "umin": "smax", "smin": "smax", "smul.with.overflow": "umul.with.overflow"}


def intrinsic_cost(name: str, operation: Operation) -> Cost:
    """Intrinsics of `llvm.intr.`, floats and block copies excluded."""
    texts = operation.results or operation.operands
    count = parts(texts[0].type_text) if texts else same(1.0)
    vector = bool(texts) and type_facts(texts[0].type_text).is_vector
    if name.startswith("vector.reduce."):
        source = operation.operands[-1].type_text
        lanes = max(2, type_facts(source).lanes)
        each = tuple(min(lanes, width / max(1, type_facts(source).bits / lanes)) or 1 for width in _WIDTHS)
        steps = tuple(n - 1 + 2 * log2(max(2.0, e)) for n, e in zip(parts(source), each, strict=True))
        return (*steps[:3], parts(source)[3] + 1, float(lanes), 3.0)
    if _OVERFLOW.fullmatch(name):
        return _SMALL["umul.with.overflow"](same(1)) if "mul" in name else by(1, 1, 2)
    if name.endswith(".sat"):
        return times(count, same(1.0)) if vector else by(3, 3, 4)
    if name in ("fshl", "fshr") and not vector and type_facts(texts[0].type_text).bits < 32:
        return by(3.0 if type_facts(texts[0].type_text).bits < 16 else 1.0, 3, 3)
    if name == "bswap" and not vector and type_facts(texts[0].type_text).bits == 16:
        return by(1, 2, 6, 2)
    known = _SMALL.get(_ALIASES.get(name, name))
    if known is not None:
        return count if vector and name in ("smax", "smin", "umax", "umin", "abs") else known(count)
    if is_math_function(operation):
        return same(2.0)
    return count


def vector_move_cost(name: str, operation: Operation) -> Cost:
    """Element accesses and permutations."""
    wide = operation.operands[0].type_text
    if name == "shufflevector":
        result = operation.results[0].type_text
        count = tuple(max(a, 1.0) for a in parts(result))
        return (*(1.3 * n for n in count[:4]), 0.0, 2.0 * count[5])
    kind = type_facts(wide)
    index = operation.operands[-1]
    first = integer_constant(index) == 0
    if name == "extractelement":
        return (*same(0.0)[:4], 0.0, 1.0) if first and kind.is_float else (1.0, 1.3, 1.5, 1.0, 0.0, 2.0)
    return (1.0, 1.3, 1.5, 1.0, 0.0, 2.0)


def times_select(count: Cost, kind: TypeFacts) -> Cost:
    """Conditional moves, blends, and branches where there is neither."""
    if kind.is_vector:
        return times(count, same(1.0))
    return times(count, by(3.0, 1.0, 3.0) if kind.is_float else by(1.0, 1.0, 2.0))


def is_pure(name: str) -> bool:
    """Whether an intrinsic (`intr.`) does nothing but give a value."""
    word = name.removeprefix("intr.")
    return not word.startswith(("mem", "masked", "va_", "stack", "trap", "prefetch", "eh.", "coro", "vp."))
