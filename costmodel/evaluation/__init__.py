"""How good predictions are: errors, order, selection, intervals, detection, robustness, and what data and size buy.

Takes tables of rows with labels and never imports `costmodel.datasets`. Definitions stand, with their sources, in the
modules of the same names; `run` has the protocol.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from costmodel.evaluation.cases import Cases, Fold, make_fold
    from costmodel.evaluation.run import examine, examine_fold, over_seeds

__all__ = ["Cases", "Fold", "examine", "examine_fold", "make_fold", "over_seeds"]

_LAZY = {
    "Cases": "cases", "Fold": "cases", "make_fold": "cases",
    "examine": "run", "examine_fold": "run", "over_seeds": "run",
}  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'costmodel.evaluation' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"costmodel.evaluation.{_LAZY[name]}"), name)
