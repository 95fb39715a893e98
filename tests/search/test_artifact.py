"""Artifacts from MLIR: what is built computes what the text says, from Python and from C."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from costmodel.core.errors import ArtifactError, UsageError
from costmodel.runtime.artifact import Artifact, load
from costmodel.search.artifact import ArtifactBuilder, BuiltArtifact, FunctionSource, mlir_functions
from costmodel.search.artifact.default import default_function
from costmodel.search.artifact.endtoend import compare_end_to_end
from costmodel.search.artifact.header import c_name
from costmodel.search.artifact.memory_plan import Request, plan_arena
from costmodel.search.kernel.graph import Island
from costmodel.search.kernel.nest import loop_program
from costmodel.search.kernel.printing import workload_id
from costmodel.toolchain.isolation import call_isolated
from costmodel.toolchain.link import find_linker
from costmodel.toolchain.tools import find_tool

pytestmark = pytest.mark.skipif(find_linker() is None, reason="no linker: install gcc or the link extra")

RNG = np.random.default_rng(7)
B = RNG.standard_normal((16, 32)).astype(np.float32)
TABLE_ROWS = 10


def dense(array: np.ndarray) -> str:
    return f'dense<"0x{array.tobytes().hex().upper()}">'


TEXT = f"""
func.func @project(%a: tensor<8x16xf32>) -> tensor<8x32xf32> {{
  %b = arith.constant {dense(B)} : tensor<16x32xf32>
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<8x32xf32>
  %fill = linalg.fill ins(%zero : f32) outs(%empty : tensor<8x32xf32>) -> tensor<8x32xf32>
  %r = linalg.matmul ins(%a, %b : tensor<8x16xf32>, tensor<16x32xf32>)
    outs(%fill : tensor<8x32xf32>) -> tensor<8x32xf32>
  return %r : tensor<8x32xf32>
}}
func.func @views(%x: tensor<4x6xf32>)
    -> (tensor<4x6xf32>, tensor<4x6xf32>, tensor<24xf32>, tensor<24xf32>, tensor<3xf32>) {{
  %e = tensor.empty() : tensor<4x6xf32>
  %y = linalg.exp ins(%x : tensor<4x6xf32>) outs(%e : tensor<4x6xf32>) -> tensor<4x6xf32>
  %flat = tensor.collapse_shape %y [[0, 1]] : tensor<4x6xf32> into tensor<24xf32>
  %same = tensor.collapse_shape %x [[0, 1]] : tensor<4x6xf32> into tensor<24xf32>
  %c = arith.constant dense<[1.0, 2.0, 4.0]> : tensor<3xf32>
  return %x, %y, %flat, %same, %c
    : tensor<4x6xf32>, tensor<4x6xf32>, tensor<24xf32>, tensor<24xf32>, tensor<3xf32>
}}
func.func @look_up(%table: tensor<{TABLE_ROWS}x4xf32>, %index: tensor<5xi32>) -> tensor<5x4xf32> {{
  %e = tensor.empty() : tensor<5x4xf32>
  %g = linalg.generic {{indexing_maps = [affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i, j)>],
      iterator_types = ["parallel", "parallel"]}} ins(%index : tensor<5xi32>) outs(%e : tensor<5x4xf32>) {{
    ^bb0(%i: i32, %o: f32):
      %row = arith.index_cast %i : i32 to index
      %column = linalg.index 1 : index
      %v = tensor.extract %table[%row, %column] : tensor<{TABLE_ROWS}x4xf32>
      linalg.yield %v : f32
  }} -> tensor<5x4xf32>
  %f = tensor.empty() : tensor<5x4xf32>
  %r = linalg.add ins(%g, %g : tensor<5x4xf32>, tensor<5x4xf32>) outs(%f : tensor<5x4xf32>) -> tensor<5x4xf32>
  return %r : tensor<5x4xf32>
}}
func.func @loop(%x: tensor<4xf32>) -> tensor<4xf32> {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %r = scf.for %i = %c0 to %c3 step %c1 iter_args(%t = %x) -> tensor<4xf32> {{
    %v = tensor.extract %t[%i] : tensor<4xf32>
    %last = tensor.extract %t[%c3] : tensor<4xf32>
    %sum = arith.addf %v, %last : f32
    %u = tensor.insert %sum into %t[%c3] : tensor<4xf32>
    scf.yield %u : tensor<4xf32>
  }}
  return %r : tensor<4xf32>
}}
"""
PARTS = 20
JOINED = f"""
func.func @many({", ".join(f"%a{i}: tensor<2x{i + 1}xf32>" for i in range(PARTS))}) -> tensor<2x210xf32> {{
  %r = tensor.concat dim(1) {", ".join(f"%a{i}" for i in range(PARTS))}
    : ({", ".join(f"tensor<2x{i + 1}xf32>" for i in range(PARTS))}) -> tensor<2x210xf32>
  return %r : tensor<2x210xf32>
}}
func.func @between(%x: tensor<6xf32>) -> tensor<12xf32> {{
  %e = tensor.empty() : tensor<6xf32>
  %y = linalg.exp ins(%x : tensor<6xf32>) outs(%e : tensor<6xf32>) -> tensor<6xf32>
  %c5 = arith.constant 5 : index
  %back = linalg.generic {{indexing_maps = [affine_map<(i) -> (i)>], iterator_types = ["parallel"]}}
      outs(%y : tensor<6xf32>) {{
    ^bb0(%o: f32):
      %i = linalg.index 0 : index
      %j = arith.subi %c5, %i : index
      %v = tensor.extract %y[%j] : tensor<6xf32>
      linalg.yield %v : f32
  }} -> tensor<6xf32>
  %r = tensor.concat dim(0) %y, %back : (tensor<6xf32>, tensor<6xf32>) -> tensor<12xf32>
  return %r : tensor<12xf32>
}}
"""
PACKED = "v1; tile(level=register, i=4); vectorize(16); pack(b)"


@dataclass(frozen=True)
class Example:
    builder: ArtifactBuilder
    text: str
    functions: list[FunctionSource]
    built: BuiltArtifact
    loaded: Artifact


def kernel_id(function: FunctionSource, family: str) -> str:
    calls = [s for s in function.partition.steps if not isinstance(s, Island)]
    return next(workload_id(c.kernel) for c in calls if c.kernel.family == family)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    text = call_isolated("costmodel.toolchain.normalize:normalize_linalg", TEXT)
    functions = mlir_functions(text)
    choices = {kernel_id(functions[0], "matmul"): packed_schedule(functions[0])}
    out = tmp_path_factory.mktemp("artifact") / "out"
    with ArtifactBuilder() as builder:
        built = builder.build(functions, choices, out, name="example")
        yield Example(builder, TEXT, functions, built, load(out))


def packed_schedule(function: FunctionSource) -> str:
    call = next(s for s in function.partition.steps if not isinstance(s, Island))
    rows = next(d for d, extent in loop_program(call.kernel).extents.items() if extent == 8)
    return PACKED.replace("i=4", f"{rows}=4")


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    functions = mlir_functions(call_isolated("costmodel.toolchain.normalize:normalize_linalg", JOINED))
    out = tmp_path_factory.mktemp("joined") / "out"
    with ArtifactBuilder() as builder:
        builder.build(functions, {}, out, name="joined")
    return load(out)


def test_a_join_of_more_parts_than_a_kernel_has_stages(joined: Artifact) -> None:
    parts = [RNG.standard_normal((2, i + 1)).astype(np.float32) for i in range(PARTS)]
    np.testing.assert_array_equal(joined["many"](*parts), np.concatenate(parts, axis=1))


def test_a_join_with_what_is_computed_outside_from_its_other_part(joined: Artifact) -> None:
    x = RNG.standard_normal(6).astype(np.float32)
    found = joined["between"](x)
    np.testing.assert_allclose(found, np.exp(np.concatenate([x, x[::-1]])), rtol=1e-6)


def test_a_constant_operand_is_packed_at_build_time(example: Example) -> None:
    a = RNG.standard_normal((8, 16)).astype(np.float32)
    np.testing.assert_allclose(example.loaded["project"](a), a @ B, rtol=1e-5, atol=1e-5)
    listing = (example.built.path / "scheduled.mlir").read_text()
    assert "pack(b)" in listing
    assert "@prepack" in listing
    # the unpacked operand is not stored beside the packed one: only the packed one and the three-element constant
    assert example.built.weights_bytes == B.nbytes + 64


def test_results_that_share_memory_are_all_written(example: Example) -> None:
    x = RNG.standard_normal((4, 6)).astype(np.float32)
    same, y, flat, same_flat, constant = example.loaded["views"](x)
    np.testing.assert_array_equal(same, x)
    np.testing.assert_allclose(y, np.exp(x), rtol=1e-5)
    np.testing.assert_array_equal(flat, y.reshape(-1))
    np.testing.assert_array_equal(same_flat, x.reshape(-1))
    np.testing.assert_array_equal(constant, np.float32([1, 2, 4]))


def test_an_operation_without_structured_form_is_an_island(example: Example) -> None:
    assert any(isinstance(s, Island) for s in example.functions[2].partition.steps)
    table = RNG.standard_normal((TABLE_ROWS, 4)).astype(np.float32)
    index = np.int32([3, 0, 9, 9, 1])
    np.testing.assert_allclose(example.loaded["look_up"](table, index), 2 * table[index], rtol=1e-6)


def test_control_flow_is_an_island_with_the_constants_it_captures(example: Example) -> None:
    x = np.float32([1, 2, 4, 8])
    np.testing.assert_array_equal(example.loaded["loop"](x), np.float32([1, 2, 4, 15]))
    np.testing.assert_array_equal(x, np.float32([1, 2, 4, 8]))


def test_equal_workloads_share_a_unit_and_a_second_build_compiles_nothing(example: Example, tmp_path: Path) -> None:
    both = TEXT.split("func.func @views")[0]
    both += both.replace("@project", "@project_again")
    functions = mlir_functions(call_isolated("costmodel.toolchain.normalize:normalize_linalg", both))
    choices = {kernel_id(functions[0], "matmul"): packed_schedule(functions[0])}
    built = example.builder.build(functions, choices, tmp_path / "both", name="both")
    assert [len(p.calls) for p in built.programs] == [1, 1]
    assert built.objects == 3  # one kernel, two callers
    a = RNG.standard_normal((8, 16)).astype(np.float32)
    loaded = load(tmp_path / "both")
    np.testing.assert_array_equal(loaded["project"](a), loaded["project_again"](a))


def test_rebuilding_over_an_artifact_replaces_it(example: Example, tmp_path: Path) -> None:
    out = tmp_path / "out"
    example.builder.build(example.functions[:1], {}, out, name="first")
    (out / "report.json").write_text("{}")
    a = RNG.standard_normal((8, 16)).astype(np.float32)
    before = load(out)(a)
    doubled = mlir_functions(
        call_isolated("costmodel.toolchain.normalize:normalize_linalg", TEXT.replace(dense(B), dense(B * 2)))
    )
    example.builder.build(doubled[:1], {}, out, name="first")
    np.testing.assert_allclose(load(out)(a), 2 * before, rtol=1e-5)
    assert (out / "report.json").read_text() == "{}"
    assert sorted(p.name for p in out.iterdir()) == [
        "first.h", "libfirst.so", "manifest.json", "report.json", "scheduled.mlir",
    ]  # fmt: skip


def test_end_to_end_agrees_with_default_lowering(example: Example, tmp_path: Path) -> None:
    steps = [default_function(f, example.text) for f in example.functions]
    example.builder.build_steps(steps, tmp_path / "default", name="example")
    for name in ("project", "look_up"):
        result = compare_end_to_end(example.built.path, default=tmp_path / "default", function=name, budget_s=0.05)
        assert result.equal
        assert result.max_rel_error < 1e-5
        assert result.reference == "default lowering"
        assert result.tuned_s > 0
        assert result.default_s is not None
        assert result.onnxruntime_s is None


def test_end_to_end_notices_other_numbers(example: Example, tmp_path: Path) -> None:
    wrong = default_function(example.functions[1], example.text.replace("4.0]>", "5.0]>"))
    example.builder.build_steps([wrong], tmp_path / "wrong", name="example")
    result = compare_end_to_end(example.built.path, default=tmp_path / "wrong", function="views", budget_s=0.05)
    assert not result.equal
    assert result.max_abs_error == 1.0


def test_no_place_to_write_is_one_line(example: Example, tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.write_text("mine")
    for out in (occupied, occupied / "below"):
        with pytest.raises(ArtifactError, match="cannot write") as caught:
            example.builder.build(example.functions[:1], {}, out, name="example")
        assert "\n" not in str(caught.value)
    assert occupied.read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_packed_constant_without_its_value_is_refused(example: Example, tmp_path: Path) -> None:
    source = mlir_functions(call_isolated("costmodel.toolchain.normalize:normalize_linalg", TEXT))[0]
    source.partition.graph.constants.clear()
    choices = {kernel_id(source, "matmul"): packed_schedule(source)}
    with pytest.raises(UsageError, match="constant"):
        example.builder.build([replace(source, weights={})], choices, tmp_path / "out", name="example")
    assert list(tmp_path.iterdir()) == []


C_PROGRAM = """
#include <stdio.h>
#include <stdlib.h>
#include "example.h"
int main(void) {
  float x[24], same[24], y[24], flat[24], again[24], constant[3];
  for (int i = 0; i < 24; ++i) x[i] = (float)i / 8.0f - 1.0f;
  void *workspace = aligned_alloc(EXAMPLE_ALIGNMENT_BYTES, EXAMPLE_VIEWS_WORKSPACE_BYTES + EXAMPLE_ALIGNMENT_BYTES);
  example_views(x, same, y, flat, again, constant, workspace);
  for (int i = 0; i < 24; ++i) printf("%.9g %.9g\\n", y[i], flat[i]);
  free(workspace);
  return 0;
}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.parametrize("language", ["c", "c++"])
def test_a_c_program_gets_the_same_numbers(example: Example, tmp_path: Path, language: str) -> None:
    out = example.built.path
    if language == "c++" and subprocess.run(["cc", "-xc++", "-E", "/dev/null"], capture_output=True).returncode:
        pytest.skip("cc compiles no C++ here")
    source, program = tmp_path / "main.c", tmp_path / "main"
    source.write_text(
        C_PROGRAM if language == "c" else C_PROGRAM.replace("void *workspace = ", "void *workspace = (void *)")
    )
    subprocess.run(
        ["cc", "-x", language, "-Wall", "-Wextra", "-Werror", "-I", out, source, "-o", program,
         "-L", out, "-lexample", f"-Wl,-rpath,{out}"],
        check=True,
    )  # fmt: skip
    printed = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    numbers = np.array([line.split() for line in printed.splitlines()], np.float32)
    x = (np.arange(24, dtype=np.float32) / 8 - 1).reshape(4, 6)
    expected = example.loaded["views"](x)[1].reshape(-1)
    np.testing.assert_array_equal(numbers[:, 0], expected)
    np.testing.assert_array_equal(numbers[:, 1], expected)


def test_the_listing_is_mlir(example: Example) -> None:
    tool = find_tool("mlir-opt")
    if tool is None:
        pytest.skip("no mlir-opt of the right version")
    listing = example.built.path / "scheduled.mlir"
    command = [tool.path, "--split-input-file", "--allow-unregistered-dialect", listing]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    symbols = {unit.symbol for program in example.built.programs for unit, _ in program.calls}
    assert all(f"@{symbol}" in printed for symbol in symbols)
    assert len(listing.read_text().split("// -----")) == example.built.objects


def test_names_from_models_cannot_escape_into_c() -> None:
    assert c_name("a.b/c:0") == "a_b_c_0"
    assert c_name("0x") == "x0x"
    assert c_name("register") == "register_1"
    assert c_name("a b", {"a_b"}) == "a_b_1"
    assert c_name("A.b", {"a_b"}) == "A_b_1"


def test_memory_of_buffers_alive_at_once_is_apart() -> None:
    rng = np.random.default_rng(3)
    requests = []
    for i in range(60):
        first = int(rng.integers(0, 40))
        requests.append(
            Request(
                name=str(i), size_bytes=int(rng.integers(1, 5000)), first=first, last=first + int(rng.integers(0, 8))
            )
        )
    arena = plan_arena(requests)
    for a in requests:
        assert arena.offsets[a.name] % 64 == 0
        assert arena.offsets[a.name] + a.size_bytes <= arena.size_bytes
        for b in requests:
            if a.name < b.name and a.first <= b.last and b.first <= a.last:
                ends = arena.offsets[a.name] + a.size_bytes, arena.offsets[b.name] + b.size_bytes
                assert ends[0] <= arena.offsets[b.name] or ends[1] <= arena.offsets[a.name]
    assert arena.size_bytes < sum(r.size_bytes for r in requests) / 2
