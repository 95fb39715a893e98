"""What a training run is: a TOML file as a checked, frozen value.

Owns names, defaults and checks. Invariant: the same configuration, data and versions give the same model.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from costmodel.core.errors import Location, ParseError, UsageError
from costmodel.core.hashing import sha256_fields
from costmodel.core.metrics import get_metric
from costmodel.core.target import Target
from costmodel.models import MODELS
from costmodel.training.examples import BY

CONFIG_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """One run; empty tuples mean "all there are"."""

    model: str = "conformal"
    name: str = ""
    """Of the checkpoint, in its card."""
    metrics: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    pipelines: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    split: str = "by_family"
    """What is held out together: for testing, for early stopping and for calibration."""
    test_share: float = 0.15
    """Share of rows held out to give the figures of the card; 0 trains on everything."""
    seed: int = 0
    most_functions: int = 0
    """Draw so many functions; 0 for all."""
    workers: int = 1
    """Processes that read functions."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The model's own."""

    def __post_init__(self) -> None:
        """Raises `UsageError` or `UnknownNameError` for what makes no sense."""
        model = MODELS.get(self.model)
        if model.takes == "features":
            raise UsageError(
                f"model {self.model!r} ranks schedules from the tuner's features, not functions of a data set"
            )
        if self.split not in BY:
            raise UsageError(f"unknown split {self.split!r}; known: {', '.join(BY)}")
        if not 0 <= self.test_share < 1:
            raise UsageError(f"test_share is {self.test_share}, expected a share in [0, 1)")
        if self.workers < 1 or self.most_functions < 0:
            raise UsageError("workers must be at least 1 and most_functions at least 0")
        for metric in self.metrics:
            get_metric(metric)
        for target in self.targets:
            Target.parse(target)
        model(self.metrics, seed=self.seed, **self.options)  # type: ignore[call-arg]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a TOML file.

        Raises:
            UsageError: no such file, or a field of the wrong type or value.
            ParseError: the file is no TOML.
        """
        try:
            document = tomllib.loads(path.read_text())
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read {path}: {error}; give a TOML file as in docs/training.md") from None
        except tomllib.TOMLDecodeError as error:
            raise ParseError(f"{error}", location=Location(file=str(path), line=1, column=1)) from None
        return cls.of(document, str(path))

    @classmethod
    def of(cls, document: Mapping[str, Any], what: str = "configuration") -> Self:
        """From a mapping of fields; `what` names it in messages."""
        kinds = {f.name: f.type for f in fields(cls)}
        values: dict[str, Any] = {}
        for name, value in document.items():
            if name not in kinds:
                raise UsageError(f"{what}: unknown field {name!r}; known: {', '.join(kinds)}")
            values[name] = _checked(what, name, value, str(kinds[name]))
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, as JSON takes them."""
        return {**asdict(self), **{n: list(getattr(self, n)) for n in ("metrics", "targets", "pipelines", "levels")}}

    @property
    def sha256(self) -> str:
        """Of what decides the model: every field but `workers`."""
        return sha256_fields(CONFIG_VERSION, {k: v for k, v in self.to_dict().items() if k != "workers"})


_KINDS: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float)}


def _checked(what: str, name: str, value: Any, kind: str) -> Any:
    if kind.startswith("tuple"):
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            raise UsageError(f"{what}: {name} is {value!r}, expected a list of texts")
        return tuple(value)
    if kind.startswith("Mapping"):
        if not isinstance(value, Mapping):
            raise UsageError(f"{what}: {name} is {value!r}, expected a table")
        return dict(value)
    if isinstance(value, bool) or not isinstance(value, _KINDS[kind]):
        raise UsageError(f"{what}: {name} is {value!r}, expected {kind}")
    return value
