"""`costmodel generate FAMILY… -o DATASET`: make labelled rows of kernels from a seed.

Owns the arguments and what is printed. What families there are is in `costmodel.datasets.generators`.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from costmodel.core.errors import UsageError
from costmodel.core.workers import Outcome

if TYPE_CHECKING:
    from costmodel.datasets.generators import Item
    from costmodel.datasets.generators.run import Made

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

_EVERY_S = 5.0
_CACHE = Path("~/.cache/costmodel/generate")


def add_parser(subparsers: Subparsers) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser(
        "generate",
        help="make a data set of kernels from a seed",
        description="Make a data set of generated kernels. FAMILY is a generator (linalg, triton, zoo) or one of its "
        "families (linalg/matmul, triton/softmax, zoo/resnet). The same arguments give the same bytes.",
    )
    parser.add_argument("families", nargs="*", metavar="FAMILY", help="what to generate; `--list` shows all")
    parser.add_argument("-o", "--output", type=Path, metavar="DATASET", help="folder to write")
    parser.add_argument("--count", type=int, default=200, metavar="N", help="rows, about (default: 200)")
    parser.add_argument("--seed", type=int, default=0, metavar="K", help="what reproduces the rows (default: 0)")
    parser.add_argument(
        "--targets", default="", metavar="T,…", help="label for these, such as x86-64/znver4,nvptx64/sm_90"
    )
    parser.add_argument(
        "--levels", default="", metavar="L,…", help="keep these: linalg, affine, vector, llvm; ttir, ttgir"
    )
    parser.add_argument("--dtypes", default="", metavar="D,…", help="keep these: f32, f16, bf16, i8")
    parser.add_argument("--jobs", type=int, default=0, metavar="N", help="workers (default: one for each core)")
    parser.add_argument(
        "--cache", type=Path, default=_CACHE, metavar="DIR", help=f"what was made before (default: {_CACHE})"
    )
    parser.add_argument("--no-cache", action="store_true", help="make everything anew")
    parser.add_argument("--list", action="store_true", help="print the families and stop")


def run(args: argparse.Namespace) -> int:
    """Generate, label, write, and print the table of what there is.

    Raises:
        UsageError: a count, a family, a target or a place that makes no sense.
        MissingDependencyError: a generator's package is not installed.
    """
    from costmodel.datasets.generators import GENERATORS, select
    from costmodel.datasets.generators.base import Options

    options = Options(targets=_words(args.targets), levels=_words(args.levels), dtypes=_words(args.dtypes))
    if args.list:
        names = args.families or list(GENERATORS)
        print("\n".join(f"{g.name}/{f}" for g, families in select(names, GENERATORS, options) for f in families))
        return 0
    _check(args)
    chosen = select(args.families, GENERATORS, options)
    from costmodel.datasets.store.files import check_place

    check_place(args.output)
    parts = [args.count // len(chosen) + (i < args.count % len(chosen)) for i in range(len(chosen))]
    items = [
        item for (generator, families), part in zip(chosen, parts, strict=True)
        for item in generator.draw(families, part, args.seed)
    ]  # fmt: skip
    preload = tuple(module for generator, _ in chosen for module in generator.preload)
    _write(args, options.targets, _made(args, items, preload))
    return 0


def _check(args: argparse.Namespace) -> None:
    if args.output is None:
        raise UsageError("give a folder to write: -o DATASET")
    for name, least in (("count", 1), ("seed", 0), ("jobs", 0)):
        if getattr(args, name) < least:
            raise UsageError(f"--{name} must be at least {least}, not {getattr(args, name)}")


def _made(args: argparse.Namespace, items: list[Item], preload: tuple[str, ...]) -> Made:
    from costmodel.datasets.generators.run import ProductCache, make

    cache = None if args.no_cache else ProductCache(args.cache.expanduser())
    said = time.monotonic()

    def progress(done: int, total: int, item: Item, outcome: Outcome | None) -> None:
        nonlocal said
        if outcome is not None and not outcome.ok:
            print(f"{item.title}: {outcome.status}: {outcome.headline}", file=sys.stderr)
        if time.monotonic() - said > _EVERY_S or done == total:
            said = time.monotonic()
            print(f"{done} of {total} items", file=sys.stderr)

    return make(items, jobs=args.jobs or _cores(), preload=preload, cache=cache, progress=progress)


def _write(args: argparse.Namespace, targets: tuple[str, ...], made: Made) -> None:
    from costmodel.datasets.coverage import card_notes, coverage, table, write_coverage
    from costmodel.datasets.generators.labels import label_rows
    from costmodel.datasets.labelling_cache import LabelCache
    from costmodel.datasets.store import write_dataset

    if not made.functions:
        raise UsageError(f"nothing was made: {made.dropped.total()} items failed; the messages above say why")
    cache = None if args.no_cache else LabelCache(args.cache.expanduser() / "labels.sqlite")
    labels = [*made.labels, *label_rows(made.functions, targets, cache=cache, jobs=args.jobs or None)]
    report = coverage(made.functions)
    dropped = {f"{title}: {cause}": count for (title, cause), count in sorted(made.dropped.items())}
    write_dataset(
        args.output, made.functions, labels, seed=args.seed, command=_command(args),
        notes={**card_notes(made.functions, report), "dropped": dropped},
        extra=lambda folder: write_coverage(folder, report),
    )  # fmt: skip
    print(table(made.functions))
    print(
        f"{len(made.functions)} functions, {len(labels)} labels, {made.dropped.total()} items failed", file=sys.stderr
    )


def _command(args: argparse.Namespace) -> list[str]:
    """What decides the rows: neither the place, nor the workers, nor the cache."""
    words = ["costmodel", "generate", *args.families, "--count", str(args.count), "--seed", str(args.seed)]
    for name in ("targets", "levels", "dtypes"):
        words += [f"--{name}", getattr(args, name)] if getattr(args, name) else []
    return words


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


def _cores() -> int:
    return len(os.sched_getaffinity(0))
