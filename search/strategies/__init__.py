"""Strategies choose what to measure next. Ask and tell: no I/O, no clock, an explicit generator.

A new strategy is one file and one line here.
"""

from costmodel.core.registry import Registry
from costmodel.search.strategies.base import Scores, Strategy

STRATEGIES: Registry[type[Strategy]] = Registry(
    "strategy",
    {
        "evolutionary": "costmodel.search.strategies.evolutionary:EvolutionaryStrategy",
        "random": "costmodel.search.strategies.random:RandomStrategy",
    },
)

__all__ = ["STRATEGIES", "Scores", "Strategy"]
