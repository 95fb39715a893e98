"""Loops of one nest: cache tiles, register-tiled point loops with ragged tails, reduction loops carrying accumulators.

Owns control flow; what is computed at a point is `points.py`. Method: Goto's blocking (Goto and van de Geijn 2008) for
any affine nest, after Halide's split/reorder/vectorize/unroll, with static tails in place of padding.
"""

from __future__ import annotations

from collections.abc import Callable

from costmodel.search.backends.mlir.plan import NestPlan, Region, tile_count, whole
from costmodel.search.backends.mlir.points import PointEmitter, Position
from costmodel.search.backends.mlir.text import Text
from costmodel.search.kernel.nest import Nest

Regions = dict[str, Region]


class NestEmitter:
    """Emits one nest over given regions of its dimensions. Single use."""

    def __init__(self, text: Text, nest: Nest, plan: NestPlan, extents: dict[str, int], points: PointEmitter) -> None:
        self.text = text
        self.nest = nest
        self.plan = plan
        self.extents = extents
        self.points = points
        position = {d: i for i, d in enumerate(plan.order)}
        self.parallel = sorted(nest.parallel, key=position.__getitem__)
        self.reduction = sorted(nest.reduction, key=lambda d: (d == plan.vector, position[d]))

    # -- cache loops -----------------------------------------------------------------------------------------

    def cache_loops(self, regions: Regions) -> tuple[str, ...]:
        """Dimensions that get a cache loop, in order."""
        dims = set(self.nest.dims)
        return tuple(
            d for d in self.plan.order if d in dims and self.plan.cache.get(d, regions[d].span) < regions[d].span
        )

    def tile_loop(self, dim: str, regions: Regions, body: Callable[[Regions], None]) -> None:
        """One loop over cache tiles of `dim`; `body` gets the regions with this dimension narrowed."""
        text, region, tile = self.text, regions[dim], self.plan.cache[dim]
        upper = self._end(dim, region, self.extents[dim])
        lower = region.start or text.index(0)
        iv = text.name()
        text.line(f"scf.for {iv} = {lower} to {upper} step {text.index(tile)} {{")
        with text.scope():
            body({**regions, dim: Region(iv, tile)})
        text.line("}")

    def _end(self, dim: str, region: Region, limit: int) -> str:
        """SSA value of min(start + span, limit)."""
        text = self.text
        if region.start is None:
            return text.index(min(region.span, limit))
        end = text.offset(region.start, region.span)
        if limit == self.extents[dim] and limit % region.span == 0:
            return end
        return text.op(f"arith.minsi {end}, {text.index(limit)} : index", "index")

    # -- point loops -----------------------------------------------------------------------------------------

    def point_loops(self, regions: Regions) -> None:
        """All register tiles inside the regions."""
        self._point_loop(0, regions, Position.start(self.points.accesses))

    def _point_loop(self, depth: int, regions: Regions, at: Position) -> None:
        if depth == len(self.parallel):
            self._register_tile(regions, at)
            return
        dim = self.parallel[depth]
        region, extent, step = regions[dim], self.extents[dim], self.plan.register.get(dim, 1)
        main = extent - extent % step

        def inner(iv: str | None, size: int) -> None:
            with self.text.scope():
                self._point_loop(depth + 1, regions, self.points.enter(at, dim, iv, region.start, size))

        if main:
            self._main_loop(dim, region, main, step, inner)
        if extent % step:
            self._tail(dim, region, main, extent % step, inner)

    def _main_loop(
        self, dim: str, region: Region, main: int, step: int, inner: Callable[[str | None, int], None]
    ) -> None:
        text = self.text
        if region.start is None and min(region.span, main) == step:
            inner(None, step)
            return
        if region.start is not None and region.span == step and main == self.extents[dim]:
            inner(region.start, step)
            return
        lower = region.start or text.index(0)
        upper = self._end(dim, region, main)
        iv = text.name()
        text.line(f"scf.for {iv} = {lower} to {upper} step {text.index(step)} {{")
        inner(iv, step)
        text.line("}")

    def _tail(self, dim: str, region: Region, main: int, size: int, inner: Callable[[str | None, int], None]) -> None:
        """The static remainder, reached only from the last tile."""
        text = self.text
        at = text.index(main) if main else None
        if region.start is None:
            inner(at, size)
            return
        end = text.offset(region.start, region.span)
        last = text.op(f"arith.cmpi sgt, {end}, {text.index(main)} : index", "i1")
        text.line(f"scf.if {last} {{")
        inner(at, size)
        text.line("}")

    # -- one register tile -----------------------------------------------------------------------------------

    def _register_tile(self, regions: Regions, at: Position) -> None:
        if self.nest.combine is None:
            with self.text.scope():
                self.points.elementwise(at)
            return
        accs = self.points.initial(at)
        accs = self._reduce(0, regions, at, accs)
        with self.text.scope():
            self.points.finish(at, accs)

    def _reduce(self, depth: int, regions: Regions, at: Position, accs: list[str]) -> list[str]:
        if depth == len(self.reduction):
            with self.text.scope():
                return self.points.accumulate(at, accs)
        dim = self.reduction[depth]
        region, extent = regions[dim], self.extents[dim]
        chunk = self.plan.register[dim] if dim == self.plan.vector else max(1, self.plan.unroll.get(dim, 1))
        static = region.start is None or extent % region.span == 0

        def block(iv: str | None, count: int, inner: list[str]) -> list[str]:
            if dim == self.plan.vector:
                return self._reduce(depth + 1, regions, self.points.enter(at, dim, iv, region.start, count), inner)
            for i in range(count):
                moved = self.points.enter(at, dim, iv, region.start, 1, shift=i)
                inner = self._reduce(depth + 1, regions, moved, inner)
            return inner

        if static:
            return self._static_reduction(region, min(region.span, extent), chunk, accs, block)
        return self._dynamic_reduction(dim, region, chunk, accs, block)

    def _static_reduction(
        self,
        region: Region,
        count: int,
        chunk: int,
        accs: list[str],
        block: Callable[[str | None, int, list[str]], list[str]],
    ) -> list[str]:
        text = self.text
        main = count - count % chunk
        if main == chunk:
            accs = block(region.start, chunk, accs)
        elif main:
            upper = text.offset(region.start, main)
            accs = self._carried(region.start or text.index(0), upper, chunk, accs, block)
        if count % chunk:
            at = text.offset(region.start, main) if main or region.start else None
            accs = block(at, count % chunk, accs)
        return accs

    def _dynamic_reduction(
        self,
        dim: str,
        region: Region,
        chunk: int,
        accs: list[str],
        block: Callable[[str | None, int, list[str]], list[str]],
    ) -> list[str]:
        """A ragged tile: whole chunks, then single steps."""
        text = self.text
        lower, upper = region.start or text.index(0), self._end(dim, region, self.extents[dim])
        if chunk == 1:
            return self._carried(lower, upper, 1, accs, block)
        length = text.op(f"arith.subi {upper}, {lower} : index", "index")
        rest = text.op(f"arith.remsi {length}, {text.index(chunk)} : index", "index")
        middle = text.op(f"arith.subi {upper}, {rest} : index", "index")
        accs = self._carried(lower, middle, chunk, accs, block)
        return self._carried(middle, upper, 1, accs, block)

    def _carried(
        self,
        lower: str,
        upper: str,
        step: int,
        accs: list[str],
        block: Callable[[str | None, int, list[str]], list[str]],
    ) -> list[str]:
        """An `scf.for` whose iteration arguments are the accumulators."""
        text, type_ = self.text, self.points.acc_type
        iv, result = text.name(), text.name()
        inner = [text.name() for _ in accs]
        args = ", ".join(f"{i} = {a}" for i, a in zip(inner, accs, strict=True))
        types = ", ".join([type_] * len(accs))
        bounds = f"{lower} to {upper} step {text.index(step)}"
        text.line(f"{result}:{len(accs)} = scf.for {iv} = {bounds} iter_args({args}) -> ({types}) {{")
        with text.scope():
            out = block(iv, step, inner)
            text.line(f"scf.yield {', '.join(out)} : {types}")
        text.line("}")
        return [f"{result}#{i}" for i in range(len(accs))]


__all__ = ["NestEmitter", "Regions", "tile_count", "whole"]
