"""The inputs every candidate is checked on.

Owns the sets. Invariant: a set depends on the kernel's inputs, the set's name and the seed only.
`random` is what kernels are timed on: never zeros, whose products are cheap on no machine but compress well everywhere.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from costmodel.core.errors import UnsupportedError
from costmodel.search.kernel.form import Buffer, Kernel
from costmodel.search.kernel.reference import NUMPY_DTYPES, Array, numpy_dtype

INTEGER_END = 8
"""Integers are drawn from 0 up to this: small enough for sums and for indices."""

DENORMALS = 256
"""How many denormal numbers an input gets at most, on average."""


def _random(rng: np.random.Generator, shape: tuple[int, ...], kind: np.dtype[np.generic]) -> Array:
    del kind
    return rng.standard_normal(shape)


def _zeros(rng: np.random.Generator, shape: tuple[int, ...], kind: np.dtype[np.generic]) -> Array:
    """A third +0, a third -0."""
    del kind
    values = rng.standard_normal(shape)
    choice = rng.integers(0, 3, shape)
    return np.asarray(np.where(choice == 0, values, np.where(choice == 1, 0.0, -0.0)))


def _large(rng: np.random.Generator, shape: tuple[int, ...], kind: np.dtype[np.generic]) -> Array:
    """Magnitudes from 1 up to the fifth root of the largest number, spread evenly over the exponents."""
    top = np.log10(float(np.finfo(kind).max)) / 5  # type: ignore[type-var]
    return np.asarray(rng.standard_normal(shape) * 10.0 ** rng.uniform(0, top, shape))


def _denormal(rng: np.random.Generator, shape: tuple[int, ...], kind: np.dtype[np.generic]) -> Array:
    """Some below the smallest normal number: few, for each costs a processor a hundred cycles."""
    values = rng.standard_normal(shape)
    small = values * float(np.finfo(kind).smallest_normal) / 8  # type: ignore[type-var]
    share = min(0.5, DENORMALS / max(1, values.size))
    return np.asarray(np.where(rng.random(shape) < share, small, values))


SETS: dict[str, Callable[[np.random.Generator, tuple[int, ...], np.dtype[np.generic]], Array]] = {
    "random": _random,
    "zeros": _zeros,
    "large": _large,
    "denormal": _denormal,
}
"""By name; the first is also the one for timing."""
INDEPENDENT = "random"
"""The set whose elements are independent draws."""


def set_names(kernel: Kernel) -> tuple[str, ...]:
    """The sets that differ for this kernel: without floating-point inputs, only one."""
    floating = any(kernel.by_name[name].dtype.startswith("f") for name in kernel.inputs)
    return tuple(SETS) if floating else ("random",)


def draw(kernel: Kernel, name: str, seed: int) -> dict[str, Array]:
    """Arrays for `kernel.inputs`, in their own shapes and types.

    Raises:
        UnsupportedError: An element type that numpy has not.
    """
    rng = np.random.default_rng([seed, tuple(SETS).index(name)])
    return {n: _array(rng, kernel.by_name[n], name) for n in kernel.inputs}


def _array(rng: np.random.Generator, buffer: Buffer, name: str) -> Array:
    if buffer.dtype not in NUMPY_DTYPES:
        known = ", ".join(NUMPY_DTYPES)
        raise UnsupportedError(
            f"input {buffer.name!r} has elements {buffer.dtype}, which cannot be checked; known: {known}"
        )
    kind = numpy_dtype(buffer.dtype)
    if kind.kind == "b":
        return np.asarray(rng.integers(0, 2, buffer.shape)).astype(kind)
    if kind.kind == "i":
        return np.asarray(rng.integers(0, INTEGER_END, buffer.shape)).astype(kind)
    with np.errstate(under="ignore"):
        return np.asarray(SETS[name](rng, buffer.shape, kind)).astype(kind)
