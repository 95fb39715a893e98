"""Code that is written out already, as the tree of loops and operations that blocks are counted in.

Owns the reading of functions of loops, vectors and scalars on memrefs (affine, scf, vector, arith, math), and of linalg
that has no schedule, whose loops it writes as they are lowered by default: one nest for each operation, dimensions in
order, elements one by one. What a value is worth to a loop bound is `ends`'s to say.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import count
from math import prod
from typing import NamedTuple

from costmodel.core.errors import UnsupportedError
from costmodel.ir.linalg import indexing_maps, loop_sizes, operand_shape
from costmodel.ir.loops import LOOP_NAMES, trip_count
from costmodel.ir.mlir.affine import AffineMap
from costmodel.ir.mlir.attributes import parse_int_array
from costmodel.ir.mlir.structure import Block, Operation, Value
from costmodel.ir.mlir.types import ScalarType, ShapedType, VectorType, parse_type
from costmodel.ir.program import Function
from costmodel.ir.semantics import is_constant
from costmodel.models.realised import Block as Counted
from costmodel.search.features.blocks import tree_blocks
from costmodel.search.features.ends import Ends
from costmodel.search.features.lines import BITS, MEMORY, Op, Region, kind_of

_MOST = 1 << 14
"""Operations: more are not counted."""
_DEEPEST = 64
"""Loops in each other."""
_DIALECTS = frozenset(("affine", "scf", "vector", "memref", "arith", "math", "linalg", "tensor", "func", "index",
                       "bufferization", "cf"))  # fmt: skip
_ACCESSES = {
    **MEMORY, "affine.load": "scalar_load", "affine.store": "scalar_store", "affine.vector_load": "load",
    "affine.vector_store": "store", "vector.transfer_read": "load", "vector.transfer_write": "store",
    "vector.expandload": "masked_load", "vector.compressstore": "masked_store",
}  # fmt: skip
_VALUE_FIRST = frozenset(("scalar_store", "store"))
"""Stores whose first operand is stored, into the second; those of others is the last, into the first."""
_STORES = _VALUE_FIRST | {"masked_store", "scatter"}
_VIEWS = frozenset((
    "memref.subview", "memref.cast", "memref.reinterpret_cast", "memref.collapse_shape", "memref.expand_shape",
    "memref.view", "bufferization.to_buffer", "bufferization.to_tensor", "tensor.cast", "tensor.extract_slice",
    "tensor.collapse_shape", "tensor.expand_shape",
))  # fmt: skip
_FREE = frozenset((
    "vector.shape_cast", "vector.create_mask", "vector.constant_mask", "vector.bitcast", "memref.dim", "tensor.dim",
    "tensor.empty", "memref.alloca", "memref.assume_alignment", "func.return", "cf.br", "vector.yield",
))  # fmt: skip
_MOVES = frozenset(("vector.transpose", "vector.shuffle", "vector.interleave", "vector.deinterleave"))
_PARTS = frozenset(("vector.extract", "vector.insert", "vector.extract_strided_slice", "vector.insert_strided_slice"))


def blocks_of(function: Function, schedule: str = "") -> tuple[Counted, ...]:
    """Blocks of a function as it stands; `schedule` is not asked.

    Raises:
        UnsupportedError: the function is of other dialects, or too long or too deep to count.
        ParseError: an attribute is none.
    """
    operation = function.operation
    if operation is None or operation.name != "func.func":
        raise UnsupportedError(f"{function.name!r} is no func.func")
    for number, inner in enumerate(operation.walk()):
        if inner.name.partition(".")[0] not in _DIALECTS or number > _MOST:
            raise UnsupportedError(f"{function.name!r}: {inner.name} or {number} operations are not counted")
    try:
        return tree_blocks(TreeReader(operation).root)
    except IndexError:
        raise UnsupportedError(f"{function.name!r} has an operation with fewer operands than it needs") from None


class TreeReader:
    """Reads one function. Single use."""

    def __init__(self, function: Operation) -> None:
        self.root = Region()
        self._numbers = count()
        self._names: dict[Value, str] = {}
        self._ends = Ends()
        self._dead = _dead(function)
        self._depth = 0
        self._into(self.root, [block for region in function.regions for block in region.blocks])

    def _into(self, region: Region, blocks: list[Block]) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise UnsupportedError(f"more than {_DEEPEST} loops in each other are not counted")
        for block in blocks:
            for operation in block.operations:
                if operation not in self._dead:
                    self._operation(region, operation)
        self._depth -= 1

    def _name(self, value: Value) -> str:
        found = self._names.get(value)
        if found is None:
            found = self._names[value] = f"%{next(self._numbers)}"
        return found

    def _operation(self, region: Region, op: Operation) -> None:
        name = op.name
        if name in LOOP_NAMES:
            self._loop(region, op)
        elif name in ("scf.if", "affine.if"):
            self._branches(region, op)
        elif name in ("scf.yield", "affine.yield"):
            region.yielded = tuple([self._name(value) for value in op.operands])
        elif name in _ACCESSES:
            region.body.append(self._access(op))
        elif name.startswith("linalg.") or name in ("memref.copy", "tensor.pad", "tensor.insert_slice"):
            self._nest(region, op)
        elif name in _VIEWS or name in _FREE or is_constant(op):
            if op.operands and op.results and name not in _VIEWS:
                region.body.append(self._plain(op, "none"))
        elif op.regions:
            for inner in op.regions:
                self._into(region, inner.blocks)
        else:
            region.body.append(self._computation(op))

    def _branches(self, region: Region, op: Operation) -> None:
        """Either side runs half the time; what they yield is what the operation gives."""
        given: list[tuple[str, ...]] = []
        for branch in op.regions:
            own = Region(trips=0.5, branch=True)
            self._into(own, branch.blocks)
            given.append(own.yielded)
            own.yielded = ()
            if own.body:
                region.body.append(own)
        for place, value in enumerate(op.results):
            names = tuple([names[place] for names in given if place < len(names)])
            shape = _shape(value.type_text)
            region.body.append(Op(kind="none", result=self._name(value), operands=names, bits=shape.bits,
                                  lanes=shape.lanes, rows=shape.rows))  # fmt: skip

    def _loop(self, region: Region, op: Operation) -> None:
        trips = trip_count(op)
        body = op.regions[0].blocks[0] if op.regions and op.regions[0].blocks else None
        own = Region(trips=trips, result=f"%{next(self._numbers)}")
        if body is not None and op.name != "scf.while":
            carried = body.args[len(body.args) - len(op.results) :] if op.results else []
            variables = body.args[: len(body.args) - len(carried)]
            own.variable = self._name(variables[0]) if variables else ""
            if carried and len(op.operands) >= len(carried):
                own.carried = tuple([self._name(value) for value in carried])
                own.initial = tuple([self._name(value) for value in op.operands[-len(carried) :]])
                shapes = [_shape(value.type_text) for value in carried]
                own.carried_bits = max([shape.bits * shape.rows for shape in shapes if shape.lanes], default=0)
            if trips is None:
                own.run(self._ends.of(op))
            else:
                self._ends.know(op, variables)
        for place, value in enumerate(op.results):
            self._names[value] = f"{own.result}#{place}"
        region.body.append(own)
        self._into(own, [block for inner in op.regions for block in inner.blocks])

    def _buffer(self, value: Value) -> str:
        owner = value.owner
        while isinstance(owner, Operation) and owner.name in _VIEWS and owner.operands:
            value, owner = owner.operands[0], owner.operands[0].owner
        return self._name(value)

    def _access(self, op: Operation) -> Op:
        kind = _ACCESSES[op.name]
        at, result = int(kind in _VALUE_FIRST), ""
        if kind in _STORES:
            shaped = op.operands[0 if at else -1].type_text
        else:
            shaped, result = op.results[0].type_text, self._name(op.results[0])
        if op.name.startswith("vector.transfer") and not _in_bounds(op):
            kind = f"masked_{kind}"
        shape = _shape(shaped)
        names = tuple([self._name(value) for place, value in enumerate(op.operands) if place != at])
        kept = names if result else names[1:]
        where = (*kept, _map_of(op)) if kind.startswith("scalar") else ()
        return Op(kind=kind, result=result, operands=names, bits=shape.bits, lanes=shape.lanes, rows=shape.rows,
                  element=shape.element, memory=self._buffer(op.operands[at]), stores=not result,
                  active=_active(op, shape.lanes), place=where)  # fmt: skip

    def _computation(self, op: Operation) -> Op:
        shaped = op.results[0].type_text if op.results else "i64"
        if shaped == "index" or (op.name == "arith.cmpi" and not shaped.startswith("vector")):
            return self._plain(op, "index")
        if op.name in _MOVES:
            return self._plain(op, "shuffle")
        if op.name in _PARTS:
            whole = max([_rank(value.type_text) for value in (*op.operands, *op.results)], default=0) > 1
            return self._plain(op, "none" if whole else "shuffle")
        if op.name == "vector.broadcast":
            return self._plain(op, "none" if op.operands[0].type_text.startswith("vector") else "broadcast")
        if op.name in ("vector.contract", "vector.outerproduct"):
            return self._product(op)
        if op.name in ("vector.reduction", "vector.multi_reduction"):
            return self._plain(op, "horizontal", of=op.operands[0])
        if op.name == "vector.fma":
            return self._plain(op, "fma")
        types = " to ".join(value.type_text for value in (*op.operands[:1], *op.results))
        return self._plain(op, kind_of(op.name, types))

    def _plain(self, op: Operation, kind: str, of: Value | None = None) -> Op:
        result = self._name(op.results[0]) if op.results else ""
        names = tuple([self._name(value) for value in op.operands])
        values = [of] if of is not None else [*op.results, *op.operands[:1]]
        shapes = [_shape(value.type_text) for value in values] or [_Shape(0, 64, 1, "")]
        first = shapes[0]
        widest = max(shape.bits for shape in shapes if bool(shape.lanes) == bool(first.lanes))
        return Op(kind=kind, result=result, operands=names, bits=widest, lanes=first.lanes, rows=first.rows,
                  element=first.element)  # fmt: skip

    def _product(self, op: Operation) -> Op:
        found = self._plain(op, "fma")
        if op.name == "vector.contract":
            sizes = [size or 1 for size in loop_sizes(op)]
            found.rows = max(1, prod(sizes) // max(1, found.lanes))
        return found

    def _nest(self, region: Region, op: Operation) -> None:
        """Loops of a structured operation, element by element."""
        sizes = loop_sizes(op) if op.name.startswith("linalg.") else operand_shape(op.operands[0].type_text)
        variables = [f"%{next(self._numbers)}" for _ in sizes]
        for size, variable in zip(sizes, variables, strict=True):
            inner = Region(trips=size, variable=variable, result=variable)
            region.body.append(inner)
            region = inner
        self._element(region, op, variables)

    def _element(self, region: Region, op: Operation, variables: list[str]) -> None:
        maps = indexing_maps(op) if op.name.startswith("linalg.") else None
        wheres = [_where(one, variables) for one in maps] if maps else [tuple(variables)] * len(op.operands)
        body = op.regions[0].blocks[0] if op.regions and op.regions[0].blocks else None
        args = body.args if body is not None else []
        results = max(1, len(op.results))
        for place, value in enumerate(op.operands[: len(wheres)]):
            shape = parse_type(value.type_text)
            if isinstance(shape, ShapedType):
                name = self._name(args[place]) if place < len(args) else f"%{next(self._numbers)}"
                region.body.append(self._touch(value, wheres[place], "scalar_load", name))
            elif place < len(args):
                self._names[args[place]] = self._name(value)
        last = f"%{next(self._numbers)}"
        if body is not None:
            self._into(region, [body])
            ends = [self._name(v) for v in body.operations[-1].operands] if body.operations else [last]
        else:
            region.body.append(Op(kind="fma", result=last, bits=32))
            ends = [last]
        for value, where, end in zip(op.operands[-results:], wheres[-results:], ends, strict=False):
            store = self._touch(value, where, "scalar_store", "")
            store.operands = (end, *where)
            region.body.append(store)

    def _touch(self, value: Value, where: tuple[str, ...], kind: str, result: str) -> Op:
        shape = parse_type(value.type_text)
        element = str(shape.element) if isinstance(shape, ShapedType) else value.type_text
        return Op(kind=kind, result=result, operands=where, bits=BITS.get(element, 32), memory=self._buffer(value),
                  stores=not result, element=element, place=(*where, "element"))  # fmt: skip


def _where(one: AffineMap, variables: list[str]) -> tuple[str, ...]:
    """Variables that a map's results are made of."""
    return tuple([variables[dim] for result in one.results for dim in sorted(result.dims())])


def _in_bounds(op: Operation) -> bool:
    """Whether a transfer touches nothing beyond its buffer, as its text promises."""
    told = op.attribute("in_bounds")
    return told is not None and "false" not in told


def _map_of(op: Operation) -> str:
    """The map from an affine access's operands to indices, however it is written."""
    told = op.attribute("map")
    return "" if told is None else str(told.as_affine_map())


def _dead(function: Operation) -> set[Operation]:
    """Operations that only bring forth what nobody asks for."""
    used, dead = set[Value](), set[Operation]()
    for op in reversed(list(function.walk())):
        if op.results and not op.regions and "call" not in op.name and used.isdisjoint(op.results):
            dead.add(op)
        else:
            used.update(op.operands)
    return dead


def _active(op: Operation, lanes: int) -> int:
    """Lanes that a constant mask leaves an access."""
    for value in op.operands:
        owner = value.owner
        if isinstance(owner, Operation) and owner.name == "vector.constant_mask":
            sizes = owner.attribute("mask_dim_sizes")
            return parse_int_array(sizes)[-1] if sizes is not None else lanes
    return lanes


def _rank(type_text: str) -> int:
    """Dimensions of a vector; 0 for what is none."""
    kind = parse_type(type_text)
    return (kind.rank or 0) if isinstance(kind, VectorType) else 0


class _Shape(NamedTuple):
    """Lanes (0 for a scalar) and bits of a value's rows, how many they are, and the element."""

    lanes: int
    bits: int
    rows: int
    element: str


@lru_cache(maxsize=4096)
def _shape(type_text: str) -> _Shape:
    kind = parse_type(type_text)
    element = kind.element if isinstance(kind, ShapedType) else kind
    bits = element.bits if isinstance(element, ScalarType) else 64
    if not isinstance(kind, VectorType) or not kind.shape:
        return _Shape(0, bits, 1, str(element))
    *rows, lanes = [size or 1 for size in kind.shape]
    return _Shape(lanes, lanes * bits, prod(rows), str(element))
