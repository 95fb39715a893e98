"""Names, units and definitions of the numbers of Triton kernels; `table` appends them with the prefix `gpu_`."""

from __future__ import annotations

_WHAT = {
    "all": "tensors",
    "float": "tensors of floats",
    "address": "tensors of integers and pointers",
    "accumulator": "results of matrix units",
    "scalar": "scalars",
    "wide": "tensors, every element in registers of its own",
}
_CLASSES = {
    "int": "integer operations, address computations among them",
    "float": "float operations",
    "division": "divisions and remainders",
    "math": "transcendental functions and roots",
    "compare": "comparisons and selects",
    "convert": "conversions of element types",
    "load": "loads, of up to 16 bytes",
    "store": "stores, of up to 16 bytes",
    "async": "copies to shared memory that no register passes",
    "shared_load": "loads from shared memory",
    "shared_store": "stores to shared memory",
    "atomic": "atomic operations",
    "mma": "matrix instructions of 16x8x16 a warp",
    "fma_dot": "multiply-adds of matrix products without a matrix unit",
    "shuffle": "exchanges between lanes",
    "barrier": "barriers and waits",
}
_REGISTERS = "registers of 32 bits, a thread"
_ALIVE = "alive at once before some operation"
_LEAN = "alive at once where what is cheaper to compute again is not kept"
_LOWERED = "in the order that Triton lowers, elements and addresses in registers of their own"
_FLOWS = (
    ("all", _REGISTERS, "values alive at once"),
    ("loop", _REGISTERS, "the same in loops:"),
    ("predicates", "predicates", "masks alive at once"),
    ("both", "registers and predicates", "values and masks alive at once"),
)
_CUT = "before reductions, changes of layout, matrix products and ends of loops"

GPU_FEATURES: tuple[tuple[str, str, str], ...] = (
    ("warps", "warps", "of a block: the module's, a layout's, else 4"),
    ("lanes", "lanes", "of a warp"),
    ("threads", "threads", "of a block"),
    ("has_layouts", "0 or 1", "1 for TTGIR"),
    ("cap", "registers of 32 bits", "that a thread may have: 65536 over the threads, at most 255"),
    *((f"live_{name}", _REGISTERS, f"{what} {_ALIVE}") for name, what in _WHAT.items()),
    ("live_predicates", "predicates", f"elements of i1 {_ALIVE}"),
    *((f"loop_{name}", _REGISTERS, f"the same in loops: {what}") for name, what in _WHAT.items()),
    ("loop_predicates", "predicates", "the same in loops"),
    *((f"cut_{n}", _REGISTERS, f"{_WHAT[n]} alive {_CUT}") for n in ("all", "float", "address")),
    *((f"cut_loop_{n}", _REGISTERS, f"the same in loops: {_WHAT[n]}") for n in ("all", "float", "address")),
    ("lean_all", _REGISTERS, f"tensors {_LEAN}"),
    ("lean_loop", _REGISTERS, "the same in loops"),
    ("lean_wide", _REGISTERS, f"tensors, every element in registers of its own, {_LEAN}"),
    ("lean_wide_loop", _REGISTERS, "the same in loops"),
    ("moving", _REGISTERS, "the same, and both sides of a change of layout, or a histogram's counters, while it runs"),
    ("moving_loop", _REGISTERS, "the same in loops"),
    ("lean_cut", _REGISTERS, f"the same {_CUT}"),
    ("lean_cut_loop", _REGISTERS, "both"),
    ("lean_batch", _REGISTERS, "the same, and all loads between two such places on their way"),
    ("lean_batch_loop", _REGISTERS, "the same in loops"),
    ("batch", _REGISTERS, "`live_all` at such a place, and all loads with their addresses up to the next"),
    ("batch_loop", _REGISTERS, "the same in loops"),
    ("batch_loads", _REGISTERS, "those loads and addresses alone"),
    ("carried", _REGISTERS, "tensors that loops carry on"),
    ("carried_address", _REGISTERS, "those of integers and pointers"),
    ("largest", _REGISTERS, "the largest tensor"),
    ("largest_elements", "elements, a thread", "of the largest tensor"),
    ("accumulators", _REGISTERS, "the largest result of a matrix unit"),
    ("operand_a", _REGISTERS, "the largest left operand of a matrix product that lies in registers"),
    ("operand_b", _REGISTERS, "the largest right operand"),
    ("operands", _REGISTERS, "the largest pair"),
    *(
        (f"{prefix}_{name}", unit, f"{what} {_LOWERED}{which}")
        for prefix, which in (("flow", ""), ("flow_lean", ", without what is cheaper to compute again"))
        for name, unit, what in _FLOWS
    ),
    ("registers", _REGISTERS, "estimate: 14 and the larger of `lean_all` and `lean_batch`"),
    ("over_cap", "ratio", "`gpu_registers` over `gpu_cap`"),
    *((f"i_{name}", "instructions, a thread", what) for name, what in _CLASSES.items()),
    ("instructions", "instructions, a thread", "of all these classes"),
    ("instructions_executed", "instructions, a thread", "each loop around taken as 16 iterations"),
    ("loads", "operations", "loads from global memory"),
    ("async_copies", "operations", "asynchronous copies"),
    ("narrow_accesses", "operations", "accesses of less than 4 bytes a thread"),
    ("vector_bytes", "bytes", "the widest access of a thread"),
    ("warp_reductions", "operations", "reductions between lanes"),
    ("block_reductions", "operations", "reductions between warps"),
    ("conversions", "operations", "changes of layout"),
    ("dots", "operations", "matrix products"),
    ("buffers", "buffers", "in shared memory"),
    ("depth_most", "copies", "of one buffer, as pipelining keeps them"),
    ("scratch", "bytes", "of shared memory for the largest reduction or change of layout"),
    ("shared_peak", "bytes", "of shared memory at once: buffers and scratch"),
)
"""(name without prefix, unit, definition)."""
