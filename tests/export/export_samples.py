"""Small models and questions for the tests of exporting."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from costmodel.core.target import Target
from costmodel.export import flatten
from costmodel.export.genetic import NetworkShape
from costmodel.export.native import compiler
from costmodel.export.soft import ask_teacher
from costmodel.export.student import train_student
from costmodel.ir import read
from costmodel.ir.features.shingles import NO_SHINGLES
from costmodel.models import MODELS
from costmodel.models.context import context_names, context_rows
from costmodel.models.encode import encode_function
from costmodel.models.examples import Encoding, Examples

sys.path.insert(0, str(Path(__file__).parents[1] / "contracts"))
from program_samples import KINDS, METRICS, TARGETS, programs, sample, text

KINDS_OF_MODELS = {
    "boosted-trees": {"rounds": 25},
    "ensemble": {"members": 3, "base": {"model": "boosted-trees", "rounds": 9}},
    "conformal": {"folds": 2, "base": {"model": "boosted-trees", "rounds": 17, "depth": 7}},
}
ASKED = (*TARGETS, "nvptx64/sm_90", "riscv64/sifive-p670")
needs_cc = pytest.mark.skipif(compiler() is None, reason="no C compiler")

__all__ = [
    "ASKED",
    "KINDS_OF_MODELS",
    "METRICS",
    "TARGETS",
    "compact",
    "fitted",
    "needs_cc",
    "odd",
    "question",
    "row",
    "soft",
    "student",
]


@cache
def fitted(kind: str):
    """A model of a kind that `flatten` takes."""
    model = MODELS.get(kind)(METRICS, seed=1, **KINDS_OF_MODELS[kind])
    model.fit(*sample(40))
    return model


@cache
def compact(kind: str = "conformal"):
    """It, flattened."""
    return flatten(fitted(kind), name="small", pipelines=("p-v1",))


def odd(count: int) -> list[Encoding]:
    """Functions near the training data and far from it, also of operations that it never had."""
    found = list(programs(count, 5)[1])
    lines = "\n".join(f"  %d{i} = fdiv double %a, %a" for i in range(50))
    strange = f"define double @f(double %a) {{\n{lines}\n  ret double %d49\n}}\n"
    texts = [strange, text(900, 30, KINDS[1]), text(1, 0)]
    return found + [encode_function(read(t).functions[0]) for t in texts]


def question(encoding: Encoding, target: str, pipeline: str | None = "p-v1") -> Examples:
    """One row; without details, which exports do not read."""
    asked = Target.parse(target)
    return Examples(
        encodings=[replace(encoding, shingles=NO_SHINGLES)], program=np.zeros(1, np.int64),
        context=context_rows([(asked, pipeline, None)]),
        context_names=context_names(), archs=np.array([asked.arch]),
    )  # fmt: skip


def row(names: tuple[str, ...], encoding: Encoding) -> np.ndarray:
    """Features as C takes them: the numbers in order, then the operations that no name stands for."""
    index = {name: i for i, name in enumerate(names)}
    found = np.zeros(len(names) + 1)
    for name, value in encoding.numbers.items():
        if name in index:
            found[index[name]] = value
        elif name.startswith("count:"):
            found[-1] += value
    return found


@cache
def soft():
    """What the conformal model says of unlabelled functions."""
    return ask_teacher(compact(), fitted("conformal"), programs(40, 9)[1], seed=1)


@cache
def student(bits: int = 8):
    """A small network in its place."""
    return train_student(compact(), soft(), NetworkShape(inputs=24, hidden=(16, 8), bits=bits)).compact
