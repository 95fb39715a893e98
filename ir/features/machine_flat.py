"""A scanned LLVM function as flat arrays: rows of operations, edges between them, and which are not there any more.

Owns the view that later parts look at: operations that nothing needs are dead, variables that are only loaded and
stored (`alloca`s as clang writes them before optimisation) are values, their loads and stores cost nothing. Invariant:
linear time; the operations themselves are not changed.
"""

from __future__ import annotations

import re
from functools import cached_property

import numpy as np
import numpy.typing as npt

from costmodel.ir.features.facts import Facts
from costmodel.ir.features.machine_columns import C, Kind
from costmodel.ir.features.machine_rows import BY_TEXT, Rows, current_rows, is_simple
from costmodel.ir.features.machine_symbols import constant_key, eager_functions, local_symbols
from costmodel.ir.features.scan import Scan
from costmodel.ir.mlir.structure import Operation, Value
from costmodel.ir.semantics import callee_of, num_own_operands

Ints = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


class Flat:
    """By operation `[n]`: `table` `[n, columns]`, `kind`, `block`, `own` (operands that are not forwarded), `alive`.

    By edge from a definition to a use `[E]`: `source` (operation, -1 for an argument), `value`, `user`, `position`.
    `defined[v]` is the operation of value v, -1 for arguments. `variable` marks promoted `alloca`s, `calls` what calls.
    """

    def __init__(self, scan: Scan, lists: Lists, *, promote: bool = True) -> None:
        self.scan = scan
        self.size = len(lists.table)
        self.table: Numbers = lists.table.copy()
        self.rows = lists.rows
        self.calls: Mask = self.table[:, C["is_call"]] > 0
        self.kind: Ints = self.table[:, C["kind"]].astype(np.int64)
        self.block, self.own, self.counts = lists.block, lists.own, lists.counts
        self.defined, self.home = lists.defined, lists.home
        values, user, position = lists.values, lists.user, lists.position
        there = values >= 0
        mine = position < self.own[user]
        self.constant_moves: Ints = np.zeros(self.size, np.int64)
        self.constants_forwarded = self._merged(values, user, ~(there | mine))
        self.constants_own: Ints = np.bincount(user[mine & ~there], minlength=self.size)
        self.value, self.user, self.position = values[there], user[there], position[there]
        self.source: Ints = self.defined[self.value]
        self._places = self.source + 1
        self.alive: Mask = np.ones(self.size, bool)
        self.variable: Mask = np.zeros(self.size, bool)
        if promote:
            self._promote()
        else:
            self._forward()
        self._drop_dead()
        self.kinds = frozenset(np.bincount(self.kind).nonzero()[0].tolist())

    def has(self, *kinds: int) -> bool:
        """Whether some operation is of one of these kinds."""
        return not self.kinds.isdisjoint(kinds)

    def _merged(self, values: Ints, user: Ints, chosen: Mask) -> int:
        """Constants that merges are given, each once for each block that it goes to."""
        if not np.count_nonzero(chosen):
            return 0
        index = self.scan.block_of
        targets = {}
        for operation in set(user[chosen].tolist()):
            block = self.scan.blocks[int(self.block[operation])].block
            after = block.operations[-1].successors
            targets[operation] = next((index[target] for target in after if target.args), 0)
        first: dict[tuple[int, int], int] = {}
        for v, u in zip(values[chosen].tolist(), user[chosen].tolist(), strict=True):
            first.setdefault((v, targets[u]), u)
        np.add.at(self.constant_moves, list(first.values()), 1)
        return len(first)

    @cached_property
    def tail(self) -> Mask:
        """Calls that become jumps: nothing but a return comes after, here or in the block that is gone to."""
        found = np.zeros(self.size, bool)
        if not self.has(Kind.CALL):
            return found
        kind, block = self.kind, self.block
        busy = ((kind != Kind.FREE) & (kind != Kind.ALLOCA)).nonzero()[0]
        here, after = busy[:-1], busy[1:]
        last = (kind[after] == Kind.RETURN) | (kind[after] == Kind.JUMP)
        maybe = ((kind[here] == Kind.CALL) & last & (block[here] == block[after])).nonzero()[0]
        if not len(maybe):
            return found
        only = self._only_returns(busy)
        for index in maybe.tolist():
            call = int(here[index])
            operations = self.scan.blocks[int(block[call])].block.operations
            place = call - self._first(call)
            returns = kind[after[index]] == Kind.RETURN
            if returns or self.scan.block_of[operations[-1].successors[0]] in only:
                found[call] = _hands_on(operations[place], operations[-1]) and _marked_tail(operations[place])
        return found

    def _first(self, operation: int) -> int:
        return int(self.block.searchsorted(self.block[operation]))

    def _only_returns(self, busy: Ints) -> frozenset[int]:
        """Blocks that do nothing but return."""
        many = np.bincount(self.block[busy], minlength=len(self.scan.blocks))
        returns = self.block[busy[self.kind[busy] == Kind.RETURN]]
        return frozenset(returns[many[returns] == 1].tolist())

    def uses(self, chosen: Mask | None = None) -> Ints:
        """How many of the chosen edges begin at each operation, `[n]`."""
        source = self._places if chosen is None else self._places[chosen]
        return np.bincount(source, minlength=self.size + 1)[1:]

    def operand(self, position: int) -> Ints:
        """The value that is each operation's operand at `position`, -1 where it is a constant or none; `[n]`."""
        found = np.full(self.size, -1, np.int64)
        chosen = self.position == position
        found[self.user[chosen]] = self.value[chosen]
        return found

    @cached_property
    def first(self) -> Ints:
        """The value that is each operation's first operand, as `operand` gives it; for finished edges."""
        return self.operand(0)

    def starts(self) -> Ints:
        """Where the edges to each operation begin, `[n + 1]`; they come in the order of their users."""
        return np.concatenate([_ZERO, np.bincount(self.user, minlength=self.size).cumsum()])

    def _keep(self, chosen: Mask) -> None:
        """Drop the other edges."""
        self.value, self.user = self.value[chosen], self.user[chosen]
        self.position, self.source = self.position[chosen], self.source[chosen]
        self._places = self.source + 1

    def _promote(self) -> None:
        """Variables become values: addresses that only loads and stores use, directly or at a constant offset."""
        kind = self.kind
        if not np.count_nonzero(kind == Kind.ALLOCA):
            return
        access = self._accesses()
        addresses = (kind == Kind.ADDRESS) & (self.table[:, C["dynamic"]] == 0)
        addresses &= self.uses(~access) == 0
        fine = access | (addresses[self.user] & (self.position == 0))
        self.variable = (kind == Kind.ALLOCA) & (self.uses(~fine) == 0) & (self.counts <= 1)
        if not np.count_nonzero(self.variable):
            return
        from_variable = (self.source >= 0) & self.variable[self.source]
        inner = np.zeros(self.size, bool)
        inner[self.user[from_variable & addresses[self.user]]] = True
        through = (self.source >= 0) & (self.variable | inner)[self.source]
        free = np.zeros(self.size, bool)
        free[self.user[through]] = True
        free |= self.variable
        self.kind = np.where(free, Kind.FREE, kind)
        self.promoted = free
        self.table[free, : C["kind"]] = 0.0

    promoted: Mask | None = None

    def _forward(self) -> None:
        """Loads of variables that their block has stored or loaded since the last call are those values."""
        variables = self.plain_variables()
        chosen = (self.source >= 0) & variables[self.source] & (self.kind[self.user] != Kind.FREE)
        if not np.count_nonzero(chosen):
            return
        calls = self.calls.cumsum()
        result = np.full(self.size, -1, np.int64)
        there = (self.defined >= 0).nonzero()[0]
        result[self.defined[there]] = there
        stored = self.operand(0)
        alias = np.arange(len(self.defined))
        known: dict[tuple[int, int], int] = {}
        free = []
        users = self.user[chosen]
        keys = zip((self.block[users] * (1 << 32) + calls[users]).tolist(), self.source[chosen].tolist(), strict=True)
        loads = (self.kind[users] == Kind.LOAD).tolist()
        for user, key, load in zip(users.tolist(), keys, loads, strict=True):
            if not load:
                known[key] = user
            elif key in known:
                before = known[key]
                value = result[before] if self.kind[before] == Kind.LOAD else stored[before]
                if value >= 0:
                    alias[result[user]] = alias[value]
                else:
                    free.append(user)
            else:
                known[key] = user
        if free:
            self.table[free, : C["kind"]] = 0.0
        self.value = alias[self.value]
        self.source = self.defined[self.value]
        self._places = self.source + 1

    def plain_variables(self) -> Mask:
        """`alloca`s that only loads and stores of one width use, directly, `[n]`."""
        variables = (self.kind == Kind.ALLOCA) & (self.counts <= 1)
        if not np.count_nonzero(variables):
            return np.asarray(variables)
        variables &= self.uses(~self._accesses()) == 0
        wide = np.where(self.kind[self.user] == Kind.FREE, 0.0, self.table[self.user, C["bytes"]])
        inside = (self.source >= 0) & variables[self.source] & (wide > 0)
        most, least = np.zeros(self.size), np.full(self.size, np.inf)
        np.maximum.at(most, self.source[inside], wide[inside])
        np.minimum.at(least, self.source[inside], wide[inside])
        return np.asarray(variables & (most == least))

    def _accesses(self) -> Mask:
        kind = self.kind[self.user]
        load = (kind == Kind.LOAD) & (self.position == 0)
        free = (kind == Kind.FREE) & (self.table[self.user, C["pure"]] == 0)
        return np.asarray(load | ((kind == Kind.STORE) & (self.position == 1)) | free)

    def _drop_dead(self) -> None:
        """Operations without effect whose results nothing alive uses."""
        pure = self.table[:, C["pure"]] > 0
        loads = self.kind == Kind.LOAD
        removable = pure | loads
        if self.promoted is not None:
            removable |= self.promoted & (self.table[:, C["register"]] > 0)
        uses = self.uses()
        if not np.count_nonzero(removable & (uses == 0)):
            return
        self._sweep(removable, uses)
        self.table[~self.alive, : C["kind"]] = 0.0
        self.kind = np.where(self.alive, self.kind, Kind.FREE)
        self._keep(self.alive[self.user])

    def _sweep(self, removable: Mask, uses: Ints) -> None:
        source, starts = self.source.tolist(), self.starts().tolist()
        left, can = uses.tolist(), removable.tolist()
        stack = [i for i in range(self.size) if can[i] and not left[i]]
        while stack:
            operation = stack.pop()
            self.alive[operation] = False
            for definition in source[starts[operation] : starts[operation + 1]]:
                if definition >= 0:
                    left[definition] -= 1
                    if not left[definition] and can[definition]:
                        stack.append(definition)


def _hands_on(call: Operation, last: Operation) -> bool:
    """Whether what is returned is what the call gave, or nothing; `last` returns, or goes where only that is done."""
    values = last.operands
    if last.name != "llvm.return":
        target = last.successors[0]
        values = target.operations[-1].operands
        if values and values[0].owner is target:
            values = last.operands[-len(target.args) :][values[0].index : values[0].index + 1]
    return all(_comes_from(value, call) for value in values)


def _comes_from(value: Value, call: Operation) -> bool:
    owner = value.owner
    if not isinstance(owner, Operation):
        return False
    return owner is call or owner.name in _UNSEEN


_UNSEEN = frozenset(("llvm.mlir.undef", "llvm.mlir.poison", "llvm.extractvalue", "llvm.insertvalue", "llvm.bitcast"))
_TAIL = re.compile(r"\s*(?:(?:%\"[^\"]*\"|%[\w$.\-]+)\s*=\s*)?(?:tail|musttail)\s")


def _marked_tail(operation: Operation) -> bool:
    """Whether LLVM may make a jump of a call; programs in MLIR do not say."""
    text, offset = operation._chunk.source.text, operation.offset
    if text.startswith(("tail", "musttail", '"llvm', "llvm"), offset):
        return True
    return _TAIL.match(text, text.rfind("\n", 0, offset) + 1) is not None  # indented otherwise than LLVM prints


class Lists:
    """What both views of a function share, by operation `[n]`: `rows`, `table`, operands (`own` of `counts`).

    `values` are all operands' values one after the other (below 0 for constants), `defined[v]` the operation of value
    v, -1 for arguments, `home[v]` its block.
    """

    def __init__(self, scan: Scan) -> None:
        blocks = scan.blocks
        operations = [operation for entry in blocks for operation in entry.block.operations]
        rows = current_rows()
        self.rows = _rows(scan, operations, rows)
        self.table: Numbers = rows.table[self.rows]
        self._eager_calls(scan, operations)
        self.counts, self.values, self.user = scan.counts, scan.values, scan.user
        self.own = self.counts.copy()
        self.block: Ints = scan.places
        last = -1
        for entry in blocks:
            last += len(entry.facts)
            if entry.facts and operations[last].successors:
                self.own[last] = num_own_operands(operations[last])
        self.home, at = scan.homes, scan.points_at
        points = np.array([entry.point for entry in blocks], np.int64)
        self.defined: Ints = np.where(at == points[self.home], -1, at - 1 - self.home)
        first = self.counts.cumsum() - self.counts
        self.position: Ints = np.arange(len(self.values)) - first[self.user]

    def _eager_calls(self, scan: Scan, operations: list[Operation]) -> None:
        """On AArch64 calls of functions that are bound early load where they go."""
        calls = (self.table[:, C["kind"]] == Kind.CALL).nonzero()[0].tolist()
        eager = eager_functions(scan) if calls else ()
        if eager:
            found = [place for place in calls if callee_of(operations[place]) in eager]
            self.table[found, C["a64"]] += 2.0


def _rows(scan: Scan, operations: list[Operation], rows: Rows) -> list[int]:
    """The row of each operation: by its facts alone where they tell, by its key otherwise."""
    facts, numbers, simple = scan.facts, scan.operands, rows.simple
    found = [*map(simple.get, facts)]
    keys: dict[int, tuple[object, ...]] = {}
    if scan.outside:
        local = local_symbols(scan)
        keys = {number: constant_key(value, local) for value, number in scan.outside.items()}
        for place in scan.with_constants:
            found[place] = _by_key(rows, operations[place], numbers[place], keys, facts[place])
    by_text = rows.by_text
    for place, row in enumerate(found):
        if row is None:
            known, operation = facts[place], operations[place]
            texts = known, operation._property_text, operation._attribute_text
            row = by_text.get(texts)
            if row is None:
                row = _by_key(rows, operation, numbers[place], keys, known)
                if operation.name in BY_TEXT:
                    by_text[texts] = row
                elif is_simple(known):
                    simple[known] = row
            found[place] = row
    return found  # type: ignore[return-value]


def _by_key(
    rows: Rows, operation: Operation, numbers: list[int], keys: dict[int, tuple[object, ...]], facts: Facts
) -> int:
    values, results = operation.operands, operation.results
    if operation.successors:
        values = values[: num_own_operands(operation)]
    key = (
        operation.name, operation._property_text, operation._attribute_text, len(operation.successors),
        results[0].type_text if results else None,
        *[value.type_text if n >= 0 else keys[n] for value, n in zip(values, numbers, strict=False)],
    )  # fmt: skip
    row = rows.index.get(key)
    return row if row is not None else rows.add(key, operation, facts)


_ZERO = np.zeros(1, np.int64)
