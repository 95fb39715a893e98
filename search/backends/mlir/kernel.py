"""A whole scheduled kernel as MLIR text: arguments, shared outer loops, packing, partial sums, nests.

Owns the function around the nests. The function takes every input, then every output, then scratch buffers, each a
one-dimensional memref that aliases no other; the caller owns all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from costmodel.search.backends.mlir.loops import NestEmitter, Regions
from costmodel.search.backends.mlir.memory import Memory
from costmodel.search.backends.mlir.plan import NestPlan, PackedRead, whole
from costmodel.search.backends.mlir.points import PointEmitter, address
from costmodel.search.backends.mlir.text import Text
from costmodel.search.kernel.form import ELEMENT_BYTES, Const, Kernel, Operand, Ref
from costmodel.search.kernel.nest import FlatAccess, Nest, Write

ENTRY = "kernel"
PREPACK = "prepack"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Nests that share outer loops over `dims`, each stepping by `tiles[dim]`."""

    dims: tuple[str, ...]
    tiles: dict[str, int]
    members: tuple[tuple[Nest, NestPlan], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelPlan:
    """Everything the generator needs, in execution order."""

    kernel: Kernel
    extents: dict[str, int]
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Argument:
    """A pointer argument of the generated function.

    `role` is input, output, scratch, or packed (a constant, packed once).
    """

    name: str
    role: str
    elements: int
    dtype: str
    source: str | None = None

    @property
    def bytes(self) -> int:
        """Size of the buffer behind the pointer."""
        return self.elements * ELEMENT_BYTES[self.dtype]


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelCode:
    """Generated text. With packed constants, `prepack_arguments` are those of a second function `prepack`."""

    text: str
    arguments: tuple[Argument, ...]
    prepack_arguments: tuple[Argument, ...] = ()


class KernelEmitter:
    """Emits one `KernelPlan`. Single use."""

    def __init__(self, plan: KernelPlan) -> None:
        self.plan = plan
        self.text = Text()
        self.prepack = Text()
        self.kernel = plan.kernel
        self.memories: dict[str, Memory] = {}
        self.arguments: list[Argument] = []
        self.prepack_arguments: list[Argument] = []
        self._packs = 0
        self._partials = 0
        for role, names in (("input", self.kernel.inputs), ("output", self.kernel.outputs)):
            for name in names:
                buffer = self.kernel.by_name[name]
                self._argument(name, role, buffer.elements, buffer.dtype)

    def emit(self) -> KernelCode:
        """The module text and its arguments."""
        for group in self.plan.groups:
            regions = {d: whole(e) for d, e in self.plan.extents.items()}
            for nest, _ in group.members:
                self._prefill(nest)
            self._shared(group, 0, regions)
        functions = [_function(ENTRY, self.arguments, self.memories, self.text)]
        if self.prepack_arguments:
            functions.append(_function(PREPACK, self.prepack_arguments, self.memories, self.prepack))
        return KernelCode(
            text="\n".join(functions),
            arguments=tuple(self.arguments),
            prepack_arguments=tuple(self.prepack_arguments),
        )

    # -- buffers ---------------------------------------------------------------------------------------------

    def _argument(self, name: str, role: str, elements: int, dtype: str, source: str | None = None) -> Memory:
        self.arguments.append(Argument(name, role, max(1, elements), dtype, source))
        memory = Memory(f"%arg_{name}", max(1, elements), dtype)
        self.memories[name] = memory
        return memory

    def _memory(self, name: str) -> Memory:
        if name in self.memories:
            return self.memories[name]
        buffer = self.kernel.by_name[name]
        return self._argument(name, "scratch", buffer.elements, buffer.dtype)

    # -- shared loops ----------------------------------------------------------------------------------------

    def _shared(self, group: Group, depth: int, regions: Regions) -> None:
        if depth == len(group.dims):
            for nest, plan in group.members:
                with self.text.scope():
                    self._nest(nest, plan, regions)
            return
        dim = group.dims[depth]
        nest, plan = group.members[0]
        looped = replace(plan, cache={**plan.cache, dim: group.tiles[dim]})
        emitter = self._emitter(self.text, nest, looped, {})
        emitter.tile_loop(dim, regions, lambda inner: self._shared(group, depth + 1, inner))

    def _prefill(self, nest: Nest) -> None:
        if nest.prefill is None:
            return
        memory = self._memory(nest.writes[0].access.buffer)
        access = FlatAccess(nest.writes[0].access.buffer, (("e", 1),))
        fill = Nest(
            name="prefill",
            parallel=("e",),
            reduction=(),
            reads=(),
            ops=(),
            pre=0,
            writes=(Write(access, nest.prefill),),
        )
        lanes = 64 // ELEMENT_BYTES[memory.dtype]
        plan = NestPlan(order=("e",), register={"e": lanes}, vector="e", lanes=lanes)
        self._emitter(self.text, fill, plan, {}, {"e": memory.elements}).point_loops({"e": whole(memory.elements)})

    def _emitter(
        self,
        text: Text,
        nest: Nest,
        plan: NestPlan,
        packed: dict[int, tuple[Memory, PackedRead]],
        extents: dict[str, int] | None = None,
        partial: bool = False,
    ) -> NestEmitter:
        addresses = []
        for i, access in enumerate(nest.accesses):
            memory, pack = packed.get(i, (None, None))
            addresses.append(address(access, memory or self._memory(access.buffer), pack))
        points = PointEmitter(text, nest, plan, tuple(addresses), partial=partial)
        return NestEmitter(text, nest, plan, extents or self.plan.extents, points)

    # -- one nest --------------------------------------------------------------------------------------------

    def _nest(self, nest: Nest, plan: NestPlan, regions: Regions) -> None:
        probe = self._emitter(self.text, nest, plan, {})
        loops = probe.cache_loops(regions)
        packed = {r: self._pack_layout(nest, plan, r, loops, regions) for r in plan.pack}
        split = next((i for i, d in enumerate(loops) if d in nest.reduction), len(loops))
        whole_at_once = split == len(loops)
        before, main, after = (None, nest, None) if whole_at_once else split_reduction(nest, self._partial(nest))
        emitter = self._emitter(
            self.text, main, plan, {r: (m, p) for r, (m, p, _) in packed.items()}, partial=before is not None
        )

        def descend(depth: int, at: Regions) -> None:
            for r, (memory, pack, position) in packed.items():
                if position == depth:
                    self._copy(nest.reads[r], plan, memory, pack, at, hoist=self._hoistable(nest, r, position, regions))
            if depth == split and before is not None:
                self._plain(before, plan, at)
            if depth == len(loops):
                emitter.point_loops(at)
            else:
                emitter.tile_loop(loops[depth], at, lambda inner: descend(depth + 1, inner))
            if depth == split and after is not None:
                self._plain(after, plan, at)

        descend(0, regions)

    def _partial(self, nest: Nest) -> FlatAccess:
        """Where partial sums live: in a result of their type, else in scratch memory laid out like the first result."""
        results = [w.access for w in nest.writes if not w.inside]
        for access in results:
            if self.kernel.by_name[access.buffer].dtype == nest.acc_dtype:
                return access
        self._partials += 1
        name = f"partial{self._partials}"
        self._argument(name, "scratch", self._memory(results[0].buffer).elements, nest.acc_dtype)
        return replace(results[0], buffer=name)

    def _plain(self, nest: Nest, plan: NestPlan, regions: Regions) -> None:
        """An elementwise companion of a split reduction, over the same region."""
        register = {d: plan.register.get(d, 1) for d in nest.parallel}
        vector = plan.vector if plan.vector in nest.parallel else None
        simple = NestPlan(order=plan.order, register=register, vector=vector, lanes=plan.lanes if vector else 1)
        with self.text.scope():
            self._emitter(self.text, nest, simple, {}).point_loops(regions)

    # -- packing ---------------------------------------------------------------------------------------------

    def _hoistable(self, nest: Nest, read: int, position: int, regions: Regions) -> bool:
        constant = self.kernel.by_name[nest.reads[read].buffer].constant
        return constant and position == 0 and all(regions[d].start is None for d in nest.reads[read].dims)

    def _pack_layout(
        self, nest: Nest, plan: NestPlan, read: int, loops: tuple[str, ...], regions: Regions
    ) -> tuple[Memory, PackedRead, int]:
        """Panels of parallel dimensions, then reduction dimensions, then register lanes (Goto and van de Geijn)."""
        access = nest.reads[read]
        constant = self.kernel.by_name[access.buffer].constant
        position = 0
        if not constant:
            while position < len(loops) and loops[position] in access.dims:
                position += 1
        narrowed = set(loops[:position])
        order = [d for d in plan.order if d in access.dims]
        panels = [d for d in order if d in nest.parallel]
        spans = {d: plan.cache[d] if d in narrowed else min(regions[d].span, self.plan.extents[d]) for d in order}
        registers = {d: plan.register.get(d, 1) for d in panels}
        lane, loop, scale = {}, {}, 1
        for d in sorted((d for d in panels if registers[d] > 1), key=lambda d: d != plan.vector):
            lane[d] = scale
            scale *= registers[d]
        for d in reversed([d for d in order if d in nest.reduction]):
            lane[d] = loop[d] = scale
            scale *= spans[d]
        for d in reversed(panels):
            loop[d] = scale // registers[d]
            lane.setdefault(d, 0)
            scale *= -(-spans[d] // registers[d])
        self._packs += 1
        name = f"pack{self._packs}"
        hoisted = self._hoistable(nest, read, position, regions)
        dtype = self.kernel.by_name[access.buffer].dtype
        memory = self._argument(
            name, "packed" if hoisted else "scratch", scale, dtype, access.buffer if hoisted else None
        )
        relative = frozenset(d for d in order if d in narrowed or regions[d].start is not None)
        return memory, PackedRead(buffer=name, loop_strides=loop, lane_strides=lane, relative=relative), position

    def _copy(
        self, access: FlatAccess, plan: NestPlan, memory: Memory, pack: PackedRead, regions: Regions, *, hoist: bool
    ) -> None:
        """The nest that fills a packed buffer; for constants it goes to the prepack function."""
        dims = tuple(d for d in plan.order if d in access.dims)
        write = FlatAccess(pack.buffer, tuple((d, 1) for d in dims))
        copy = Nest(
            name="pack",
            parallel=dims,
            reduction=(),
            reads=(access,),
            ops=(),
            pre=0,
            writes=(Write(write, Ref("read", 0)),),
        )
        register = {d: plan.register.get(d, 1) if pack.lane_strides[d] < pack.loop_strides[d] else 1 for d in dims}
        vector = next((d for d in dims if pack.lane_strides[d] == 1 and register[d] > 1), None)
        lanes = _copy_lanes(register.get(vector or "", 1), plan.lanes)
        simple = NestPlan(order=dims, register=register, vector=vector if lanes > 1 else None, lanes=lanes)
        text = self.prepack if hoist else self.text
        if hoist:
            source = self.kernel.by_name[access.buffer]
            self._prepack_argument(access.buffer, "input", source.elements, source.dtype)
            self._prepack_argument(pack.buffer, "output", memory.elements, memory.dtype)
        with text.scope():
            self._emitter(text, copy, simple, {1: (memory, pack)}).point_loops(regions)

    def _prepack_argument(self, name: str, role: str, elements: int, dtype: str) -> None:
        if all(a.name != name for a in self.prepack_arguments):
            self.prepack_arguments.append(Argument(name, role, elements, dtype))


def _copy_lanes(register: int, lanes: int) -> int:
    """The widest power of two up to `lanes` that divides a register size."""
    width = 1
    while width * 2 <= max(lanes, 8) and register % (width * 2) == 0:
        width *= 2
    return width


def _function(name: str, arguments: list[Argument], memories: dict[str, Memory], text: Text) -> str:
    args = ", ".join(f"{memories[a.name].name}: {memories[a.name].type} {{llvm.noalias}}" for a in arguments)
    body = "\n".join([*text.header, *text.lines])
    return f"func.func @{name}({args}) {{\n{body}\nreturn\n}}"


def split_reduction(nest: Nest, at: FlatAccess) -> tuple[Nest, Nest, Nest | None]:
    """Initialise, accumulate in memory, finish: three nests for a reduction tiled outside the point loops.

    Partial sums lie at `at`, one for each parallel point.
    """
    outer = tuple(w for w in nest.writes if w.inside)
    init_reads = (nest.init,) if isinstance(nest.init, FlatAccess) else ()
    value = Ref("read", 0) if init_reads else nest.init
    assert isinstance(value, Ref | Const)
    before = Nest(
        name=f"{nest.name}.init",
        parallel=nest.parallel,
        reduction=(),
        reads=init_reads,
        ops=(),
        pre=0,
        writes=(Write(at, value),),
    )
    main = replace(
        nest, ops=nest.ops[: nest.pre], writes=(Write(at, Ref("acc", 0)), *outer), init=Const(0, nest.acc_dtype)
    )
    finished = [w.value for w in nest.writes if not w.inside]
    if len(nest.ops) == nest.pre and finished == [Ref("acc", 0)]:
        return before, main, None
    return before, main, _finish(nest, at)


def _finish(nest: Nest, partial: FlatAccess) -> Nest:
    """What follows a reduction, as a nest of its own that reads the result from `partial`."""

    def shifted(o: Operand) -> Operand:
        if o == Ref("acc", 0):
            return Ref("read", len(nest.reads))
        return Ref("op", o.index - nest.pre) if isinstance(o, Ref) and o.kind == "op" else o

    ops = tuple(replace(op, operands=tuple(shifted(o) for o in op.operands)) for op in nest.ops[nest.pre :])
    return Nest(
        name=f"{nest.name}.finish",
        parallel=nest.parallel,
        reduction=(),
        reads=(*nest.reads, partial),
        ops=ops,
        pre=len(ops),
        writes=tuple(Write(w.access, shifted(w.value)) for w in nest.writes if not w.inside),
        index_dims=nest.index_dims,
    )
