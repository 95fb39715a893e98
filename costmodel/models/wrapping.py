"""What wrappers share: an inner model of any kind, by name and options, saved inside the wrapper's checkpoint.

Owns the building of inner models. Invariant: inner models use the wrapper's columns, metrics and architectures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from costmodel.core.errors import UsageError
from costmodel.models.metric_model import MetricModel, Needs


class Wrapper(MetricModel):
    """`options["base"]` is a table: `model` and that model's options."""

    default_base = "boosted-trees"
    own_options: ClassVar[tuple[str, ...]] = ()

    def __init__(self, metrics: Sequence[str] = (), *, seed: int = 0, **options: Any) -> None:
        """See `MetricModel`; raises `UsageError` for options that make no sense."""
        if unknown := sorted(set(options) - {"base", *self.own_options}):
            known = ", ".join(("base", *self.own_options))
            raise UsageError(f"unknown option {unknown[0]!r} of {self.name}; known: {known}")
        base = dict(options.pop("base", {"model": self.default_base}))
        super().__init__(metrics, seed=seed, base=base, **options)
        name = base.pop("model", self.default_base)
        self._base_type = _model_type(name)
        self._base_options = base
        self.options["base"] = {"model": name, **self._spawn(seed).options}

    def _spawn(self, seed: int) -> MetricModel:
        inner = self._base_type(self.metrics, seed=seed, **self._base_options)
        inner.columns, inner.archs, inner.novelty = self.columns, self.archs, self.novelty
        return inner

    @property
    def needs(self) -> Needs:
        """Those of the inner model."""
        return self._spawn(self.seed).needs


def _model_type(name: object) -> type[MetricModel]:
    from costmodel.models import MODELS

    found = MODELS.get(str(name))
    if not issubclass(found, MetricModel):
        raise UsageError(f"model {name!r} does not predict metrics of programs, so it cannot be wrapped")
    return found


def prefixed(prefix: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Files of an inner model under its prefix."""
    return {f"{prefix}.{name}": data for name, data in files.items()}


def stripped(prefix: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files under a prefix, without it."""
    start = f"{prefix}."
    return {name.removeprefix(start): data for name, data in files.items() if name.startswith(start)}
