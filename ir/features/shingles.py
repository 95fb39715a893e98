"""Details of a function as a set of hashes: what functions of one code base share beyond their counts.

Owns which details: each operation, with its flags, alignment and constants, and one operand's definition; each with two
levels of its operands; each value with all its users. Names of values, blocks, functions, globals and structs are left
out, and so is metadata, so that renaming or reformatting changes nothing. LLVM functions only: elsewhere counts tell
code bases apart. Sources: w-shingling (Broder 1997), over uses instead of words; rounds over
operands as in the Weisfeiler-Lehman kernel (Shervashidze et al. 2011).
"""

from __future__ import annotations

from itertools import chain
from operator import attrgetter

import numpy as np
import numpy.typing as npt

from costmodel.ir.features.hashes import hash_of
from costmodel.ir.features.scan import Scan
from costmodel.ir.mlir.structure import Operation, Value

Hashes = npt.NDArray[np.uint64]
Shingles = npt.NDArray[np.uint32]
MAX_SHINGLES = 4096
"""Of a function that are kept, the smallest: a random draw, the same one for equal sets."""
NO_SHINGLES: Shingles = np.zeros(0, np.uint32)
_FACTOR, _OTHER = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
_HALF, _SHIFT = np.uint64(32), np.uint64(29)
_CODE, _PROPERTIES = attrgetter("code"), attrgetter("_property_text")
_NONE: Hashes = np.zeros(1, np.uint64)
_FIRST = np.ones(1, bool)


def shingles(root: Operation, found: Scan) -> Shingles:
    """Sorted and without repeats, at most `MAX_SHINGLES`; none of what is no LLVM function.

    Args:
        root: the function.
        found: its scan.
    """
    if root.name != "llvm.func" or not found.facts:
        return NO_SHINGLES
    return _kept(*_Uses(found).details())


def _kept(*parts: Hashes) -> Shingles:
    every = np.sort((np.concatenate(parts) >> _HALF).astype(np.uint32))
    return np.asarray(every[np.concatenate((_FIRST, every[1:] != every[:-1]))][:MAX_SHINGLES])


class _Uses:
    """A function's uses as arrays: of each, the `user`, the place `at` that it has there, and the value used."""

    def __init__(self, found: Scan) -> None:
        self.found = found
        self.own = _mixed(_codes(found), _properties(found))
        """Of each operation by name, type and properties."""
        self.first = np.concatenate((np.zeros(1, np.int64), found.counts.cumsum()))
        self.at = (np.arange(len(found.user)) - self.first[found.user]).astype(np.uint64)
        inside = found.points_at - found.homes - 1
        points = np.array([entry.point for entry in found.blocks], np.int64)
        self.given = found.points_at == points[found.homes]
        """Whether a value is an argument of a block."""
        self.definer = inside[~self.given]
        self.constants = _hashes([_constant(value) for value in found.outside])[::-1]
        self.args = _hashes([hash_of(value.type_text) for entry in found.blocks for value in entry.block.args])

    def details(self) -> tuple[Hashes, ...]:
        """The three kinds of details."""
        found = self.found
        uses = self._uses(self.own)
        constant = found.values < 0
        full = _mixed(self.own, self._sums(np.where(constant, uses, np.uint64(0))))
        deep = _mixed(self.own, self._sums(self._uses(_mixed(self.own, self._sums(uses)))))
        users = np.zeros(len(found.kinds), np.uint64)
        np.add.at(users, found.values[~constant], _mixed(full[found.user], self.at)[~constant])
        return _mixed(full[found.user], uses), deep, _mixed(self._values(full)[: len(users)], users)

    def _uses(self, operations: Hashes) -> Hashes:
        """Of each use: the value by its definition, and its place."""
        return _mixed(self._values(operations)[self.found.values], self.at)

    def _values(self, operations: Hashes) -> Hashes:
        """Of each value, constants at the end in reverse, as their numbers below 0 want it."""
        found = np.empty(len(self.given) + len(self.constants), np.uint64)
        inside = found[: len(self.given)]
        inside[self.given], inside[~self.given] = self.args, operations[self.definer]
        found[len(self.given) :] = self.constants
        return found

    def _sums(self, uses: Hashes) -> Hashes:
        """Over each operation's uses, modulo 2 to the 64."""
        sums = np.concatenate((_NONE, uses.cumsum(dtype=np.uint64)))[self.first]
        return np.asarray(sums[1:] - sums[:-1])


def _codes(found: Scan) -> Hashes:
    return np.fromiter(map(_CODE, found.facts), np.uint64, len(found.facts))


def _properties(found: Scan) -> Hashes:
    operations = chain.from_iterable(entry.block.operations for entry in found.blocks)
    return np.fromiter(map(hash_of, map(_PROPERTIES, operations)), np.uint64, len(found.facts))


def _constant(value: Value) -> int:
    owner = value.owner
    text = f"{owner.name} {owner.dictionary_texts[0]}" if isinstance(owner, Operation) else ""
    return hash_of(f"{text} {value.type_text}")


def _hashes(values: list[int]) -> Hashes:
    return np.array(values, np.uint64)


def _mixed(left: Hashes, right: Hashes) -> Hashes:
    """A hash of pairs (a multiply-xorshift step, as in SplitMix64)."""
    mixed = (left ^ (right * _FACTOR)) * _OTHER
    mixed ^= mixed >> _SHIFT
    return np.asarray(mixed * _FACTOR)
