"""What a function's machine code needs beside its operations: saved registers, the frame, spills, moves and jumps.

Owns the counts around the operations. Sources: the ABIs of x86-64 (System V), AArch64 and RISC-V; LLVM 22's
PrologEpilogInserter and register allocator.
"""

from __future__ import annotations

import numpy as np

Numbers = dict[str, float]
SAVED = {"x86": 6.0, "a64": 11.0, "rv": 12.0}
"""General registers that a function has to restore if it writes to them; `FREE` those that it need not."""
FREE = {"x86": 9.0, "a64": 19.0, "rv": 15.0}
_SAVED_FLOATS = {"a64": 8.0, "rv": 12.0}
"""Float registers of which calls preserve 64 bits."""
_RED_ZONE = 16.0
"""So many scalars lie below the stack pointer on x86-64 in a function that calls nothing."""
_COPIED = {"x86": 4.0, "a64": 6.0, "rv": 6.0}
"""Up to so many instructions of what returns take the place of a jump there (LLVM's `tail-dup-placement`)."""
SLOT = 2.0
"""Instructions of a value that lives in memory: it is stored once and loaded once."""


def num_exits(numbers: Numbers) -> float:
    """Returns and calls that are jumps; one at least."""
    return max(1.0, numbers["returns"] + numbers["tail_calls"])


def spilled(isa: str, numbers: Numbers) -> float:
    """Values that no register can hold all the time: there are too many, or a call comes amid and none is preserved."""
    many = numbers["live_general"] - SAVED[isa] - FREE[isa]
    found = max(0.0, numbers["kept_general"] - SAVED[isa], many)
    if isa == "x86":
        return found + numbers["lost_vectors"]
    floats = max(0.0, numbers["kept_floats"] - _SAVED_FLOATS[isa])
    return found + numbers["lost_wide_vectors"] + numbers["lost_targets"] + floats


def around(isa: str, numbers: Numbers, sides: float) -> float:
    """Instructions beside the operations' own: prologue, epilogues, spills, moves, jumps; `sides` as of `num_sides`."""
    returned = sides
    total = SLOT * numbers[f"spilled_{isa}"]
    if isa == "x86" and numbers["wide_vectors"] > 0:  # vzeroupper
        if numbers["real_calls"] > 0:
            total += numbers["wide_blocks"]
        else:
            returned += 1.0
    if isa == "x86" and numbers["fills_memory"] > 0:  # it is returned where that is
        total += num_exits(numbers) if numbers["real_calls"] > 0 else 1.0
    copied = returned + 1.0 if returned + 1.0 <= _COPIED[isa] else 1.0
    total += sides + returned * num_exits(numbers) - numbers["bare_returns"] + numbers["jumps"]
    total += copied * numbers["jumps_to_returns"]
    total += numbers["saved_moves"] + 0.9 * numbers["moved_arguments"]
    total += numbers["frame_addresses"] + numbers["constants_merged"]
    total += 0.3 * numbers["values_merged_shared"] + 0.7 * (numbers["moved_results"] + numbers["bare_conditions"])
    return float(total)


def num_sides(isa: str, numbers: Numbers) -> float:
    """Instructions that save registers and make the frame, where `spilled` is known; as many undo it."""
    in_memory = numbers[f"spilled_{isa}"] > 0
    calls = numbers["real_calls"] > numbers["tail_calls"]
    saved = min(max(numbers["kept_general"], numbers["live_general"] - FREE[isa]), SAVED[isa])
    slots = numbers["stack_slots"] + in_memory
    frame = float(slots > 0)
    if isa == "x86":
        align = float(calls and saved % 2 == 0)
        if not calls and numbers["scalar_slots"] + in_memory == slots <= _RED_ZONE:
            frame = 0.0
        return float(saved + max(frame, align))
    floats = min(numbers["kept_floats"], _SAVED_FLOATS[isa])
    if isa == "a64":
        kept = saved + calls
        if kept % 2 == 1 and numbers["scalar_slots"] + in_memory == slots == 1:
            frame = 0.0  # beside the odd register, which needs 16 bytes
        return float(np.ceil(kept / 2) + np.ceil(floats / 2) + frame)
    return float(2.0 + saved + floats if calls else saved + max(frame, float(saved > 0)))
