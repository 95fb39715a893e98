"""Training of networks: epochs, early stopping, and a state that survives a kill.

Owns the loop. Invariant: each epoch is decided by (seed, epoch) and the state before it, so that a run that was killed
gives the weights that it would have given. Nothing is pickled.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from costmodel.models.base import Array
from costmodel.models.boosting import held_out
from costmodel.models.examples import Examples
from costmodel.models.heads import Scale
from costmodel.models.monitor import Monitor
from costmodel.models.neural.divergence import check_losses, check_weights
from costmodel.models.neural.losses import ranking_loss, value_loss
from costmodel.models.neural.model import in_pieces
from costmodel.models.neural.optimizers import make_optimizer
from costmodel.models.neural.packages import torch
from costmodel.models.neural.pretraining import pretrain
from costmodel.models.neural.state import pack_state, unpack_state

if TYPE_CHECKING:
    from costmodel.models.neural.model import NeuralModel

_WARM_UP = 0.1
_MOST_NORM = 1.0


class _Run:
    """One training: data, optimizer, and the best weights so far."""

    def __init__(self, model: NeuralModel, examples: Examples, targets: Array, groups: Array) -> None:
        self.model, self.examples, self.groups = model, examples, np.unique(groups, return_inverse=True)[1]
        gated = np.array([kind is Scale.ZERO_INFLATED for kind in model.scales], bool)[None, :]
        self.zero = np.where(gated & ~np.isnan(targets), (targets > 0).astype(float), np.nan)
        standard = model.standards["targets"]
        self.targets = (targets - standard.center) / standard.spread
        held = held_out(groups, model.settings.validation_share, model.seed)
        self.train, self.validation = np.flatnonzero(~held), np.flatnonzero(held)
        self.optimizer = make_optimizer(
            model.settings.optimizer, model.network.parameters(), model.settings.learning_rate,
            model.settings.weight_decay,
        )  # fmt: skip
        self.best: dict[str, Any] = {}
        self.best_loss, self.waited, self.epoch = math.inf, 0, 0

    def loss(self, rows: Array) -> Any:
        """Of some rows."""
        t = torch()
        device = self.model.settings.device
        outputs = self.model.network(self.model.batch(self.examples.take(rows)).to(device))
        targets = t.from_numpy(self.targets[rows].astype(np.float32)).to(device)
        total = value_loss(outputs, targets, t.from_numpy(self.zero[rows].astype(np.float32)).to(device))
        if self.model.settings.ranking != "none":
            groups = t.from_numpy(self.groups[rows]).to(device)
            ranked = ranking_loss(outputs[..., 0], targets, groups, self.model.settings.ranking)
            total = total + self.model.settings.ranking_weight * ranked
        return total

    def batches(self, rng: np.random.Generator) -> list[Array]:
        """Rows of each batch: whole functions, neighbours of one group where order is learned."""
        size = self.model.settings.batch_functions
        programs = self.examples.program[self.train]
        names = rng.permutation(np.unique(programs))
        if self.model.settings.ranking != "none":
            group = dict(zip(programs.tolist(), self.groups[self.train].tolist(), strict=True))
            draw = rng.permutation(int(self.groups.max()) + 1)
            names = names[np.argsort([draw[group[int(name)]] for name in names], kind="stable")]
        batch_of = np.zeros(len(self.examples.encodings), np.int64)
        batch_of[names] = np.arange(len(names)) // size
        order = np.argsort(batch_of[programs], kind="stable")
        cuts = np.flatnonzero(np.diff(batch_of[programs][order])) + 1
        return [self.train[part] for part in np.split(order, cuts)]

    def run_epoch(self) -> tuple[float, float]:
        """One pass; mean losses of training and validation."""
        t = torch()
        settings = self.model.settings
        for group in self.optimizer.param_groups:
            group["lr"] = settings.learning_rate * rate(self.epoch, settings.epochs)
        rng = np.random.default_rng((self.model.seed, self.epoch))
        losses = []
        with t.random.fork_rng(devices=[]):
            t.manual_seed(self.model.seed * 100003 + self.epoch)
            self.model.network.train()
            for rows in self.batches(rng):
                self.optimizer.zero_grad()
                loss = self.loss(rows)
                loss.backward()
                t.nn.utils.clip_grad_norm_(self.model.network.parameters(), _MOST_NORM)
                self.optimizer.step()
                losses.append(float(loss.detach()))
        self.model.network.eval()
        train = float(np.mean(losses))
        return train, self.validate() if len(self.validation) else train

    def validate(self) -> float:
        """Mean loss of the held-out rows."""
        part = self.examples.take(self.validation)
        losses, sizes = [], []
        with torch().inference_mode():
            for rows in in_pieces(part):
                losses.append(float(self.loss(self.validation[rows])))
                sizes.append(len(rows))
        return float(np.average(losses, weights=sizes))

    def keep_best(self, loss: float) -> None:
        """Remember the weights where the loss is the least so far."""
        self.waited += 1
        if loss < self.best_loss:
            self.best_loss, self.waited = loss, 0
            self.best = {name: value.clone() for name, value in self.model.network.state_dict().items()}

    def pack(self) -> bytes:
        """All that the next epoch depends on."""
        numbers = {"epoch": self.epoch, "waited": self.waited, "best_loss": self.best_loss}
        return pack_state(self.model.network, self.optimizer, self.best, numbers)

    def unpack(self, data: bytes) -> None:
        """Go on from what `pack` gave."""
        self.best, numbers = unpack_state(data, self.model.network, self.optimizer)
        self.epoch, self.waited = int(numbers["epoch"]), int(numbers["waited"])
        self.best_loss = float(numbers["best_loss"])


def train_network(model: NeuralModel, examples: Examples, targets: Array, groups: Array, monitor: Monitor) -> None:
    """Pre-train where asked, then train on the labels; leaves the best weights in the model, ready to predict.

    Raises `UsageError` where the network diverges: a loss or a weight that is not finite.
    """
    settings = model.settings
    if settings.pretraining != "none":
        pretrain(model, examples, monitor.child("pretraining", 0.3))
    run = _Run(model, examples, targets, groups)
    kept = monitor.recall("network")
    if kept is not None:
        run.unpack(kept)
    while run.epoch < settings.epochs and run.waited < settings.patience:
        train, validation = run.run_epoch()
        check_losses(run.epoch + 1, {"training": train, "validation": validation}, settings.learning_rate)
        run.keep_best(validation)
        run.epoch += 1
        monitor.step(run.epoch, settings.epochs, {"train": train, "validation": validation})
        monitor.keep("network", run.pack())
    monitor.step(settings.epochs, settings.epochs, {})
    if run.best:
        model.network.load_state_dict(run.best)
    check_weights(model.network, settings.learning_rate)
    model.network.eval()


def rate(epoch: int, epochs: int) -> float:
    """Share of the learning rate: a short warm-up, then half a cosine (Loshchilov and Hutter 2017)."""
    warm = max(1.0, _WARM_UP * epochs)
    if epoch + 1 < warm:
        return (epoch + 1) / warm
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * epoch / max(1, epochs)))
