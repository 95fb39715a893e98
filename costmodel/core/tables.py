"""The rows of a data set: functions, and the labels that tools gave them.

Owns the columns and their types (contract "Data set"). Invariant: rows sort canonically (`sort_key`), equal content has
an equal `function_id`, and nothing in a row depends on the time or the machine, but for measured samples.
Does not read or write files (`costmodel.datasets.store` does) and does no labelling.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from costmodel.core.hashing import sha256_fields

TABLES_VERSION = 1
"""Of the two tables and the manifest."""

_ID_FIELDS = ("ir", "format", "level", "stage", "entry", "schedule")


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionRow:
    """One function or kernel, self-contained: `ir` reads back with nothing but itself."""

    ir: str
    """Text of a module that holds the function, its types, globals and declarations."""
    format: str
    """The reader's name: `mlir`, `llvm`."""
    level: str
    """Of abstraction: `linalg`, `affine`, `scf`, `vector`, `llvm`, `ttir`, `ttgir`, …"""
    stage: str
    """`source`, `before-optimisation`, `after-optimisation`, `scheduled`."""
    entry: str
    """Symbol of the function that is labelled."""
    schedule: str | None = None
    workload_id: str | None = None
    project: str
    """What is held out by `by_project`: a package with its version, or the generator."""
    family: str
    """What is held out by `by_family`: the operator family, or the kind of program."""
    network: str | None = None
    language: str | None = None
    license: str
    """SPDX expression."""
    license_file: str | None = None
    """Relative path of the file that proves it."""
    duplicates: int = 0
    """Structurally equal functions that were dropped in favour of this one."""

    @property
    def function_id(self) -> str:
        """Content hash, 64 hex digits: of the IR and how it is to be read, not of where it came from."""
        return sha256_fields(TABLES_VERSION, {name: getattr(self, name) for name in _ID_FIELDS})

    @property
    def sort_key(self) -> tuple[str, ...]:
        """Canonical order of rows."""
        return (self.project, self.family, self.function_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRow:
    """What one tool says of one metric of one function on one target; `value` is None where `cause` says why."""

    function_id: str
    target: str
    device: str | None = None
    """Identity of the machine, for measured labels only."""
    pipeline: str
    """Named, versioned lowering; or `schedule` where the function's schedule text is the lowering."""
    metric: str
    value: float | None
    unit: str
    cause: str | None = None
    """Why there is no value: `compile_error: …`, `timeout`, `crash`, `unsupported: …`."""
    tool: str
    tool_version: str
    samples: tuple[float, ...] = ()
    """Every measurement behind a measured `value`, in the same unit."""

    @property
    def sort_key(self) -> tuple[str, ...]:
        """Canonical order of rows."""
        return (self.function_id, self.target, self.pipeline, self.metric, self.tool, self.device or "")


FUNCTION_COLUMNS = ("function_id", *(field.name for field in fields(FunctionRow)))
LABEL_COLUMNS = tuple(field.name for field in fields(LabelRow))
