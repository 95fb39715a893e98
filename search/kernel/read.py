"""Linalg on tensors (our generic-form operations) to a `Graph` of stages.

Owns the meaning of each supported tensor operation. Invariant: whatever is not understood exactly becomes an `Island`
with a reason, never an approximation.
"""

from __future__ import annotations

from collections.abc import Callable

from costmodel.core.errors import UnsupportedError
from costmodel.ir.mlir import Operation, TensorType, Value, parse_dense, parse_float, parse_int, parse_type
from costmodel.search.kernel.bodies import NotStructuredError, read_generic
from costmodel.search.kernel.form import Access, Buffer, Const, Dim, Linear, Ref, Stage
from costmodel.search.kernel.graph import Graph, Island


class GraphReader:
    """Reads one `func.func`. Single use; `graph` is the result."""

    def __init__(self, function: Operation) -> None:
        self.function = function
        self.graph = Graph(name=function.symbol or "main")
        self.of: dict[int, str] = {}
        self.scalars: dict[int, Const] = {}
        self.uniform: dict[str, Const] = {}
        self.undefined: set[str] = set()
        self._count = 0

    def read(self) -> Graph:
        """Read the whole function; raises `UnsupportedError` for control flow or dynamic shapes."""
        if not self.function.regions or len(self.function.regions[0].blocks) != 1:
            raise UnsupportedError(
                f"function {self.graph.name!r} has control flow between blocks; give one block of linalg on tensors",
                location=self.function.location,
            )
        block = self.function.regions[0].blocks[0]
        for value in block.args:
            if not isinstance(parse_type(value.type_text), TensorType):
                raise UnsupportedError(
                    f"function {self.graph.name!r} takes {value.type_text}; give a function of tensors",
                    location=self.function.location,
                )
            self.graph.inputs.append(self.buffer(value))
        for operation in block.operations:
            self._operation(operation)
        return self.graph

    # -- buffers ---------------------------------------------------------------------------------------------

    def tensor(self, value: Value) -> TensorType:
        """The static tensor type of a value; raises `UnsupportedError` otherwise."""
        kind = parse_type(value.type_text)
        if not isinstance(kind, TensorType):
            raise NotStructuredError(f"{value.type_text} is no tensor")
        if kind.shape is None or any(s is None for s in kind.shape):
            raise UnsupportedError(
                f"function {self.graph.name!r} has the dynamic type {value.type_text}; "
                "give static shapes (--input NAME=1,3,48,192)",
                location=self.function.location,
            )
        if any(s == 0 for s in kind.shape):
            raise UnsupportedError(
                f"function {self.graph.name!r} has a zero-sized dimension in {value.type_text}; "
                "there is nothing to compute",
                location=self.function.location,
            )
        return kind

    def buffer(self, value: Value, alias_of: str | None = None) -> str:
        """A new buffer for a value."""
        kind = self.tensor(value)
        self._count += 1
        name = f"b{self._count}"
        shape = tuple(int(s) for s in kind.shape or () if s is not None)
        self.graph.buffers[name] = Buffer(name=name, shape=shape, dtype=str(kind.element), alias_of=alias_of)
        self.of[id(value)] = name
        return name

    def stage_name(self) -> str:
        """A fresh stage name."""
        return f"s{len(self.graph.nodes)}"

    # -- operations ------------------------------------------------------------------------------------------

    def _operation(self, op: Operation) -> None:
        handler = _HANDLERS.get(op.name)
        try:
            if handler is None:
                raise NotStructuredError(f"{op.name} has no structured form")
            handler(self, op)
        except NotStructuredError as reason:
            self._island(op, str(reason))

    def _island(self, op: Operation, reason: str) -> None:
        """Keep an operation as it is. One that only computes scalars is left to the islands that use them."""
        tensors = [r for r in op.results if r.type_text.startswith("tensor<")]
        if op.results and not tensors:
            return
        if len(tensors) != len(op.results) or not tensors:
            raise UnsupportedError(
                f"{op.name} has no structured form and cannot be lowered alone", location=op.location
            )
        names = [self.of[id(v)] for v in captured_tensors(op) if id(v) in self.of]
        reads = tuple(dict.fromkeys(self.materialised(n) for n in names))
        writes = tuple(self.buffer(r) for r in op.results)
        self.graph.nodes.append(Island(name=self.stage_name(), operation=op, reads=reads, writes=writes, reason=reason))

    def materialised(self, name: str) -> str:
        """`name`, with its contents written if it is a uniform value nobody stored yet."""
        const = self.uniform.pop(name, None)
        if const is not None:
            self.fill(name, const)
        return name

    def fill(self, name: str, const: Const) -> None:
        """A stage that writes a constant everywhere."""
        shape = self.graph.buffers[name].shape
        dims = tuple(Dim(name=f"d{i}", extent=e, reduction=False) for i, e in enumerate(shape))
        write = Access(name, identity(len(shape)))
        self.graph.nodes.append(
            Stage(name=self.stage_name(), dims=dims, reads=(), writes=(write,), body=(), yields=(const,))
        )

    def copy(
        self,
        source: str,
        maps: tuple[Linear, ...],
        target: str,
        out: tuple[Linear, ...],
        sizes: tuple[int, ...],
        prefill: Const | None = None,
    ) -> None:
        """A stage that copies `sizes` elements."""
        dims = tuple(Dim(name=f"d{i}", extent=e, reduction=False) for i, e in enumerate(sizes))
        const = self.uniform.get(source)
        reads = () if const is not None else (Access(source, maps),)
        self.graph.nodes.append(
            Stage(
                name=self.stage_name(),
                dims=dims,
                reads=reads,
                writes=(Access(target, out),),
                body=(),
                yields=(const if const is not None else Ref("read", 0),),
                prefill=prefill,
            )
        )


def identity(
    rank: int, offsets: tuple[int, ...] | None = None, strides: tuple[int, ...] | None = None
) -> tuple[Linear, ...]:
    """`d_i * strides[i] + offsets[i]` for each dimension."""
    offsets = offsets or (0,) * rank
    strides = strides or (1,) * rank
    return tuple(Linear(tuple(strides[i] if j == i else 0 for j in range(rank)), offsets[i]) for i in range(rank))


def free_values(op: Operation) -> list[Value]:
    """Values an operation or anything inside its regions uses but does not define."""
    inside: set[int] = set()
    found: dict[int, Value] = {}
    for inner in op.walk():
        for region in inner.regions:
            for block in region.blocks:
                inside.update(id(a) for a in block.args)
        for value in inner.operands:
            found.setdefault(id(value), value)
        inside.update(id(r) for r in inner.results)
    return [v for v in found.values() if id(v) not in inside]


def captured_tensors(operation: Operation) -> list[Value]:
    """Tensors that an operation, or what computes the scalars it uses, takes from outside, in order of first use."""
    found: dict[int, Value] = {}
    pending = free_values(operation)[::-1]
    while pending:
        value = pending.pop()
        if value.type_text.startswith("tensor<"):
            found.setdefault(id(value), value)
        elif isinstance(value.owner, Operation):
            pending.extend(free_values(value.owner)[::-1])
    return list(found.values())


# -- handlers ------------------------------------------------------------------------------------------------


def _constant(reader: GraphReader, op: Operation) -> None:
    value, result = op.attribute("value"), op.results[0]
    assert value is not None
    kind = parse_type(result.type_text)
    if not isinstance(kind, TensorType):
        dtype = result.type_text
        number = parse_float(value, dtype) if dtype.startswith(("f", "bf")) else parse_int(value)
        reader.scalars[id(result)] = Const(number, dtype)
        return
    name = reader.buffer(result)
    data = parse_dense(value)
    dtype = reader.graph.buffers[name].dtype
    if data.size and (data == data.flat[0]).all():
        reader.uniform[name] = Const(data.flat[0].item(), dtype)
        return
    reader.graph.constants[name] = data
    old = reader.graph.buffers[name]
    reader.graph.buffers[name] = Buffer(name=name, shape=old.shape, dtype=old.dtype, constant=True)


def _empty(reader: GraphReader, op: Operation) -> None:
    reader.undefined.add(reader.buffer(op.results[0]))


def _fill(reader: GraphReader, op: Operation) -> None:
    const = reader.scalars.get(id(op.operands[0]))
    if const is None:
        raise NotStructuredError("linalg.fill with a value that is no constant")
    reader.uniform[reader.buffer(op.results[0])] = const


def _reshape(reader: GraphReader, op: Operation) -> None:
    source = reader.of[id(op.operands[0])]
    name = reader.buffer(op.results[0], alias_of=source)
    if source in reader.uniform:
        reader.uniform[name] = reader.uniform[source]
        old = reader.graph.buffers[name]
        reader.graph.buffers[name] = Buffer(name=name, shape=old.shape, dtype=old.dtype)
    if source in reader.undefined:
        reader.undefined.add(name)
        old = reader.graph.buffers[name]
        reader.graph.buffers[name] = Buffer(name=name, shape=old.shape, dtype=old.dtype)


def _static(op: Operation, name: str) -> tuple[int, ...]:
    attribute = op.attribute(name)
    values = attribute.as_int_array() if attribute is not None else ()
    if any(v < -(2**62) for v in values):
        raise NotStructuredError(f"{op.name} has dynamic {name}")
    return values


def _kept_dims(sizes: tuple[int, ...], shape: tuple[int, ...]) -> list[int]:
    """Which dimensions of a slice survive in its rank-reduced type: unit dimensions go first come, first dropped."""
    kept, j = [], 0
    for i, size in enumerate(sizes):
        spare = (len(sizes) - i) - (len(shape) - j)
        if j < len(shape) and shape[j] == size and not (size == 1 and spare > 0):
            kept.append(i)
            j += 1
        elif size != 1:
            raise NotStructuredError("a slice whose reduced shape cannot be matched")
    if j != len(shape):
        raise NotStructuredError("a slice whose reduced shape cannot be matched")
    return kept


def _slice_maps(op: Operation, shape: tuple[int, ...]) -> tuple[Linear, ...]:
    offsets, sizes, strides = (_static(op, f"static_{n}") for n in ("offsets", "sizes", "strides"))
    kept = _kept_dims(sizes, shape)
    return tuple(
        Linear(tuple(strides[i] if i == k else 0 for k in kept), offsets[i]) for i in range(len(sizes))
    )  # fmt: skip


def _extract_slice(reader: GraphReader, op: Operation) -> None:
    if len(op.operands) != 1:
        raise NotStructuredError("tensor.extract_slice with dynamic bounds")
    source = reader.of[id(op.operands[0])]
    target = reader.buffer(op.results[0])
    shape = reader.graph.buffers[target].shape
    if source in reader.uniform:
        reader.uniform[target] = reader.uniform[source]
    elif source in reader.undefined:
        reader.undefined.add(target)
    else:
        reader.copy(source, _slice_maps(op, shape), target, identity(len(shape)), shape)


def _insert_slice(reader: GraphReader, op: Operation) -> None:
    if len(op.operands) != 2:
        raise NotStructuredError("tensor.insert_slice with dynamic bounds")
    source, base = (reader.of[id(v)] for v in op.operands)
    shape = reader.graph.buffers[source].shape
    maps = _slice_maps(op, shape)
    target = reader.buffer(op.results[0])
    rank = len(reader.graph.buffers[target].shape)
    prefill = reader.uniform.get(base)
    if prefill is None and base not in reader.undefined:
        reader.copy(base, identity(rank), target, identity(rank), reader.graph.buffers[target].shape)
    reader.copy(source, identity(len(shape)), target, maps, shape, prefill)


def _concat(reader: GraphReader, op: Operation) -> None:
    attribute = op.attribute("dim")
    assert attribute is not None
    axis, at = attribute.as_int(), 0
    target = reader.buffer(op.results[0])
    rank = len(reader.graph.buffers[target].shape)
    for value in op.operands:
        source = reader.of[id(value)]
        shape = reader.graph.buffers[source].shape
        offsets = tuple(at if i == axis else 0 for i in range(rank))
        reader.copy(source, identity(rank), target, identity(rank, offsets), shape)
        at += shape[axis]


def _pad(reader: GraphReader, op: Operation) -> None:
    low, high = _static(op, "static_low"), _static(op, "static_high")
    yielded = op.regions[0].blocks[0].operations[-1].operands[0]
    if len(op.operands) != 1 or id(yielded) not in reader.scalars:
        raise NotStructuredError("tensor.pad with dynamic amounts or a value that is no constant")
    if any(v < 0 for v in (*low, *high)):
        raise NotStructuredError("tensor.pad with negative amounts")
    source = reader.of[id(op.operands[0])]
    target = reader.buffer(op.results[0])
    shape = reader.graph.buffers[source].shape
    reader.copy(source, identity(len(shape)), target, identity(len(shape), low), shape, reader.scalars[id(yielded)])


def _generic(reader: GraphReader, op: Operation) -> None:
    read_generic(reader, op)


def _return(reader: GraphReader, op: Operation) -> None:
    for value in op.operands:
        if id(value) not in reader.of:
            raise UnsupportedError(
                f"function {reader.graph.name!r} returns a value that is no tensor", location=op.location
            )
        reader.graph.outputs.append(reader.materialised(reader.of[id(value)]))


def _cast(reader: GraphReader, op: Operation) -> None:
    _reshape(reader, op)


_HANDLERS: dict[str, Callable[[GraphReader, Operation], None]] = {
    "arith.constant": _constant,
    "tensor.empty": _empty,
    "tensor.collapse_shape": _reshape,
    "tensor.expand_shape": _reshape,
    "tensor.cast": _cast,
    "tensor.extract_slice": _extract_slice,
    "tensor.insert_slice": _insert_slice,
    "tensor.concat": _concat,
    "tensor.pad": _pad,
    "linalg.fill": _fill,
    "linalg.generic": _generic,
    "func.return": _return,
}


def read_function(function: Operation) -> Graph:
    """The graph of one `func.func` of linalg on tensors."""
    return GraphReader(function).read()
