"""`core/Tables.inc`, written from the Python tables.

`python -m costmodel.native.tables > costmodel/native/core/Tables.inc` writes it. Owns nothing of its own: features,
groups and mathematical functions are those of `costmodel.ir`. A test compares the committed file with what this writes.
"""

from __future__ import annotations

from collections.abc import Iterable

from costmodel.export.function_features import VERSION
from costmodel.ir import costs, semantics
from costmodel.ir.features.facts import BUSY_GROUPS
from costmodel.ir.features.opcodes import FLOAT_COLUMNS, GROUPS, INTEGER_COLUMNS, MEMORY_COLUMNS, SHAPE_COLUMNS, Group
from costmodel.ir.features.table import NAMES

COMPUTED = NAMES[: NAMES.index("largest_set_bytes") + 1]
"""What the plug-ins compute: `FUNCTION_FEATURES_V1` and what stood among them in version 2 of the features."""

_HEAD = """\
//===- Tables.inc - written by costmodel/native/tables.py, do not edit ----===//
//
// COSTMODEL_FEATURE(name)
// COSTMODEL_GROUP(name, latency, columns, first count, first executed, executed step, busy)
// COSTMODEL_OPERATION(name without dialect, group)
// COSTMODEL_MATH(name), COSTMODEL_SIMPLE_FLOP(name), COSTMODEL_FUSED_FLOP(name)
// COSTMODEL_MEMORY_WORD(word), ..._SHAPE_WORD, ..._TERMINATOR_WORD, ..._CONVERSION_WORD, ..._INTEGER_KIND
// COSTMODEL_LOAD(name), COSTMODEL_STORE(name), COSTMODEL_CONSTANT(name)
//
//===----------------------------------------------------------------------===//
"""
_COLUMNS = {INTEGER_COLUMNS: "Integer", FLOAT_COLUMNS: "Float", SHAPE_COLUMNS: "Shape", MEMORY_COLUMNS: "Memory"}


def tables() -> str:
    """The text of the file."""
    lines = [_HEAD.rstrip(), "", "#ifdef COSTMODEL_FEATURES_VERSION_VALUE"]
    lines += [f"COSTMODEL_FEATURES_VERSION_VALUE({VERSION})", "#endif", ""]
    lines += _section("FEATURE", COMPUTED)
    lines += _section("GROUP", (_group(group) for group in GROUPS))
    lines += _section("OPERATION", (f'"{name}", {group.name}' for group in GROUPS for name in group.names.split()))
    lines += _section("MATH", (f'"{name}"' for name in sorted(costs._FUNCTIONS)))
    lines += _section("SIMPLE_FLOP", (f'"{name}"' for name in sorted(costs._SIMPLE)))
    lines += _section("FUSED_FLOP", (f'"{name}"' for name in sorted(costs._FUSED)))
    for kind, words in (
        ("MEMORY_WORD", costs._MEMORY_WORDS), ("SHAPE_WORD", costs._SHAPE_WORDS),
        ("TERMINATOR_WORD", costs._TERMINATOR_WORDS), ("CONVERSION_WORD", costs._CONVERSION_WORDS),
        ("INTEGER_KIND", costs._INTEGER),
    ):  # fmt: skip
        lines += _section(kind, (f'"{word}"' for word in sorted(words)))
    lines += _section("LOAD", (f'"{name}"' for name in sorted(costs._LOADS) if name.startswith("llvm.")))
    lines += _section("STORE", (f'"{name}"' for name in sorted(costs._STORES) if name.startswith("llvm.")))
    lines += _section("CONSTANT", (f'"{name}"' for name in sorted(semantics.CONSTANT_NAMES)))
    return "\n".join(lines) + "\n"


def _section(kind: str, rows: Iterable[str]) -> list[str]:
    macro = f"COSTMODEL_{kind}"
    return [f"#ifdef {macro}", *(f"{macro}({row})" for row in rows), f"#undef {macro}", "#endif", ""]


def _group(group: Group) -> str:
    columns = _COLUMNS[group.columns] if group.columns else "None"
    first = f"n_{group.name}_{group.columns[0]}" if group.columns else f"n_{group.name}"
    executed, step = -1, 0
    if group.executed == "columns" and group.columns:
        executed, step = NAMES.index(f"x_{group.name}_{group.columns[0]}"), 1
    elif group.executed:
        executed = NAMES.index(f"x_{group.name}")
    busy = int(group.name in BUSY_GROUPS)
    return f"{group.name}, {group.latency_cycles}, {columns}, {NAMES.index(first)}, {executed}, {step}, {busy}"


if __name__ == "__main__":
    print(tables(), end="")
