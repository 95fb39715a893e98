"""One LLVM instruction's text to name, operands, result type and attributes.

Owns the syntax of instructions of LLVM 22 as LLVM prints them. Invariant: an instruction without rules of its own is
still read: its typed operands are found by pattern.
"""

from __future__ import annotations

import re
from functools import lru_cache

from costmodel.core.errors import ParseError
from costmodel.ir.llvm.types import TYPE, mlir_type
from costmodel.ir.mlir.syntax import split_items

Operand = tuple[str, str]
"""(MLIR type, value text as written)."""


class Parsed:
    """What one instruction says. `labels` are successors; `incoming` is a phi's (value, label) pairs."""

    __slots__ = ("incoming", "labels", "name", "operands", "properties", "result_type")

    def __init__(self, name: str, operands: list[Operand], result_type: str | None, properties: str = "") -> None:
        self.name = name
        self.operands = operands
        self.result_type = result_type
        self.properties = properties
        self.labels: list[str] = []
        self.incoming: list[tuple[str, str]] = []


FLAGS = re.compile(
    r"(?:(?:nuw|nsw|exact|fast|nnan|ninf|nsz|arcp|contract|afn|reassoc|inbounds|nusw|disjoint|nneg|samesign|volatile"
    r"|inrange\([^)]*\)|atomic|weak) )+"
)
_ATTRIBUTE = r"(?:[a-z_]\w*(?:\((?:[^()]|\([^()]*\))*\))?(?: \d+(?=[ ]))?|\"[^\"]*\"(?:=\"[^\"]*\")?)"
_EXPRESSION = (
    r"(?!(?:getelementptr|splat|ptrtoint|inttoptr|trunc|bitcast|addrspacecast|add|sub|mul|xor|blockaddress"
    r"|dso_local_equivalent|no_cfi|ptrauth|asm|c)\b)"
)
_TYPED = re.compile(rf"({TYPE})\s+(?:{_EXPRESSION}{_ATTRIBUTE}\s+)*+(\S.*)", re.DOTALL)
_QUICK = re.compile(r"(i\d+|float|double|ptr|<\d+ x [\w]+>) ([%@]?[\w.\-]+)")
_LABEL = re.compile(r"label (%\"[^\"]*\"|%[\w$.\-]+)")
_SWITCH = re.compile(r"([^,]*+), (label [^\[]*+)\[(.*)\]", re.DOTALL)
_CALL = re.compile(
    rf"(?:{_ATTRIBUTE} )*?({TYPE}) (?:\([^()]*\) )?(@\"[^\"]*\"|@[\w$.\-]+|%[\w$.\-]+|asm .*?\"[^\"]*\"(?=\())\(",
    re.DOTALL,
)
_ALIGN = re.compile(r"align (\d+)")
_PREDICATES = {name: number for number, name in enumerate("eq ne slt sle sgt sge ult ule ugt uge".split())}
_FLOAT_PREDICATES = {
    name: number
    for number, name in enumerate("false oeq ogt oge olt ole one ord ueq ugt uge ult ule une uno true".split())
}
_BINARY = frozenset("add sub mul udiv sdiv urem srem shl lshr ashr and or xor fadd fsub fmul fdiv frem".split())
_CASTS = frozenset(
    "trunc zext sext fptrunc fpext fptoui fptosi uitofp sitofp ptrtoint inttoptr bitcast addrspacecast "
    "ptrtoaddr".split()
)
_DYNAMIC_INDEX = -2147483648
_SUFFIX = re.compile(r"(?:\.(?:[vp]?\d*[if]\d+|nxv\d+\w+|p\d+|v\d+\w+|bf16|isVoid))+$")


def operand(text: str, inherited: str = "") -> Operand:
    """`float %x` to ("f32", "%x"); a bare `%x` takes the `inherited` MLIR type."""
    quick = _QUICK.fullmatch(text)
    if quick is not None:
        return mlir_type(quick[1]), quick[2]
    match = _TYPED.fullmatch(text)
    if match is not None:
        return mlir_type(match[1]), match[2]
    return inherited, text


def _items(text: str) -> list[str]:
    if any(mark in text for mark in '(<[{"'):
        return split_items(text)
    return text.split(", ")


def parse(opcode: str, rest: str) -> Parsed:
    """Parse what follows the opcode (metadata and attribute groups removed); Raises `ParseError` without location."""
    if opcode in _BINARY:
        return _binary(opcode, rest)
    rule = _RULES.get(opcode)
    if rule is not None:
        return rule(opcode, rest)
    if opcode in _CASTS:
        return _cast(opcode, rest)
    return _unknown(opcode, rest)


def _binary(opcode: str, rest: str) -> Parsed:
    flags = FLAGS.match(rest)
    if flags is not None:
        rest = rest[flags.end() :]
    items = _items(rest)
    if len(items) != 2:
        raise ParseError(f"expected two operands of {opcode}, found {rest[:60]!r}")
    kind, left = operand(items[0])
    return Parsed(f"llvm.{opcode}", [(kind, left), (kind, items[1])], kind, _flag_text(flags))


@lru_cache(maxsize=1024)
def _flag_words(flags: str) -> str:
    words = flags.split()
    wrap = [word for word in words if word in ("nuw", "nsw")]
    fast = [word for word in words if word in ("fast", "nnan", "ninf", "nsz", "arcp", "contract", "afn", "reassoc")]
    parts = [f"overflowFlags = #llvm.overflow<{', '.join(wrap)}>"] if wrap else []
    parts += [f"fastmathFlags = #llvm.fastmath<{', '.join(fast)}>"] if fast else []
    return ", ".join(parts)


def _flag_text(flags: re.Match[str] | None) -> str:
    return _flag_words(flags[0]) if flags is not None else ""


def _cast(opcode: str, rest: str) -> Parsed:
    flags = FLAGS.match(rest)
    rest = rest[flags.end() :] if flags is not None else rest
    value, arrow, kind = rest.rpartition(" to ")
    if not arrow:
        raise ParseError(f"expected 'TYPE VALUE to TYPE' after {opcode}, found {rest[:60]!r}")
    return Parsed(f"llvm.{opcode}", [operand(value)], mlir_type(kind))


def _compare(opcode: str, rest: str) -> Parsed:
    flags = FLAGS.match(rest)
    rest = rest[flags.end() :] if flags is not None else rest
    predicate, _, rest = rest.partition(" ")
    items = _items(rest)
    kind, left = operand(items[0])
    result = "i1" if not kind.startswith("vector") else f"{kind[: kind.rindex('x') + 1]}i1>"
    table = _PREDICATES if opcode == "icmp" else _FLOAT_PREDICATES
    return Parsed(
        f"llvm.{opcode}", [(kind, left), (kind, items[-1])], result, f"predicate = {table.get(predicate, 0)} : i64"
    )


def _alignment(items: list[str]) -> str:
    for item in items:
        match = _ALIGN.fullmatch(item)
        if match is not None:
            return f"alignment = {match[1]} : i64"
    return ""


def _load(opcode: str, rest: str) -> Parsed:
    flags = FLAGS.match(rest)
    items = _items(rest[flags.end() :] if flags is not None else rest)
    if len(items) < 2:
        raise ParseError(f"expected 'TYPE, ptr VALUE' after load, found {rest[:60]!r}")
    return Parsed("llvm.load", [operand(_ORDERING.sub("", items[1]))], mlir_type(items[0]), _alignment(items[2:]))


def _store(opcode: str, rest: str) -> Parsed:
    flags = FLAGS.match(rest)
    items = _items(rest[flags.end() :] if flags is not None else rest)
    if len(items) < 2:
        raise ParseError(f"expected 'TYPE VALUE, ptr VALUE' after store, found {rest[:60]!r}")
    return Parsed("llvm.store", [operand(items[0]), operand(_ORDERING.sub("", items[1]))], None, _alignment(items[2:]))


def _alloca(opcode: str, rest: str) -> Parsed:
    items = _items(rest.removeprefix("inalloca "))
    size = next((operand(item) for item in items[1:] if _QUICK.fullmatch(item) and item[0] == "i"), ("i32", "1"))
    properties = [f"elem_type = {mlir_type(items[0])}", _alignment(items[1:])]
    return Parsed("llvm.alloca", [size], "!llvm.ptr", ", ".join(part for part in properties if part))


def _getelementptr(opcode: str, rest: str) -> Parsed:
    flags = FLAGS.match(rest)
    items = _items(rest[flags.end() :] if flags is not None else rest)
    operands = [operand(items[1])]
    indices: list[int] = []
    result = operands[0][0]
    for item in items[2:]:
        kind, value = operand(item)
        if value.lstrip("-").isdigit() and not kind.startswith("vector"):
            indices.append(int(value))
        else:
            indices.append(_DYNAMIC_INDEX)
            operands.append((kind, value))
        if kind.startswith("vector") and not result.startswith("vector"):
            result = f"{kind[: kind.rindex('x') + 1]}!llvm.ptr>"
    constants = ", ".join(map(str, indices))
    properties = f"elem_type = {mlir_type(items[0])}, rawConstantIndices = array<i32: {constants}>"
    return Parsed("llvm.getelementptr", operands, result, properties)


def _phi(opcode: str, rest: str) -> Parsed:
    flags = FLAGS.match(rest)
    rest = rest[flags.end() :] if flags is not None else rest
    kind = _PHI_TYPE.match(rest)
    if kind is None:
        raise ParseError(f"expected a type after phi, found {rest[:60]!r}")
    parsed = Parsed("llvm.phi", [], mlir_type(kind[0]))
    for item in split_items(rest[kind.end() :]):
        if not (item.startswith("[") and item.endswith("]")):
            raise ParseError(f"expected '[ value, %block ]' in a phi, found {item[:60]!r}")
        value, _, label = item[1:-1].rpartition(", ")
        parsed.incoming.append((value.strip(), label.strip()))
    return parsed


_PHI_TYPE = re.compile(TYPE)


def _branch(opcode: str, rest: str) -> Parsed:
    labels = _LABEL.findall(rest)
    conditional = not rest.startswith("label")
    parsed = Parsed("llvm.cond_br" if conditional else "llvm.br", [], None)
    if conditional:
        parsed.operands.append(("i1", _items(rest)[0].removeprefix("i1 ")))
    parsed.labels = labels
    return parsed


def _switch(opcode: str, rest: str) -> Parsed:
    match = _SWITCH.match(rest)
    if match is None:
        raise ParseError(f"expected 'TYPE VALUE, label %default [ ... ]' after switch, found {rest[:60]!r}")
    parsed = Parsed("llvm.switch", [operand(match[1])], None)
    parsed.labels = _LABEL.findall(match[2]) + _LABEL.findall(match[3])
    return parsed


def _return(opcode: str, rest: str) -> Parsed:
    return Parsed("llvm.return", [] if rest == "void" else [operand(rest)], None)


def _select(opcode: str, rest: str) -> Parsed:
    flags = FLAGS.match(rest)
    operands = [operand(item) for item in _items(rest[flags.end() :] if flags is not None else rest)]
    return Parsed("llvm.select", operands, operands[-1][0])


def _same_type(opcode: str, rest: str) -> Parsed:
    flags = FLAGS.match(rest)
    operands = [operand(item) for item in _items(rest[flags.end() :] if flags is not None else rest)]
    return Parsed(f"llvm.{opcode}", operands, operands[0][0])


def _extractelement(opcode: str, rest: str) -> Parsed:
    operands = [operand(item) for item in _items(rest)]
    kind = operands[0][0]
    return Parsed("llvm.extractelement", operands, kind[kind.rindex("x") + 1 : -1])


def _shufflevector(opcode: str, rest: str) -> Parsed:
    operands = [operand(item) for item in _items(rest)]
    kind, mask_kind = operands[0][0], operands[2][0]
    result = f"{mask_kind[: mask_kind.rindex('x') + 1]}{kind[kind.rindex('x') + 1 :]}"
    values = re.findall(r"i32 (-?\d+)", operands[2][1])
    return Parsed(
        "llvm.shufflevector", operands[:2], result, f"mask = array<i32: {', '.join(values)}>" if values else ""
    )


def _extractvalue(opcode: str, rest: str) -> Parsed:
    items = _items(rest)
    kind, value = operand(items[0])
    result = kind
    for index in items[1:]:
        result = _member(result, int(index))
    return Parsed("llvm.extractvalue", [(kind, value)], result, f"position = array<i64: {', '.join(items[1:])}>")


def _member(kind: str, index: int) -> str:
    if kind.startswith("!llvm.array<"):
        return kind[len("!llvm.array<") : -1].partition(" x ")[2]
    if kind.startswith("!llvm.struct<") and "(" in kind:
        fields = split_items(kind[kind.index("(") + 1 : -2])
        if index < len(fields):
            return fields[index]
    return "!llvm<member>"


def _insertvalue(opcode: str, rest: str) -> Parsed:
    items = _items(rest)
    operands = [operand(items[0]), operand(items[1])]
    return Parsed("llvm.insertvalue", operands, operands[0][0], f"position = array<i64: {', '.join(items[2:])}>")


def _call(opcode: str, rest: str) -> Parsed:
    flags = FLAGS.match(rest)
    match = _CALL.match(rest, flags.end() if flags is not None else 0)
    if match is None:
        raise ParseError(f"expected 'TYPE @function(arguments)' after {opcode}, found {rest[:80]!r}")
    result, callee = mlir_type(match[1]), match[2]
    stop = _close(rest, match.end() - 1)
    inside = rest[match.end() : stop]
    operands = [operand(item) for item in _items(inside)] if inside else []
    operands = [item for item in operands if item[0] != "!llvm.metadata"]
    name, properties = f"llvm.{opcode}", _flag_text(flags)
    if callee.startswith("@llvm."):
        name = f"llvm.intr.{_intrinsic(callee[6:])}"
    elif callee.startswith("@"):
        properties = ", ".join(part for part in (f"callee = {callee}", properties) if part)
    elif callee.startswith("%"):
        operands.insert(0, ("!llvm.ptr", callee))
    else:
        name = "llvm.inline_asm"
    parsed = Parsed(name, operands, None if result == "!llvm.void" else result, properties)
    if opcode in ("invoke", "callbr"):
        parsed.labels = _LABEL.findall(rest, stop)
    return parsed


@lru_cache(maxsize=4096)
def _intrinsic(name: str) -> str:
    """`fma.v4f32` to `fma`; `vector.reduce.fadd.v8f32` to `vector.reduce.fadd`."""
    return _SUFFIX.sub("", name)


def _close(text: str, start: int) -> int:
    """Offset of the parenthesis that closes the one at `start`, strings skipped."""
    depth, quoted = 0, False
    for position in range(start, len(text)):
        character = text[position]
        if character == '"':
            quoted = not quoted
        elif not quoted and character in "()":
            depth += 1 if character == "(" else -1
            if depth == 0:
                return position
    raise ParseError(f"'(' is never closed in {text[start : start + 60]!r}")


def _unknown(opcode: str, rest: str) -> Parsed:
    """Typed items are operands; the result takes the first operand's type unless a rule says otherwise."""
    flags = FLAGS.match(rest)
    items = _items(rest[flags.end() :] if flags is not None else rest)
    typed = [operand(item) for item in items if not item.startswith("label ")]
    operands = [item for item in typed if item[0] and item[1][:1] in "%@-0123456789"]
    parsed = Parsed(f"llvm.{opcode}", operands, None)
    parsed.labels = _LABEL.findall(rest)
    return parsed


def _atomic(opcode: str, rest: str) -> Parsed:
    words = rest.split(" ")
    while (words and words[0] in ("volatile", "weak")) or (
        opcode == "atomicrmw" and words and words[0].isidentifier() and words[0] != "ptr"
    ):
        words.pop(0)
    items = _items(" ".join(words))
    operands = [operand(_ORDERING.sub("", item)) for item in items if not item.startswith("align")]
    kind = operands[1][0] if len(operands) > 1 else "!llvm<unknown>"
    result = f"!llvm.struct<({kind}, i1)>" if opcode == "cmpxchg" else kind
    return Parsed(f"llvm.{opcode}", operands, result, _alignment(items))


def _fence(opcode: str, rest: str) -> Parsed:
    return Parsed("llvm.fence", [], None)


def _pad(opcode: str, rest: str) -> Parsed:
    """catchpad, cleanuppad `within PARENT [arguments]`; catchswitch `within PARENT [label ...] unwind ...`."""
    match = _WITHIN.match(rest)
    if match is None:
        raise ParseError(f"expected 'within PARENT [ ... ]' after {opcode}, found {rest[:60]!r}")
    operands = [] if match[1] == "none" else [("!llvm.token", match[1])]
    parsed = Parsed(f"llvm.{opcode}", operands, "!llvm.token")
    parsed.labels = _LABEL.findall(rest)
    if not parsed.labels:
        typed = [operand(item) for item in split_items(match[2])]
        operands += [item for item in typed if item[0] and item[0] != "!llvm.metadata"]
    return parsed


def _pad_return(opcode: str, rest: str) -> Parsed:
    """`catchret from %pad to label %b`, `cleanupret from %pad unwind label %b`."""
    parsed = Parsed(f"llvm.{opcode}", [("!llvm.token", rest.split(" ")[1])], None)
    parsed.labels = _LABEL.findall(rest)
    return parsed


def _indirectbr(opcode: str, rest: str) -> Parsed:
    address, _, labels = rest.partition(", [")
    parsed = Parsed("llvm.indirectbr", [operand(address)], None)
    parsed.labels = _LABEL.findall(labels)
    return parsed


_WITHIN = re.compile(r"within (none|%\S+) \[(.*?)\](?:\s|$)", re.DOTALL)


_ORDERING = re.compile(
    r"(?: syncscope\(\"[^\"]*\"\)| singlethread)?(?: (?:unordered|monotonic|acquire|release|acq_rel|seq_cst))+$"
)


def _landingpad(opcode: str, rest: str) -> Parsed:
    kind = _PHI_TYPE.match(rest)
    return Parsed("llvm.landingpad", [], mlir_type(kind[0]) if kind else "!llvm<unknown>")


def _va_arg(opcode: str, rest: str) -> Parsed:
    items = _items(rest)
    return Parsed("llvm.va_arg", [operand(items[0])], mlir_type(items[-1]))


def _insertelement(opcode: str, rest: str) -> Parsed:
    operands = [operand(item) for item in _items(rest)]
    return Parsed("llvm.insertelement", operands, operands[0][0])


_RULES = {
    "icmp": _compare,
    "fcmp": _compare,
    "load": _load,
    "store": _store,
    "alloca": _alloca,
    "getelementptr": _getelementptr,
    "phi": _phi,
    "br": _branch,
    "switch": _switch,
    "ret": _return,
    "select": _select,
    "fneg": _same_type,
    "freeze": _same_type,
    "extractelement": _extractelement,
    "insertelement": _insertelement,
    "shufflevector": _shufflevector,
    "extractvalue": _extractvalue,
    "insertvalue": _insertvalue,
    "call": _call,
    "invoke": _call,
    "callbr": _call,
    "atomicrmw": _atomic,
    "cmpxchg": _atomic,
    "landingpad": _landingpad,
    "va_arg": _va_arg,
    "fence": _fence,
    "catchpad": _pad,
    "cleanuppad": _pad,
    "catchswitch": _pad,
    "catchret": _pad_return,
    "cleanupret": _pad_return,
    "indirectbr": _indirectbr,
}
