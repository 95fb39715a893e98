"""What a network is trained on: values with doubt, zero or not, and the order of rows of one group.

Owns the losses. Values: Gaussian negative log-likelihood on each metric's scale (Nix and Weigend 1994). Zero-inflated
metrics: cross-entropy of not being zero, and the likelihood of the magnitude where it is not. Order: logistic loss of
pairs (RankNet, Burges et al. 2005) or ListMLE (Xia et al. 2008).
"""

from __future__ import annotations

from typing import Any

from costmodel.models.neural.packages import torch

_LEAST, _MOST = -7.0, 5.0


def value_loss(outputs: Any, targets: Any, zero: Any) -> Any:
    """Mean over labels.

    Args:
        outputs: `[b, M, 3]`: mean, log variance, logit of not being zero.
        targets: `[b, M]`, standardised, NaN where there is no label.
        zero: `[b, M]`: 1 not zero, 0 zero, NaN for metrics that are not zero-inflated.
    """
    t = torch()
    gated = ~t.isnan(zero)
    there = ~t.isnan(targets) & ~(gated & (zero == 0))
    logvar = outputs[..., 1].clamp(_LEAST, _MOST)
    error = (outputs[..., 0] - t.nan_to_num(targets)) ** 2
    likelihood = 0.5 * (logvar + error * t.exp(-logvar))
    entropy = t.nn.functional.binary_cross_entropy_with_logits(outputs[..., 2], t.nan_to_num(zero), reduction="none")
    total = (likelihood * there).sum() + (entropy * gated).sum()
    return total / (there.sum() + gated.sum()).clamp(min=1)


def ranking_loss(scores: Any, targets: Any, groups: Any, kind: str) -> Any:
    """Loss on the order within groups; 0 where no group has two labelled rows.

    Args:
        scores: `[b, M]` predicted means.
        targets: `[b, M]`, NaN where there is no label.
        groups: `[b]` numbers.
        kind: `pairwise` or `listmle`.
    """
    t = torch()
    losses = []
    for group in t.unique(groups):
        rows = groups == group
        for i in range(scores.shape[1]):
            kept = rows & ~t.isnan(targets[:, i])
            if int(kept.sum()) > 1:
                losses.append((_pairwise if kind == "pairwise" else _listmle)(scores[kept, i], targets[kept, i]))
    return t.stack(losses).mean() if losses else scores.sum() * 0.0


def _pairwise(scores: Any, targets: Any) -> Any:
    t = torch()
    before = targets.unsqueeze(1) < targets.unsqueeze(0)
    margins = scores.unsqueeze(0) - scores.unsqueeze(1)
    return (t.nn.functional.softplus(-margins) * before).sum() / before.sum().clamp(min=1)


def _listmle(scores: Any, targets: Any) -> Any:
    ordered = -scores[targets.argsort()]
    return (ordered.flip(0).logcumsumexp(0).flip(0) - ordered).mean()
