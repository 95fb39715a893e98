"""What an operation's name and types tell the features, shared by all operations alike.

Owns `Facts` and the tables that find them. Invariant: operations with one key have equal facts; the tables are bounded.
"""

from __future__ import annotations

from costmodel.ir import costs, semantics
from costmodel.ir.features.hashes import hash_of
from costmodel.ir.features.kinds import TypeFacts, type_facts
from costmodel.ir.features.opcodes import BY_NAME, Group, column_of, group_of
from costmodel.ir.features.table import NAMES
from costmodel.ir.mlir.structure import Operation

_COMPARES = frozenset(("llvm.icmp", "llvm.fcmp", "arith.cmpi", "arith.cmpf", "index.cmp", "llvm.intr.is.fpclass"))
_CALLS = ("call", "call_indirect", "invoke", "launch_func", "callbr")
_CACHE_LIMIT = 1 << 16
_EXECUTED = frozenset(name for name in NAMES if name.startswith("x_"))
BUSY_GROUPS = frozenset(
    "load store masked memcpy atomic call call_indirect fadd fmul fma fdiv math sqrt contract".split()
)


class Facts:
    """What an operation's name and type tell: shared by all operations alike."""

    __slots__ = (
        "bits", "busy", "category", "code", "columns", "counted", "defines", "flops", "group", "is_access", "is_branch",
        "is_call", "is_math", "is_vector", "kind", "lanes", "latency", "num_bytes", "only_accesses", "plain",
    )  # fmt: skip

    def __init__(self, operation: Operation, kind: TypeFacts) -> None:
        self.group = _group(operation, kind)
        column = column_of(self.group, kind)
        key = f"{self.group.name}_{column}" if column else self.group.name
        self.latency = self.group.latency_cycles
        self.category = costs.category_of(operation)
        executed = next((name for name in (f"x_{key}", f"x_{self.group.name}") if name in _EXECUTED), None)
        self.columns = (f"mix_{self.category}", f"n_{key}", executed)
        """Features that count the operation: twice as it stands, once executed."""
        self.defines = self.category != "constant"
        """Whether its results have numbers."""
        self.is_math = costs.is_math_function(operation)
        self.is_call = semantics.callee_of(operation) is not None
        self.flops = costs.DEPENDS_ON_OPERANDS if costs.needs_operands(operation.name) else costs.flops_of(operation)
        self.num_bytes = costs.bytes_of(operation)
        self.is_access = costs.is_access(operation.name)
        self.busy = self.group.name in BUSY_GROUPS
        self.is_branch = operation.name in ("scf.if", "affine.if", "scf.index_switch")
        more = self.flops < 0 or self.is_branch or self.category == "structured"
        self.plain = not (more or self.is_access or self.group.name == "alloca")
        """Whether only its regions and successors can be of interest."""
        self.only_accesses = self.is_access and not more
        """Whether nothing but the access can be of interest, regions and successors aside."""
        values = operation.results or operation.operands
        self.counted = (operation.name, values[0].type_text if values else "")
        """What `StaticFeatures.counts` counts it as."""
        self.code = hash_of(" ".join(self.counted))
        """The same as a hash (`hashes`)."""
        self.kind = type_facts(operation.results[0].type_text) if operation.results else None
        vectors = [found for value in operation.results if (found := type_facts(value.type_text)).is_vector]
        self.is_vector = bool(vectors)
        self.lanes = max((found.lanes for found in vectors), default=0)
        self.bits = max((found.bits for found in vectors), default=0)


def _group(operation: Operation, kind: TypeFacts) -> Group:
    if costs.is_math_function(operation):
        return BY_NAME["sqrt" if operation.name.endswith("sqrt") else "math"]
    callee = semantics.callee_of(operation)
    if callee is not None:
        return BY_NAME["call" if callee else "call_indirect"]
    if operation.name in semantics.CONSTANT_NAMES:
        return BY_NAME["constant"]
    return group_of(operation.name, kind.is_float)


_FACTS: dict[tuple[str, ...], Facts] = {}
_COMPARED: dict[tuple[str, ...], Facts] = {}
BY_RESULT: dict[tuple[str, str], Facts] = {}
"""Facts of operations of one result that its type and the name tell."""
BY_OPERAND: dict[tuple[str, str], Facts] = {}
"""Facts of operations without result that the name and the first operand's type tell."""


def facts_of(operation: Operation) -> Facts:
    """Facts by name, types (of the results, of the stored, compared or first value) and callee; cached."""
    name, results, operands = operation.name, operation.results, operation.operands
    compares = name in _COMPARES and bool(results and operands)
    if compares:
        known = _COMPARED.get((name, results[0].type_text, operands[0].type_text))
        if known is not None:
            return known
    stored = costs.stored_operand(operation)
    if results and name not in _COMPARES:
        text = results[0].type_text
    else:
        text = operands[stored].type_text if operands else ""
    is_call = name.endswith(_CALLS)
    more = [value.type_text for value in (results if name in _COMPARES else results[1:])]
    if operands and (stored if not results else costs.is_store(name)):
        more.append(operands[0 if not results else stored].type_text)
    key = (name, text, str(semantics.callee_of(operation)) if is_call else "", str(len(results)), *more)
    found = _FACTS.get(key)
    if found is None:
        if len(_FACTS) > _CACHE_LIMIT:
            for table in (_FACTS, BY_RESULT, BY_OPERAND, _COMPARED):
                table.clear()
        found = _FACTS[key] = Facts(operation, type_facts(text))
        if compares:
            _COMPARED[name, results[0].type_text, text] = found
        elif not more and not is_call:
            (BY_RESULT if results else BY_OPERAND)[name, text] = found
    return found
