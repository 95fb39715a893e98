"""What rows of operations hold (`machine_rows`): columns, kinds, units, operators.

Owns the names and numbers that folding, liveness and cycles look rows up by.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from costmodel.ir.features.machine_names import VARIANTS

Table = npt.NDArray[np.float32]


class Kind:
    """What folding must tell apart."""

    (OTHER, LOAD, STORE, ADDRESS, ICMP, FCMP, BRANCH, JUMP, SWITCH, RETURN, SELECT, ZEXT, SEXT, TRUNC, FREE,
     CALL) = range(16)  # fmt: skip
    INTEGER, FLOAT, BLOCK, ALLOCA, UNREACHABLE, LOGIC, FPEXT, SHIFT = range(16, 24)


class Port:
    """Which execution units an operation keeps busy."""

    NONE, ALU, MUL, DIV, FLOAT, FDIV, SHUFFLE, LOAD, STORE, BRANCH, CALL = range(11)


NUM_PORTS = 11
COLUMNS = (
    *VARIANTS, "imm_x86", "imm_a64", "imm_rv", "imm", "kind", "port", "latency", "mem0", "mem1", "pure", "dynamic",
    "scale", "a64_offset", "rv_offset", "offset", "bits", "constant_arguments", "address_arguments", "stack_arguments",
    "is_call", "register", "units128", "units256", "units512", "zero_test", "bytes", "parts128", "global_address",
    "outside", "int32", "indirect", "simple_scale", "alive_general", "alive_128", "alive_256", "alive_512",
    "alive_predicate", "displacement", "swaps", "arithmetic", "amount", "mask", "constant_store", "divides",
    "fixed", "lanes",
)  # fmt: skip
"""Of a row. `imm*` are instructions that bring constants into registers, `imm` tells equal ones apart; `alive_*` are
registers that a result takes; `mask` is how many low bits a logical `and` keeps, -1 where all bits are inverted;
`constant_store` is 1 where zero is stored, 2 where another number is; `divides` is 1 and 2 for signed and unsigned
divisions by a constant, 3 and 4 for remainders; `fixed` accesses are volatile or atomic: each stays by itself;
`lanes` are operations on lanes of vectors whose floats lie in whole registers of 128 bits.
"""
C = {name: index for index, name in enumerate(COLUMNS)}
ADD, SUB, OR, AND, XOR, MUL = range(1, 7)
