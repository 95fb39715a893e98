"""The list of `machine_*` and `frame_*` features: name, unit, definition.

Owns names and order; what they mean in full is told by `machine` and the modules it puts together.
"""

from __future__ import annotations

from costmodel.ir.features.machine_names import VARIANTS
from costmodel.ir.features.machine_units import CORES, USUAL

ISAS = ("x86", "a64", "rv")
_PARTS = {
    "joined_conditions": "`and`/`or` of comparisons that only a branch or select reads",
    "compare_values": "comparisons whose result is wanted as a value",
    "float_branches": "float comparisons that only branches and selects read",
    "bare_conditions": "branches and selects on what is no comparison",
    "addresses_left": "address computations that x86-64 does not fold into accesses",
    "indexed_addresses": "address computations with a dynamic index",
    "memory_operands": "loads that x86-64 folds into their only user",
    "updates": "loads, operations and stores that x86-64 makes one instruction",
    "moved_arguments": "arguments of calls that must be moved to their place",
    "computed_arguments": "arguments of calls that are computed right before",
    "frame_addresses": "uses of an `alloca`'s address as a value",
    "constants_merged": "constants that phis take, each once for a block",
    "values_merged": "values that phis take",
    "values_merged_shared": "those of them with other uses",
    "moved_results": "returned values that are not computed right before",
    "constants_returned": "returns of a constant",
    "jumps": "unconditional jumps that LLVM's layout of blocks leaves, but for those to a return",
    "jumps_to_returns": "those to blocks that do little but return",
    "saved_moves": "arguments and results of calls that are used behind a later call",
    "outside_symbols": "operations that need the address of a symbol of another module",
    "real_calls": "calls that code generation leaves calls",
    "tail_calls": "those of them that become jumps",
    "returns": "returns, without those that only tail calls lead to",
    "bare_returns": "those",
    "across_general": "most general values alive across a call",
    "across_vector": "most registers of 128 bits alive across a call",
    "across_general_sum": "general values alive across calls, summed over calls",
    "across_vector_sum": "registers of 128 bits alive across calls, summed over calls",
    "kept_general": "general values alive at once of those that some call comes amid, at most",
    "kept_floats": "the same of floats and vectors of at most 64 bits",
    "lost_vectors": "registers of 128 bits of floats and vectors that some call comes amid",
    "lost_wide_vectors": "those of them that take more than 64 bits, or are lanes of vectors",
    "lost_targets": "targets of calls that are jumps, with another call amid",
    "fills_memory": "1 where the first argument says where the result goes (`sret`)",
    "stack_slots": "`alloca`s that stay in memory",
    "scalar_slots": "those of them that are only loaded and stored, in one width",
    "wide_vectors": "operations on vectors of more than 128 bits, and copies of memory by those",
    "wide_blocks": "blocks with such",
}  # fmt: skip
_EXECUTED = {
    "loads": "loads", "stores": "stores", "floats": "float operations", "shuffles": "vector permutations",
    "divisions": "divisions and square roots", "chain": "cycles of carried chains of loops of one block",
    "blocks": "blocks", "jumps": "branches, jumps and returns", "calls": "calls",
    **{isa: f"machine instructions ({isa})" for isa in ISAS},
}  # fmt: skip
_FREQUENCY = "weighted by block frequencies (LLVM's heuristics, known trip counts)"
FILES = {"general": (13, 15, 28), "vector128": (16, 32), "vector256": (16, 32), "vector512": (16, 32)}
"""Sizes of register files by class; vectors are split into registers of so many bits."""
FRAME = (
    *(f"body_{variant}" for variant in VARIANTS), *(f"instructions_{variant}" for variant in VARIANTS),
    "live_general", "live_vector128", "stack_slots", "frame_addresses", *(f"spilled_{isa}" for isa in ISAS),
    *(f"executed_{isa}" for isa in ISAS), "executed_loads", "executed_stores",
    *(f"cycles_{isa}_{name}" for isa in ISAS for name in CORES[isa]),
)  # fmt: skip
"""What is computed of the function as it stands too."""


def machine_features() -> tuple[tuple[str, str, str], ...]:
    """(name, unit, definition) of each, in order."""
    found = [(name, "count", what) for name, what in _PARTS.items()]
    found += [(f"body_{v}", "instructions", f"selected instructions of the operations ({v})") for v in VARIANTS]
    found += [
        (f"instructions_{v}", "instructions", f"those, prologue, epilogues, moves and jumps ({v})") for v in VARIANTS
    ]
    found += [(f"immediates_{isa}", "instructions", f"constants brought into registers ({isa})") for isa in ISAS]
    for name in (*FILES, "predicate"):
        found.append((f"live_{name}", "registers", f"{name} registers wanted at once after folding, at most"))
        found.append((f"hot_{name}", "registers", "the same in the block that runs most"))
    for name, sizes in FILES.items():
        for size in sizes:
            found.append((f"excess_{name}_{size}", "registers", f"what `live_{name}` exceeds {size} by"))
            found.append((f"excess_{name}_{size}_blocks", "registers", "the same where blocks begin, summed"))
    found += [(f"executed_{name}", "executions", f"{what}, {_FREQUENCY}") for name, what in _EXECUTED.items()]
    found += [
        (f"reused_chain_{isa}", "cycles", f"chain through argument registers that the first block sets anew ({isa})")
        for isa in ISAS
    ]
    found.append(("hottest_frequency", "executions", "of the block that runs most"))
    found += [
        (f"cycles_{isa}_{name}", "cycles", f"bounds of blocks that repeat ({isa}, a core of {core.width:g} "
         f"micro-operations a cycle), {_FREQUENCY}")
        for isa, cores in CORES.items() for name, core in cores.items()
    ]  # fmt: skip
    found += [
        (f"core_{isa}_{name}", "ratio", f"cycles_{isa}_{name} over cycles_{isa}_{USUAL[isa]}")
        for isa in ISAS for name in CORES[isa] if name != USUAL[isa]
    ]  # fmt: skip
    found += [(f"spilled_{isa}", "count", f"values that no register can hold all the time ({isa})") for isa in ISAS]
    found += [
        (f"taken_{isa}", "share", f"of the general registers ({isa}): across calls those that are saved, anywhere all")
        for isa in ISAS
    ]
    machine = [(f"machine_{name}", unit, what) for name, unit, what in found]
    machine.append(("machine_variables", "count", "`alloca`s that are only loaded and stored, seen as values"))
    units = {name: (unit, what) for name, unit, what in found}
    return (*machine, *((f"frame_{name}", units[name][0], f"{units[name][1]}; `alloca`s in memory") for name in FRAME))
