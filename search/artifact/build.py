"""From functions and chosen schedules to a folder that C programs and `costmodel.load` use.

Owns the order of building and the writing. Invariant: a folder holds a whole artifact or none of its files; a failure
leaves what was there before. Foreign code runs in workers.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from costmodel.core.errors import ArtifactError, CostModelError, ToolchainError, UsageError
from costmodel.core.workers import Handle, Outcome, WorkerPool
from costmodel.search.artifact.form import Array, FunctionSource, StepFunction, Unit
from costmodel.search.artifact.header import C_TYPES, c_name, header_text
from costmodel.search.artifact.manifest import manifest_document
from costmodel.search.artifact.program import WEIGHTS, Planner, Program, program_text
from costmodel.search.artifact.units import step_function
from costmodel.search.artifact.weights import WeightBlock, stored

MANIFEST = "manifest.json"
SCHEDULED = "scheduled.mlir"
COMPILE_TIMEOUT_S = 300.0
_TASKS = "costmodel.search.artifact.objects:"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltArtifact:
    """Where the artifact is and what it holds."""

    path: Path
    library: Path
    programs: tuple[Program, ...]
    objects: int
    weights_bytes: int


class ArtifactBuilder:
    """Builds artifacts, keeping compiled objects by content: a second build compiles only what changed.

    Not thread-safe. Close it, or use it as a context manager, unless the pool was given.
    """

    def __init__(self, pool: WorkerPool | None = None, *, workers: int = 1) -> None:
        """Use `pool` for everything foreign, else an own one of `workers` processes."""
        self._owned = None if pool is not None else WorkerPool("artifact", workers)
        self._pool = pool or self._owned
        self._objects: dict[Unit | str, bytes] = {}

    def __enter__(self) -> ArtifactBuilder:
        """The builder."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """End the builder's own workers."""
        if self._owned is not None:
            self._owned.close()

    def build(
        self, functions: Sequence[FunctionSource], choices: Mapping[str, str | None], out: Path, *, name: str
    ) -> BuiltArtifact:
        """Build `functions` into the folder `out`.

        Args:
            functions: at least one, of different names.
            choices: schedule text by workload id; None, or no entry, means default lowering.
            out: the folder, made where it is absent; other files in it stay.
            name: of the library, `lib<name>.so`; letters, digits, `_`, `-`.

        Raises:
            ArtifactError: `out` cannot be written, or linking failed.
            UnsupportedError: a schedule does not fit its kernel, or a part cannot be lowered at all.
            ToolchainError: a compiler refused a unit or crashed.
        """
        units: dict[str, Unit] = {}
        return self.build_steps([step_function(f, choices, units) for f in functions], out, name=name)

    def build_steps(self, functions: Sequence[StepFunction], out: Path, *, name: str) -> BuiltArtifact:
        """`build` for functions that are steps already."""
        out = out.absolute()  # workers run in another folder
        _check(functions, name)
        weights = WeightBlock()
        symbols = _symbols(functions, c_name(name))
        programs = [Planner(f, s, weights, self._packed(f)).plan() for f, s in zip(functions, symbols, strict=True)]
        drivers = [program_text(p, weights.size_bytes) for p in programs]
        units = {step.unit.symbol: step.unit for f in functions for step in f.steps}
        objects = self._compile(list(units.values()), drivers)
        library = f"lib{name}.so"
        with _staging(out) as staging:
            folder = staging / "files"
            folder.mkdir()
            blob = staging / "weights.bin"
            weights.write(blob)
            exports = tuple(p.symbol for p in programs)
            linker = self._call(
                "link_here", objects, str(blob) if weights.size_bytes else None, exports, str(folder / library), WEIGHTS
            )
            (folder / f"{name}.h").write_text(header_text(name, programs), encoding="utf-8")
            (folder / SCHEDULED).write_text(_listing(drivers, list(units.values())), encoding="utf-8")
            manifest = manifest_document(name, programs, folder, library, str(linker))
            (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
            _publish(folder, out)
        return BuiltArtifact(
            path=out,
            library=out / library,
            programs=tuple(programs),
            objects=len(objects),
            weights_bytes=weights.size_bytes,
        )

    def _packed(self, function: StepFunction) -> dict[int, list[Array]]:
        """Packed operands of each step that has any."""
        packed = {}
        for i, step in enumerate(function.steps):
            pack = step.unit.pack
            if pack is None:
                continue
            arrays = []
            for argument in pack.arguments:
                if argument.role == "input":
                    root = function.graph.root(step.inputs[argument.position])
                    if root not in function.weights:
                        raise UsageError(f"{step.unit.title}: packs {root} as a constant, but its value is not given")
                    arrays.append(stored(function.weights[root], function.graph.buffers[root]))
            packed[i] = self._call("run_pack", pack, arrays)
        return packed

    def _compile(self, units: Sequence[Unit], drivers: Sequence[str]) -> list[bytes]:
        wanted: list[Unit | str] = [*units, *drivers]
        handles = {}
        for item in wanted:
            if item not in self._objects and item not in handles:
                task = "compile_text" if isinstance(item, str) else "compile_unit"
                handles[item] = self._submit(task, item)
        for item, handle in handles.items():
            what = "the calling function" if isinstance(item, str) else item.title
            self._objects[item] = bytes(_value(handle.result(), what))
        return [self._objects[item] for item in wanted]

    def _submit(self, task: str, *args: object) -> Handle:
        assert self._pool is not None
        return self._pool.submit(
            "costmodel.toolchain.isolation:guarded", _TASKS + task, *args, timeout_s=COMPILE_TIMEOUT_S
        )

    def _call(self, task: str, *args: object) -> Any:
        return _value(self._submit(task, *args).result(), task)


def _value(outcome: Outcome, what: str) -> Any:
    if not outcome.ok:
        raise ToolchainError(f"{what}: {outcome.status}: {outcome.headline}")
    if isinstance(outcome.value, CostModelError):
        if isinstance(outcome.value, ArtifactError):
            raise outcome.value
        raise type(outcome.value)(f"{what}: {outcome.value}") from outcome.value
    return outcome.value


def _check(functions: Sequence[StepFunction], name: str) -> None:
    if not functions:
        raise UsageError("an artifact needs at least one function")
    if not name or not all((c.isalnum() and c.isascii()) or c in "_-" for c in name):
        raise UsageError(f"{name!r} is no name for a library: use letters, digits, _ and -")
    if len({f.name for f in functions}) != len(functions):
        raise UsageError(f"two functions have the same name: {', '.join(f.name for f in functions)}")
    for function in functions:
        for port in (*function.inputs, *function.outputs):
            if port.dtype not in C_TYPES:
                raise UsageError(
                    f"{function.name!r}: {port.name!r} has the type {port.dtype}, which C programs cannot pass"
                )


def _symbols(functions: Sequence[StepFunction], prefix: str) -> list[str]:
    names: list[str] = []
    for function in functions:
        names.append(c_name(function.name, set(names)))
    return [f"{prefix}_{n}" for n in names]


def _listing(drivers: Sequence[str], units: Sequence[Unit]) -> str:
    """Everything in the artifact, one module after another (`mlir-opt --split-input-file` reads it)."""
    parts = [f"// Calls, in order, over one workspace.\n{text}" for text in drivers]
    for unit in units:
        head = [f"// {unit.symbol}: {''.join(c if c.isprintable() else ' ' for c in unit.title)}"]
        if unit.workload_id is not None:
            head.append(f"// workload {unit.workload_id}")
        pack = f"\n{unit.pack.text}" if unit.pack is not None else ""
        parts.append("\n".join(head) + f"\n{unit.text}{pack}".rstrip() + "\n")
    return "\n// -----\n\n".join(parts)


@contextmanager
def _staging(out: Path) -> Iterator[Path]:
    """A folder beside or in `out` that goes away; `ArtifactError` where anything in it cannot be written."""
    if out.exists() and not out.is_dir():
        raise ArtifactError(f"cannot write {out}: it is no folder")
    try:
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
        place = out if out.is_dir() else out.absolute().parent
        with tempfile.TemporaryDirectory(dir=place, prefix=".building.") as scratch:
            yield Path(scratch)
    except OSError as error:
        raise ArtifactError(f"cannot write {out}: {error.strerror or error}") from error


def _publish(folder: Path, out: Path) -> None:
    """Move finished files into place, the manifest last: until then a loader sees the old one or a mismatch."""
    if not out.exists():
        folder.replace(out)
        return
    for path in sorted(folder.iterdir(), key=lambda p: p.name == MANIFEST):
        path.replace(out / path.name)
