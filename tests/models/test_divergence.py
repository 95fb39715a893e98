"""A network that diverged is refused with a word of what to do, and never saved."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from costmodel.core.errors import UsageError
from costmodel.models import MODELS
from costmodel.models.monitor import Monitor

sys.path.insert(0, str(Path(__file__).parents[1] / "contracts"))
from program_samples import METRICS, sample

torch = pytest.importorskip("torch")
SMALL = {"epochs": 3, "width": 8, "hidden": 8, "max_tokens": 32}


def make(**options):
    return MODELS.get("conv1d")(METRICS, seed=1, **{**SMALL, **options})


class Kept(Monitor):
    """Remembers what was kept."""

    def __init__(self):
        self.keys = []

    def keep(self, key, data):
        self.keys.append(key)


def test_a_loss_that_is_not_finite_ends_the_training(tmp_path):
    kept, model = Kept(), make(learning_rate=1e20)
    with pytest.raises(UsageError, match=r"diverged in epoch 1: the loss is .*nan in validation.* lower learning_rate"):
        model.fit(*sample(), kept)
    assert kept.keys == []
    with pytest.raises(UsageError, match="diverged"):
        model.save(tmp_path / "m", {})
    assert not (tmp_path / "m").exists()


def test_pretraining_that_diverges_ends_the_training():
    with pytest.raises(UsageError, match=r"diverged in epoch \d: the loss is \S+ in pre-training"):
        make(learning_rate=1e30, pretraining="execution", pretraining_epochs=2).fit(*sample())


def test_weights_beyond_sixteen_bits_are_refused(monkeypatch):
    from costmodel.models.neural import loop

    def wild(run):
        with torch.no_grad():
            next(iter(run.model.network.parameters())).fill_(1e6)
        return 0.5, 0.5

    monkeypatch.setattr(loop._Run, "run_epoch", wild)
    model = make()
    with pytest.raises(UsageError, match="not finite as 16-bit floats.* lower learning_rate, which is 0.002"):
        model.fit(*sample())
