"""What a generator is: it draws items from a seed, and names the worker task that makes rows of one item.

Owns the interface and the values between the two. Invariant: an item holds everything its rows depend on, so equal
items give equal rows, in any process and in any order. Runs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from costmodel.core.errors import UnknownNameError, UsageError
from costmodel.core.hashing import sha256_fields
from costmodel.core.tables import FunctionRow, LabelRow

if TYPE_CHECKING:
    from costmodel.core.registry import Registry

ITEM_VERSION = 1
"""Of the rows that an item gives; part of the cache's key."""
LICENSE = "Apache-2.0"
"""Of everything generated: it is made by this project's own source."""
SEPARATOR = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a run asks of every generator; empty means the generator's own choice."""

    targets: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One unit of work: a workload with its schedules, a kernel's configuration, a network."""

    generator: str
    family: str
    task: str
    """`module:function`, called in a worker with `spec`; returns a `Product`."""
    spec: tuple[tuple[str, object], ...]
    """Sorted pairs of plain values."""
    timeout_s: float

    @property
    def key(self) -> str:
        """Content hash: of what is made, not of when."""
        fields = {"generator": self.generator, "family": self.family, "task": self.task, "spec": dict(self.spec)}
        return sha256_fields(ITEM_VERSION, fields)

    @property
    def title(self) -> str:
        """Short, for messages."""
        return f"{self.generator}{SEPARATOR}{self.family}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """The rows of one item."""

    functions: tuple[FunctionRow, ...] = ()
    labels: tuple[LabelRow, ...] = ()
    """Only those that fall out of generating (a GPU compiler's resource usage); other labels are a labeller's."""


class Generator(Protocol):
    """Draws items. Made once a run, holds nothing but options; may import optional packages in `__init__`.

    Raises:
        MissingDependencyError: from `__init__`, where an optional package is absent.
    """

    name: str
    preload: tuple[str, ...]
    """Modules that workers import once."""

    def __init__(self, options: Options) -> None:
        """Keep the options; refuse targets or levels that the generator cannot give (`UsageError`)."""

    def families(self) -> tuple[str, ...]:
        """Names of the families, in the order in which they are drawn."""

    def draw(self, families: Sequence[str], count: int, seed: int) -> list[Item]:
        """Items that give about `count` rows together, spread evenly over the families, the same for the same seed."""


def select(
    names: Sequence[str], registry: Registry[type[Generator]], options: Options
) -> list[tuple[Generator, tuple[str, ...]]]:
    """Generators with the families asked for; `triton` asks for all of a generator's, `triton/softmax` for one.

    Raises:
        UnknownNameError: there is no such generator or family.
        UsageError: nothing was named, or a family twice.
    """
    if not names:
        raise UsageError(f"name at least one family, such as {', '.join(f'{n}/…' for n in registry)}")
    chosen: dict[str, dict[str, None]] = {}
    made: dict[str, Generator] = {}
    for name in names:
        head, _, family = name.partition(SEPARATOR)
        if head not in made:
            made[head] = registry.get(head)(options)
        known = made[head].families()
        if family and family not in known:
            raise UnknownNameError(f"unknown family {name!r}; known of {head}: {', '.join(known)}")
        wanted = (family,) if family else known
        taken = chosen.setdefault(head, {})
        if family in taken:
            raise UsageError(f"family {name!r} is named twice; name it once")
        taken.update(dict.fromkeys(wanted))
    return [(made[head], tuple(f for f in made[head].families() if f in taken)) for head, taken in chosen.items()]


def share(count: int, parts: int) -> list[int]:
    """`count` in `parts` numbers that differ by one at most, the larger first."""
    return [count // parts + (i < count % parts) for i in range(parts)]
