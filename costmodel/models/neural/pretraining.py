"""What a network learns before any label: hidden tokens, and how often things run.

Owns both tasks. Masked tokens: guess 15 % of the tokens, or of the graph's node tokens, from their neighbours (Devlin
et al. 2019). Execution-like targets: trip counts, work and bytes that static analysis counts for a function, guessed
from its tokens or graph alone (after "TRACED", arXiv 2306.07487, whose targets come from runs). `pretraining = "none"`
switches both off, which is the ablation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from costmodel.models.base import Array
from costmodel.models.columns import compressed
from costmodel.models.examples import Examples
from costmodel.models.monitor import Monitor
from costmodel.models.neural.batch import Standard, masked
from costmodel.models.neural.divergence import check_losses
from costmodel.models.neural.optimizers import make_optimizer
from costmodel.models.neural.packages import torch
from costmodel.models.neural.state import pack_state, unpack_state

if TYPE_CHECKING:
    from costmodel.models.neural.model import NeuralModel

EXECUTION_WORDS = ("trip", "frequency", "executed", "flops", "bytes_touched", "loop_depth")
"""Static features whose names hold one of these are execution-like."""


def execution_targets(model: NeuralModel, examples: Examples) -> Array:
    """`[P, K]` standardised, f32."""
    assert model.columns is not None
    names = [i for i, n in enumerate(model.columns.numbers)
             if n.startswith("static:") and any(word in n for word in EXECUTION_WORDS)]  # fmt: skip
    columns = compressed(model.columns.functions(examples.encodings)[:, names])
    return Standard.of(columns).apply(columns)


def pretrain(model: NeuralModel, examples: Examples, monitor: Monitor) -> None:
    """Train the network's body on the functions alone; finished epochs are recalled.

    Raises `UsageError` where it diverges.
    """
    t = torch()
    tasks = model.settings.pretraining.split("+")
    targets = execution_targets(model, examples)
    body = model.network.body
    with t.random.fork_rng(devices=[]):
        t.manual_seed(model.seed + 17)
        execution = t.nn.Linear(body.out, max(1, targets.shape[1]))
        words = t.nn.Linear(model.settings.width, body.embedding.num_embeddings)
        extra = t.nn.ModuleDict({"body": body, "execution": execution, "words": words}).to(model.settings.device)
    optimizer = make_optimizer(
        model.settings.optimizer, extra.parameters(), model.settings.learning_rate, model.settings.weight_decay
    )
    epoch, epochs = 0, model.settings.pretraining_epochs
    kept = monitor.recall("network")
    if kept is not None:
        epoch = int(unpack_state(kept, extra, optimizer)[1]["epoch"])
    while epoch < epochs:
        losses = _epoch(model, examples, targets, tasks, extra, optimizer, epoch)
        epoch += 1
        train = float(np.mean(losses))
        check_losses(epoch, {"pre-training": train}, model.settings.learning_rate)
        monitor.step(epoch, epochs, {"train": train})
        monitor.keep("network", pack_state(extra, optimizer, {}, {"epoch": epoch}))


def _epoch(
    model: NeuralModel, examples: Examples, targets: Array, tasks: list[str], extra: Any, optimizer: Any, epoch: int
) -> list[float]:
    t = torch()
    rng = np.random.default_rng((model.seed, 7919, epoch))
    first = np.unique(examples.program, return_index=True)[1]
    rows = rng.permutation(first)
    losses = []
    with t.random.fork_rng(devices=[]):
        t.manual_seed(model.seed * 100019 + epoch)
        extra.train()
        for start in range(0, len(rows), model.settings.batch_functions):
            chosen = np.sort(rows[start : start + model.settings.batch_functions])
            part = examples.take(chosen)
            wanted = t.from_numpy(targets[np.unique(examples.program[chosen])]).to(model.settings.device)
            optimizer.zero_grad()
            loss = _loss(extra, model.batch(part).to(model.settings.device), wanted, tasks, rng)
            loss.backward()
            t.nn.utils.clip_grad_norm_(extra.parameters(), 1.0)
            optimizer.step()
            losses.append(float(loss.detach()))
    return losses


def _loss(extra: Any, batch: Any, wanted: Any, tasks: list[str], rng: np.random.Generator) -> Any:
    functional = torch().nn.functional
    body = extra["body"]
    total = 0.0
    if "masked" in tasks:
        hidden, where, words = masked(batch, rng)
        total = total + functional.cross_entropy(extra["words"](body.items(hidden)[where]), words)
    if "execution" in tasks and wanted.shape[1]:
        total = total + functional.mse_loss(extra["execution"](body(batch)), wanted)
    return total
