"""What operations cost together: compare and branch, addresses, loads as operands, extensions for nothing.

Owns the folding rules of x86-64, AArch64 and RISC-V, on arrays. `cost` `[n, 6]` starts from each operation's own
instructions and loses what its users take over. Counts of what folding leaves to chance are `parts`.
"""

from __future__ import annotations

import numpy as np

from costmodel.ir.features.machine_columns import ADD, AND, MUL, OR, SUB, XOR, C, Kind, Port
from costmodel.ir.features.machine_conditions import Joined
from costmodel.ir.features.machine_flat import Flat, Ints, Mask, Numbers
from costmodel.ir.features.machine_memory import fold_memory, join_neighbours
from costmodel.ir.features.machine_names import VARIANTS

_X86 = slice(0, 3)
_A64 = 3
_RV = slice(4, 6)
_RVV = 5
_COMPARED = ("joined_conditions", "compare_values", "float_branches", "bare_conditions")
_ISA = np.array([0, 0, 0, 1, 2, 2])


_DEAR = 2.0
_CONDITIONS = np.zeros(Kind.SHIFT + 2, bool)
_CONDITIONS[[Kind.ICMP, Kind.FCMP, Kind.LOGIC, Kind.FREE]] = True
"""By kind, which ones are no bare conditions; the last place stands for arguments (-1)."""


def _first_of_each(keys: Ints) -> list[int]:
    """Where each of the keys stands first."""
    places: dict[int, int] = {}
    for place, key in enumerate(keys.tolist()):
        places.setdefault(key, place)
    return [*places.values()]


class Folded:
    """`cost` `[n, 6]` instructions; `immediates` `[n, 3]`, once for each constant of a block; `parts` by name."""

    tested: Mask

    def __init__(self, flat: Flat, gone: Mask, share: list[list[float]]) -> None:
        """`gone` are operations that other blocks do for theirs, `share` the probabilities of blocks' successors."""
        self.flat, self.gone = flat, gone
        table, source = flat.table, flat.source
        self.cost: Numbers = table[:, : len(VARIANTS)].copy()
        self.parts: dict[str, float] = {}
        self.inside: Mask = source >= 0
        self.from_kind: Ints = np.where(self.inside, flat.kind[source], -1)
        self.to_kind: Ints = flat.kind[flat.user]
        own = flat.position < flat.own[flat.user]
        self.own_edge: Mask = own
        self.uses: Ints = flat.uses()
        self.local: Mask = self.inside & (flat.block[source] == flat.block[flat.user])
        self.single: Mask = self.inside & (self.uses[source] == 1)
        self._extensions()
        self._compares(share)
        self._masks()
        self._addresses()
        fold_memory(self)
        self._arithmetic()
        self._remainders()
        join_neighbours(self)
        self._moves()
        self.immediates = self._immediates()
        self.cost[gone] = 0.0
        self.moves[gone] = 0.0

    def _edges(self, users: Mask) -> Ints:
        return np.asarray(self.flat.user[users])

    def _extensions(self) -> None:
        """Loads extend, and writing half a register clears the rest."""
        flat, cost = self.flat, self.cost
        if not flat.has(Kind.ZEXT, Kind.SEXT):
            return
        extends = (self.to_kind == Kind.ZEXT) | (self.to_kind == Kind.SEXT)
        cost[self._edges(extends & (self.from_kind == Kind.LOAD))] = 0.0
        computed = (self.from_kind == Kind.INTEGER) | (self.from_kind == Kind.SHIFT) | (self.from_kind == Kind.SELECT)
        words = self.inside & (flat.table[flat.source, C["bits"]] == 32)
        clears = self._edges(extends & computed & words & (self.to_kind == Kind.ZEXT))
        cost[clears, : _A64 + 1] = 0.0
        clean = (flat.table[:, C["mask"]] > 0) | ((flat.kind == Kind.SHIFT) & (flat.table[:, C["amount"]] < 0))
        promoted = self.inside & clean[flat.source] & (flat.table[flat.source, C["bits"]] < 32)
        cost[self._edges(extends & promoted & (self.to_kind == Kind.ZEXT)), :] = 0.0
        wide = (flat.kind == Kind.ZEXT) & (
            flat.uses((self.to_kind != Kind.ADDRESS) & (self.to_kind != Kind.SHIFT)) == 0
        )
        widened = np.zeros(flat.size, bool)
        widened[flat.user[self.inside & words & (self.to_kind == Kind.ZEXT)]] = True
        cost[wide & widened & (self.uses > 0), _RVV] = 0.0
        signs = self._edges(extends & words & (self.to_kind == Kind.SEXT) & (computed | (self.from_kind == Kind.CALL)))
        cost[signs, _RV] = 0.0
        indexed = np.zeros(flat.size, bool)
        small = self.inside & words & (self.to_kind == Kind.ZEXT)
        sign = np.zeros(flat.size, bool)
        sign[flat.user[small]] = True
        sign = self.inside & ((flat.kind == Kind.SEXT) | sign)[flat.source]
        others = flat.uses(sign & (self.to_kind != Kind.ADDRESS) & (self.to_kind != Kind.INTEGER))
        indexed[flat.source[sign]] = True
        cost[indexed & (others == 0), _A64] = 0.0

    def _compares(self, share: list[list[float]]) -> None:
        """Flags: a comparison with its branch or select; what is wanted as a value needs one more."""
        flat, cost, to = self.flat, self.cost, self.to_kind
        if not flat.has(Kind.ICMP, Kind.FCMP, Kind.LOGIC, Kind.BRANCH, Kind.SELECT):
            self.tested = np.zeros(flat.size, bool)
            self.parts.update(dict.fromkeys(_COMPARED, 0.0))
            self.bare = np.zeros(len(flat.user), bool)
            return
        compare = (flat.kind == Kind.ICMP) | (flat.kind == Kind.FCMP)
        logic = flat.kind == Kind.LOGIC
        condition = ((to == Kind.BRANCH) | (to == Kind.SELECT)) & (flat.position == 0)
        vector = self.inside & (flat.table[flat.source, C["register"]] > 1)
        joined = Joined(self, condition, logic)
        flags = joined.flags
        as_value = flat.uses(~flags & ~vector) > 0
        branch_only = compare & (flat.uses(~(flags & (to != Kind.SELECT))) == 0) & (self.uses > 0)
        value = compare & as_value
        cost[value, : _A64 + 1] += 1.0
        integer = flat.kind == Kind.ICMP
        zero = flat.table[:, C["zero_test"]]
        cost[integer & ~as_value & (self.uses > 0) & (flat.table[:, C["register"]] == 1), _RV] = 0.0
        cost[integer & as_value & (zero == 0), _RV] += 0.5
        cost[integer & branch_only & (zero > 0), _A64] = 0.0
        joined.charge(share)
        self.parts["joined_conditions"] = float(np.count_nonzero(joined.chosen & (self.uses > 0)))
        self._carries(value)
        self._tests(compare, zero)
        self.parts["compare_values"] = float(np.count_nonzero(value))
        self.parts["float_branches"] = float(np.count_nonzero((flat.kind == Kind.FCMP) & ~as_value & (self.uses > 0)))
        bare = condition & ~_CONDITIONS[self.from_kind] & ~vector
        self.parts["bare_conditions"] = float(np.count_nonzero(bare))
        self.bare = bare

    def _carries(self, value: Mask) -> None:
        """A comparison that is extended and added goes into the sum through the carry or a conditional increment."""
        flat = self.flat
        added = self.local & self.single & (self.from_kind == Kind.ZEXT) & (self.to_kind == Kind.INTEGER)
        extended = np.zeros(flat.size, bool)
        extended[flat.source[added]] = True
        into = self.inside & (self.to_kind == Kind.ZEXT) & extended[flat.user] & self.single
        both = into & value[np.maximum(flat.source, 0)]
        self.cost[flat.source[both], : _A64 + 1] -= 1.0
        self.cost[flat.user[both], : _A64 + 1] = 0.0

    def _tests(self, compare: Mask, zero: Numbers) -> None:
        """A test against zero reads the flags of what it tests."""
        flat, cost = self.flat, self.cost
        tests = (self.to_kind == Kind.ICMP) & (zero[flat.user] > 0) & self.local & (self.from_kind == Kind.INTEGER)
        cost[self._edges(tests & ~self.single), _X86] -= 1.0
        masks = flat.source[tests & self.single]
        self.tested = np.zeros(flat.size, bool)
        self.tested[masks] = flat.table[masks, C["port"]] == Port.ALU
        cost[masks, _X86] -= 1.0
        cost[masks, _A64] = np.maximum(cost[masks, _A64] - 1.0, 0.0)
        np.maximum(cost, 0.0, out=cost)

    def _masks(self) -> None:
        """Fields of bits are one instruction on AArch64, single bits on RISC-V; halves are compared as they are."""
        flat, cost = self.flat, self.cost
        mask = flat.table[:, C["mask"]]
        if not np.count_nonzero(mask):
            return
        into = mask[flat.user] * (self.local & self.single)
        field = (into > 0) & (self.from_kind == Kind.SHIFT) & (flat.table[flat.source, C["amount"]] < 0)
        cost[flat.source[field], _A64] = 0.0
        cost[flat.source[field & (into == 1)], _RVV] = 0.0
        half = (mask[flat.source] == 32) & self.inside & self.single & (self.to_kind == Kind.ICMP)
        cost[flat.source[half], : _A64 + 1] = 0.0

    def _addresses(self) -> None:
        """Address computations that loads and stores hold themselves."""
        flat, table = self.flat, self.flat.table
        access = self.access = ((self.to_kind == Kind.LOAD) & (flat.position == 0)) | (
            (self.to_kind == Kind.STORE) & (flat.position == 1)
        )
        if not flat.has(Kind.ADDRESS):
            return
        address = flat.kind == Kind.ADDRESS
        access = access | ((self.to_kind == Kind.BLOCK) & (flat.position < 2))
        dynamic, scale = table[:, C["dynamic"]], table[:, C["scale"]]
        constant = dynamic == 0
        simple = constant | ((dynamic == 1) & (table[:, C["simple_scale"]] > 0))
        outside = flat.uses(~access) == 0
        folded = address & constant & outside
        through = access | (folded[flat.user] & (flat.position == 0))
        x86 = address & simple & ((flat.uses(~through) == 0) | outside)
        self.cost[x86, _X86] = 0.0
        indexes = (address & ~constant & outside)[flat.user] & (self.to_kind == Kind.ADDRESS) & (flat.position == 0)
        reached = address & constant & ~outside & (flat.uses(~(through | indexes)) == 0)
        self.cost[reached, :] = 0.0
        self._far(folded & (self.uses > 0))
        wide = np.zeros(flat.size, bool)
        fits = access & self.inside & ((scale[flat.source] == table[flat.user, C["bytes"]]) | (scale[flat.source] == 1))
        wide[flat.source[access & ~fits & self.inside]] = True
        indexed = address & (dynamic == 1) & (table[:, C["offset"]] == 0) & outside & ~wide
        self.cost[indexed, _A64] = 0.0
        self.parts["addresses_left"] = float(np.count_nonzero(address & ~x86))
        self.parts["indexed_addresses"] = float(np.count_nonzero(address & (dynamic > 0)))

    def _far(self, folded: Mask) -> None:
        """Constant distances that accesses hold; those too far share what brings them near (CodeGenPrepare splits)."""
        flat, table = self.flat, self.flat.table
        far = folded & (table[:, C["rv_offset"]] == 0)
        self.cost[folded, _A64:] = 0.0
        if not np.count_nonzero(far):
            return
        place = table[:, C["displacement"]].astype(np.int64)
        width = np.maximum(table[flat.user, C["bytes"]].astype(np.int64), 1)
        start = place[flat.source]
        outside = self.inside & ((start % width != 0) | (start < 0) | (start >= 4096 * width))
        for columns, rows, each in (
            (slice(_A64, _A64 + 1), far & (table[:, C["a64_offset"]] == 0) & (flat.uses(outside) > 0), 1.0),
            (_RV, far, 2.0),
        ):
            chosen = rows.nonzero()[0]
            _, first = np.unique(flat.first[chosen] * (1 << 32) + (place[chosen] >> 12), return_index=True)
            self.cost[chosen[first], columns] = each

    def _arithmetic(self) -> None:
        """What additions and logical operations take over: products, shifted operands, other additions."""
        flat, cost = self.flat, self.cost
        what, amount = flat.table[:, C["arithmetic"]], flat.table[:, C["amount"]]
        self._indices(what, amount)
        takers = (what > 0) | (flat.kind == Kind.ICMP)
        near = (self.local & self.single & takers[flat.user]).nonzero()[0]
        source, user = flat.source[near], flat.user[near]
        useful = (what[source] == MUL) | (what[source] == ADD) | (amount[source] != 0)
        useful |= flat.table[source, C["mask"]] < 0
        if not np.count_nonzero(useful):
            return
        near, source, user = near[useful], source[useful], user[useful]
        into, second = what[user], flat.position[near] == 1
        sums = (into == ADD) | ((into == SUB) & second)
        products = (what[source] == MUL) & sums & (cost[source, _A64] == 1)
        cost[user[products], _A64] = 0.0
        moved, plain = amount[source], flat.constants_own[user] == 0
        takes = sums | (into == AND) | (into == OR) | (into == XOR) | ((flat.kind[user] == Kind.ICMP) & second)
        cost[source[takes & plain & (moved != 0)], _A64] = 0.0
        inverted = (flat.table[source, C["mask"]] < 0) & plain
        cost[source[inverted & (into == AND)], :] = 0.0
        cost[source[inverted & ((into == OR) | (into == XOR))], _A64] = 0.0
        cost[source[inverted & ((into == OR) | (into == XOR))], _RVV] = 0.0
        scaled = (into == ADD) & plain & (moved >= 1) & (moved <= 3)
        cost[source[scaled], _X86] = 0.0
        cost[source[scaled], _RVV] = 0.0
        added = (what[source] == ADD) & (into == ADD) & ~plain & (flat.constants_own[source] == 0)
        cost[user[added], _X86] = 0.0

    def _remainders(self) -> None:
        """A remainder by a constant is found from the quotient where there is one of the same."""
        flat, table = self.flat, self.flat.table
        divides = ((table[:, C["divides"]] > 0) & flat.alive).nonzero()[0]
        if len(divides) < 2:
            return
        kind = table[divides, C["divides"]].astype(np.int64)
        divisor = (flat.block[divides] << 32) + table[divides, C["imm"]].astype(np.int64)
        keys = list(zip(flat.first[divides].tolist(), divisor.tolist(), (kind % 2).tolist(), strict=True))
        quotients = {key for key, what in zip(keys, kind.tolist(), strict=True) if what <= 2}
        both = [key in quotients and what > 2 for key, what in zip(keys, kind.tolist(), strict=True)]
        self.cost[divides[np.array(both, bool)]] = 2.0

    def _indices(self, what: Numbers, amount: Numbers) -> None:
        """Addresses shift their index, and x86-64 adds a constant to it."""
        flat, table = self.flat, self.flat.table
        shifts = (amount >= 1) & (amount <= 3)
        adds = (what == ADD) & (flat.constants_own > 0)
        if not (np.count_nonzero(shifts) or np.count_nonzero(adds)):
            return
        index = (table[flat.user, C["dynamic"]] == 1) & (self.to_kind == Kind.ADDRESS) & (flat.position > 0)
        index &= self.inside & self.local
        only = flat.uses(~index) == 0
        bytewise = flat.uses(index & (table[flat.user, C["scale"]] == 1)) == self.uses
        shifted = only & bytewise & shifts & (self.uses > 0)
        self.cost[shifted, : _A64 + 1] = 0.0
        self.cost[shifted, _RVV] = 0.0
        moved = only & adds & (self.uses > 0)
        self.cost[moved, _X86] = 0.0

    def _moves(self) -> None:
        """Copies that calls, returns and merges may need."""
        flat = self.flat
        moved, frame, near = self._moved_arguments(), self._frame_addresses(), self.local & self.single
        self.parts["constants_merged"] = float(flat.constants_forwarded)
        merged = ~self.own_edge
        if np.count_nonzero(merged):
            leaving = np.bincount(flat.block[flat.tail], minlength=len(flat.scan.blocks)) > 0
            merged &= ~leaving[flat.block[flat.user]]
        self.parts["values_merged"] = float(np.count_nonzero(merged))
        shared = merged & ((flat.source < 0) | ~self.single)
        self.parts["values_merged_shared"] = float(np.count_nonzero(shared))
        returned = (self.to_kind == Kind.RETURN) & ~near & ((flat.source >= 0) | (flat.home[flat.value] == 0))
        self.parts["moved_results"] = float(np.count_nonzero(returned))
        constant = (flat.kind == Kind.RETURN) & (flat.constants_own > 0)
        self.parts["constants_returned"] = float(np.count_nonzero(constant))
        weight = 0.9 * moved + frame + 0.3 * shared + 0.7 * returned + 0.7 * self.bare
        self.moves = np.bincount(flat.user, weight, flat.size)

    def _moved_arguments(self) -> Mask:
        """Edges to calls whose values must be brought to where the call wants them."""
        if not self.flat.has(Kind.CALL):
            self.parts["moved_arguments"] = self.parts["computed_arguments"] = 0.0
            return np.zeros(len(self.flat.user), bool)
        given = (self.to_kind == Kind.CALL) & self.own_edge & (self.from_kind != Kind.ALLOCA)
        near = self.local & self.single
        moved = given & ~near
        moved &= ~self._in_place(moved)
        self.parts["moved_arguments"] = float(np.count_nonzero(moved))
        self.parts["computed_arguments"] = float(np.count_nonzero(given & near))
        return np.asarray(moved)

    def _frame_addresses(self) -> Mask:
        """Edges from stack slots to what wants their addresses in registers."""
        if not self.flat.has(Kind.ALLOCA):
            self.parts["frame_addresses"] = 0.0
            return np.zeros(len(self.flat.user), bool)
        frame = (self.from_kind == Kind.ALLOCA) & ~((self.to_kind == Kind.LOAD) | (self.to_kind == Kind.ADDRESS))
        frame &= ~((self.to_kind == Kind.STORE) & (self.flat.position == 1)) & (self.to_kind != Kind.FREE)
        self.parts["frame_addresses"] = float(np.count_nonzero(frame))
        return np.asarray(frame)

    def _in_place(self, moved: Mask) -> Mask:
        """What stands in its place with no call before: arguments handed on, values that are wanted nowhere else."""
        flat = self.flat
        calls = flat.calls.nonzero()[0]
        if not len(calls):
            return np.zeros(len(moved), bool)
        position = flat.position - flat.table[flat.user, C["indirect"]].astype(np.int64)
        entry = (flat.source < 0) & (flat.home[flat.value] == 0)
        least = np.full(len(flat.defined), 64, np.int64)
        most = np.full(len(flat.defined), -1, np.int64)
        np.minimum.at(least, flat.value[moved], position[moved])
        np.maximum.at(most, flat.value[moved], position[moved])
        alike = ~entry & (least == most)[flat.value]
        first = calls.searchsorted(flat.user) == 0
        return np.asarray((alike | (entry & (flat.value == position))) & (first | flat.tail[flat.user]))

    def _immediates(self) -> Numbers:
        """Constants that go through registers, each once a block, `[n, 3]`; dear numbers once (LLVM hoists those)."""
        flat = self.flat
        needs = flat.table[:, C["imm_x86"] : C["imm_rv"] + 1]
        which = flat.table[:, C["imm"]].astype(np.int64)
        found = np.zeros((flat.size, 3), np.float32)
        rows = ((which > 0) & flat.alive & ~self.gone).nonzero()[0]
        if not len(rows):
            return found
        symbol = (flat.table[rows, C["outside"]] > 0) | (flat.table[rows, C["global_address"]] > 0)
        needs, number = needs[rows], which[rows]
        place = number + (flat.block[rows] << 32)
        dear = (needs >= _DEAR) & ~symbol[:, None]
        everywhere = dear.any(axis=0).tolist()
        usual = _first_of_each(place)
        for isa in range(3):
            first = _first_of_each(np.where(dear[:, isa], number, place)) if everywhere[isa] else usual
            found[rows[first], isa] = needs[first, isa]
        return found

    def totals(self) -> Numbers:
        """Instructions of each operation with its constants, `[n, 6]`."""
        return np.asarray(self.cost + self.immediates[:, _ISA])
