"""Kinds of rows: the architecture, and whether IR goes to code generation as it stands, or blocks of it are counted.

Owns their names, `ARCH`, `ARCH+codegen` and `ARCH+loops`, by which sums of counts and quantiles of errors are kept, and
the columns of the context that tell them.
"""

from __future__ import annotations

import numpy as np

from costmodel.models.base import Array
from costmodel.models.context import CODEGEN, pipeline_bucket
from costmodel.models.examples import Examples

STANDS = f"pipeline:{pipeline_bucket(CODEGEN)}"
BLOCKS = "schedule:bound_blocks"
AS_IT_STANDS, IN_LOOPS = "+codegen", "+loops"
_COLUMNS = ((STANDS, AS_IT_STANDS), (BLOCKS, IN_LOOPS))
ENDINGS = ("", *(ending for _, ending in _COLUMNS))
"""What follows the architecture; where several columns are set, all their endings do, and nothing is kept by that."""


def kinds_of(examples: Examples) -> Array:
    """Names `[n]`."""
    names = np.asarray(examples.archs, "U32")
    for column, ending in _COLUMNS:
        if column in examples.context_names:
            own = examples.context[:, examples.context_names.index(column)] > 0
            if own.any():
                names = np.where(own, np.char.add(names, ending), names)
    return names


def ending_of(name: str) -> str:
    """What follows the architecture in a name."""
    return "".join(name.partition("+")[1:])


def arch_of(name: str) -> str:
    """What comes before it."""
    return name.partition("+")[0]
