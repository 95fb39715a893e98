"""Which operator family a kernel belongs to, for reports and for splits that hold whole families out.

Owns the names of families. Invariant: the family depends on structure only, never on sizes.
"""

from __future__ import annotations

from costmodel.search.kernel.form import Kernel, Stage
from costmodel.search.kernel.naming import factors, windowed_dims

FAMILIES = (
    "matmul", "batch_matmul", "matvec", "conv1d", "conv2d", "conv3d", "depthwise_conv1d", "depthwise_conv2d", "pooling",
    "softmax", "layer_norm", "reduction", "elementwise", "data_movement",
)  # fmt: skip


def family_of(kernel: Kernel) -> str:
    """The family of the heaviest sum of products, else of the reductions, else of the elementwise stages."""
    contractions = [s for s in kernel.stages if factors(s) is not None]
    if contractions:
        return _contraction(max(contractions, key=lambda s: s.points))
    reductions = [s for s in kernel.stages if s.is_reduction]
    if reductions:
        return _reduction(kernel, reductions)
    if all(not s.body for s in kernel.stages):
        return "data_movement"
    return "elementwise"


def _contraction(stage: Stage) -> str:
    product = factors(stage)
    assert product is not None
    image, weight = product
    extents = [d.extent for d in stage.dims]
    windows = windowed_dims(stage)
    parallel = {i for i, d in enumerate(stage.dims) if not d.reduction and extents[i] > 1}
    if windows:
        spatial = sum(1 for i in windows if not stage.dims[i].reduction)
        depthwise = not any(d.reduction and i not in windows for i, d in enumerate(stage.dims))
        name = f"conv{min(3, max(1, spatial))}d"
        return f"depthwise_{name}" if depthwise and name != "conv3d" else name
    if not (parallel & image - weight) or not (parallel & weight - image):
        return "matvec"
    return "batch_matmul" if parallel & image & weight else "matmul"


def _reduction(kernel: Kernel, reductions: list[Stage]) -> str:
    if any(windowed_dims(s) for s in reductions):
        return "pooling"
    ops = {op.name for s in kernel.stages for op in s.body}
    combiners = {s.body[-1].name for s in reductions}
    if "math.exp" in ops and combiners & {"arith.maximumf", "arith.maxnumf"} and "arith.addf" in combiners:
        return "softmax"
    if len(reductions) >= 2 and ops & {"math.rsqrt", "math.sqrt"}:
        return "layer_norm"
    return "reduction"
