"""A deep ensemble around any model: members differ by seed, their disagreement adds to the doubt.

Source: Lakshminarayanan et al. 2017, "Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles":
mean of the members' means, variance of the mixture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from costmodel.core.errors import UsageError
from costmodel.models.base import Array
from costmodel.models.examples import Examples
from costmodel.models.metric_model import MetricModel, Scaled
from costmodel.models.monitor import Monitor
from costmodel.models.wrapping import Wrapper, prefixed, stripped

DEFAULT_MEMBERS = 4


class Ensemble(Wrapper):
    """`members` models of the kind `base`."""

    name = "ensemble"
    own_options = ("members",)

    def __init__(
        self, metrics: Sequence[str] = (), *, seed: int = 0, members: int = DEFAULT_MEMBERS, **options: Any
    ) -> None:
        """See `Wrapper`."""
        if members < 1:
            raise UsageError(f"an ensemble of {members} members makes no sense; give at least 1")
        super().__init__(metrics, seed=seed, members=members, **options)
        self._size = members
        self._members: list[MetricModel] = []

    def _fit(self, examples: Examples, targets: Array, groups: Array, monitor: Monitor) -> None:
        self._members = [self._spawn(self.seed + 1000 * i) for i in range(self._size)]
        for i, member in enumerate(self._members):
            member._fit(examples, targets, groups, monitor.child(f"member-{i}", 1 / self._size))

    def scaled(self, examples: Examples) -> Scaled:
        """See `MetricModel`."""
        found = [member.scaled(examples) for member in self._members]
        means = np.stack([one.mean for one in found])
        variance = np.stack([one.std**2 for one in found]).mean(axis=0) + means.var(axis=0)
        nonzero = np.stack([one.nonzero for one in found]).mean(axis=0)
        return Scaled(mean=means.mean(axis=0), std=np.sqrt(variance), nonzero=nonzero)

    def state(self) -> dict[str, bytes]:
        """See `MetricModel`."""
        files: dict[str, bytes] = {}
        for i, member in enumerate(self._members):
            files |= prefixed(f"member-{i}", member.state())
        return files

    def restore(self, files: Mapping[str, bytes]) -> None:
        """See `MetricModel`."""
        self._members = [self._spawn(self.seed + 1000 * i) for i in range(self._size)]
        for i, member in enumerate(self._members):
            member.restore(stripped(f"member-{i}", files))
