"""What the header of an operation with regions binds for them, and what it uses.

Owns the rules, which hold for every dialect: `%i = ...`, `%x as %y`, `%x -> %y`, `(%i, %j) in ...`, the arguments of a
function, a list `(%a: f32, %b: f32)` before the brace. Invariant: a name that is known outside and not bound by one of
these is an operand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from costmodel.ir.mlir.custom import lexical
from costmodel.ir.mlir.structure import Operation, Value
from costmodel.ir.mlir.syntax import split_items

_FUNCTION_WORDS = ("func", "extern", "machine", "component", "generated", "def", "function", "sequence", "import")
_BINDING_WORDS = frozenset(("", "reducer", "kernel"))
_OPERAND_WORDS = frozenset(("ins", "outs", "init", "inits"))
_SYMBOL_WORDS = ("global", "extern", ".func", "machine", "hierpath", "import", "declare", "symbol", "typealias")
_SYMBOL = re.compile(r'[\w\s.\-()]*?(?<!\w)@("(?:[^"\\\n]|\\.)*"|[\w$.\-]+)')
_TIED = re.compile(r"\)\s*->(?=\s*\(?[^(){}%]*%)")
_SIZES = re.compile(r"\{[^{}]*\}")

Binding = tuple[str, str, str]


def default_dialect(name: str, parent: Operation | None) -> str:
    """The full name of an operation written without dialect inside `parent`."""
    if name == "module":
        return "builtin.module"
    if name == "func":
        return "func.func"
    while parent is not None:
        dialect, mark, _ = parent.name.partition(".")
        if mark and (dialect not in ("scf", "affine", "cf", "builtin") or name == "unrealized_conversion_cast"):
            return f"{dialect}.{name}"
        parent = parent.parent.parent.parent if parent.parent is not None else None
    return f"builtin.{name}" if name == "unrealized_conversion_cast" else f"func.{name}"


def is_declaration(name: str, text: str) -> bool:
    """Whether an operation without region declares a function, so that `%x` in it are no operands."""
    last = name.rpartition(".")[2]
    return last != "launch_func" and last.endswith(_FUNCTION_WORDS) and lexical.FUNCTION_HEADER.search(text) is not None


def without_tied(text: str) -> str:
    """The text without values that stand for a result's type (`(...) -> %x`); sizes in braces stay."""
    match = _TIED.search(text)
    if match is None:
        return text
    tail = text[match.end() :]
    return text[: match.end()] + " ".join(_SIZES.findall(tail))


def is_symbol_definition(name: str) -> bool:
    """Whether an operation without region of this name brings a symbol into being."""
    return name.endswith(_SYMBOL_WORDS)


def declare_symbol(operation: Operation, text: str) -> None:
    """Set `sym_name` from the first `@name` of the text, if only words stand before it."""
    match = _SYMBOL.match(text)
    if match is not None and "sym_name" not in operation._property_text:
        quoted = match[1] if match[1].startswith('"') else f'"{match[1]}"'
        _declare(operation, f"sym_name = {quoted}")


def declare_arguments(operation: Operation, dictionaries: Sequence[str]) -> None:
    """Set `arg_attrs` from what stands in braces behind each argument of a function."""
    listed = ", ".join([f"{{{inside.strip()}}}" for inside in dictionaries])
    _declare(operation, f"arg_attrs = [{listed}]")


def _declare(operation: Operation, entry: str) -> None:
    before = f"{operation._property_text}, " if operation._property_text else ""
    operation._property_text = f"{before}{entry}"


def bound_types(bindings: list[Binding], known: Mapping[str, list[Value] | None]) -> list[tuple[str, str]]:
    """Names and types of bindings; one without a type has that of the value it is bound to, else `index`."""
    found: list[tuple[str, str]] = []
    for name, type_text, source in bindings:
        if not type_text and source:
            base, _, index = source.partition("#")
            values = known.get(source) or known.get(base)
            number = int(index) if index else 0
            type_text = values[number].type_text if values is not None and number < len(values) else ""
        found.append((name, type_text or "index"))
    return found


def header_bindings(text: str, known: Mapping[str, list[Value] | None]) -> tuple[list[str], list[Binding]]:
    """Uses (`%x`, `%x#1`) in order, and bindings (name, type text or "", bound value or "") in order."""
    if "%" not in text:
        return [], []
    function = lexical.FUNCTION_HEADER.search(text) is not None
    bound = _bound_spans(text, known, function)
    uses: list[str] = []
    bindings: list[Binding] = []
    span = 0
    equals = -1
    last = 0
    for match in lexical.HEADER_VALUE.finditer(text):
        name = match[2]
        if name is None:
            continue
        at = match.start(2)
        while span < len(bound) and bound[span][1] <= at:
            span += 1
        inside = span < len(bound) and bound[span][0] <= at
        before, after = match[1], match[4]
        paired = before == "as" or (before == "->" and not text[last : match.start()].strip())
        last = match.end(2)
        if before == "->" and not paired:
            continue  # the type of a result is that of an operand: `-> %x`
        binds = inside or after == "=" or (paired and after != "in")
        if not binds and (after is not None or function):
            binds = (function and after == ":") or (known.get(name) is None and not match[3])
        if binds:
            source = uses[-1] if before is not None and uses else ""
            bindings.append((name, _type_after(text, match.end()) if after == ":" else "", source))
            equals = match.end() if after == "=" else -1
        else:
            use = name + (f"#{match[3]}" if match[3] else "")
            uses.append(use)
            if equals >= 0 and not text[equals:at].strip():
                bindings[-1] = (bindings[-1][0], bindings[-1][1], use)
            equals = -1
    return uses, bindings


def _type_after(text: str, at: int) -> str:
    """The type that follows `%x :`, up to a comma or the end of the list."""
    match = lexical.ARGUMENT_TYPE.match(text, at)
    return match[1].strip() if match is not None else ""


def _bound_spans(text: str, known: Mapping[str, list[Value] | None], function: bool) -> list[tuple[int, int]]:
    """Spans of lists whose names are all bindings, in order."""
    spans = [match.span() for match in lexical.BINDING_GROUP.finditer(text)]
    if function or not text.rstrip().endswith(")"):
        return spans
    lists = list(lexical.ARGUMENT_LIST.finditer(text))
    end = len(text.rstrip())
    while lists and lists[-1].end() == end:
        match = lists.pop()
        word = match[1]
        if word in _OPERAND_WORDS:
            break
        names = [item.partition(":")[0].strip() for item in split_items(match[2])]
        if word not in _BINDING_WORDS and all(known.get(name) is not None for name in names):
            break
        spans.append(match.span(2))
        end = len(text[: match.start()].rstrip())
    return sorted(spans)
