"""Composite linalg operations (`linalg.softmax`, winograd, packing) in terms of simpler ones, by the transform dialect.

Needed because no upstream pass lowers them. Runs in the caller's process on a module that was parsed already.
"""

from __future__ import annotations

from mlir import ir
from mlir.dialects.transform import interpreter

COMPOSITE = ("linalg.softmax",)
_SCRIPT = """
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%root: !transform.any_op) {
    %found = transform.structured.match ops{["linalg.softmax"]} in %root : (!transform.any_op) -> !transform.any_op
    %parts = transform.structured.decompose_interface %found : (!transform.any_op) -> !transform.any_op
    transform.yield
  }
}
"""


def decompose_composites(module: ir.Module) -> None:
    """Replace every composite operation of `module` by its parts; does nothing where there is none."""
    found: list[str] = []

    def look(op: ir.Operation) -> ir.WalkResult:
        if op.name in COMPOSITE:
            found.append(op.name)
        return ir.WalkResult.ADVANCE

    module.operation.walk(look)
    if found:
        script = ir.Module.parse(_SCRIPT, context=module.context)
        interpreter.apply_named_sequence(module.operation, script.body.operations[0], script.operation)
