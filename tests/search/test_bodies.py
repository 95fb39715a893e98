"""Bodies of structured operations that are no expressions are left to the default lowering."""

from __future__ import annotations

import sys
from pathlib import Path

from costmodel.search.kernel.graph import Island

sys.path.insert(0, str(Path(__file__).parent))
from kernel_samples import graph_of

sys.path.pop(0)

_ASSERTS = """func.func @main(%a: tensor<6xf32>) -> tensor<6xf32> {
  %e = tensor.empty() : tensor<6xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
    ins(%a : tensor<6xf32>) outs(%e : tensor<6xf32>) {
  ^bb0(%x: f32, %y: f32):
    %c = arith.cmpf oge, %x, %x : f32
    cf.assert %c, "no NaN"
    %q = arith.addf %x, %x : f32
    linalg.yield %q : f32
  } -> tensor<6xf32>
  return %r : tensor<6xf32>
}
"""


def test_a_body_with_an_operation_that_gives_no_value_is_an_island():
    islands = [node for node in graph_of(_ASSERTS).nodes if isinstance(node, Island)]
    assert any("cf.assert" in island.reason for island in islands)
