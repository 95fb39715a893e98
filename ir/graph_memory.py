"""Memory dependence: which operation may touch memory that another touched before it.

Owns effects of operations on memory, bases of pointers and memrefs, and the linear scan that makes MEMORY edges.

Method. Every access goes to a base: the allocation, the global, or else "foreign" (an argument, a loaded pointer, a
call's result) or "any" (a merge of several), found through views (getelementptr, casts,
subview, ...) whatever the offset. Distinct allocations and globals never overlap; a foreign base may be any global and
any allocation whose address escapes (is stored, passed to a call, turned into an integer); "any" may be everything.
A block is scanned in order; a load depends on the last store, a store on the last store and on the loads since.
A loop (natural loop of branches, or loop operation) is scanned twice: what crosses from the first pass to the second is
carried by the loop. An operation with regions counts, for its block, as all its inside together. Calls read and write
all that escapes; known pure functions nothing.

Invariant: conservative within one block and one innermost loop, silent between others. Linear: each access meets its
own base's last store and loads, once each, and at most `WINDOW` accesses of other bases.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

from costmodel.core.errors import ParseError
from costmodel.ir import semantics
from costmodel.ir.control_flow import NaturalLoop
from costmodel.ir.graph import LOOP_CARRIED, MemoryOrder
from costmodel.ir.loops import LOOP_NAMES
from costmodel.ir.mlir.attributes import parse_int_array
from costmodel.ir.mlir.structure import Block, Operation, Region, Value

WINDOW = 8
NONE, READ, WRITE, BOTH, ESCAPE, CALL, ALLOCATE, GENERAL = range(8)
_SUMMARY_LIMIT = 64

_EFFECTS: dict[str, tuple[int, int]] = {
    "llvm.load": (READ, 0),
    "llvm.store": (WRITE, 1),
    "llvm.atomicrmw": (BOTH, 0),
    "llvm.cmpxchg": (BOTH, 0),
    "llvm.va_arg": (BOTH, 0),
    "llvm.intr.masked.load": (READ, 0),
    "llvm.intr.masked.store": (WRITE, 1),
    "llvm.intr.masked.gather": (READ, 0),
    "llvm.intr.masked.scatter": (WRITE, 1),
    "llvm.intr.masked.expandload": (READ, 0),
    "llvm.intr.masked.compressstore": (WRITE, 1),
    "llvm.intr.memset": (WRITE, 0),
    "llvm.intr.memset.inline": (WRITE, 0),
    "memref.load": (READ, 0),
    "memref.store": (WRITE, 1),
    "memref.dealloc": (WRITE, 0),
    "memref.atomic_rmw": (BOTH, 1),
    "memref.generic_atomic_rmw": (BOTH, 0),
    "memref.prefetch": (READ, 0),
    "affine.load": (READ, 0),
    "affine.store": (WRITE, 1),
    "affine.vector_load": (READ, 0),
    "affine.vector_store": (WRITE, 1),
    "affine.prefetch": (READ, 0),
    "vector.load": (READ, 0),
    "vector.store": (WRITE, 1),
    "vector.maskedload": (READ, 0),
    "vector.maskedstore": (WRITE, 0),
    "vector.gather": (READ, 0),
    "vector.scatter": (WRITE, 0),
    "vector.expandload": (READ, 0),
    "vector.compressstore": (WRITE, 0),
    "vector.transfer_read": (READ, 0),
    "vector.transfer_write": (WRITE, 1),
    "bufferization.to_tensor": (READ, 0),
}
"""Operation to what it does and the operand that says where; only memrefs and pointers count."""

_COPIES = frozenset(("memref.copy", "linalg.copy", "llvm.intr.memcpy", "llvm.intr.memmove", "llvm.intr.memcpy.inline"))
_VIEWS = frozenset(
    "llvm.getelementptr llvm.bitcast llvm.addrspacecast llvm.freeze llvm.intr.launder.invariant.group "
    "llvm.intr.strip.invariant.group llvm.intr.ptrmask memref.cast memref.subview memref.reinterpret_cast "
    "memref.collapse_shape memref.expand_shape memref.view memref.transpose memref.reshape memref.memory_space_cast "
    "memref.assume_alignment vector.type_cast builtin.unrealized_conversion_cast".split()
)
_ALLOCATIONS = frozenset("llvm.alloca memref.alloc memref.alloca gpu.alloc".split())
_ALLOCATORS = frozenset("malloc calloc aligned_alloc _Znwm _Znam".split())
_MERGES = frozenset(("llvm.select", "arith.select"))
_BARRIERS = frozenset(("llvm.fence", "gpu.barrier", "llvm.inline_asm", "nvvm.barrier0", "memref.dma_wait"))
_ESCAPES = frozenset(
    "llvm.ptrtoint llvm.insertvalue llvm.insertelement memref.extract_aligned_pointer_as_index".split()
)
_SILENT_DIALECTS = frozenset("arith math index complex cf scf affine tensor shape builtin func ub quant tosa".split())
_SILENT = frozenset("memref.dim memref.rank memref.extract_strided_metadata memref.get_global vector.print".split())
_SILENT_INTRINSICS = re.compile(r"llvm\.intr\.(?:lifetime|assume|expect|invariant|donothing|sideeffect|dbg|vscale)")
_PURE = frozenset(
    f"{name}{suffix}"
    for name in "exp exp2 exp10 log log2 log10 sin cos tan tanh atan atan2 pow sqrt fabs floor ceil fma fmod fmin fmax "
    "erf cbrt round trunc hypot sinh cosh asin acos expm1 log1p abs labs strlen".split()
    for suffix in ("", "f", "l")
)
_GLOBAL = re.compile(r"@(?:\"[^\"]*\"|[\w$.\-]+)")
_MEMORY_TYPE = re.compile(r"memref<|!llvm\.ptr|vector<[^>]*!llvm\.ptr|!\w+\.(?:memdesc|ptr)")

_FOREIGN, _ANY = "foreign", "any"
_LOAD_AFTER_STORE, _STORE_AFTER_LOAD, _STORE_AFTER_STORE = map(int, MemoryOrder)
Base = Value | str
Access = tuple[int, Base]
Item = tuple[int, list[Access]]
Entry = tuple[int, int]
"""(node, pass of the scan in which it was met)."""


def effect_of(name: str, callee: str | None) -> int:
    """What an operation of this name may do to memory, as far as its name says; 0 for nothing."""
    if callee is not None:
        return ESCAPE if callee in _PURE else CALL
    found = _EFFECTS.get(name)
    if found is not None:
        return found[0]
    if name in _COPIES or name in _BARRIERS:
        return GENERAL
    if name in _ESCAPES:
        return ESCAPE
    dialect, _, rest = name.partition(".")
    if dialect in _SILENT_DIALECTS or name in _VIEWS or name in _ALLOCATIONS or name in _SILENT:
        return NONE
    if dialect == "llvm" and not (rest.startswith("intr.") and not _SILENT_INTRINSICS.match(name)):
        return NONE
    return GENERAL


class _Group:
    """Where a scan stands for some bases: what was last done to each since an access that may be to all of them."""

    __slots__ = ("barrier", "readers", "writers")

    def __init__(self) -> None:
        self.writers: dict[Base, Entry] = {}
        self.readers: dict[Base, list[Entry]] = {}
        self.barrier: list[Entry] = []

    def before(self, base: Base, mode: int) -> tuple[list[Entry], list[Entry]]:
        """Last writers of one base and, for a write, readers since."""
        writer = self.writers.get(base)
        readers: list[Entry] = []
        if mode & WRITE and self.readers:
            readers = list(self.readers.get(base, ()))
            for wide in (_FOREIGN, _ANY):
                readers += self.readers.get(wide, [])[-WINDOW:]
        return [writer] if writer is not None else self.barrier, readers

    def before_all(self, mode: int) -> tuple[list[Entry], list[Entry]]:
        """Last writers of all bases (of `WINDOW` for a read) and, for a write, readers since."""
        if not mode & WRITE:
            recent = list(islice(reversed(self.writers.values()), WINDOW))
            return recent or self.barrier, []
        writers = list(self.writers.values()) or self.barrier
        return writers, [entry for entries in self.readers.values() for entry in entries]

    def note(self, base: Base, mode: int, entry: Entry) -> None:
        """Remember an access to one base."""
        if mode & WRITE:
            self.writers.pop(base, None)
            self.writers[base] = entry
            self.readers.pop(base, None)
        else:
            self.readers.setdefault(base, []).append(entry)

    def note_all(self, base: Base, mode: int, entry: Entry) -> None:
        """Remember an access that may be to any base; a write makes all before it pass."""
        if mode & WRITE:
            self.writers.clear()
            self.readers.clear()
            self.barrier = [entry]
        else:
            self.readers.setdefault(base, []).append(entry)


class MemoryScan:
    """Collects the accesses of one graph, then gives its edges; use a fresh instance for each."""

    def __init__(self) -> None:
        self.accesses: dict[Block, list[tuple[int, Operation, int]]] = {}
        self.regions: dict[Region, list[NaturalLoop]] = {}
        self._bases: dict[Value, Base] = {}
        self._escaped: set[Base] = set()
        self._summaries: dict[Operation, list[Access]] = {}
        self._found: dict[int, list[Access]] = {}

    def add(self, operation: Operation, node: int, effect: int) -> None:
        """Note an operation with an effect; in the order of the text within a block."""
        if operation.parent is not None and not operation.regions:
            self.accesses.setdefault(operation.parent, []).append((node, operation, effect))

    def edges(self, root: Operation, nodes: dict[Operation, int]) -> Iterator[tuple[int, int, int]]:
        """(earlier node, later node, order) of all dependences; `nodes` has the operations with regions."""
        for block in self.accesses.values():
            for node, operation, effect in block:
                self._found[node] = self._effects(operation, effect)
        inner = [operation for operation in nodes if operation is not root]
        for operation in reversed(inner):
            self._summaries[operation] = self._summary(operation)
        for operation in [root, *inner]:
            for region in operation.regions:
                yield from self._region(region, operation, nodes)

    # ---- what is accessed -----------------------------------------------------------------------------------------

    def _effects(self, operation: Operation, effect: int) -> list[Access]:
        operands = operation.operands
        if effect in (READ, WRITE, BOTH):
            where = _EFFECTS[operation.name][1]
            if effect == WRITE and where == 1 and operands and _is_memory(operands[0]):
                self._escape(operands[0])
            if where < len(operands) and _is_memory(operands[where]):
                return [(effect, self._base(operands[where]))]
            return []
        if effect in (ESCAPE, CALL):
            for value in operands[: semantics.num_own_operands(operation)]:
                if _is_memory(value):
                    self._escape(value)
            return [(BOTH, _FOREIGN)] if effect == CALL and not _allocates(operation) else []
        return self._general(operation)

    def _general(self, operation: Operation) -> list[Access]:
        """Copies, linalg, barriers, and operations of unknown dialects: every memref is read and written."""
        if operation.name in _BARRIERS:
            return [(BOTH, _FOREIGN)]
        memory = [self._base(value) if _is_memory(value) else None for value in operation.operands]
        if not any(base is not None for base in memory):
            return []
        reads, writes = set(range(len(memory))), set(range(len(memory)))
        if operation.name in _COPIES and len(memory) >= 2:
            first = 0 if operation.name in ("memref.copy", "linalg.copy") else 1
            reads, writes = {first}, {1 - first}
        elif operation.name.startswith("linalg."):
            writes = set(range(_num_inputs(operation), len(memory)))
        found: list[Access] = []
        for index, base in enumerate(memory):
            if base is not None:
                found.append(((READ if index in reads else 0) | (WRITE if index in writes else 0), base))
        return found

    def _summary(self, operation: Operation) -> list[Access]:
        """What an operation with regions does, inside and by its own operands (`linalg.generic`)."""
        found: dict[Base, int] = {}
        if operation.symbol is not None:
            return []
        for region in operation.regions:
            for block in region.blocks:
                for _, accesses in self._sequence(block, {}):
                    for mode, base in accesses:
                        found[base] = found.get(base, 0) | mode
        if effect_of(operation.name, None) == GENERAL:
            for mode, base in self._general(operation):
                found[base] = found.get(base, 0) | mode
        return [(mode, base) for base, mode in found.items()] if len(found) <= _SUMMARY_LIMIT else [(BOTH, _ANY)]

    def _sequence(self, block: Block, nodes: dict[Operation, int]) -> list[Item]:
        """Nodes of a block that access memory, in order."""
        plain = [(node, self._found[node]) for node, _, _ in self.accesses.get(block, ())]
        inner = [
            (nodes.get(operation, 0), self._summaries[operation])
            for operation in (block.operations if self._summaries else ())
            if operation.regions and self._summaries.get(operation)
        ]
        return sorted([*plain, *inner], key=lambda item: item[0]) if inner else plain

    def _base(self, value: Value) -> Base:
        """The allocation or global behind a pointer or memref, `_FOREIGN` or `_ANY`."""
        chain: list[Value] = []
        while value not in self._bases:
            chain.append(value)
            owner = value.owner
            if not isinstance(owner, Operation) or owner.name not in _VIEWS or not owner.operands:
                self._bases[value] = _origin(value)
                break
            value = owner.operands[0]
        base = self._bases[value]
        for passed in chain:
            self._bases[passed] = base
        return base

    def _escape(self, value: Value) -> None:
        self._escaped.add(self._base(value))

    # ---- the scan -------------------------------------------------------------------------------------------------

    def _region(self, region: Region, parent: Operation, nodes: dict[Operation, int]) -> Iterator[tuple[int, int, int]]:
        sequences = {block: self._sequence(block, nodes) for block in region.blocks}
        if parent.name in LOOP_NAMES:
            yield from self._loop([item for block in region.blocks for item in sequences[block]])
            return
        innermost: dict[Block, NaturalLoop] = {}
        for loop in sorted(self.regions.get(region, ()), key=lambda found: -len(found.blocks)):
            innermost.update(dict.fromkeys(loop.blocks, loop))
        groups: dict[NaturalLoop, list[Item]] = {}
        for block in region.blocks:
            loop_of = innermost.get(block)
            if loop_of is None:
                if sequences[block]:
                    yield from self._scan(sequences[block], (_Group(), _Group()), 0)
            else:
                groups.setdefault(loop_of, []).extend(sequences[block])
        for group in groups.values():
            yield from self._loop(group)

    def _loop(self, items: list[Item]) -> Iterator[tuple[int, int, int]]:
        if items:
            groups = (_Group(), _Group())
            yield from self._scan(items, groups, 0)
            yield from self._scan(items, groups, 1)

    def _scan(self, items: list[Item], groups: tuple[_Group, _Group], number: int) -> Iterator[tuple[int, int, int]]:
        """One pass; in the second (`number` 1) only what crosses from the first."""
        for node, accesses in items:
            found: dict[tuple[int, int], None] = {}
            for mode, base in accesses:
                for (earlier, met), order in self._step(groups, mode, base, (node, number)):
                    if met < number:
                        found[earlier, order + LOOP_CARRIED] = None
                    elif number == 0 and earlier != node:
                        found[earlier, order] = None
            for earlier, order in found:
                yield earlier, node, order

    def _step(self, groups: tuple[_Group, _Group], mode: int, base: Base, entry: Entry) -> list[tuple[Entry, int]]:
        """Earlier accesses that this one depends on; the groups (shared bases, private ones) move on."""
        shared, private = groups
        writers: list[Entry] = []
        readers: list[Entry] = []
        if base is _FOREIGN or base is _ANY:
            for group in groups if base is _ANY else (shared,):
                some_writers, some_readers = group.before_all(mode)
                writers += some_writers
                readers += some_readers
                group.note_all(base, mode, entry)
        else:
            all_escape = _ANY in self._escaped
            group = shared if all_escape or isinstance(base, str) or base in self._escaped else private
            writers, readers = group.before(base, mode)
            group.note(base, mode, entry)
        found: list[tuple[Entry, int]] = []
        if mode & READ:
            found += [(writer, _LOAD_AFTER_STORE) for writer in writers]
        if mode & WRITE:
            found += [(reader, _STORE_AFTER_LOAD) for reader in readers]
            found += [(writer, _STORE_AFTER_STORE) for writer in writers]
        return found


@lru_cache(maxsize=4096)
def _is_memory_type(text: str) -> bool:
    return _MEMORY_TYPE.match(text) is not None


def _is_memory(value: Value) -> bool:
    return _is_memory_type(value.type_text)


def _origin(value: Value) -> Base:
    owner = value.owner
    if isinstance(owner, Block):
        return _FOREIGN if owner.parent.blocks[0] is owner and owner.parent.parent.symbol is not None else _ANY
    if owner is None:
        return _ANY
    if owner.name in _ALLOCATIONS or _allocates(owner):
        return value
    if owner.name in semantics.CONSTANT_NAMES or owner.name == "memref.get_global":
        text = owner.attribute("global_name") or owner.attribute("name") or semantics.constant_text(owner)
        named = _GLOBAL.search(text)
        return named[0] if named is not None else _ANY
    return _ANY if owner.name in _MERGES or owner.regions else _FOREIGN


def _allocates(operation: Operation) -> bool:
    return semantics.callee_of(operation) in _ALLOCATORS


def _num_inputs(operation: Operation) -> int:
    sizes = operation.attribute("operandSegmentSizes")
    try:
        return parse_int_array(sizes)[0] if sizes is not None else 0
    except (ParseError, IndexError):
        return 0
