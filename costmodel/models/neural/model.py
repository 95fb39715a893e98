"""The frame of neural models: network, heads, standardisation, and its checkpoint.

Owns what all networks share. A network adds one vector a function; the head adds target, pipeline and schedule and
predicts mean, variance and the chance of not being zero, for all metrics at once (multi-task). Training is `loop`'s.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np

from costmodel.core.errors import CheckpointError, UnsupportedError, UsageError
from costmodel.models.base import Array
from costmodel.models.columns import compressed
from costmodel.models.examples import Encoding, Examples
from costmodel.models.heads import Scale
from costmodel.models.metric_model import MetricModel, Needs, Scaled, zero_inflated
from costmodel.models.monitor import Monitor
from costmodel.models.neural.batch import Batch, Standard, graph_tensors, token_tensors
from costmodel.models.neural.divergence import check_weights
from costmodel.models.neural.options import NeuralOptions
from costmodel.models.neural.packages import torch
from costmodel.models.tensors import pack_tensors, unpack_tensors

_FUNCTIONS_AT_ONCE = 64
_FARTHEST = 5.0
"""Standard deviations from the training mean that a prediction may lie."""
_STANDARDS = ("dense", "context", "targets")


class NeuralModel(MetricModel):
    """A subclass names its network and what it reads."""

    reads_tokens = True
    reads_graphs = False

    def __init__(self, metrics: Sequence[str] = (), *, seed: int = 0, **options: Any) -> None:
        """See `MetricModel`; options are those of `NeuralOptions`."""
        super().__init__(metrics, seed=seed, **options)
        self.settings = NeuralOptions.of(options, self.name)
        self.options = asdict(self.settings)
        self.network: Any = None
        self.standards: dict[str, Standard] = {}
        self._dense: dict[int, Array] = {}
        """While it is trained: an encoding's dense numbers by its identity."""

    @property
    def needs(self) -> Needs:
        """Tokens, graphs or both."""
        return Needs(scheme=self.settings.scheme if self.reads_tokens else None, graph=self.reads_graphs)

    def make_network(self, dense: int) -> Any:
        """The network; `dense` columns of static features are there."""
        raise NotImplementedError

    def _fit(self, examples: Examples, targets: Array, groups: Array, monitor: Monitor) -> None:
        from costmodel.models.neural.loop import train_network

        assert self.columns is not None
        self._check_encodings(examples.encodings)
        dense = compressed(self.columns.functions(examples.encodings))
        zeros = np.array([kind is Scale.ZERO_INFLATED for kind in self.scales], bool)
        magnitudes = np.where(zeros[None, :] & (targets <= 0), np.nan, targets)
        columns = (dense, examples.context, magnitudes)
        self.standards = {name: Standard.of(values) for name, values in zip(_STANDARDS, columns, strict=True)}
        self._build()
        self.network.to(self._device())
        self._dense = {id(e): row for e, row in zip(examples.encodings, self._standardised(dense), strict=True)}
        train_network(self, examples, targets, groups, monitor)
        self._dense = {}
        self.network.cpu()
        self.network.load_state_dict({n: v.half().float() for n, v in self.network.state_dict().items()})

    def _check_encodings(self, encodings: Sequence[Encoding]) -> None:
        needs = self.needs
        if any((needs.scheme and e.tokens is None) or (needs.graph and e.graph is None) for e in encodings):
            raise UsageError(f"the {self.name} model reads {needs}; encode the functions so (`MetricModel.needs`)")

    def _build(self) -> None:
        from costmodel.models.neural.head import Whole

        assert self.columns is not None
        t = torch()
        with t.random.fork_rng(devices=[]):
            t.manual_seed(self.seed)
            dense = len(self.columns.numbers) + 1
            self.network = Whole(self.make_network(dense), len(self.columns.context), len(self.metrics), self.settings)

    def _device(self) -> str:
        device = self.settings.device
        if device == "cuda" and not torch().cuda.is_available():
            raise UsageError("device is 'cuda', and torch sees no GPU here; expected 'cpu'")
        return device

    def _standardised(self, dense: Array) -> Array:
        return self.standards["dense"].apply(dense)

    def batch(self, examples: Examples) -> Batch:
        """Rows as tensors."""
        assert self.columns is not None
        t = torch()
        encodings = examples.encodings
        known = [self._dense.get(id(e)) for e in encodings]
        if encodings and all(row is not None for row in known):
            dense = np.stack(known)  # type: ignore[arg-type]
        else:
            dense = self._standardised(compressed(self.columns.functions(encodings)))
        parts: dict[str, Any] = {}
        if self.reads_tokens:
            parts |= token_tensors(encodings, self.settings.max_tokens)
        if self.reads_graphs:
            parts |= graph_tensors([e.graph for e in encodings if e.graph is not None])
        return Batch(
            row_program=t.from_numpy(examples.program), dense=t.from_numpy(dense),
            context=t.from_numpy(self.standards["context"].apply(examples.context)), **parts,
        )  # fmt: skip

    def scaled(self, examples: Examples) -> Scaled:
        """See `MetricModel`."""
        t = torch()
        self._check_encodings(examples.encodings)
        outputs = np.zeros((len(examples), len(self.metrics), 3), np.float64)
        with t.inference_mode():
            for rows in in_pieces(examples):
                outputs[rows] = self.network(self.batch(examples.take(rows))).numpy()
        standard = self.standards["targets"]
        magnitude = np.clip(outputs[..., 0], -_FARTHEST, _FARTHEST) * standard.spread + standard.center
        std = np.exp(0.5 * np.clip(outputs[..., 1], -7.0, 5.0)) * standard.spread
        nonzero = 1 / (1 + np.exp(-np.clip(outputs[..., 2], -40, 40)))
        return zero_inflated(nonzero, magnitude, std, self.scales, floor=1e-3)

    def state(self) -> dict[str, bytes]:
        """See `MetricModel`; weights as 16-bit floats, which is what predicts too.

        Raises `UsageError` for weights that are not finite.
        """
        check_weights(self.network, self.settings.learning_rate)
        weights = {name: value.half().numpy() for name, value in self.network.state_dict().items()}
        for name, standard in self.standards.items():
            weights |= {f"standard.{name}.center": standard.center, f"standard.{name}.spread": standard.spread}
        numbers = {"network": self.name}
        return {"network.safetensors": pack_tensors(weights), "network.json": (json.dumps(numbers) + "\n").encode()}

    def restore(self, files: Mapping[str, bytes]) -> None:
        """See `MetricModel`."""
        arrays = unpack_tensors(files["network.safetensors"])
        self.standards = {
            name: Standard(center=arrays.pop(f"standard.{name}.center"), spread=arrays.pop(f"standard.{name}.spread"))
            for name in _STANDARDS
        }
        self._build()
        try:
            self.network.load_state_dict({n: torch().from_numpy(v.astype(np.float32)) for n, v in arrays.items()})
        except RuntimeError as error:
            raise CheckpointError(f"the weights do not fit the network: {str(error)[:120]}; train it again") from error
        self.network.eval()


def in_pieces(examples: Examples) -> Iterator[Array]:
    """Row numbers of some functions at a time."""
    order = np.argsort(examples.program, kind="stable")
    programs = examples.program[order]
    bounds = np.searchsorted(programs, np.arange(0, len(examples.encodings) + _FUNCTIONS_AT_ONCE, _FUNCTIONS_AT_ONCE))
    for start, end in pairwise(bounds):
        if end > start:
            yield order[start:end]


class FullyConnectedModel(NeuralModel):
    """The paper's fully-connected model."""

    name = "fully-connected"

    def make_network(self, dense: int) -> Any:
        """See `NeuralModel`; masked tokens cannot be guessed without their neighbours."""
        from costmodel.models.neural.networks import FullyConnected

        if "masked" in self.settings.pretraining:
            raise UnsupportedError("the fully-connected model sees no neighbours; pre-train it by 'execution' or not")
        return FullyConnected(self.settings)


class LstmModel(NeuralModel):
    """The paper's LSTM."""

    name = "lstm"

    def make_network(self, dense: int) -> Any:
        """See `NeuralModel`."""
        from costmodel.models.neural.networks import Lstm

        return Lstm(self.settings)


class Conv1dModel(NeuralModel):
    """The paper's Conv1D."""

    name = "conv1d"

    def make_network(self, dense: int) -> Any:
        """See `NeuralModel`."""
        from costmodel.models.neural.networks import Conv1d

        return Conv1d(self.settings)


class TransformerModel(NeuralModel):
    """A transformer encoder."""

    name = "transformer"

    def make_network(self, dense: int) -> Any:
        """See `NeuralModel`."""
        from costmodel.models.neural.networks import Transformer

        return Transformer(self.settings)


class GraphNetworkModel(NeuralModel):
    """A graph network on `ProgramGraph`."""

    name = "graph-network"
    reads_tokens = False
    reads_graphs = True

    def make_network(self, dense: int) -> Any:
        """See `NeuralModel`."""
        from costmodel.models.neural.graph_network import GraphNetwork

        return GraphNetwork(self.settings)


class HybridModel(NeuralModel):
    """Graph, tokens and static features together."""

    name = "hybrid"
    reads_graphs = True

    def make_network(self, dense: int) -> Any:
        """See `NeuralModel`."""
        from costmodel.models.neural.graph_network import Hybrid

        return Hybrid(self.settings, dense)
