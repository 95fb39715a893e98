"""Facts that all LLVM operations of one shape share, as rows of one growing table.

Owns the key of a shape (name, attributes, types, constant operands) and the row that `machine_costs` gives it.
Invariant: a row depends on the key alone; the table is bounded, and replaced between functions only.
"""

from __future__ import annotations

import re
from threading import Lock

import numpy as np

from costmodel.ir.features import machine_costs as costs
from costmodel.ir.features.address import constant_offset, element_sizes
from costmodel.ir.features.facts import Facts
from costmodel.ir.features.kinds import FLOAT_VECTOR, NO_REGISTER, PREDICATE, TypeFacts, type_facts
from costmodel.ir.features.machine_columns import ADD, AND, COLUMNS, MUL, OR, SUB, XOR, C, Kind, Port, Table
from costmodel.ir.features.machine_costs import Cost, by, same
from costmodel.ir.features.machine_names import VARIANTS
from costmodel.ir.mlir.structure import Operation
from costmodel.ir.semantics import callee_of, integer_constant

_MOST_ROWS = 1 << 16
_FARTHEST = 1 << 62
"""Distances in bytes saturate here: what no address space holds need not fit an `int64` otherwise."""
_PORTS = {
    "imul": Port.MUL, "idiv": Port.DIV, "fadd": Port.FLOAT, "fmul": Port.FLOAT, "fma": Port.FLOAT, "fdiv": Port.FDIV,
    "sqrt": Port.FDIV, "fminmax": Port.FLOAT, "fneg": Port.FLOAT, "fcmp": Port.FLOAT, "fround": Port.FLOAT,
    "fpcast": Port.FLOAT, "intfp": Port.FLOAT, "math": Port.CALL, "load": Port.LOAD, "store": Port.STORE,
    "br": Port.BRANCH, "cond_br": Port.BRANCH, "switch": Port.BRANCH, "ret": Port.BRANCH, "call": Port.CALL,
    "call_indirect": Port.CALL, "extract": Port.SHUFFLE, "insert": Port.SHUFFLE, "shuffle": Port.SHUFFLE,
    "reduce": Port.SHUFFLE, "phi": Port.NONE, "marker": Port.NONE, "unreachable": Port.NONE, "alloca": Port.NONE,
}  # fmt: skip
_COMMUTATIVE = frozenset("add mul and or xor fadd fmul icmp fcmp".split())
_BINARY = frozenset("add sub mul sdiv udiv srem urem and or xor shl lshr ashr".split())
_FLOATS = frozenset("fadd fsub fmul fdiv frem fneg".split())
_FLOAT_INTRINSICS = frozenset(
    "fma fmuladd fabs copysign minnum maxnum minimum maximum minimumnum maximumnum floor ceil trunc rint nearbyint "
    "round roundeven sqrt canonicalize".split()
)
_SIMPLE = frozenset(
    f"llvm.{name}"
    for name in _BINARY | _FLOATS | set("icmp fcmp select br cond_br return extractvalue intr.fma "
                                        "intr.fmuladd intr.lifetime.start intr.lifetime.end".split())
)  # fmt: skip
_FLAGGED = frozenset(("ctlz", "cttz", "abs", "is.fpclass"))
"""Intrinsics whose second operand says how the first is to be understood."""
_CASTS = {"zext": Kind.ZEXT, "sext": Kind.SEXT, "trunc": Kind.TRUNC, "fpext": Kind.FPEXT}
_ARITHMETIC = {"add": ADD, "sub": SUB, "or": OR, "and": AND, "xor": XOR, "mul": MUL}
"""Values of the column `arithmetic`."""
_FREE_CASTS = frozenset("bitcast freeze ptrtoint inttoptr addrspacecast ptrtoaddr".split())
_KEPT = frozenset(
    "load store call invoke callbr call_indirect fence atomicrmw cmpxchg inline_asm va_arg landingpad resume".split()
)


class Rows:
    """The table; rows are added as shapes are met, by any thread."""

    def __init__(self) -> None:
        self.index: dict[tuple[object, ...], int] = {}
        self.table: Table = np.zeros((1024, len(COLUMNS)), np.float32)
        self.immediates: dict[object, int] = {}
        self.simple: dict[Facts, int] = {}
        """Rows of operations without constants that their facts tell (`is_simple`)."""
        self.by_text: dict[tuple[Facts, str, str], int] = {}
        """Of address computations and accesses without constants: by facts and attributes."""
        self._lock = Lock()

    @property
    def is_full(self) -> bool:
        """Whether the next function should begin another table."""
        return max(len(self.index), len(self.simple)) > _MOST_ROWS

    def add(self, key: tuple[object, ...], operation: Operation, facts: Facts) -> int:
        """The row of a new shape; `("address", symbol, True)` among the key's parts is a symbol of this module."""
        with self._lock:
            known = self.index.get(key)  # another thread may have met the shape meanwhile
            return known if known is not None else self._add(key, operation, facts)

    def _add(self, key: tuple[object, ...], operation: Operation, facts: Facts) -> int:
        number = len(self.index)
        if number >= len(self.table):
            self.table = np.concatenate([self.table, np.zeros_like(self.table)])
        row = _row(operation, facts)
        if any(isinstance(part, tuple) and part[0] == "address" and not part[2] for part in key[5:]):
            row["outside"] = 1.0
            if row.get("global_address"):
                for name in ("imm_x86", "imm_a64", "imm_rv"):
                    row[name] = row.get(name, 0.0) + 1.0
        imm = row.pop("immediate", None)
        row["imm"] = self.immediates.setdefault(imm, len(self.immediates) + 1) if imm is not None else 0
        for name, value in row.items():
            self.table[number, C[name]] = value
        self.index[key] = number
        return number


_CURRENT = [Rows()]


def current_rows() -> Rows:
    """The process's table; another one where it is full, so that functions at hand keep theirs."""
    if _CURRENT[0].is_full:
        _CURRENT[0] = Rows()
    return _CURRENT[0]


Row = dict[str, float]


def _row(operation: Operation, facts: Facts) -> Row:
    name = operation.name.removeprefix("llvm.")
    result = operation.results[0].type_text if operation.results else None
    stored = operation.operands[0].type_text if name == "store" and operation.operands else result
    row: Row = {
        "port": _PORTS.get(facts.group.name, Port.ALU), "latency": facts.latency, "kind": Kind.OTHER,
        "pure": not (name in _KEPT or (name.startswith("intr.") and not costs.is_pure(name)))
        and not operation.successors and name not in ("return", "unreachable", "indirectbr", "switch", "br", "cond_br"),
        "bytes": facts.num_bytes, "parts128": costs.parts(stored)[0] if stored else 1.0,
    }  # fmt: skip
    _registers(row, result)
    _set(row, same(1.0))
    _RULES.get(name, _intrinsic if name.startswith("intr.") else _general)(name, operation, row)
    return row


_FIXED = re.compile(r"volatile_|ordering = (?!0)")
"""Volatile, or ordered with other accesses; an ordering of 0 is none, which the generic form writes out."""
BY_TEXT = frozenset(("llvm.getelementptr", "llvm.load", "llvm.store"))
"""Operations whose facts and attributes tell the row, where they have no constant operands."""


def is_simple(facts: Facts) -> bool:
    """Whether operations without constant operands have a row by their facts alone, whatever their attributes."""
    name, text = facts.counted
    return name in _SIMPLE and not (name == "llvm.mul" and type_facts(text).bits > costs.REGISTER_BITS)


def _set(row: Row, cost: Cost) -> None:
    row.update(zip(VARIANTS, cost, strict=True))


def _registers(row: Row, text: str | None) -> None:
    kind = type_facts(text) if text is not None else None
    if kind is None or text is None or kind.register == NO_REGISTER:
        return
    row["bits"] = float(kind.bits if kind.width not in ("ptr", "other") else 64)
    row["int32"] = float(kind.width == "i32" and not kind.is_float)
    row["register"] = 2.0 if kind.register == FLOAT_VECTOR else 3.0 if kind.register == PREDICATE else 1.0
    units = row["units128"], row["units256"], row["units512"] = costs.parts(text)[:3]
    row["alive_general"] = units[0] * (row["register"] == 1)
    row["alive_128"], row["alive_256"], row["alive_512"] = (count * (row["register"] == 2) for count in units)
    row["alive_predicate"] = float(row["register"] == 3)


def _immediates(operation: Operation, row: Row, kind: str, positions: range | None = None) -> None:
    """Constants among the operands that take registers."""
    for value in operation.operands if positions is None else [operation.operands[i] for i in positions]:
        if costs.constant_of(value) is None:
            continue
        need, fits = costs.immediate(value), costs.fits_immediate(value, kind)
        facts = type_facts(value.type_text)
        if facts.is_float or facts.is_vector:
            fits = (facts.is_vector or kind == "float", False, False)
        for name, count, free in zip(("imm_x86", "imm_a64", "imm_rv"), need, fits, strict=True):
            row[name] = row.get(name, 0.0) + (0.0 if free else count)
        owner = costs.constant_of(value)
        row["immediate"] = (value.type_text, owner.dictionary_texts if owner else "", owner.name if owner else "")  # type: ignore[assignment]


def _general(name: str, operation: Operation, row: Row) -> None:
    kind = type_facts(operation.results[0].type_text) if operation.results else None
    if name in _BINARY and kind is not None:
        _integer(name, operation, row, kind)
    elif name in _FLOATS and kind is not None:
        row["kind"] = Kind.FLOAT
        _set(row, costs.float_cost(name, operation, kind))
        row["mem1"], row["mem0"] = 1.0, float(name in _COMMUTATIVE)
        _immediates(operation, row, "float")
    elif name in _CASTS or name in _FREE_CASTS or (row["port"] == Port.FLOAT and len(operation.operands) == 1):
        row["kind"] = _CASTS.get(name, Kind.FREE if name in _FREE_CASTS else Kind.OTHER)
        row["mem0"] = float(name not in _FREE_CASTS and name != "trunc")
        _set(row, costs.cast_cost(name, operation))
    elif name in ("extractelement", "insertelement", "shufflevector"):
        _set(row, costs.vector_move_cost(name, operation))
        row["mem1"], row["lanes"] = float(name != "extractelement"), 1.0
        _immediates(operation, row, "vector", range(min(2, len(operation.operands) - (name != "shufflevector"))))
    elif name in ("extractvalue", "insertvalue", "landingpad"):
        row["kind"] = Kind.FREE
        _set(row, same(0.0))
    elif name in ("cmpxchg", "atomicrmw"):
        _set(row, by(2.0, 2.0, 4.0 if name == "cmpxchg" else 1.0))
        _immediates(operation, row, "store")


def _integer(name: str, operation: Operation, row: Row, kind: TypeFacts) -> None:
    logic = name in ("and", "or", "xor")
    row["kind"] = (
        Kind.LOGIC if logic and kind.bits == 1 else Kind.SHIFT if name in ("shl", "lshr", "ashr") else Kind.INTEGER
    )
    _set(row, costs.integer_cost(name, operation, kind))
    row["mem1"], row["mem0"] = (
        float(row["kind"] != Kind.SHIFT),
        float(name in _COMMUTATIVE or row["kind"] == Kind.SHIFT),
    )
    row["arithmetic"] = float(0 if kind.is_vector else _ARITHMETIC.get(name, 0))
    amount = integer_constant(operation.operands[1]) if row["kind"] == Kind.SHIFT and not kind.is_vector else None
    row["amount"] = 0.0 if amount is None else float(min(amount, 127)) * (1.0 if name == "shl" else -1.0)
    mask = integer_constant(operation.operands[1]) if logic and not kind.is_vector and kind.bits > 1 else None
    row["mask"] = (
        0.0 if mask is None else float(costs.low_bits(mask) if name == "and" else -(name == "xor" and mask == -1))
    )
    divides = name in ("sdiv", "udiv", "srem", "urem")
    if divides and integer_constant(operation.operands[1]) is not None:
        row["port"], row["latency"] = Port.MUL, 6.0
        row["divides"] = 1.0 + (name[0] == "u") + 2.0 * name.endswith("rem")
        owner = costs.constant_of(operation.operands[1])
        row["immediate"] = (operation.operands[1].type_text, owner.dictionary_texts if owner else "", "")  # type: ignore[assignment]
        row["imm_x86"], row["imm_a64"], row["imm_rv"] = 0.5, 2.0, 2.0
        return
    _immediates(operation, row, "logic" if logic else "mul" if name == "mul" else "shift" if "sh" in name else "add")


def _load(name: str, operation: Operation, row: Row) -> None:
    row["kind"] = Kind.LOAD
    _set(row, costs.parts(operation.results[0].type_text))
    row["fixed"] = _fixed(operation)
    _global(operation, row, 0)


def _store(name: str, operation: Operation, row: Row) -> None:
    row["kind"] = Kind.STORE
    _set(row, costs.parts(operation.operands[0].type_text))
    _immediates(operation, row, "store", range(1))
    number = integer_constant(operation.operands[0])
    empty = costs.constant_of(operation.operands[0])
    zero = number == 0 or (empty is not None and empty.name == "llvm.mlir.zero")
    row["fixed"] = _fixed(operation)
    row["constant_store"] = 1.0 if zero else 0.0 if number is None else 2.0
    _global(operation, row, 1)


def _fixed(operation: Operation) -> float:
    return float(any(_FIXED.search(text) is not None for text in operation.dictionary_texts))


def _global(operation: Operation, row: Row, position: int) -> None:
    """An access to a symbol: the address's upper part takes an instruction where it is not relative to the counter."""
    owner = costs.constant_of(operation.operands[position])
    if owner is not None and costs.is_symbol(owner):
        row["global_address"] = 1.0
        row["imm_a64"], row["imm_rv"] = row.get("imm_a64", 0.0) + 1.0, row.get("imm_rv", 0.0) + 1.0
        row["immediate"] = ("address", owner.dictionary_texts, "")  # type: ignore[assignment]


def _address(name: str, operation: Operation, row: Row) -> None:
    row["kind"] = Kind.ADDRESS
    sizes = element_sizes(operation)[1:]
    offset = constant_offset(operation)
    vector = type_facts(operation.results[0].type_text).is_vector
    scale = sizes[0] or 0 if sizes else 0
    row["dynamic"], row["scale"] = float(len(sizes)), float(min(scale, _FARTHEST))
    row["simple_scale"] = float(scale in (1, 2, 4, 8))
    row["offset"] = float(offset != 0 or not sizes)
    row["displacement"] = float(max(-_FARTHEST, min(offset or 0, _FARTHEST)))
    known = offset if offset is not None else 8
    row["a64_offset"], row["rv_offset"] = float(-256 <= known < 4096), float(-2048 <= known < 2048)
    more = float(known != 0 and bool(sizes))
    if vector:
        _set(row, costs.parts(operation.results[0].type_text))
    elif not sizes:
        _set(
            row,
            same(0.0) if known == 0 else by(1.0, 1.0 if abs(known) < 4096 else 2.0, 1.0 if abs(known) < 2048 else 3.0),
        )
    else:
        simple, power = scale in (1, 2, 4, 8), scale > 0 and scale & (scale - 1) == 0
        slow = (1.0 if scale == 1 else 2.0) if power else 3.0
        each = by(1.0 if simple else 2.0, 1.0 if power else 2.0, slow, 1.0 if simple else slow)
        total = costs.times(each, same(float(len(sizes))))
        _set(row, tuple(a + b for a, b in zip(total, by(0.0, more, more), strict=True)))
    owner = costs.constant_of(operation.operands[0])
    if owner is not None and costs.is_symbol(owner):
        row["global_address"] = 1.0
        row["imm_x86"], row["imm_a64"], row["imm_rv"] = float(bool(sizes)), 2.0, 2.0
        row["immediate"] = ("address", owner.dictionary_texts, "")  # type: ignore[assignment]


def _compare(name: str, operation: Operation, row: Row) -> None:
    row["kind"] = Kind.ICMP if name == "icmp" else Kind.FCMP
    text = operation.operands[0].type_text
    wide = costs.parts(text)
    _set(row, wide if type_facts(text).is_vector else by(1.0, 1.0, 1.0) if wide[0] == 1 else same(2 * wide[0]))
    row["bits"] = float(type_facts(text).bits or 64)
    row["mem0"] = row["mem1"] = 1.0
    predicate = operation.attribute("predicate")
    equality = name == "icmp" and predicate is not None and predicate.partition(":")[0].strip() in ("0", "1")
    zero = any(integer_constant(value) == 0 for value in operation.operands if costs.constant_of(value) is not None)
    row["zero_test"] = float(zero) + float(zero and equality)
    _immediates(operation, row, "icmp_branch" if name == "icmp" else "float")


def _select(name: str, operation: Operation, row: Row) -> None:
    row["kind"] = Kind.SELECT
    kind = type_facts(operation.results[0].type_text)
    if kind.bits == 1 and (joins := _joins(operation)):
        row["kind"], row["arithmetic"] = Kind.LOGIC, float(joins)
        _set(row, same(1.0))
        return
    count = costs.parts(operation.results[0].type_text)
    _set(row, costs.times_select(count, kind))
    row["mem1"] = float(not kind.is_float)
    _immediates(operation, row, "select", range(1, 3))


def _joins(operation: Operation) -> int:
    """`AND` of `select c, d, false`, `OR` of `select c, true, d`: how LLVM joins conditions; 0 for others."""
    numbers = [
        integer_constant(value) if costs.constant_of(value) is not None else None for value in operation.operands
    ]
    return AND if numbers[2] == 0 else OR if numbers[1] in (1, -1) else 0


def _call(name: str, operation: Operation, row: Row) -> None:
    row["kind"], row["is_call"] = Kind.CALL, 1.0
    cost, found = costs.call_cost(operation)
    if "..." in operation._property_text:
        cost = tuple(a + b for a, b in zip(cost, by(1.0, 0.0, 0.0), strict=True))
    _set(row, cost)
    row["indirect"] = float(callee_of(operation) == "")
    row.update(found)


def _jump(name: str, operation: Operation, row: Row) -> None:
    row["kind"] = {"br": Kind.JUMP, "cond_br": Kind.BRANCH, "return": Kind.RETURN}.get(name, Kind.UNREACHABLE)
    _set(row, same(0.0 if name in ("br", "unreachable") else 1.0))
    if name == "return" and operation.operands and (owner := costs.constant_of(operation.operands[0])) is not None:
        row["imm_x86"], row["imm_a64"], row["imm_rv"] = costs.immediate(operation.operands[0])
        row["immediate"] = (operation.operands[0].type_text, owner.dictionary_texts, owner.name)  # type: ignore[assignment]


def _switch(name: str, operation: Operation, row: Row) -> None:
    row["kind"] = Kind.SWITCH
    cases = len(operation.successors) - 1
    targets = len(set(map(id, operation.successors))) - 1
    chain = 2.0 * cases if cases <= 3 else None
    _set(row, same(chain) if chain is not None else by(6.0, 8.0, 7.0) if targets > 3 else by(5.0, 6.0, 7.0))


def _alloca(name: str, operation: Operation, row: Row) -> None:
    row["kind"] = Kind.ALLOCA
    count = integer_constant(operation.operands[0]) if operation.operands else 1
    _set(row, same(0.0) if count is not None else same(4.0))


def _intrinsic(name: str, operation: Operation, row: Row) -> None:
    word = name.removeprefix("intr.")
    if row["port"] == Port.NONE:
        _set(row, same(0.0))
        row["kind"] = Kind.FREE
    elif word.startswith(("memcpy", "memmove", "memset")):
        cost, is_call = costs.block_copy_cost(word, operation)
        row["kind"] = Kind.CALL if is_call else Kind.BLOCK
        row["is_call"] = float(is_call)
        row["port"] = Port.CALL if is_call else Port.STORE
        _set(row, cost)
    elif word in _FLOAT_INTRINSICS and operation.results:
        row["kind"] = Kind.FLOAT
        _set(row, costs.float_cost(word, operation, type_facts(operation.results[0].type_text)))
        row["mem1"], row["lanes"] = 1.0, float(word == "copysign")
        _immediates(operation, row, "float")
    else:
        _set(row, costs.intrinsic_cost(word, operation))
        row["swaps"] = float(word == "bswap")
        if row["port"] == Port.CALL:
            row["is_call"], row["kind"] = 1.0, Kind.CALL
        else:
            row["kind"] = Kind.INTEGER
            _immediates(operation, row, "add", range(min(1 if word in _FLAGGED else 2, len(operation.operands))))


_RULES = {
    "load": _load, "store": _store, "getelementptr": _address, "icmp": _compare, "fcmp": _compare, "select": _select,
    "call": _call, "invoke": _call, "callbr": _call, "inline_asm": _general, "br": _jump, "cond_br": _jump,
    "return": _jump, "unreachable": _jump, "resume": _jump, "switch": _switch, "indirectbr": _jump, "alloca": _alloca,
}  # fmt: skip
