"""Features of Triton kernels, worked out by hand from layouts: elements, registers, shared memory, instructions."""

from __future__ import annotations

import pytest

from costmodel import ir
from costmodel.ir.features import FEATURES
from costmodel.ir.features.gpu import kernel_numbers
from costmodel.ir.features.gpu_layouts import fields_of, layout_kind, spread_of, warps_of
from costmodel.ir.features.gpu_table import GPU_FEATURES
from costmodel.ir.features.gpu_values import kind_of

BLOCKED = "#ttg.blocked<{sizePerThread = [1, 8], threadsPerWarp = [4, 8], warpsPerCTA = [4, 1], order = [1, 0]}>"
LINE = "#ttg.blocked<{sizePerThread = [4], threadsPerWarp = [32], warpsPerCTA = [4], order = [0]}>"
MMA2 = "#ttg.nvidia_mma<{versionMajor = 2, versionMinor = 0, warpsPerCTA = [2, 2], instrShape = [16, 8]}>"
MMA3 = "#ttg.nvidia_mma<{versionMajor = 3, versionMinor = 0, warpsPerCTA = [4, 1], instrShape = [16, 64, 16]}>"
MFMA = "#ttg.amd_mfma<{version = 3, warpsPerCTA = [2, 2], instrShape = [32, 32, 8], isTransposed = true}>"
LINEAR = "#ttg.linear<{register = [[0, 1], [0, 2], [0, 16]], lane = [[1, 0], [2, 0], [4, 0], [8, 0], [0, 4]], warp = [], block = []}>"  # noqa: E501
HEAD = f"""#line = {LINE}
#rows = {BLOCKED}
#mma = {MMA2}
#shared = #ttg.swizzled_shared<{{vec = 8, perPhase = 1, maxPhase = 8, order = [1, 0]}}>
#smem = #ttg.shared_memory
module attributes {{"ttg.num-ctas" = 1 : i32, "ttg.num-warps" = 4 : i32, ttg.target = "cuda:90", "ttg.threads-per-warp" = 32 : i32}} {{
  tt.func public @kernel(%x: !tt.ptr<f32>, %y: !tt.ptr<f32>, %n: i32) {{
"""  # noqa: E501


def kernel(body: str) -> dict[str, float]:
    """Numbers of a kernel of 4 warps with this body."""
    program = ir.read(f"{HEAD}{body}\n    tt.return\n  }}\n}}\n".encode(), format="mlir")
    operation = program.functions[0].operation
    assert operation is not None
    return kernel_numbers(operation)


def dot(index: int, width: int, parent: str = MMA2) -> str:
    return f"#ttg.dot_op<{{opIdx = {index}, parent = {parent}, kWidth = {width}}}>"


@pytest.mark.parametrize(
    ("shape", "layout", "registers"),
    [
        ((16, 64), BLOCKED, (1, 8)),
        ((64, 128), BLOCKED, (4, 16)),  # 16x64 a pass, four times down and twice across
        ((8, 32), BLOCKED, (1, 8)),  # threads repeat, elements of a thread do not
        ((64,), f"#ttg.slice<{{dim = 0, parent = {BLOCKED}}}>", (8,)),
        ((64,), f"#ttg.slice<{{dim = 1, parent = {BLOCKED}}}>", (4,)),
        ((64, 64), MMA2, (4, 8)),  # 32x16 for 2x2 warps of 16x8: two rows, two columns each
        ((64, 64), MMA3, (2, 16)),
        ((64, 64), MFMA, (1, 16)),
        ((64, 32), dot(0, 2), (4, 8)),  # M over two warps, K in every thread's four lanes
        ((32, 64), dot(1, 2), (8, 4)),
        ((16, 32), LINEAR, (1, 16)),  # lanes hold 16x8, the third register bit jumps by 16: 8 apart is added
        ((4096,), "", (32,)),  # TTIR: 128 threads
    ],
)
def test_elements_of_a_thread(shape, layout, registers):
    assert spread_of(shape, layout).registers == registers


def test_lanes_and_warps_cover_a_tensor_without_replication():
    spread = spread_of((64, 128), BLOCKED)
    assert spread.lanes == (4, 8)
    assert spread.warps == (4, 1)
    assert spread.contiguous == 8


def test_layout_text():
    assert layout_kind(MMA3) == "nvidia_mma"
    assert fields_of(BLOCKED)["threadsPerWarp"] == "[4, 8]"
    assert warps_of(MFMA) == 4
    assert warps_of("#ttg.unknown<{a = 1}>") == 0


def test_kinds_of_types():
    pointers = kind_of(f"tensor<16x64x!tt.ptr<bf16>, {BLOCKED}>")
    assert (pointers.is_pointer, pointers.bits) == (True, 64)
    memory = kind_of(f"!ttg.memdesc<3x16x64xf16, {BLOCKED}, #ttg.shared_memory, mutable>")
    assert (memory.memory_bytes, memory.memory_depth) == (3 * 16 * 64 * 2, 3)
    assert kind_of(f"tensor<64x64xf32, {MMA2}>").is_accumulator
    assert kind_of("!something.else").bits == 0


def test_types_of_slices_are_read_whole():
    """The braces of `#ttg.slice<{...}>` are no attributes of the operation."""
    text = f"""{HEAD}    %r = tt.make_range {{end = 64 : i32, start = 0 : i32}} : tensor<64xi32, #ttg.slice<{{dim = 0, parent = #rows}}>>
    %s = arith.addi %r, %r : tensor<64xi32, #ttg.slice<{{dim = 0, parent = #rows}}>>
    tt.return
  }}
}}
"""  # noqa: E501
    operations = list(ir.read(text.encode(), format="mlir").functions[0].operation.walk())
    added = next(one for one in operations if one.name == "arith.addi")
    assert added.results[0].type_text == f"tensor<64xi32, #ttg.slice<{{dim = 0, parent = {BLOCKED}}}>>"
    assert not added.attributes


COPY = """    %r = tt.make_range {end = 2048 : i32, start = 0 : i32} : tensor<2048xi32, #line>
    %p = tt.splat %x : !tt.ptr<f32> -> tensor<2048x!tt.ptr<f32>, #line>
    %a = tt.addptr %p, %r : tensor<2048x!tt.ptr<f32>, #line>, tensor<2048xi32, #line>
    %v = tt.load %a : tensor<2048x!tt.ptr<f32>, #line>
    %w = arith.mulf %v, %v : tensor<2048xf32, #line>
    %q = tt.splat %y : !tt.ptr<f32> -> tensor<2048x!tt.ptr<f32>, #line>
    %b = tt.addptr %q, %r : tensor<2048x!tt.ptr<f32>, #line>, tensor<2048xi32, #line>
    tt.store %b, %w : tensor<2048x!tt.ptr<f32>, #line>"""


def test_elementwise_kernel():
    """2048 elements over 128 threads: 16 each, four accesses of 16 bytes; addresses move by constants."""
    found = kernel(COPY)
    assert (found["warps"], found["lanes"], found["threads"], found["cap"]) == (4, 32, 128, 255)
    assert found["live_float"] == 16
    assert found["live_address"] == 3  # the range, and a pointer of 64 bits
    assert (found["i_load"], found["i_store"], found["i_float"]) == (4, 4, 16)
    assert (found["vector_bytes"], found["narrow_accesses"], found["loads"]) == (16, 0, 1)
    assert found["batch_loads"] == 16 + 2
    assert found["shared_peak"] == 0


def test_runtime_strides_need_an_address_for_each_row():
    """Rows that lie a runtime number apart: pointers of 64 bits for each of a thread's 4 rows, not for its columns."""
    found = kernel("""    %r = tt.make_range {end = 64 : i32, start = 0 : i32} : tensor<64xi32, #ttg.slice<{dim = 1, parent = #rows}>>
    %e = tt.expand_dims %r {axis = 1 : i32} : tensor<64xi32, #ttg.slice<{dim = 1, parent = #rows}>> -> tensor<64x1xi32, #rows>
    %n1 = tt.splat %n : i32 -> tensor<64x1xi32, #rows>
    %m = arith.muli %e, %n1 : tensor<64x1xi32, #rows>
    %p = tt.splat %x : !tt.ptr<f32> -> tensor<64x1x!tt.ptr<f32>, #rows>
    %a = tt.addptr %p, %m : tensor<64x1x!tt.ptr<f32>, #rows>, tensor<64x1xi32, #rows>
    %b = tt.broadcast %a : tensor<64x1x!tt.ptr<f32>, #rows> -> tensor<64x64x!tt.ptr<f32>, #rows>
    %v = tt.load %b : tensor<64x64x!tt.ptr<f32>, #rows>
    tt.store %b, %v : tensor<64x64x!tt.ptr<f32>, #rows>""")  # noqa: E501
    assert found["live_address"] == 4 * 2
    assert found["lean_all"] < 4 * 2 + 4  # pointers are computed again from the range
    assert found["largest"] == 4 * 2


def test_narrow_loads_take_a_register_for_each_element():
    text = COPY.replace("f32", "f16").replace("#line", "#thin")
    program = ir.read(f"#thin = {THIN}\n{HEAD}{text}\n    tt.return\n  }}\n}}\n".encode(), format="mlir")
    found = kernel_numbers(program.functions[0].operation)
    packed = kernel(COPY.replace("f32", "f16"))
    assert found["batch_loads"] - packed["batch_loads"] == 16 - 8
    assert (found["narrow_accesses"], packed["narrow_accesses"]) == (2, 0)


THIN = "#ttg.blocked<{sizePerThread = [1], threadsPerWarp = [32], warpsPerCTA = [4], order = [0]}>"
MASKED = """    %r = tt.make_range {end = 2048 : i32, start = 0 : i32} : tensor<2048xi32, #line>
    %n1 = tt.splat %n : i32 -> tensor<2048xi32, #line>
    %m = arith.cmpi slt, %r, %n1 : tensor<2048xi32, #line>
    %p = tt.splat %x : !tt.ptr<f16> -> tensor<2048x!tt.ptr<f16>, #line>
    %a = tt.addptr %p, %r : tensor<2048x!tt.ptr<f16>, #line>, tensor<2048xi32, #line>
    %v = tt.load %a, %m : tensor<2048x!tt.ptr<f16>, #line>
    tt.store %a, %v, %m : tensor<2048x!tt.ptr<f16>, #line>"""


@pytest.mark.parametrize(
    ("layout", "words", "masks", "both"),
    [
        (LINE, 4 * 2 + 8, 4, 8 + 8 + 4),  # four vectors: so many addresses and masks; data that is moved is packed
        (THIN, 16 * 2 + 16, 16, 32 + 8 + 16),  # each element has its own; masks come of numbers, after addresses
    ],
)
def test_lowered_order_has_an_address_and_a_mask_for_each_access(layout, words, masks, both):
    head = HEAD.replace(LINE, layout)
    program = ir.read(f"{head}{MASKED}\n    tt.return\n  }}\n}}\n".encode(), format="mlir")
    found = kernel_numbers(program.functions[0].operation)
    assert (found["flow_all"], found["flow_predicates"]) == (words, masks)
    assert found["flow_both"] == both


WRAPPED = """    %r = tt.make_range {end = 2048 : i32, start = 0 : i32} : tensor<2048xi32, #line>
    %n1 = tt.splat %n : i32 -> tensor<2048xi32, #line>
    %two = arith.constant dense<2> : tensor<2048xi32, #line>
    %row = arith.divsi %r, %n1 : tensor<2048xi32, #line>
    %wide = arith.muli %row, %two : tensor<2048xi32, #line>
    %first = arith.muli %wide, %n1 : tensor<2048xi32, #line>
    %column = arith.remsi %r, %n1 : tensor<2048xi32, #line>
    %at = arith.addi %first, %column : tensor<2048xi32, #line>
    %p = tt.splat %x : !tt.ptr<f32> -> tensor<2048x!tt.ptr<f32>, #line>
    %a = tt.addptr %p, %at : tensor<2048x!tt.ptr<f32>, #line>, tensor<2048xi32, #line>
    %v = tt.load %a : tensor<2048x!tt.ptr<f32>, #line>
    tt.store %a, %v : tensor<2048x!tt.ptr<f32>, #line>"""


@pytest.mark.parametrize(
    ("attributes", "accesses"), [("{tt.divisibility = 16 : i32}", 4), ("{tt.divisibility = 4 : i32}", 16), ("", 16)]
)
def test_rows_of_a_multiple_of_16_do_not_part_vectors(attributes, accesses):
    """Four vectors of four elements, or sixteen accesses with an address each; masks and data besides."""
    head = HEAD.replace("%n: i32", f"%n: i32 {attributes}")
    program = ir.read(f"{head}{WRAPPED}\n    tt.return\n  }}\n}}\n".encode(), format="mlir")
    found = kernel_numbers(program.functions[0].operation)
    assert (found["i_load"], found["i_store"]) == (accesses, accesses)
    assert found["flow_all"] == accesses * 2 + 16


def test_a_constant_tells_what_it_is_a_multiple_of():
    constant = "    %n1 = arith.constant dense<NUMBER> : tensor<2048xi32, #line>"
    body = WRAPPED.replace(WRAPPED.splitlines()[1], constant)
    assert kernel(body.replace("NUMBER", "48"))["i_load"] == 4
    assert kernel(body.replace("NUMBER", "40"))["i_load"] == 16


def test_numbers_do_not_follow_the_order_of_what_only_computes():
    lines = MASKED.splitlines()
    pointers_first = "\n".join([lines[0], *lines[3:5], *lines[1:3], *lines[5:]])
    dead = MASKED.replace("    %v =", "    %d = arith.addi %r, %n1 : tensor<2048xi32, #line>\n    %v =")
    numbers = kernel(MASKED)
    assert kernel(pointers_first) == numbers
    assert kernel(dead) == numbers


@pytest.mark.parametrize(("stored", "registers"), [("%w", 1), ("%c", 0)])
def test_what_only_the_inside_of_a_loop_wants_is_kept_through_it(stored, registers):
    """A number that is computed before the loop, and a constant."""
    found = kernel(f"""    %zero = arith.constant 0 : i32
    %one = arith.constant 1 : i32
    %w = arith.sitofp %n : i32 to f32
    %c = arith.constant 0.0 : f32
    scf.for %i = %zero to %n step %one  : i32 {{
      tt.store %y, {stored} : !tt.ptr<f32>
    }}""")
    assert found["flow_loop"] == registers


def test_lowered_order_keeps_what_a_loop_carries_and_its_scratch_addresses():
    """Four accesses a thread: pointers move on by 64 bits each; a sum over warps keeps two addresses all along."""
    found = kernel("""    %zero = arith.constant 0 : i32
    %one = arith.constant 1 : i32
    %step = arith.constant dense<2048> : tensor<2048xi32, #line>
    %r = tt.make_range {end = 2048 : i32, start = 0 : i32} : tensor<2048xi32, #line>
    %p = tt.splat %x : !tt.ptr<f32> -> tensor<2048x!tt.ptr<f32>, #line>
    %a = tt.addptr %p, %r : tensor<2048x!tt.ptr<f32>, #line>, tensor<2048xi32, #line>
    %f = scf.for %i = %zero to %n step %one iter_args(%at = %a) -> (tensor<2048x!tt.ptr<f32>, #line>)  : i32 {
      %v = tt.load %at : tensor<2048x!tt.ptr<f32>, #line>
      %s = "tt.reduce"(%v) <{axis = 0 : i32}> ({
      ^bb0(%l: f32, %h: f32):
        %t = arith.addf %l, %h : f32
        tt.reduce.return %t : f32
      }) : (tensor<2048xf32, #line>) -> f32
      tt.store %y, %s : !tt.ptr<f32>
      %next = tt.addptr %at, %step : tensor<2048x!tt.ptr<f32>, #line>, tensor<2048xi32, #line>
      scf.yield %next : tensor<2048x!tt.ptr<f32>, #line>
    }""")
    assert found["flow_loop"] == 4 * 2 + 16 + 2


def test_lowered_order_of_a_matrix_product():
    """Accumulators and packed operands, as the matrix unit takes them."""
    assert kernel(PRODUCT)["flow_loop"] == 32 + 16 + 16


def test_reduction_over_warps():
    """16 elements to one in a thread, five exchanges in a warp, four values of four bytes between warps."""
    found = kernel(
        COPY.replace(
            "    tt.store %b, %w",
            """    %s = "tt.reduce"(%w) <{axis = 0 : i32}> ({
    ^bb0(%c: f32, %d: f32):
      %t = arith.addf %c, %d : f32
      tt.reduce.return %t : f32
    }) : (tensor<2048xf32, #line>) -> f32
    %u = tt.splat %s : f32 -> tensor<2048xf32, #line>
    tt.store %b, %u""",
        )
    )
    assert (found["warp_reductions"], found["block_reductions"]) == (1, 1)
    assert found["i_shuffle"] == 5 + 2
    assert (found["scratch"], found["shared_peak"]) == (16, 16)


PRODUCT = """    %zero = arith.constant 0 : i32
    %one = arith.constant 1 : i32
    %init = arith.constant dense<0.000000e+00> : tensor<64x64xf32, #mma>
    %a0 = arith.constant dense<0.000000e+00> : tensor<64x32xf16, #rows>
    %a = ttg.local_alloc %a0 : (tensor<64x32xf16, #rows>) -> !ttg.memdesc<64x32xf16, #shared, #smem>
    %b = ttg.local_alloc : () -> !ttg.memdesc<2x32x64xf16, #shared, #smem, mutable>
    %sum = scf.for %i = %zero to %n step %one iter_args(%acc = %init) -> (tensor<64x64xf32, #mma>)  : i32 {
      %bi = ttg.memdesc_index %b[%i] : !ttg.memdesc<2x32x64xf16, #shared, #smem, mutable> -> !ttg.memdesc<32x64xf16, #shared, #smem, mutable>
      %l = ttg.local_load %a : !ttg.memdesc<64x32xf16, #shared, #smem> -> tensor<64x32xf16, #ttg.dot_op<{opIdx = 0, parent = #mma, kWidth = 2}>>
      %r = ttg.local_load %bi : !ttg.memdesc<32x64xf16, #shared, #smem, mutable> -> tensor<32x64xf16, #ttg.dot_op<{opIdx = 1, parent = #mma, kWidth = 2}>>
      %d = tt.dot %l, %r, %acc : tensor<64x32xf16, #ttg.dot_op<{opIdx = 0, parent = #mma, kWidth = 2}>> * tensor<32x64xf16, #ttg.dot_op<{opIdx = 1, parent = #mma, kWidth = 2}>> -> tensor<64x64xf32, #mma>
      scf.yield %d : tensor<64x64xf32, #mma>
    }
    %out = arith.truncf %sum : tensor<64x64xf32, #mma> to tensor<64x64xf16, #mma>
    %moved = ttg.convert_layout %out : tensor<64x64xf16, #mma> -> tensor<64x64xf16, #rows>"""  # noqa: E501


def test_matrix_product():
    """Accumulators of 64x64 floats over 128 threads: 32 registers; operands of 64x32 halves, two warps alike: 16."""
    found = kernel(PRODUCT)
    assert (found["accumulators"], found["operand_a"], found["operand_b"]) == (32, 16, 16)
    assert found["loop_all"] == 32 + 16 + 16
    assert found["cut_loop_all"] == 64
    assert found["carried"] == 32
    assert found["i_mma"] == 64 * 64 * 32 / (16 * 8 * 16) / 4
    assert (found["dots"], found["conversions"], found["depth_most"]) == (1, 1, 2)


def test_shared_memory_of_buffers_and_of_a_change_of_layout():
    """64x32 and twice 32x64 halves; the result's 8 KiB come when the buffers have ended."""
    found = kernel(PRODUCT)
    assert found["buffers"] == 2
    assert found["scratch"] == 64 * 64 * 2
    assert found["shared_peak"] == max(64 * 32 * 2 + 2 * 32 * 64 * 2, 64 * 64 * 2)


def test_warp_groups_keep_operands_in_shared_memory():
    text = PRODUCT.replace("tt.dot %l, %r, %acc : tensor<64x32xf16, #ttg.dot_op<{opIdx = 0, parent = #mma, kWidth = 2}>> * "  # noqa: E501
                           "tensor<32x64xf16, #ttg.dot_op<{opIdx = 1, parent = #mma, kWidth = 2}>>",
                           "ttng.warp_group_dot %a, %bi, %acc : !ttg.memdesc<64x32xf16, #shared, #smem> * "
                           "!ttg.memdesc<32x64xf16, #shared, #smem, mutable>")  # fmt: skip
    lines = [line for line in text.splitlines() if "local_load" not in line]
    found = kernel("\n".join(lines))
    assert (found["operands"], found["accumulators"]) == (0, 32)
    assert found["cut_loop_all"] == 32


def test_features_of_other_functions_are_zero():
    program = ir.read(b"func.func @f(%a: f32) -> f32 {\n  %b = arith.addf %a, %a : f32\n  return %b : f32\n}\n")
    features = program.functions[0].features().to_dict()
    assert not any(value for name, value in features.items() if name.startswith("gpu_"))


def test_every_number_is_in_the_table():
    names = [f"gpu_{name}" for name, _, _ in GPU_FEATURES]
    assert set(kernel(COPY)) == {name for name, _, _ in GPU_FEATURES}
    assert [feature.name for feature in FEATURES if feature.name.startswith("gpu_")] == names


def test_kernel_without_layouts_is_spread_over_four_warps():
    text = """module {
  tt.func public @kernel(%x: !tt.ptr<f32>) {
    %r = tt.make_range {end = 1024 : i32, start = 0 : i32} : tensor<1024xi32>
    %p = tt.splat %x : !tt.ptr<f32> -> tensor<1024x!tt.ptr<f32>>
    %a = tt.addptr %p, %r : tensor<1024x!tt.ptr<f32>>, tensor<1024xi32>
    %v = tt.load %a : tensor<1024x!tt.ptr<f32>>
    tt.store %a, %v : tensor<1024x!tt.ptr<f32>>
    tt.return
  }
}
"""
    found = kernel_numbers(ir.read(text.encode(), format="mlir").functions[0].operation)
    assert (found["has_layouts"], found["threads"], found["live_float"]) == (0, 128, 8)
