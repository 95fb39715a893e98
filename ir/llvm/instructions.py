"""One LLVM instruction's text to name, operands, result type and attributes.

Owns the choice of a rule by opcode (`rules_*` have the rules). Invariant: an instruction without a rule of its own is
still read: its typed operands are found by pattern. The syntax is that of LLVM 22, as LLVM prints it.
"""

from __future__ import annotations

from costmodel.ir.llvm import rules_aggregate, rules_arithmetic, rules_control, rules_memory
from costmodel.ir.llvm.operands import FLAGS, LABEL, Parsed, items_of, operand


def parse(opcode: str, rest: str) -> Parsed:
    """Parse what follows the opcode (metadata and attribute groups removed); Raises `ParseError` without location."""
    if opcode in rules_arithmetic.BINARY:
        return rules_arithmetic.binary(opcode, rest)
    rule = _RULES.get(opcode)
    if rule is not None:
        return rule(opcode, rest)
    if opcode in rules_arithmetic.CASTS:
        return rules_arithmetic.cast(opcode, rest)
    return _unknown(opcode, rest)


def _unknown(opcode: str, rest: str) -> Parsed:
    """Typed items are operands; the result takes the first operand's type unless a rule says otherwise."""
    flags = FLAGS.match(rest)
    items = items_of(rest[flags.end() :] if flags is not None else rest)
    typed = [operand(item) for item in items if not item.startswith("label ")]
    operands = [item for item in typed if item[0] and item[1][:1] in "%@-0123456789"]
    parsed = Parsed(f"llvm.{opcode}", operands, None)
    parsed.labels = LABEL.findall(rest)
    return parsed


_RULES = {
    "icmp": rules_arithmetic.compare,
    "fcmp": rules_arithmetic.compare,
    "load": rules_memory.load,
    "store": rules_memory.store,
    "alloca": rules_memory.alloca,
    "getelementptr": rules_memory.getelementptr,
    "phi": rules_control.phi,
    "br": rules_control.branch,
    "switch": rules_control.switch,
    "ret": rules_control.return_,
    "select": rules_arithmetic.select,
    "fneg": rules_arithmetic.same_type,
    "freeze": rules_arithmetic.same_type,
    "extractelement": rules_aggregate.extractelement,
    "insertelement": rules_aggregate.insertelement,
    "shufflevector": rules_aggregate.shufflevector,
    "extractvalue": rules_aggregate.extractvalue,
    "insertvalue": rules_aggregate.insertvalue,
    "call": rules_control.call,
    "invoke": rules_control.call,
    "callbr": rules_control.call,
    "atomicrmw": rules_memory.atomic,
    "cmpxchg": rules_memory.atomic,
    "landingpad": rules_control.landingpad,
    "va_arg": rules_memory.va_arg,
    "fence": rules_memory.fence,
    "catchpad": rules_control.pad,
    "cleanuppad": rules_control.pad,
    "catchswitch": rules_control.pad,
    "catchret": rules_control.pad_return,
    "cleanupret": rules_control.pad_return,
    "indirectbr": rules_control.indirectbr,
}
