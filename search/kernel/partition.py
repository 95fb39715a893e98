"""A model cut into kernels: clusters of stages that are scheduled together, and islands that are not.

Owns which stages share a kernel. Invariant: clusters form an acyclic graph, so that kernels can run one after another.
Method: greedy fusion along producers in program order, after XLA's and TVM's fusion of elementwise operations into
anchors.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from costmodel.search.kernel.form import Access, Buffer, Dim, Kernel, Linear, Ref, Stage
from costmodel.search.kernel.graph import Graph, Island
from costmodel.search.kernel.naming import factors, windowed_dims

MAX_STAGES = 16
_ROW_RATIO = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelCall:
    """One use of a kernel in the model: graph buffers for the kernel's inputs and outputs, in its order."""

    kernel: Kernel
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """The model as calls and islands in execution order."""

    graph: Graph
    steps: tuple[KernelCall | Island, ...]


@dataclass(slots=True)
class _Cluster:
    index: int
    stages: list[Stage] = field(default_factory=list)
    island: Island | None = None
    producers: set[int] = field(default_factory=set)


def simplify(graph: Graph) -> None:
    """Compose copies into their readers and drop what nobody reads; changes `graph` in place."""
    _compose_copies(graph)
    _drop_unread(graph)


def _is_plain_copy(stage: Stage) -> bool:
    if stage.body or stage.prefill is not None or len(stage.reads) != 1 or stage.yields != (Ref("read", 0),):
        return False
    if stage.is_reduction or len(stage.writes) != 1:
        return False
    return all(
        linear.const == 0 and [c for c in linear.coeffs if c] == [1] and linear.coeffs[i] == 1
        for i, linear in enumerate(stage.writes[0].maps)
    )


def _compose_copies(graph: Graph) -> None:
    writers: dict[str, int] = {}
    for node in graph.nodes:
        for name in graph.writes(node):
            writers[name] = writers.get(name, 0) + 1
    copies: dict[str, Stage] = {}
    for i, node in enumerate(graph.nodes):
        if isinstance(node, Island):
            continue
        node = graph.nodes[i] = _composed(node, copies)
        target = node.writes[0].buffer
        shape = graph.buffers[target].shape
        if _is_plain_copy(node) and writers[graph.root(target)] == 1 and shape == tuple(d.extent for d in node.dims):
            copies[target] = node


def _composed(stage: Stage, copies: dict[str, Stage]) -> Stage:
    def change(access: Access) -> Access:
        copy = copies.get(access.buffer)
        if copy is None:
            return access
        return Access(copy.reads[0].buffer, tuple(_substitute(linear, access.maps) for linear in copy.reads[0].maps))

    init = change(stage.init) if isinstance(stage.init, Access) else stage.init
    return replace(stage, reads=tuple(change(a) for a in stage.reads), init=init)


def _substitute(outer: Linear, inner: tuple[Linear, ...]) -> Linear:
    """`outer` with its dimension `i` replaced by `inner[i]`."""
    rank = len(inner[0].coeffs) if inner else 0
    coeffs = [0] * rank
    const = outer.const
    for c, linear in zip(outer.coeffs, inner, strict=True):
        const += c * linear.const
        for d in range(rank):
            coeffs[d] += c * linear.coeffs[d]
    return Linear(tuple(coeffs), const)


def _drop_unread(graph: Graph) -> None:
    live = {graph.root(name) for name in graph.outputs}
    kept = []
    for node in reversed(graph.nodes):
        if any(name in live for name in graph.writes(node)):
            live.update(graph.reads(node))
            kept.append(node)
    graph.nodes = kept[::-1]


class _Partitioner:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.clusters: list[_Cluster] = []
        self.writer: dict[str, list[tuple[int, Stage | None]]] = {}
        self.readers: dict[str, int] = {}
        for node in graph.nodes:
            for name in graph.reads(node):
                self.readers[name] = self.readers.get(name, 0) + 1
        for name in graph.outputs:
            self.readers[graph.root(name)] = self.readers.get(graph.root(name), 0) + 1

    def run(self) -> list[_Cluster]:
        for node in list(self.graph.nodes):
            producers = self._writers(self.graph.reads(node)) | self._writers(self.graph.writes(node))
            home = None if isinstance(node, Island) else self._home(node, producers)
            if home is None:
                home = _Cluster(len(self.clusters))
                self.clusters.append(home)
                if not isinstance(node, Island) and self._writers(self.graph.writes(node)):
                    home.stages += self._detach(node)
            home.producers |= producers - {home.index}
            if isinstance(node, Island):
                home.island = node
            else:
                home.stages.append(node)
            for name in self.graph.writes(node):
                self.writer.setdefault(name, []).append((home.index, None if isinstance(node, Island) else node))
        return self._ordered()

    def _writers(self, names: Iterable[str]) -> set[int]:
        """The clusters that wrote any of these buffers."""
        return {c for name in names for c, _ in self.writer.get(name, [])}

    def _home(self, stage: Stage, producers: set[int]) -> _Cluster | None:
        """The cluster that a stage joins; one that goes on writing a buffer joins those who began, however many."""
        partial = self._writers(self.graph.writes(stage))
        for index in sorted(producers, reverse=True):
            cluster = self.clusters[index]
            if cluster.island is not None or (partial and index not in partial):
                continue
            if not partial and (len(cluster.stages) >= MAX_STAGES or not self._fits(stage, cluster)):
                continue
            if not self._cyclic(index, producers - {index}):
                return cluster
        return None

    def _detach(self, stage: Stage) -> list[Stage]:
        """Let those who wrote the buffers of `stage` so far write others, and copy these: a kernel owns what it writes.

        Needed where a kernel in between reads what the first writer's kernel computes. Nobody has read the buffers yet:
        they are values, written in parts and read when they are whole.
        """
        copies = []
        for name in dict.fromkeys(self.graph.writes(stage)):
            before = f"{name}_before{len(self.clusters)}"
            buffer = self.graph.buffers[name]
            self.graph.buffers[before] = replace(buffer, name=before)
            for cluster in self.clusters:
                cluster.stages = [self._redirected(s, name, before) for s in cluster.stages]
            self.writer[before] = self.writer.pop(name)
            self.readers[before] = 1
            copy = _whole_copy(f"{stage.name}_{before}", buffer, before)
            self.graph.nodes.insert(next(i for i, n in enumerate(self.graph.nodes) if n is stage), copy)
            copies.append(copy)
        return copies

    def _redirected(self, stage: Stage, name: str, before: str) -> Stage:
        """`stage` writing `before` instead of `name`, in the graph too."""
        if name not in self.graph.writes(stage):
            return stage
        writes = []
        for write in stage.writes:
            target = write.buffer
            if target == name:
                target = before
            elif self.graph.root(target) == name:  # a view of it
                target = f"{write.buffer}_{before}"
                self.graph.buffers[target] = replace(self.graph.buffers[write.buffer], name=target, alias_of=before)
            writes.append(replace(write, buffer=target))
        changed = replace(stage, writes=tuple(writes))
        self.graph.nodes = [changed if n is stage else n for n in self.graph.nodes]
        return changed

    def _cyclic(self, target: int, others: set[int]) -> bool:
        """Whether any of `others` depends on `target`."""
        seen, stack = set(), list(others)
        while stack:
            c = stack.pop()
            if c == target:
                return True
            if c not in seen:
                seen.add(c)
                stack.extend(self.clusters[c].producers)
        return False

    def _fits(self, stage: Stage, cluster: _Cluster) -> bool:
        links = [
            (producer, access)
            for access in (*stage.reads, *((stage.init,) if isinstance(stage.init, Access) else ()))
            for producer in cluster.stages
            if any(w.buffer == access.buffer for w in producer.writes)
        ]
        if not links:
            return False
        if is_contraction(stage):
            single = all(self.readers[self.graph.root(s.writes[0].buffer)] == 1 for s in cluster.stages)
            return single and all(s.prefill is not None for s in cluster.stages)
        if stage.prefill is not None:
            return False
        has_contraction = any(is_contraction(s) for s in cluster.stages)
        if stage.is_reduction and (has_contraction or windowed_dims(stage)):
            return False
        if has_contraction:
            return any(_aligned(a) and p.points >= stage.points and self._same_domain(p, stage) for p, a in links)
        largest = max(s.points for s in cluster.stages)
        return (
            any(_aligned(a) for _, a in links)
            and max(largest, stage.points) <= _ROW_RATIO * max(1, min(largest, stage.points)) * 1024
        )

    def _same_domain(self, producer: Stage, stage: Stage) -> bool:
        parallel = sorted(d.extent for d in producer.dims if not d.reduction and d.extent > 1)
        return parallel == sorted(d.extent for d in stage.dims if d.extent > 1)

    def _ordered(self) -> list[_Cluster]:
        """A topological order that keeps program order where it can."""
        done: set[int] = set()
        order: list[_Cluster] = []

        def visit(c: _Cluster) -> None:
            if c.index in done:
                return
            done.add(c.index)
            for p in sorted(c.producers):
                visit(self.clusters[p])
            order.append(c)

        for cluster in self.clusters:
            visit(cluster)
        return order


def _whole_copy(name: str, target: Buffer, source: str) -> Stage:
    dims = tuple(Dim(name=f"d{i}", extent=e, reduction=False) for i, e in enumerate(target.shape))
    maps = tuple(Linear(tuple(int(i == j) for j in range(len(dims))), 0) for i in range(len(dims)))
    read, write = Access(source, maps), Access(target.name, maps)
    return Stage(name=name, dims=dims, reads=(read,), writes=(write,), body=(), yields=(Ref("read", 0),))


def is_contraction(stage: Stage) -> bool:
    """A sum of products of two sources, or any windowed reduction."""
    return stage.is_reduction and (bool(windowed_dims(stage)) or factors(stage) is not None)


def _aligned(access: Access) -> bool:
    """Whether every index of the access is one loop dimension, unscaled."""
    return all(
        linear.const == 0 and sum(c != 0 for c in linear.coeffs) <= 1 and max(linear.coeffs, default=0) <= 1
        for linear in access.maps
    )


def partition(graph: Graph, constants: frozenset[str] = frozenset()) -> Partition:
    """Cut a graph into kernels; `constants` are inputs that never change between calls (weights)."""
    simplify(graph)
    for name in constants:
        graph.buffers[name] = replace(graph.buffers[name], constant=True)
    steps: list[KernelCall | Island] = []
    for cluster in _Partitioner(graph).run():
        steps.append(cluster.island if cluster.island is not None else _call(graph, cluster.stages))
    return Partition(graph=graph, steps=tuple(steps))


def _call(graph: Graph, stages: list[Stage]) -> KernelCall:
    """A kernel with canonical names, and the graph buffers it is called with."""
    from costmodel.search.kernel.families import family_of

    mine = {id(s) for s in stages}
    written = list(dict.fromkeys(graph.root(a.buffer) for s in stages for a in s.writes))
    outside: set[str] = {graph.root(n) for n in graph.outputs}
    for node in graph.nodes:
        if id(node) not in mine:
            outside.update(graph.reads(node))
    outputs = [name for name in written if name in outside]
    renamed: dict[str, str] = {}
    buffers: list[Buffer] = []
    inputs: list[str] = []
    for stage in stages:
        for access in _accesses(stage):
            root = graph.root(access.buffer)
            if root not in renamed:
                kind = "out" if root in outputs else "tmp" if root in written else "in"
                if kind == "in":
                    inputs.append(root)
                renamed[root] = f"{kind}{sum(b.alias_of is None and b.name.startswith(kind) for b in buffers)}"
                old = graph.buffers[root]
                buffers.append(replace(old, name=renamed[root], alias_of=None, constant=old.constant and kind == "in"))
            if access.buffer not in renamed:
                renamed[access.buffer] = f"view{sum(b.alias_of is not None for b in buffers)}"
                old = graph.buffers[access.buffer]
                buffers.append(replace(old, name=renamed[access.buffer], alias_of=renamed[root], constant=False))
    new_stages = tuple(_rename(s, f"s{i}", renamed) for i, s in enumerate(stages))
    outputs.sort(key=lambda n: renamed[n])
    kernel = Kernel(
        name="kernel",
        buffers=tuple(buffers),
        inputs=tuple(renamed[n] for n in inputs),
        outputs=tuple(renamed[n] for n in outputs),
        stages=new_stages,
    )
    return KernelCall(kernel=replace(kernel, family=family_of(kernel)), inputs=tuple(inputs), outputs=tuple(outputs))


def _accesses(stage: Stage) -> tuple[Access, ...]:
    init = (stage.init,) if isinstance(stage.init, Access) else ()
    return (*stage.reads, *init, *stage.writes)


def _rename(stage: Stage, name: str, renamed: dict[str, str]) -> Stage:
    def change(a: Access) -> Access:
        return replace(a, buffer=renamed[a.buffer])

    return replace(
        stage,
        name=name,
        reads=tuple(change(a) for a in stage.reads),
        writes=tuple(change(a) for a in stage.writes),
        init=change(stage.init) if isinstance(stage.init, Access) else stage.init,
    )
