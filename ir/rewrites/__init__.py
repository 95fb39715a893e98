"""Rewrites that keep what a program means, to test that a model's answer does not hang on how it is written.

Owns the registry; after ReCode (arXiv 2212.10264), for IR. Invariant: deterministic by seed; the output verifies with
the real tools if the input does; `None` says that a rewrite found nothing to do. LLVM IR is read and written as text of
LLVM's own printing; MLIR as generic form (`printing.print_generic` writes it).
"""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np

from costmodel.core.registry import Registry

Format = Literal["llvm", "mlir"]


class Rewrite(Protocol):
    """A rewrite of a whole module's text; called any number of times, keeps no state."""

    def __call__(self, text: str, rng: np.random.Generator) -> str | None:
        """The rewritten module, or None where it does not apply; Raises `ParseError` for text that it cannot read."""
        ...


KINDS = ("rename", "reorder", "dead", "commute", "split", "merge", "reformat", "locations")
"""What every format offers."""

REWRITES: Registry[Rewrite] = Registry(
    "rewrite",
    {
        "llvm-rename": "costmodel.ir.rewrites.llvm_names:rename",
        "llvm-reorder": "costmodel.ir.rewrites.llvm_order:reorder",
        "llvm-dead": "costmodel.ir.rewrites.llvm_order:add_dead",
        "llvm-commute": "costmodel.ir.rewrites.llvm_order:commute",
        "llvm-split": "costmodel.ir.rewrites.llvm_blocks:split",
        "llvm-merge": "costmodel.ir.rewrites.llvm_blocks:merge",
        "llvm-reformat": "costmodel.ir.rewrites.llvm_format:reformat",
        "llvm-locations": "costmodel.ir.rewrites.llvm_format:add_locations",
        "mlir-rename": "costmodel.ir.rewrites.mlir_names:rename",
        "mlir-reorder": "costmodel.ir.rewrites.mlir_order:reorder",
        "mlir-dead": "costmodel.ir.rewrites.mlir_order:add_dead",
        "mlir-commute": "costmodel.ir.rewrites.mlir_order:commute",
        "mlir-split": "costmodel.ir.rewrites.mlir_blocks:split",
        "mlir-merge": "costmodel.ir.rewrites.mlir_blocks:merge",
        "mlir-reformat": "costmodel.ir.rewrites.mlir_names:reformat",
        "mlir-locations": "costmodel.ir.rewrites.mlir_names:add_locations",
    },
)


def rewrite(text: str, kind: str, rng: np.random.Generator, *, form: Format) -> str | None:
    """Apply one of `KINDS` to LLVM IR or generic-form MLIR.

    Raises:
        UnknownNameError: no such rewrite.
        ParseError: the text is not of the form.
    """
    return REWRITES.get(f"{form}-{kind}")(text, rng)
