"""The list of features: name, unit, definition, source; one line each, in the order of the vector.

Owns names and order. Invariant: a change of a definition or of the order raises `FEATURES_VERSION`.
"""

from __future__ import annotations

from dataclasses import dataclass

from costmodel.ir.costs import CATEGORIES
from costmodel.ir.features.gpu_table import GPU_FEATURES
from costmodel.ir.features.machine_table import machine_features
from costmodel.ir.features.nest import NEST_FEATURES
from costmodel.ir.features.opcodes import GROUPS

FEATURES_VERSION = 5

_ROOFLINE = "Williams et al., Roofline, 2009"
_LIVENESS = "Brandner et al., Computing Liveness Sets for SSA-Form Programs, 2011"
_LOCALITY = "Wolf and Lam, A Data Locality Optimizing Algorithm, 1991"
_LATENCY = "latencies rounded from uops.info and Agner Fog"
_LOOPS = "natural loops: Aho et al., Compilers, 9.6"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One number. `in_v1` says that it belongs to `FUNCTION_FEATURES_V1`."""

    name: str
    unit: str
    definition: str
    source: str = ""
    in_v1: bool = True


def _counts() -> list[Feature]:
    found: list[Feature] = []
    for group in GROUPS:
        for column in group.columns or ("",):
            name = f"n_{group.name}_{column}" if column else f"n_{group.name}"
            definition = group.what + (f", type class {column}" if column else "")
            found.append(Feature(name=name, unit="operations", definition=definition, in_v1=group.is_llvm))
    return found


def _executed() -> list[Feature]:
    found: list[Feature] = []
    for group in GROUPS:
        for column in group.columns if group.executed == "columns" else ("",) if group.executed else ():
            name = f"x_{group.name}_{column}" if column else f"x_{group.name}"
            plain = f"n_{group.name}_{column}" if column else f"n_{group.name}" + ("_*" if group.columns else "")
            found.append(
                Feature(
                    name=name,
                    unit="executions",
                    definition=f"`{plain}` weighted by the trip counts around each, unknown ones as 16",
                    in_v1=group.is_llvm,
                )
            )
    return found


def _f(name: str, unit: str, definition: str, source: str = "", *, v1: bool = True) -> Feature:
    return Feature(name=name, unit=unit, definition=definition, source=source, in_v1=v1)


FEATURES: tuple[Feature, ...] = (
    _f("ops", "operations", "all strictly inside the function, phis excluded"),
    *(
        _f(f"mix_{name}", "operations", f"operations of category {name} (`costs.category_of`)", v1=False)
        for name in CATEGORIES
    ),
    _f("loops", "loops", "scf, affine and natural loops; linalg operations are not loops", _LOOPS),
    _f("loop_depth_max", "levels", "deepest nest of those"),
    _f("loops_unknown", "loops", "loops whose trip count the text does not tell"),
    _f("trip_count_max", "iterations", "largest product of known trip counts around one operation, unknown ones as 1"),
    _f("flops", "executed operations", "floating-point operations (`costs.flops_of`: an element of an addition, "
       "multiplication, division, negation, minimum, maximum or mathematical function is 1, of a fused multiply-add "
       "2), "
       "weighted by trip counts, unknown ones as 1", _ROOFLINE),
    _f("transcendentals", "executed elements", "mathematical functions (exp, sqrt, ...), also in `flops`"),
    _f("bytes_touched", "bytes", "executed loads, stores, copies, weighted like `flops`; linalg: inputs once, outputs "
       "once or, if read, twice", _ROOFLINE),
    _f("arithmetic_intensity", "flop / byte", "flops / bytes_touched, 0 without bytes", _ROOFLINE),
    _f("vector_lanes_max", "elements", "widest vector value, all dimensions"),
    _f("vector_bits_max", "bits", "widest vector value"),
    _f("vector_ops", "operations", "operations with a vector result"),
    _f("live_values_max", "values", "values alive at once before some operation", _LIVENESS),
    _f("live_vector_values_max", "values", "the same, vectors only", _LIVENESS),
    _f("branches", "operations", "terminators with more than one successor, and scf.if, affine.if, scf.index_switch"),
    _f("calls", "operations", "calls, direct and indirect, intrinsics excluded"),
    _f("structured_ops", "operations", "linalg operations", v1=False),
    _f("is_exact", "0 or 1", "1 if every trip count and size is known"),
    *_counts(),
    *_executed(),
    _f("blocks", "blocks", "basic blocks of all regions"),
    _f("edges", "edges", "successors of all terminators, with repetitions"),
    _f("block_ops_max", "operations", "most operations in one block"),
    _f("blocks_in_loops", "blocks", "blocks inside at least one loop"),
    _f("args_general", "values", "arguments of the function: integers, pointers and all others"),
    _f("args_float_vector", "values", "arguments of the function: floats and vectors"),
    _f("alloca_bytes", "bytes", "sizes of `alloca`s of constant size: count times element, of memrefs all elements"),
    _f("constants_integer", "constants", "distinct scalar integer constants outside [-2048, 2047] among operands"),
    _f("constants_float", "constants", "distinct scalar float constants other than +0.0 among operands"),
    _f("constants_vector", "constants", "distinct vector and aggregate constants other than zero, undef, poison"),
    _f("constants_address", "constants", "distinct symbols whose address is an operand (callees excluded)"),
    _f("x_ops", "executions", "operations weighted by the trip counts around each, unknown ones as 16"),
    _f("vector_ops_share", "share", "vector_ops / ops, 0 without operations"),
    _f("loops_depth_1", "loops", "loops in no other loop"),
    _f("loops_depth_2", "loops", "loops in one other loop"),
    _f("loops_depth_3", "loops", "loops in two or more other loops"),
    _f("loops_innermost", "loops", "loops without loops inside"),
    _f("loops_perfect", "loops", "loops with exactly one loop inside and, outside that one, no memory access, call, "
       "float arithmetic or mathematical function"),
    _f("innermost_trips_max", "iterations", "largest known trip count of an innermost loop, 0 without"),
    _f("innermost_trips_min", "iterations", "smallest known trip count of an innermost loop, 0 without"),
    _f("innermost_ops_max", "operations", "most operations in the body of an innermost loop"),
    _f("innermost_blocks_max", "blocks", "most blocks in an innermost loop"),
    _f("pressure_general_max", "values", "scalars other than floats alive at once", _LIVENESS),
    _f("pressure_float_vector_max", "values", "floats and vectors (other than of i1) alive at once", _LIVENESS),
    _f("pressure_predicate_max", "values", "vectors of i1 alive at once", _LIVENESS),
    _f("pressure_general_registers", "registers of 64 bits", "the same in registers", _LIVENESS),
    _f("pressure_float_vector_registers", "registers of 128 bits", "the same in registers", _LIVENESS),
    _f("deepest_pressure_general", "values", "`pressure_general_max` over the blocks in the most loops", _LIVENESS),
    _f("deepest_pressure_float_vector", "values", "`pressure_float_vector_max` over the same blocks", _LIVENESS),
    _f("deepest_pressure_float_vector_registers", "registers of 128 bits", "the same in registers", _LIVENESS),
    _f("critical_path_max", "cycles", "longest dependence chain inside one block, through operands", _LATENCY),
    _f("critical_path_loop_max", "cycles", "the same over blocks in loops", _LATENCY),
    _f("critical_path_executed", "cycles", "sum over blocks of the chain, weighted like `x_ops`", _LATENCY),
    _f("work_executed", "cycles", "sum of the latencies of all operations, weighted like `x_ops`", _LATENCY),
    _f("parallelism", "ratio", "work_executed / critical_path_executed, 0 without a path", _LATENCY),
    _f("recurrence_max", "cycles", "longest chain from a carried value of a loop of one block to its own next value, "
       "the first 8 values", "Rau, Iterative Modulo Scheduling, 1994"),
    *(
        _f(f"stride_{name}", "accesses", f"loads and stores in innermost loops whose address moves by {what} an "
           "iteration", v1=True)
        for name, what in (
            ("zero", "nothing"),
            ("unit", "its own width, up or down,"),
            ("small", "another constant of at most 64 bytes"),
            ("large", "a larger constant"),
            ("unknown", "what is not known"),
        )
    ),
    *(
        _f(f"reuse_bytes_{name}", "bytes", f"executed bytes of loads and stores {what}", _LOCALITY, v1=False)
        for name, what in (
            ("l1", "reused at a distance of at most 32 KiB"),
            ("l2", "reused at a distance of at most 1 MiB"),
            ("l3", "reused at a distance of at most 32 MiB"),
            ("memory", "reused at a greater distance"),
            ("none", "that reuse nothing"),
        )
    ),
    *(
        _f(f"loops_set_{name}", "loops", f"loops (dimensions of linalg operations too) with a working set {what}",
           _LOCALITY, v1=False)
        for name, what in (("l1", "of at most 32 KiB"), ("l2", "of at most 1 MiB"), ("l3", "of at most 32 MiB"),
                           ("memory", "beyond that"))
    ),
    _f("innermost_set_bytes", "bytes", "largest working set of an innermost loop", _LOCALITY, v1=False),
    _f("largest_set_bytes", "bytes", "largest working set of any loop", _LOCALITY, v1=False),
    *(_f(f"gpu_{name}", unit, what, v1=False) for name, unit, what in GPU_FEATURES),
    *(_f(f"nest_{name}", unit, what, v1=False) for name, unit, what in NEST_FEATURES),
    *(_f(name, unit, what, v1=False) for name, unit, what in machine_features()),
)  # fmt: skip
"""In the order of `to_vector`."""

NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
FUNCTION_FEATURES_V1: tuple[str, ...] = tuple(feature.name for feature in FEATURES if feature.in_v1)
"""Features that a compiler pass recomputes exactly from an `llvm::Function`; order is contract."""
