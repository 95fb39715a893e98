"""linalg.generic to a `Stage`: maps, iterator kinds, scalar body, accumulator and its start.

Owns which bodies count as structured. Source: the semantics of linalg.generic in MLIR's linalg dialect.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from costmodel.ir.mlir import Operation, ScalarType, parse_iterator_types, parse_type
from costmodel.search.kernel.form import Access, Const, Dim, Linear, Operand, Ref, ScalarOp, Stage

if TYPE_CHECKING:
    from costmodel.search.kernel.read import GraphReader

COMBINERS = frozenset(
    "arith.addf arith.mulf arith.maximumf arith.minimumf arith.maxnumf arith.minnumf arith.addi arith.muli".split()
)
_COMPARE_F = "false oeq ogt oge olt ole one ord ueq ugt uge ult ule une uno true".split()
_COMPARE_I = "eq ne slt sle sgt sge ult ule ugt uge".split()
_ARITH = frozenset(
    "addf subf mulf divf negf maximumf minimumf maxnumf minnumf remf addi subi muli divsi divui remsi remui andi ori "
    "xori shli shrsi shrui maxsi minsi maxui minui cmpf cmpi select extf truncf sitofp uitofp fptosi fptoui extsi "
    "extui trunci index_cast index_castui bitcast".split()
)
_MATH = frozenset(
    "exp exp2 expm1 tanh erf rsqrt log log2 log1p sin cos powf sqrt absf floor ceil roundeven copysign fma".split()
)
_F32_ONLY_MATH = _MATH - {"sqrt", "absf", "floor", "ceil", "roundeven", "copysign", "fma"}


class NotStructuredError(Exception):
    """Why an operation has no structured form; it becomes an island."""


def read_generic(reader: GraphReader, op: Operation) -> None:
    """Append the stage of a `linalg.generic`, or remember its result as uniform."""
    segments = op.attribute("operandSegmentSizes")
    maps_attribute, kinds_attribute = op.attribute("indexing_maps"), op.attribute("iterator_types")
    assert segments is not None
    assert maps_attribute is not None
    assert kinds_attribute is not None
    num_inputs, num_outputs = segments.as_int_array()
    kinds = parse_iterator_types(kinds_attribute)
    maps = [_maps(a.as_affine_map()) for a in maps_attribute.as_list()]
    names = [reader.of[id(v)] for v in op.operands]
    extents = _extents(reader, names, maps, len(kinds))
    dims = tuple(
        Dim(name=f"d{i}", extent=e, reduction=k == "reduction")
        for i, (e, k) in enumerate(zip(extents, kinds, strict=True))
    )
    body = _Body(reader, op, num_inputs, names, maps)
    body.read()
    for result, value in zip(op.results, body.yields, strict=True):
        if isinstance(value, Const) and not any(d.reduction for d in dims) and num_outputs == 1:
            reader.uniform[reader.buffer(result)] = value
            return
    if any(d.reduction for d in dims):
        if num_outputs != 1:
            raise NotStructuredError("a reduction with several results")
        _append_reduction(reader, op, dims, body, names[num_inputs], maps[num_inputs])
        return
    body.absorb_accumulators()
    targets = [reader.buffer(r) for r in op.results]
    writes = tuple(Access(t, m) for t, m in zip(targets, maps[num_inputs:], strict=True))
    reader.graph.nodes.append(
        Stage(
            name=reader.stage_name(),
            dims=dims,
            reads=tuple(body.reads),
            writes=writes,
            body=tuple(body.ops),
            yields=tuple(body.yields),
        )
    )


def _maps(affine: object) -> tuple[Linear, ...]:
    from costmodel.ir.mlir import AffineMap

    assert isinstance(affine, AffineMap)
    found = []
    for result in affine.results:
        linear = result.linear()
        if linear is None:
            raise NotStructuredError(f"the index expression {result} is not linear")
        coeffs = tuple(linear[0]) + (0,) * (affine.num_dims - len(linear[0]))
        found.append(Linear(coeffs, linear[1]))
    return tuple(found)


def _extents(reader: GraphReader, names: list[str], maps: list[tuple[Linear, ...]], rank: int) -> list[int]:
    extents: list[int | None] = [None] * rank
    for name, results in zip(names, maps, strict=True):
        for size, linear in zip(reader.graph.buffers[name].shape, results, strict=True):
            used = [d for d, c in enumerate(linear.coeffs) if c]
            if len(used) == 1 and linear.coeffs[used[0]] == 1 and linear.const == 0:
                extents[used[0]] = size
    if any(e is None for e in extents):
        raise NotStructuredError("a loop bound that no operand gives directly")
    return [e for e in extents if e is not None]


def _append_reduction(
    reader: GraphReader, op: Operation, dims: tuple[Dim, ...], body: _Body, out: str, out_map: tuple[Linear, ...]
) -> None:
    acc = Ref("acc", 0)
    last = body.ops[-1] if body.ops else None
    uses = sum(o == acc for s in body.ops for o in s.operands)
    if (
        last is None
        or last.name not in COMBINERS
        or body.yields != [Ref("op", len(body.ops) - 1)]
        or uses != 1
        or acc not in last.operands
    ):
        raise NotStructuredError("a reduction whose body does not fold one value into the result with one operation")
    init: Const | Access
    if out in reader.uniform:
        init = reader.uniform[out]
    elif out in reader.undefined:
        raise NotStructuredError("a reduction into an uninitialised tensor")
    else:
        init = Access(out, out_map)
    target = reader.buffer(op.results[0])
    reader.graph.nodes.append(
        Stage(
            name=reader.stage_name(), dims=dims, reads=tuple(body.reads), writes=(Access(target, out_map),),
            body=tuple(body.ops), yields=tuple(body.yields), init=init,
        )
    )  # fmt: skip


class _Body:
    """The scalar body of one generic, constants folded in, dead operations dropped."""

    def __init__(
        self, reader: GraphReader, op: Operation, num_inputs: int, names: list[str], maps: list[tuple[Linear, ...]]
    ) -> None:
        self.reader = reader
        self.block = op.regions[0].blocks[0]
        self.num_inputs = num_inputs
        self.names = names
        self.maps = maps
        self.reads: list[Access] = []
        self.ops: list[ScalarOp] = []
        self.yields: list[Operand] = []
        self._values: dict[int, Operand] = {}

    def read(self) -> None:
        """Fill `reads`, `ops` and `yields`; raises `NotStructuredError`."""
        for i, argument in enumerate(self.block.args):
            if i >= self.num_inputs:
                self._values[id(argument)] = Ref("acc", i - self.num_inputs)
                continue
            const = self.reader.uniform.get(self.names[i])
            self._values[id(argument)] = const if const is not None else self._read(Access(self.names[i], self.maps[i]))
        for op in self.block.operations[:-1]:
            self._op(op)
        self.yields = [self._operand(v) for v in self.block.operations[-1].operands]
        self._drop_dead()
        self._drop_unread()

    def _read(self, access: Access) -> Ref:
        if access not in self.reads:
            self.reads.append(access)
        return Ref("read", self.reads.index(access))

    def _operand(self, value: object) -> Operand:
        if id(value) in self._values:
            return self._values[id(value)]
        if id(value) in self.reader.scalars:
            return self.reader.scalars[id(value)]
        raise NotStructuredError("a body that uses a value from outside that is no constant")

    def _op(self, op: Operation) -> None:
        dialect, _, name = op.name.partition(".")
        if not op.results:
            raise NotStructuredError(f"a body with {op.name}, which gives no value")
        result = op.results[0]
        if op.name == "arith.constant":
            value, dtype = op.attribute("value"), result.type_text
            assert value is not None
            if not isinstance(parse_type(dtype), ScalarType):
                raise NotStructuredError(f"a body with a constant of {dtype}")
            self._values[id(result)] = Const(
                value.as_float() if dtype.startswith(("f", "bf")) else value.as_int(), dtype
            )
            return
        if op.name == "linalg.index":
            dim = op.attribute("dim")
            assert dim is not None
            self._values[id(result)] = Ref("index", dim.as_int())
            return
        if op.regions or name not in {"arith": _ARITH, "math": _MATH}.get(dialect, ()):
            raise NotStructuredError(f"a body with {op.name}")
        operand_dtype = op.operands[0].type_text
        if dialect == "math" and name in _F32_ONLY_MATH and result.type_text != "f32":
            raise NotStructuredError(f"{op.name} on {result.type_text}")
        operands = tuple(self._operand(v) for v in op.operands)
        self.ops.append(ScalarOp(op.name, operands, result.type_text, operand_dtype, _predicate(op)))
        self._values[id(result)] = Ref("op", len(self.ops) - 1)

    def _drop_dead(self) -> None:
        live = [False] * len(self.ops)
        wanted = [o for o in self.yields if isinstance(o, Ref) and o.kind == "op"]
        while wanted:
            o = wanted.pop()
            if not live[o.index]:
                live[o.index] = True
                wanted += [p for p in self.ops[o.index].operands if isinstance(p, Ref) and p.kind == "op"]
        moved = {old: new for new, old in enumerate(i for i, alive in enumerate(live) if alive)}

        def move(o: Operand) -> Operand:
            return Ref("op", moved[o.index]) if isinstance(o, Ref) and o.kind == "op" else o

        self.ops = [
            ScalarOp(s.name, tuple(move(o) for o in s.operands), s.dtype, s.operand_dtype, s.attrs)
            for i, s in enumerate(self.ops)
            if live[i]
        ]
        self.yields = [move(o) for o in self.yields]

    def _drop_unread(self) -> None:
        """Forget operands that only give loop bounds (the window of a pooling)."""
        used = sorted({o.index for op in self.ops for o in op.operands if isinstance(o, Ref) and o.kind == "read"})
        used = sorted({*used, *(o.index for o in self.yields if isinstance(o, Ref) and o.kind == "read")})

        def move(o: Operand) -> Operand:
            return Ref("read", used.index(o.index)) if isinstance(o, Ref) and o.kind == "read" else o

        self.reads = [self.reads[i] for i in used]
        self.ops = [replace(op, operands=tuple(move(o) for o in op.operands)) for op in self.ops]
        self.yields = [move(o) for o in self.yields]

    def absorb_accumulators(self) -> None:
        """Turn uses of the initial output of an elementwise stage into plain reads or constants."""

        def change(o: Operand) -> Operand:
            if not isinstance(o, Ref) or o.kind != "acc":
                return o
            i = self.num_inputs + o.index
            const = self.reader.uniform.get(self.names[i])
            return const if const is not None else self._read(Access(self.names[i], self.maps[i]))

        self.ops = [
            ScalarOp(s.name, tuple(change(o) for o in s.operands), s.dtype, s.operand_dtype, s.attrs) for s in self.ops
        ]
        self.yields = [change(o) for o in self.yields]


def _predicate(op: Operation) -> str:
    predicate = op.attribute("predicate")
    if predicate is None:
        return ""
    table = _COMPARE_F if op.name == "arith.cmpf" else _COMPARE_I
    return f"{table[predicate.as_int()]}, "
