"""`costmodel train`: a data set and a configuration in, a checkpoint out; a killed run goes on where it was.

Owns arguments and what is shown. Training is in `costmodel.training`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from costmodel.models.checkpoint import replaceable
from costmodel.training.config import TrainConfig
from costmodel.training.keeper import Clock
from costmodel.training.run import Trained, train

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

_LINE_EVERY = 0.1


def add_parser(subparsers: Subparsers) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser("train", help="train a predictor on a data set")
    parser.add_argument("dataset", metavar="DATASET", type=Path, help="folder with functions.parquet, labels.parquet")
    parser.add_argument("-o", "--output", metavar="MODEL", type=Path, required=True, help="folder of the checkpoint")
    parser.add_argument(
        "--config", metavar="FILE", required=True, help=f"TOML file, or one of: {', '.join(example_configs())}"
    )
    parser.add_argument("--cache", metavar="FILE", type=Path, help="where encodings are kept (default: beside MODEL)")
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def run(args: argparse.Namespace) -> int:
    """Train; the checkpoint's folder goes to standard output.

    Raises:
        UsageError: the data set or the configuration makes no sense, or something else than a model is at the output.
    """
    replaceable(args.output)
    config = calibrated(TrainConfig.read(config_path(args.config)))
    cache = args.cache or args.output.with_name(f"{args.output.name}.encodings.sqlite")
    console = Console(stderr=True)
    if args.quiet:
        trained = train(args.dataset, config, args.output, cache=cache)
    elif console.is_terminal:
        with _Bar(console) as bar:
            trained = train(args.dataset, config, args.output, cache=cache, screen=bar)
    else:
        trained = train(args.dataset, config, args.output, cache=cache, screen=_Lines(console))
    _report(console, trained)
    print(args.output)
    return 0


def example_configs() -> list[str]:
    """Names of the configurations that come with the package."""
    folder = Path(str(resources.files("costmodel.training"))) / "configs"
    return sorted(path.stem for path in folder.glob("*.toml"))


def config_path(text: str) -> Path:
    """A file, or a configuration that comes with the package by its name."""
    if text in example_configs() and not Path(text).is_file():
        return Path(str(resources.files("costmodel.training"))) / "configs" / f"{text}.toml"
    return Path(text)


def calibrated(config: TrainConfig) -> TrainConfig:
    """The configuration, with this machine's measured peaks where the analytic model asks for them."""
    if config.model != "analytic" or not config.options.get("calibrate"):
        return config
    from costmodel.search.measure.peaks import measured_peaks

    peaks = measured_peaks()
    measured = {"flop_per_s": peaks.flop_per_s, "bytes_per_s": peaks.memory_bytes_per_s}
    return replace(config, options={**measured, **config.options})


def _report(console: Console, trained: Trained) -> None:
    if trained.resumed:
        console.print("went on with an interrupted run", highlight=False)
    for cause, count in sorted(trained.dropped.items()):
        console.print(f"left out {count} functions: {cause}", highlight=False, markup=False)
    console.print(f"trained on {trained.rows} rows", highlight=False)
    for metric, figures in trained.figures.items():
        text = "  ".join(f"{name} {value:.4g}" for name, value in figures.items())
        console.print(f"  {metric}: {text}", highlight=False)


class _Bar:
    """A bar with time left, on a terminal."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"),
                   TimeElapsedColumn(), TimeRemainingColumn())  # fmt: skip
        self._progress = Progress(*columns, console=console)
        self._task = self._progress.add_task("training", total=1.0)

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, part: str, share_done: float, figures: Mapping[str, float]) -> None:
        """See `keeper.Screen`."""
        self._progress.update(self._task, completed=share_done, description=part[-48:])


class _Lines:
    """A line each tenth of the run, for logs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._clock = Clock()
        self._next = _LINE_EVERY

    def show(self, part: str, share_done: float, figures: Mapping[str, float]) -> None:
        """See `keeper.Screen`."""
        if share_done < self._next:
            return
        self._next = share_done + _LINE_EVERY
        left_s = self._clock.left_s(share_done)
        left = "" if left_s is None else f", {left_s:.0f} s left"
        self._console.print(f"{100 * share_done:.0f} % done{left}: {part}", highlight=False, markup=False)
