"""Groups of operations: what counts as an integer addition, a load, a shuffle, in any dialect.

Owns the table from operation names to groups and each group's columns (counts by type) and latency. Latencies are
rounded from measurements of Intel Skylake-X and AMD Zen 3 (uops.info; Agner Fog, Instruction tables).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from costmodel.ir.features.kinds import TypeFacts

INTEGER_COLUMNS = ("i32", "i64", "vec")
FLOAT_COLUMNS = ("f32", "f64", "vec")
SHAPE_COLUMNS = ("scalar", "vec")
MEMORY_COLUMNS = ("int", "float", "ptr", "vec")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group of operations: `names` without dialect and without `intr.`; `columns` split the count by type."""

    name: str
    what: str
    names: str
    latency_cycles: int
    columns: tuple[str, ...] = ()
    executed: str = ""
    """"" for no executed count, "group" for one, "columns" for one a column."""
    is_llvm: bool = True


GROUPS: tuple[Group, ...] = (
    Group(name="iadd", what="integer additions and subtractions", latency_cycles=1, columns=INTEGER_COLUMNS,
          executed="group", names="add sub addi subi uadd.sat sadd.sat usub.sat ssub.sat uadd.with.overflow "
          "sadd.with.overflow usub.with.overflow ssub.with.overflow addui_extended subtract apply"),
    Group(name="imul", what="integer multiplications", latency_cycles=3, columns=INTEGER_COLUMNS, executed="group",
          names="mul muli umul.with.overflow smul.with.overflow multiply mulsi_extended mului_extended mulhiui"),
    Group(name="idiv", what="integer divisions and remainders", latency_cycles=20, columns=INTEGER_COLUMNS,
          executed="group", names="sdiv udiv srem urem divsi divui remsi remui ceildivsi ceildivui floordivsi ceildivs "
          "ceildivu floordivs divs divu rems remu div divide rem remainder mod"),
    Group(name="ilogic", what="bitwise and, or, xor", latency_cycles=1, columns=INTEGER_COLUMNS, executed="group",
          names="and or xor andi ori xori not"),
    Group(name="ishift", what="shifts", latency_cycles=1, columns=INTEGER_COLUMNS, executed="group",
          names="shl lshr ashr shli shrsi shrui shru shrs fshl fshr"),
    Group(name="icmp", what="integer comparisons", latency_cycles=1, columns=INTEGER_COLUMNS, executed="group",
          names="icmp cmpi ucmp scmp"),
    Group(name="iminmax", what="integer minimum, maximum, absolute value", latency_cycles=1, executed="group",
          names="smin smax umin umax abs minsi maxsi minui maxui absi mins maxs minu maxu min max minimum_i"),
    Group(name="ibit", what="bit counts, byte swaps, bit reversals", latency_cycles=3,
          names="ctpop ctlz cttz bswap bitreverse"),
    Group(name="fadd", what="float additions and subtractions", latency_cycles=4, columns=FLOAT_COLUMNS,
          executed="columns", names="fadd fsub addf subf"),
    Group(name="fmul", what="float multiplications", latency_cycles=4, columns=FLOAT_COLUMNS, executed="columns",
          names="fmul mulf"),
    Group(name="fma", what="fused multiply-adds", latency_cycles=4, columns=FLOAT_COLUMNS, executed="columns",
          names="fma fmuladd"),
    Group(name="fdiv", what="float divisions and remainders", latency_cycles=13, columns=FLOAT_COLUMNS,
          executed="columns", names="fdiv frem divf remf"),
    Group(name="fminmax", what="float minimum and maximum", latency_cycles=4, executed="",
          names="minnum maxnum minimum maximum minimumnum maximumnum minimumf maximumf minnumf maxnumf clampf"),
    Group(name="fneg", what="float sign operations", latency_cycles=1, names="fneg fabs copysign negf absf neg negate"),
    Group(name="fround", what="roundings to an integral float", latency_cycles=8,
          names="floor ceil trunc.f rint nearbyint round roundeven truncf_i lrint llrint lround llround"),
    Group(name="fcmp", what="float comparisons", latency_cycles=4, columns=SHAPE_COLUMNS, executed="group",
          names="fcmp cmpf is.fpclass"),
    Group(name="sqrt", what="square roots", latency_cycles=18, executed="group", names="sqrt rsqrt"),
    Group(name="math", what="other mathematical functions (`costs.is_math_function`)", latency_cycles=40,
          executed="group", names=""),
    Group(name="select", what="selects", latency_cycles=1, columns=SHAPE_COLUMNS, executed="group",
          names="select where"),
    Group(name="zext", what="zero extensions", latency_cycles=1, executed="group", names="zext extui index_castui"),
    Group(name="sext", what="sign extensions", latency_cycles=1, executed="group", names="sext extsi index_cast casts"),
    Group(name="trunc", what="integer truncations", latency_cycles=1, executed="group", names="trunc trunci"),
    Group(name="fpcast", what="conversions between float types", latency_cycles=5, names="fpext fptrunc extf truncf "
          "fp_to_fp"),
    Group(name="intfp", what="conversions between integer and float", latency_cycles=5, executed="group",
          names="sitofp uitofp fptosi fptoui sitofpi uitofpi fptosi.sat fptoui.sat"),
    Group(name="bitcast", what="reinterpretations (bitcast, freeze, pointer casts)", latency_cycles=0,
          executed="group", names="bitcast freeze ptrtoint inttoptr addrspacecast ptrtoaddr unrealized_conversion_cast "
          "ptr_to_int int_to_ptr"),
    Group(name="load", what="loads", latency_cycles=5, columns=MEMORY_COLUMNS, executed="columns",
          names="load transfer_read vector_load local_load descriptor_load"),
    Group(name="store", what="stores", latency_cycles=1, columns=MEMORY_COLUMNS, executed="columns",
          names="store transfer_write vector_store local_store descriptor_store"),
    Group(name="masked", what="masked, expanding, gathering and scattering accesses", latency_cycles=10,
          executed="group", names="masked.load masked.store masked.gather masked.scatter masked.expandload "
          "masked.compressstore maskedload maskedstore gather scatter expandload compressstore vp.load vp.store "
          "vp.gather vp.scatter"),
    Group(name="gep", what="address computations", latency_cycles=1, executed="group",
          names="getelementptr addptr subview advance extract_aligned_pointer_as_index memdesc_subview"),
    Group(name="alloca", what="allocations, of stack or heap by an operation", latency_cycles=1,
          names="alloca alloc local_alloc empty dealloc"),
    Group(name="memcpy", what="block copies and fills", latency_cycles=30, executed="group",
          names="memcpy memmove memset memcpy.inline memset.inline copy async_copy_global_to_local dma_start"),
    Group(name="atomic", what="atomic operations and fences", latency_cycles=20, executed="group",
          names="atomicrmw cmpxchg fence atomic_rmw atomic_cas generic_atomic_rmw"),
    Group(name="br", what="unconditional branches", latency_cycles=1, names="br"),
    Group(name="cond_br", what="conditional branches", latency_cycles=1, executed="group", names="cond_br"),
    Group(name="switch", what="switches and indirect branches", latency_cycles=1,
          names="switch indirectbr index_switch"),
    Group(name="ret", what="returns", latency_cycles=1, names="return ret"),
    Group(name="unreachable", what="unreachable", latency_cycles=0, names="unreachable"),
    Group(name="phi", what="phis: arguments of blocks other than entry blocks", latency_cycles=0,
          columns=MEMORY_COLUMNS, executed="group", names=""),
    Group(name="call", what="direct calls, mathematical functions and intrinsics excluded", latency_cycles=10,
          executed="group", names=""),
    Group(name="call_indirect", what="calls through a pointer", latency_cycles=10, names=""),
    Group(name="inline_asm", what="inline assembly", latency_cycles=5, names="inline_asm elementwise_inline_asm"),
    Group(name="intrinsic", what="LLVM intrinsics that no other group names", latency_cycles=3, names=""),
    Group(name="marker", what="intrinsics without code: lifetime, assume, debug, noalias scopes, invariants",
          latency_cycles=0, names="lifetime.start lifetime.end assume dbg.declare dbg.value dbg.label donothing "
          "experimental.noalias.scope.decl invariant.start invariant.end sideeffect expect annotation "
          "assume_alignment"),
    Group(name="extract", what="vector element and subvector extractions", latency_cycles=3, executed="group",
          names="extractelement extract vector.extract extract_strided_slice extract_slice scalable.extract"),
    Group(name="insert", what="vector element and subvector insertions", latency_cycles=3, executed="group",
          names="insertelement insert vector.insert insert_strided_slice insert_slice scalable.insert from_elements"),
    Group(name="shuffle", what="vector permutations", latency_cycles=1, executed="group",
          names="shufflevector shuffle vector.reverse vector.interleave2 vector.deinterleave2 interleave deinterleave "
          "transpose shape_cast vector.splice trans"),
    Group(name="reduce", what="vector reductions", latency_cycles=12, executed="group",
          names="reduction multi_reduction reduce vector.reduce reduce_window scan"),
    Group(name="aggregate", what="struct and array member accesses", latency_cycles=0,
          names="extractvalue insertvalue"),
    Group(name="broadcast", what="splats and broadcasts", latency_cycles=3, is_llvm=False,
          names="broadcast splat expand_dims broadcast_in_dim"),
    Group(name="contract", what="contractions of vectors or tiles", latency_cycles=16, is_llvm=False,
          names="contract outerproduct dot warp_group_dot mma.sync dot_scaled subgroup_mma_compute dot_general wgmma "
          "mfma"),
    Group(name="structured", what="linalg operations", latency_cycles=10, is_llvm=False, names=""),
    Group(name="layout", what="changes of data layout", latency_cycles=10, is_llvm=False,
          names="convert_layout memref_reshape collapse_shape expand_shape reshape pack unpack to_tensor to_buffer"),
    Group(name="barrier", what="barriers and waits", latency_cycles=20, is_llvm=False,
          names="barrier barrier0 async_wait warp_group_dot_wait async_commit_group wait_barrier"),
    Group(name="id", what="thread, block, program and lane numbers", latency_cycles=1, is_llvm=False,
          names="thread_id block_id block_dim grid_dim lane_id get_program_id get_num_programs subgroup_id"),
    Group(name="loop", what="structured loops", latency_cycles=1, is_llvm=False,
          names="for forall parallel while"),
    Group(name="region_if", what="structured conditionals", latency_cycles=1, is_llvm=False, names="if"),
    Group(name="yield", what="ends of structured regions", latency_cycles=0, is_llvm=False,
          names="yield condition in_parallel reduce.return terminator return_like"),
    Group(name="constant", what="constants that are operations", latency_cycles=0, is_llvm=False, names="constant "
          "mlir.constant mlir.zero mlir.undef mlir.poison mlir.addressof poison make_range"),
    Group(name="other", what="everything else", latency_cycles=1, names=""),
)  # fmt: skip
"""In the order of their columns."""

BY_NAME = {group.name: group for group in GROUPS}
_GROUP_OF = {name: group for group in GROUPS for name in group.names.split()}
_OF_FLOATS = {"iadd": "fadd", "imul": "fmul", "idiv": "fdiv", "iminmax": "fminmax", "icmp": "fcmp"}
_OF_INTEGERS = {"fneg": "iadd", "fminmax": "iminmax", "fround": "trunc"}
_REDUCE = "vector.reduce."


@lru_cache(maxsize=65536)
def group_of(name: str, is_float: bool) -> Group:
    """The group of an operation by name; `is_float` tells `stablehlo.add` of floats from that of integers."""
    dialect, _, kind = name.partition(".")
    is_intrinsic = kind.startswith("intr.")
    kind = kind.removeprefix("intr.").removeprefix("experimental.constrained.")
    if dialect == "linalg" and kind not in ("yield", "index"):
        return BY_NAME["structured"]
    if kind.startswith(_REDUCE):
        return BY_NAME["reduce"]
    if kind.startswith("trunc") and is_intrinsic:
        return BY_NAME["fround"]
    found = _GROUP_OF.get(kind) or _GROUP_OF.get(kind.lower())
    if found is None:
        return BY_NAME["intrinsic" if is_intrinsic else "other"]
    swap = _OF_FLOATS if is_float else _OF_INTEGERS
    return BY_NAME[swap.get(found.name, found.name)]


def column_of(group: Group, kind: TypeFacts) -> str:
    """The column of `group` that counts the type; `""` for a group without columns."""
    if not group.columns:
        return ""
    if kind.width == "vec":
        return "vec"
    if group.columns is SHAPE_COLUMNS:
        return "scalar"
    if group.columns is MEMORY_COLUMNS:
        return {"i32": "int", "i64": "int", "f32": "float", "f64": "float", "ptr": "ptr"}.get(kind.width, "int")
    wide = kind.width in ("i64", "f64", "ptr")
    return group.columns[1 if wide else 0]
