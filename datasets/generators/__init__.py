"""Generators: each makes rows of a data set from a seed, family by family.

Owns the registry. A generator is one file and one line here. `costmodel generate` and `benchmarks/bundle.py` drive them
through `costmodel.datasets.generators.run`.
"""

from __future__ import annotations

from costmodel.core.registry import Registry
from costmodel.datasets.generators.base import Generator, Item, Options, Product, select

GENERATORS: Registry[type[Generator]] = Registry(
    "generator",
    {
        "linalg": "costmodel.datasets.generators.linalg:LinalgGenerator",
        "loops": "costmodel.datasets.generators.loops:LoopsGenerator",
        "triton": "costmodel.datasets.generators.triton:TritonGenerator",
        "zoo": "costmodel.datasets.generators.zoo:ZooGenerator",
    },
)

__all__ = ["GENERATORS", "Generator", "Item", "Options", "Product", "select"]
