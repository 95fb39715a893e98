"""What accesses to memory cost together: loads as operands, updates in place, neighbours in one instruction.

Owns the part of folding (`machine_fold`) that looks at loads and stores. Each function lowers the costs `[n, 6]` of a
`Folded`. Sources: LLVM 22's X86ISelDAGToDAG, DAGCombiner (`mergeConsecutiveStores`), AArch64LoadStoreOptimizer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from costmodel.ir.features.machine_columns import OR, C, Kind, Port
from costmodel.ir.features.machine_flat import Ints

if TYPE_CHECKING:
    from costmodel.ir.features.machine_fold import Folded

_X86 = slice(0, 3)
_A64 = 3


def fold_memory(folded: Folded) -> None:
    """All of it, in the order in which one leaves something to the next."""
    _operands(folded)
    _updates(folded)
    _swaps(folded)
    _callees(folded)


def join_neighbours(folded: Folded) -> None:
    """What lies side by side, after arithmetic has taken what it takes."""
    _parted_stores(folded)
    _parted_loads(folded)
    _constants(folded)
    _pairs(folded)


def _operands(folded: Folded) -> None:
    """On x86-64 one operand may lie in memory."""
    flat, table = folded.flat, folded.flat.table
    if not flat.has(Kind.LOAD):
        return
    loads = folded.local & folded.single & (folded.from_kind == Kind.LOAD) & (flat.position < 2)
    loads &= table[flat.source, C["fixed"]] == 0
    if not np.count_nonzero(loads):
        return
    takes = np.where(flat.position == 0, table[flat.user, C["mem0"]], table[flat.user, C["mem1"]]) > 0
    binary = (folded.to_kind == Kind.INTEGER) | (folded.to_kind == Kind.SHIFT) | (folded.to_kind == Kind.FLOAT)
    free = ~(binary & (flat.constants_own[flat.user] > 0)) | folded.tested[flat.user]
    free |= table[flat.user, C["port"]] == Port.MUL  # a multiplication by a constant has three operands
    extend = (folded.to_kind == Kind.ZEXT) | (folded.to_kind == Kind.SEXT)
    edges = (loads & takes & free & ~extend).nonzero()[0]
    users = flat.user[edges]
    first = np.ones(len(edges), bool)
    first[1:] = users[1:] != users[:-1]  # edges come in the order of their users
    taken = flat.source[edges[first]]
    folded.cost[taken, _X86] = 0.0
    folded.parts["memory_operands"] = float(len(taken))


def _updates(folded: Folded) -> None:
    """On x86-64 memory is updated in place: load, operation and store are one, whose flags may be tested."""
    flat = folded.flat
    folded.parts["updates"] = 0.0
    if not (flat.has(Kind.INTEGER, Kind.SHIFT) and flat.has(Kind.LOAD) and flat.has(Kind.STORE)):
        return
    tests = folded.local & (folded.to_kind == Kind.ICMP) & (flat.table[flat.user, C["zero_test"]] > 0)
    once = folded.inside & (folded.uses - flat.uses(tests) == 1)[flat.source] & ~tests
    stored = folded.local & once & (folded.to_kind == Kind.STORE) & (flat.position == 0)
    stored &= (folded.from_kind == Kind.INTEGER) | (folded.from_kind == Kind.SHIFT)
    fixed = flat.table[:, C["fixed"]] > 0
    stored &= ~fixed[flat.user]
    edges = stored.nonzero()[0]
    if not len(edges):
        return
    first, second = flat.first, flat.operand(1)
    operation, store = flat.source[edges], flat.user[edges]
    found = np.zeros(len(edges), bool)
    for operand in (first, second):
        value = operand[operation]
        load = np.where(value >= 0, flat.defined[value], -1)
        fits = (load >= 0) & (flat.kind[load] == Kind.LOAD) & (folded.uses[load] == 1) & ~fixed[load]
        fits &= (first[load] == second[store]) & (second[store] >= 0) & ~found
        found |= fits
        folded.cost[load[fits], _X86] = 0.0
        folded.cost[store[fits], _X86] = 0.0
        folded.cost[operation[fits], _X86] = 1.0
    folded.parts["updates"] = float(np.count_nonzero(found))


def _swaps(folded: Folded) -> None:
    """On x86-64 loads and stores swap bytes."""
    flat, near = folded.flat, folded.local & folded.single
    swaps = flat.table[:, C["swaps"]] > 0
    if not np.count_nonzero(swaps):
        return
    loaded = near & swaps[flat.user] & (folded.from_kind == Kind.LOAD)
    folded.cost[flat.user[loaded], _X86] = 0.0
    stored = near & (folded.to_kind == Kind.STORE) & (flat.position == 0)
    chosen = flat.source[stored]
    folded.cost[chosen[swaps[chosen]], _X86] = 0.0


def _callees(folded: Folded) -> None:
    """On x86-64 a call takes where it goes from memory, where nothing is written or called between."""
    flat, table = folded.flat, folded.flat.table
    if not flat.has(Kind.CALL):
        return
    chosen = folded.local & folded.single & (folded.from_kind == Kind.LOAD) & (flat.position == 0)
    chosen &= (table[flat.user, C["indirect"]] > 0) & (folded.to_kind == Kind.CALL)
    if not np.count_nonzero(chosen):
        return
    busy = ((flat.kind == Kind.STORE) | flat.calls).cumsum()
    load, call = flat.source[chosen], flat.user[chosen]
    folded.cost[load[busy[load] == busy[call] - 1], _X86] = 0.0


def _constants(folded: Folded) -> None:
    """Constants that are stored side by side are stored in as few pieces as there are powers of two."""
    flat, table = folded.flat, folded.flat.table
    given = np.where(table[:, C["fixed"]] > 0, 0.0, table[:, C["constant_store"]])
    if np.count_nonzero(given) < 2:
        return
    edges = (folded.access & (given[flat.user] > 0) & (table[flat.user, C["register"]] < 2)).nonzero()[0]
    if len(edges) < 2:
        return
    user, base, place = _places(folded, edges)
    width = table[user, C["bytes"]].astype(np.int64)
    segment = flat.calls.cumsum()[user] + flat.block[user]
    key = segment * len(flat.defined) + base
    order = np.lexsort((place, key))
    user, place, key, width = user[order], place[order], key[order], width[order]
    follows = np.zeros(len(user), bool)
    follows[1:] = (key[1:] == key[:-1]) & (place[1:] == place[:-1] + width[:-1])
    starts = (~follows).nonzero()[0]
    for first, last in zip(starts.tolist(), [*starts[1:].tolist(), len(user)], strict=True):
        if last - first < 2:
            continue
        run, size = user[first:last], int(width[first:last].sum())
        zero = bool((given[run] == 1).all())
        for columns, widest in ((_X86, 32 if zero else 8), (slice(_A64, 4), 8), (slice(4, 6), 8)):
            pieces = size // widest + (size % widest).bit_count()
            folded.cost[run[pieces:], columns] = 0.0


def _places(folded: Folded, edges: Ints) -> tuple[Ints, Ints, Ints]:
    """Accesses of address edges, what their addresses start from, and how many bytes behind that."""
    flat, table = folded.flat, folded.flat.table
    base = flat.value[edges]
    address = np.maximum(flat.source[edges], 0)
    inner = flat.first[address]
    constant = (flat.source[edges] >= 0) & (flat.kind[address] == Kind.ADDRESS) & (inner >= 0)
    constant &= table[address, C["dynamic"]] == 0
    place = np.where(constant, table[address, C["displacement"]], 0.0).astype(np.int64)
    return flat.user[edges], np.where(constant, inner, base), place


def _parted_loads(folded: Folded) -> None:
    """Bytes that are loaded, shifted and joined into a word are one load, its bytes swapped where in reverse."""
    flat, table = folded.flat, folded.flat.table
    joins = table[:, C["arithmetic"]] == OR
    if not np.count_nonzero(joins):
        return
    near = folded.local & folded.single
    wide = near & (folded.from_kind == Kind.LOAD) & (folded.to_kind == Kind.ZEXT)
    wide &= (table[flat.source, C["bytes"]] <= 2) & (table[flat.source, C["fixed"]] == 0)
    if np.count_nonzero(wide) < 2:
        return
    loaded = np.full(flat.size, -1, np.int64)
    loaded[flat.user[wide]] = flat.source[wide]
    made = np.full(flat.size, -1, np.int64)
    made[flat.user[near]] = flat.source[near]
    trees: dict[int, list[int]] = {}
    root = np.arange(flat.size)
    for edge in (near & joins[flat.user]).nonzero()[0][::-1].tolist():
        source, user = int(flat.source[edge]), int(flat.user[edge])
        if joins[source]:
            root[source] = root[user]
            trees.setdefault(int(root[user]), []).append(~source)
            continue
        extended = made[source] if table[source, C["amount"]] > 0 else source
        if extended >= 0 and loaded[extended] >= 0:
            trees.setdefault(int(root[user]), []).append(source)
    for top, found in trees.items():
        leaves = [source for source in found if source >= 0]
        extends = [int(made[s]) if table[s, C["amount"]] > 0 else s for s in leaves]
        loads = [int(loaded[e]) for e in extends]
        if len(loads) < 2 or int(table[loads, C["bytes"]].sum()) not in (2, 4, 8):
            continue
        folded.cost[[*leaves, *extends, *loads, *(~s for s in found if s < 0)], :] = 0.0
        folded.cost[top] = (1.0, 1.0, 1.0, 1.5, 2.0, 2.0)


def _parted_stores(folded: Folded) -> None:
    """Parts of one value that are stored side by side are one store, of swapped bytes where they are in reverse."""
    flat = folded.flat
    if not flat.has(Kind.TRUNC):
        return
    narrow = (folded.to_kind == Kind.STORE) & (flat.position == 0) & (folded.from_kind == Kind.TRUNC) & folded.local
    narrow &= (flat.table[flat.user, C["bytes"]] <= 2) & (flat.table[flat.user, C["fixed"]] == 0)
    stores, cut = flat.user[narrow], flat.source[narrow]
    if len(stores) < 2:
        return
    first = flat.first
    root = first[cut]
    shift = np.where(root >= 0, flat.defined[root], -1)
    shifted = (shift >= 0) & (flat.kind[shift] == Kind.SHIFT) & (first[shift] >= 0)
    root = np.where(shifted, first[shift], root)
    key = (root * len(flat.scan.blocks) + flat.block[stores]) * 4 + flat.table[stores, C["bytes"]].astype(np.int64)
    _, index, counts = np.unique(key, return_inverse=True, return_counts=True)
    amounts = np.where(shifted, flat.table[shift, C["amount"]].astype(np.int64), 0)
    kinds = np.unique(index * 256 - amounts, return_index=True)[1]
    whole = (counts[index] > 1) & (root >= 0) & (np.bincount(index[kinds], minlength=len(counts)) == counts)[index]
    lead = np.zeros(len(stores), bool)
    lead[np.unique(index, return_index=True)[1]] = True
    folded.cost[stores[whole & ~lead]] = 0.0
    folded.cost[shift[whole & shifted & (folded.uses[shift] == 1)]] = 0.0
    folded.cost[stores[whole & lead], _A64:] += 1.0


def _pairs(folded: Folded) -> None:
    """On AArch64 two neighbours in memory are loaded or stored at once."""
    flat, table = folded.flat, folded.flat.table
    free = (table[:, C["bytes"]] >= 4) & (table[:, C["fixed"]] == 0) & (folded.cost[:, _A64] == 1)
    edges = (folded.access & free[flat.user]).nonzero()[0]
    if len(edges) < 2:
        return
    user, base, place = _places(folded, edges)
    width = table[user, C["bytes"]].astype(np.int64)
    segment = flat.calls.cumsum()[user] + flat.block[user]  # grows with both
    kind = (flat.kind[user] == Kind.LOAD) + 2 * (table[user, C["register"]] == 2)
    key = ((segment * len(flat.defined) + base) * 4 + kind) * 64 + np.minimum(width, 63)
    order = np.lexsort((place, key))
    user, place, key, width = user[order], place[order], key[order], width[order]
    follows = np.zeros(len(user), bool)
    follows[1:] = (key[1:] == key[:-1]) & (place[1:] == place[:-1] + width[:-1]) & (width[1:] <= 16)
    begins = np.maximum.accumulate(np.where(follows, 0, np.arange(len(user))))
    second = (np.arange(len(user)) - begins) % 2 == 1
    folded.cost[user[second], _A64] = 0.0
