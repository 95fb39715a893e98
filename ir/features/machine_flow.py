"""How often blocks run, as LLVM estimates it.

Owns branch probabilities (Ball and Larus 1993; Wu and Larus 1994, with the weights of LLVM 22's
BranchProbabilityInfo) and block frequencies (entry 1). Loops that are counted run as often as they count.
"""

from __future__ import annotations

import re
from functools import lru_cache

from costmodel.ir.features.scan import Scan
from costmodel.ir.mlir.structure import Operation, Value
from costmodel.ir.semantics import integer_constant

_DEFAULT = float(0xFFFFF)
_NEVER = 1.0
_EXIT_SHARE = 31.0
"""A loop is left once where it is taken 31 times (124 to 4)."""
_LIKELY = 20.0 / 32.0
_MOST = 1e15
_MAX_SCALE = 4096.0
_WEIGHTS = re.compile(r"!\"branch_weights\"(?:, !\"expected\")?((?:, i32 -?\d+)+)")
_WEIGHT = re.compile(r"i32 (-?\d+)")
_NUMBER = re.compile(r"!(\d+)")
_FLOATS = {"1": 20 / 32, "6": 20 / 32, "7": 1 - 1 / 2**20, "8": 12 / 32, "13": 20 / 32, "14": 1 / 2**20}
"""Float comparisons by MLIR's number: equal or not as LLVM believes them (`isTrueWhenEqual` is false of `oeq`)."""
_SWAPPED = {"2": "4", "4": "2", "3": "5", "5": "3", "6": "8", "8": "6", "7": "9", "9": "7"}
"""Integer comparisons by MLIR's number with their operands exchanged."""


class Flow:
    """`frequency[b]` executions of block b for one call, `probability[b]` of each of its successors."""

    def __init__(self, scan: Scan) -> None:
        self.scan = scan
        self.after = successors(scan)
        self.before: list[list[int]] = [[] for _ in self.after]
        for block, targets in enumerate(self.after):
            for target in targets:
                self.before[target].append(block)
        self.order = _order(self.after)
        self.place = {block: index for index, block in enumerate(self.order)}
        self.loops = {
            scan.block_of[header]: (frozenset(scan.block_of[block] for block in natural.blocks), natural.trips)
            for header, (_, natural) in scan.headers.items()
        }
        self.is_told = any("!prof !" in source for source in _sources(scan))
        self.probability = self._probabilities()
        self.frequency = self._frequencies()

    def _weights(self) -> list[float]:
        """How likely each block is to be where the program goes on: what ends in `unreachable` or unwinds is not."""
        blocks = self.scan.blocks
        weight = [-1.0] * len(blocks)
        for block in range(len(blocks)):
            operations = blocks[block].block.operations
            ends = operations and operations[-1].name in ("llvm.unreachable", "llvm.resume")
            if ends or (operations and operations[0].name == "llvm.landingpad"):
                weight[block] = _NEVER
        for block in reversed(self.order):
            targets = self.after[block]
            if weight[block] < 0 and targets and all(weight[target] >= 0 for target in targets):
                weight[block] = max(weight[target] for target in targets)
        return weight

    def _probabilities(self) -> list[list[float]]:
        weights = self._weights()
        inside: list[list[frozenset[int]]] = [[] for _ in self.after]
        for blocks, _ in self.loops.values():
            for block in blocks:
                inside[block].append(blocks)
        return [self._of(block, weights, inside[block]) for block in range(len(self.after))]

    def _of(self, block: int, weights: list[float], loops: list[frozenset[int]]) -> list[float]:
        targets = self.after[block]
        if len(targets) < 2:
            return [1.0] * len(targets)
        told = self._told(block, len(targets))
        if told is not None:
            return told
        found, any_told = [], False
        for target in targets:
            weight = weights[target]
            leaves = any(target not in loop for loop in loops)
            any_told = any_told or weight >= 0 or leaves
            weight = weight if weight >= 0 else _DEFAULT
            found.append(max(1.0, weight / _EXIT_SHARE) if leaves else weight)
        if any_told and min(found) < max(found):
            total = sum(found)
            return [weight / total for weight in found]
        return self._guess(block, len(targets))

    def _told(self, block: int, count: int) -> list[float] | None:
        """Branch weights that the program itself gives (`!prof`)."""
        if not self.is_told:
            return None
        operation = self.scan.blocks[block].block.operations[-1]
        source, start = operation._chunk.source.text, operation.offset
        if operation.name == "llvm.switch":  # its cases stand on lines of their own
            start = max(start, source.find("]", start))
        end = source.find("\n", start)
        mark = source.find("!prof !", start, end if end >= 0 else len(source))
        if mark < 0:
            return None
        number = _NUMBER.match(source, mark + len("!prof "))
        weights = _branch_weights(source).get(number[1], ()) if number else ()
        if len(weights) != count or sum(weights) <= 0:
            return None
        return [weight / sum(weights) for weight in weights]

    def _guess(self, block: int, count: int) -> list[float]:
        """Comparisons with zero and of pointers, as LLVM believes them."""
        operation = self.scan.blocks[block].block.operations[-1]
        even = [1.0 / count] * count
        if count != 2 or not operation.operands:
            return even
        compare = operation.operands[0].owner
        if not isinstance(compare, Operation) or compare.name not in ("llvm.icmp", "llvm.fcmp"):
            return even
        likely = _likely(compare)
        return even if likely is None else [likely, 1.0 - likely]

    def _frequencies(self) -> list[float]:
        """Mass from the entry on, loops scaled by how often they seem to repeat, inner ones first; then known trips."""
        scale: dict[int, float] = {}
        for header in sorted(self.loops, key=lambda header: len(self.loops[header][0])):
            back = self._sweep(header, self.loops[header][0], scale)[1]
            scale[header] = min(_MAX_SCALE, 1.0 / max(1.0 - back, 1.0 / _MAX_SCALE))
        mass = self._sweep(0, None, scale)[0]
        for header, (blocks, trips) in self.loops.items():
            if trips is None:
                continue
            tested_first = any(t not in blocks for t in self.after[header]) and header not in self.after[header]
            for block in blocks & mass.keys():
                mass[block] *= max(1, trips + tested_first) / scale[header]
        return [min(mass.get(block, 0.0), _MOST) for block in range(len(self.after))]

    def _sweep(
        self, first: int, blocks: frozenset[int] | None, scale: dict[int, float]
    ) -> tuple[dict[int, float], float]:
        """Mass of blocks for one entry at `first` (inside `blocks`), and what comes back to it."""
        mass, back, place = {first: 1.0}, 0.0, self.place
        order = self.order if blocks is None else sorted((b for b in blocks if b in place), key=place.__getitem__)
        for block in order:
            here = mass.get(block, 0.0)
            if block in scale and (blocks is None or block != first):
                here = mass[block] = here * scale[block]
            for target, share in zip(self.after[block], self.probability[block], strict=True):
                if target == first and blocks is not None:
                    back += here * share
                elif place[target] > place[block] and (blocks is None or target in blocks):
                    mass[target] = mass.get(target, 0.0) + here * share
        return self._normal(mass), back

    @staticmethod
    def _normal(mass: dict[int, float]) -> dict[int, float]:
        return {block: min(value, _MOST) for block, value in mass.items()}


@lru_cache(maxsize=4)
def _branch_weights(text: str) -> dict[str, tuple[float, ...]]:
    """Those of a module by the number of the metadata that holds them; kept for a few modules."""
    found: dict[str, tuple[float, ...]] = {}
    for match in _WEIGHTS.finditer(text):
        number = _NUMBER.match(text, text.rfind("\n", 0, match.start()) + 1)
        if number is not None and number[1] not in found:
            found[number[1]] = tuple(float(int(item) % 2**32) for item in _WEIGHT.findall(match[1]))
    return found


def successors(scan: Scan) -> list[list[int]]:
    """Numbers of each block's successors."""
    index = scan.block_of
    return [
        [index[target] for target in entry.block.operations[-1].successors] if entry.block.operations else []
        for entry in scan.blocks
    ]


def _sources(scan: Scan) -> set[str]:
    """Texts that the branches come from."""
    chunks = {
        id(chunk): chunk for entry in scan.blocks if entry.facts for chunk in (entry.block.operations[-1]._chunk,)
    }
    return {chunk.source.text for chunk in chunks.values()}


def _likely(compare: Operation) -> float | None:
    """Probability that a comparison holds, None where LLVM has no opinion."""
    attribute = compare.attribute("predicate")
    number = attribute.partition(":")[0].strip() if attribute is not None else ""
    left, right = compare.operands[:2]
    if compare.name == "llvm.fcmp":
        return _FLOATS.get(number)
    if left.type_text.startswith("!llvm.ptr"):
        return {"0": 1 - _LIKELY, "1": _LIKELY}.get(number)
    constant = integer_constant(right)
    if constant is not None and _tests_one_bit(left):
        return None
    if constant is None:
        constant, number = integer_constant(left), _SWAPPED.get(number, number)
    if constant == 0:
        return {"0": 1 - _LIKELY, "1": _LIKELY, "2": 1 - _LIKELY, "4": _LIKELY}.get(number)
    if constant == 1 and number == "2":
        return 1 - _LIKELY
    if constant == -1:
        return {"0": 1 - _LIKELY, "1": _LIKELY, "4": _LIKELY}.get(number)
    return None


def _tests_one_bit(value: Value) -> bool:
    owner = value.owner
    if not isinstance(owner, Operation) or owner.name != "llvm.and":
        return False
    mask = integer_constant(owner.operands[1])
    return mask is not None and mask > 0 and mask & (mask - 1) == 0


def _order(after: list[list[int]]) -> list[int]:
    """Blocks that the entry reaches, in reverse postorder."""
    seen, found = {0}, []
    stack = [(0, iter(after[0]))]
    while stack:
        block, targets = stack[-1]
        for target in targets:
            if target not in seen:
                seen.add(target)
                stack.append((target, iter(after[target])))
                break
        else:
            found.append(block)
            stack.pop()
    return found[::-1]
