"""Trees and small networks that rank schedules together, each a vote: the tuner's ranker.

Both learn from pairs of one workload's schedules what the base of cycles misses, in its unit, so that votes are
averaged as they are; where trees and networks disagree, doubt grows. Source of the averaging: Lakshminarayanan et al.,
Deep Ensembles, 2017; of trees beside networks: the usual stacking of tabular learners (e.g. AutoGluon, Erickson 2020).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np

from costmodel.models.base import Array
from costmodel.models.cycle_base import CycleBase
from costmodel.models.rank_losses import PairwiseRanker
from costmodel.models.rank_network import RankNetwork, networks_in, train_rank_network
from costmodel.models.ranker import MEMBERS, Rated


class JointRanker(PairwiseRanker):
    """As many networks as there are boosters of trees."""

    name: ClassVar[str] = "joint-ranker"

    def __init__(self, seed: int = 0, base: CycleBase | None = None) -> None:
        """See `BoostedRanker`; `seed` decides what networks start from, too."""
        super().__init__(seed, base)
        self._networks: list[RankNetwork] = []

    def _complete(self, features: Array, rated: Rated) -> None:
        truth = rated.left + rated.offset
        self._networks = [
            train_rank_network(features, rated.offset, truth, rated.groups, self.seed * MEMBERS + member)
            for member in range(MEMBERS)
        ]

    def _votes(self, features: Array) -> Array:
        return np.concatenate([super()._votes(features), np.stack([network(features) for network in self._networks])])

    def fresh(self) -> Self:
        """See `BoostedRanker`."""
        other = super().fresh()
        other._networks = self._networks
        return other

    def _more_files(self) -> dict[str, bytes]:
        return {f"network-{i}.safetensors": network.packed() for i, network in enumerate(self._networks)}

    def _restore_more(self, files: Mapping[str, bytes]) -> None:
        self._networks = networks_in(files)
