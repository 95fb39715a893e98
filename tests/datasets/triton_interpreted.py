"""Run by test_triton_kernels in a process of its own: one small case of each family in Triton's interpreter."""

import builtins
import json

import numpy as np
import torch
import triton.runtime.interpreter as interpreter

from costmodel.datasets.triton_kernels import NAMES, configurations, load
from costmodel.datasets.triton_kernels.running import Maker, error_of


class _AnyInt(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, builtins.int)


class _Int(int, metaclass=_AnyInt):
    """`int` that takes an array of one element, which this numpy refuses and the interpreter relies on."""

    def __new__(cls, value=0, *rest):
        return builtins.int(value.item() if isinstance(value, np.ndarray) else value, *rest)


interpreter.int = _Int
SMALL = {
    "M": 33, "N": 40, "K": 48, "B": 2, "H": 18, "W": 20, "C": 24, "F": 20, "G": 2, "P": 70, "L": 40, "V": 50, "n": 500,
}  # fmt: skip


def case(name: str) -> float:
    """The largest error of a small case."""
    family = load(name)
    found = configurations(family, 1 << 20, np.random.default_rng(0))
    exact = [f for f in found if f.dtype in ("fp32", "i8", "i32")]
    chosen = min(exact, key=lambda f: (np.prod([v for _, v in f.constants if v]), str(f)))
    sizes = {key: SMALL[key] for key in family.sizes}
    limit = dict(chosen.constants).get("BLOCK")
    if family.sizes.get("N") in ((128,), (32,)) and limit:
        sizes["N"] = min(sizes["N"], limit)  # a kernel that holds its row in one block
    made = family.case(Maker(torch, "cpu", chosen.dtype, seed=0), sizes, chosen)
    family.kernel[made.grid](*made.arguments, **dict(chosen.constants))
    return max(error_of(torch, got, wanted) for got, wanted in made.expected())


if __name__ == "__main__":
    print(json.dumps({name: case(name) for name in NAMES}))
