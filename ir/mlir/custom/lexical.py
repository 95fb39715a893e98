"""Regular expressions of the custom form: where statements begin, what the pieces of a statement are.

Owns the lexical rules that hold for every dialect. Invariant: possessive or bounded patterns, so that matching is
linear. Knows a few words (`else`, `outs`, ...) that go on with a statement although they begin a line.
"""

from __future__ import annotations

import re

from costmodel.ir.mlir.syntax import BALANCED, RESULT_NAMES, SPACE, STRING

VALUE_TEXT = r"%[\w$.\-]++(?:\#\d{1,9}+)?+"
DOTTED = r"[A-Za-z_][\w$]*+(?:\.[\w$\-]++)++"
SYMBOL_TEXT = rf"@(?:{STRING}|[\w$.\-]++)(?:::@(?:{STRING}|[\w$.\-]++))*+"
_SYMBOL_GROUP = rf"({SYMBOL_TEXT})"

NEXT_STATEMENT = rf'(?=[ \t]*+(?:{RESULT_NAMES} = ["A-Za-z]|{DOTTED}(?!=)|\}}|return\b|"[^"\n]++"\(|\^[\w$.\-]++[:(]))'
"""What shows that the line before is a whole statement."""

_FLAT = r"(?:[^\n{}\"/]++|\{(?:[\w$.\-]++(?: = [^{}\n\"%,]++)?,? ?)++\}|\"(?:[^\"\\\n]++|\\.)*+\"|/(?!/))*+"

LINE = re.compile(
    rf"\s*+(?:({RESULT_NAMES})[ \t]*+=[ \t]*+)?+({DOTTED}|return\b)({_FLAT})(?<![,:=])"
    rf"(?:\n++{NEXT_STATEMENT}|\n++[ \t]*+(?=\}}))"
)
"""A whole operation on one line, followed by the start of another statement. Groups: results, name, rest."""

LINE_DICTIONARY = re.compile(rf"{STRING}|(?<!<)\{{([^{{}}]*+)\}}")
"""The dictionary of a `LINE` (group 1), or a string before it; `<{` belongs to an attribute of a type."""

HEAD = re.compile(
    rf"(?:({RESULT_NAMES}){SPACE}={SPACE})?+(?:({STRING})(?={SPACE}\()|([A-Za-z_][\w$]*+(?:\.[\w$\-]++)*+))"
)
"""The head of any operation. Groups: results, quoted name, bare name."""

STATEMENT = re.compile(
    rf'(?:({RESULT_NAMES}){SPACE}={SPACE}(?:{STRING}{SPACE}\(|({DOTTED})|([A-Za-z_]\w*+)(?![\w<.]))|("[^"\n]++"){SPACE}\('
    rf"|({DOTTED})|([A-Za-z_][\w$]*+))"
)
"""What may begin a statement. Groups: results, dotted name, bare name after results; quoted, dotted, bare name."""

ITEM = re.compile(
    rf"(\s++)|(%[\w$.\-]++(?:\#\d{{1,9}}+)?+)|(\{{)|([)\]}}])|(//[^\n]*+)|(\^[\w$.\-]++)|({STRING})"
    rf"|([#!][\w$.\-]++(?:<{BALANCED}>)?+)|(loc{SPACE}\({BALANCED}\))|([\w$](?:[\w$.]|-(?!>))*+(?:<{BALANCED}>)?+)|({SYMBOL_TEXT})"
    r"|(->|>=|==|=|:|,)|([(\[])|(<\{)|(<[^<>()\[\]{}\n\"]*+>)|(.)"
)
(
    SPACES, VALUE, BRACE, CLOSER, COMMENT, LABEL, TEXT, ALIAS_USE, LOC, WORD, SYMBOL, MARK, OPENER, PROPERTIES, ANGLE,
    OTHER,
) = range(1, 17)  # fmt: skip
"""Numbers of the groups of `ITEM`."""

GROUP = re.compile(r"\([^(){}\[\]<>\"/]*+\)|\[[^(){}\[\]<>\"/]*+\]|\[(?:[^(){}\[\]<>\"/]++|\([^(){}\[\]<>\"/]*+\))*+\]")
"""A bracket with nothing nested in it."""

DICTIONARY = re.compile(
    rf"\{{{SPACE}(?:[\w$.\-]++|{STRING}){SPACE}(?:=(?!=)|,)|\{{[ \t]*+(?:[\w$.\-]++|{STRING})[ \t]*+\}}|\{{[ \t]*+\}}"
)
OPERAND_BRACE = re.compile(
    rf"\{{{SPACE}{VALUE_TEXT}{SPACE}(?:,{SPACE}{VALUE_TEXT}{SPACE})*+\}}|\{{{SPACE}(?:ro|wo|rw){SPACE}%"
)
"""A brace around operands: `{%a, %b}`, or accesses of IREE's streams (`{ro %a[...] : ..., wo %b[...] : ...}`)."""
TYPED_OPERAND_BRACE = re.compile(
    rf"{OPERAND_BRACE.pattern}|\{{{SPACE}{VALUE_TEXT}{SPACE}(?:,{SPACE}{VALUE_TEXT}{SPACE})*+:{SPACE}[A-Za-z!]"
)
REGION = re.compile(rf'\{{{SPACE}(?:[%^}}A-Za-z_]|"(?:[^"\\\n]++|\\.)*+"{SPACE}\()')
LABEL_AMID = re.compile(rf"\^[\w$.\-]++(?:\({BALANCED}\))?:")
LABEL_DEFINITION = re.compile(rf"\^[\w$.\-]++{SPACE}(?:\({BALANCED}\){SPACE})?:")
HEADER_VALUE = re.compile(
    rf"{STRING}|//[^\n]*+|(?:(\bas|->){SPACE})?+(%[\w$.\-]++)(?:\#(\d{{1,9}}+))?+{SPACE}(=(?!=)|:(?!:)|in\b)?+"
)
"""A value in an operation's header. Groups: `as` or `->` before it, name, number, what follows."""

BINDING_GROUP = re.compile(rf"\({SPACE}(%[^()\n]*+)\){SPACE}(?:=(?!=|>)|in\b|:{SPACE}[\w$.!]++{SPACE}=(?!=|>))")
FUNCTION_HEADER = re.compile(rf"\s{_SYMBOL_GROUP}{SPACE}(?:<{BALANCED}>{SPACE})?\(")
LAST_ARGUMENT = re.compile(r"(%[\w$.\-]++)\s*+:(?:(?!\)\s*+->)[^%])*+\Z")
"""The argument whose type ends a text."""
OPERAND = re.compile(r"%[\w$.\-]++(?:\#\d{1,9}+)?+")
OPERAND_OR_STRING = re.compile(rf"{STRING}|//[^\n]*+|(%[\w$.\-]++(?:\#\d{{1,9}}+)?+)")
SUCCESSOR = re.compile(rf"{STRING}|//[^\n]*+|(\^[\w$.\-]++)")
LOC_TAIL = re.compile(rf"\s*+loc\s*+\({BALANCED}\)")

KEYWORDS = frozenset(
    """
    across action and applies args as async at attributes await bind block blocks body by case catch chain cleanup cond
    control copy count dealloc default depend dimensions dims distribute do dynamic_shared_memory_size else exec finally
    from guard if_clause in inbounds indices init init_tensor inits inner_dims_pos ins into iter_args iterators jumps
    kernel layout linear local map map_entries mapping mask max memory min mode none num_threads offsets on on_device
    ordered ordinal outer_dims_perm out outs output padding_value permutation pre pattern private reduce reducer
    reduction regions result schedule shape shared shared_outs sizes stages start step strides symbols threads threshold
    tiles to transitions type unwind update uses values verify_size where wait_for with within workgroup workgroups
    yield_to
    """.split()
)
"""Words that go on with a statement."""

BARE_OPERATIONS = frozenset(("return", "module", "func", "call", "br", "cond_br"))
"""Names without dialect that begin a statement wherever they stand."""
_TERMINATORS = ("terminator", "yield", "return", "end", "unreachable", "Return", "Yield", "stop")


def is_terminator(name: str) -> bool:
    """Whether a bare name by itself in braces is a body and no attribute."""
    return name.endswith(_TERMINATORS)


ARGUMENT_LIST = re.compile(rf"(\w*+){SPACE}\({SPACE}(%[\w$.\-]++{SPACE}:{BALANCED})\)")
"""`word (%a: type, ...)`. Groups: word, inside."""

ARGUMENT_TYPE = re.compile(
    rf"\s*+((?:[^,(){{}}\[\]<>\"=\s\-]++|\s++(?!loc\b)|->|-|\({BALANCED}\)|<{BALANCED}>|\[{BALANCED}\]|\{{{BALANCED}\}}|{STRING})*+)"
)
