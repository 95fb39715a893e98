"""A whole extraction: find or build, extract units, assemble, label, write.

Owns the order of things and what a person is told. Invariant: killed at any moment and run again with `resume`, the
data set is byte for byte that of a run without interruption. Runs the build's own code where it has to build.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from costmodel.core.errors import UsageError
from costmodel.core.tables import FunctionRow, LabelRow
from costmodel.datasets.extract.assemble import Assembled, assemble
from costmodel.datasets.extract.commands import BEFORE, STAGES, Unit
from costmodel.datasets.extract.executors import extract_locally, extract_on_ray
from costmodel.datasets.extract.formats import write_modules
from costmodel.datasets.extract.journal import Journal, unit_key
from costmodel.datasets.extract.sources import Prepared, prepare
from costmodel.datasets.extract.unit import Settings, UnitResult
from costmodel.datasets.licenses import PERMISSIVE
from costmodel.datasets.store import write_dataset
from costmodel.datasets.store.files import check_place


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a person asks for."""

    build: Path
    output: Path
    kind: str = "auto"
    """See `sources.KINDS`."""
    targets: tuple[str, ...] = ()
    label_stages: tuple[str, ...] = (BEFORE,)
    """Stages that are labelled; re-targeting optimises anew, so the code before optimisation is what has a cost."""
    licenses: tuple[str, ...] = PERMISSIVE
    stages: tuple[str, ...] = STAGES
    family: str | None = None
    jobs: int = 1
    ray: str | None = None
    resume: bool = False
    command: tuple[str, ...] = ("costmodel", "extract")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of an extraction."""

    kind: str
    project: str
    units: int
    failed_units: int
    modules: int
    found: int
    """Functions, before any was dropped."""
    functions: int
    labels: int
    failed_labels: int
    dropped: Mapping[str, int]
    failures: Mapping[str, str]
    build_cause: str | None
    licenses: Mapping[str, int] = field(default_factory=dict)
    languages: Mapping[str, int] = field(default_factory=dict)


def extract(options: Options, tell: Callable[[str], None] = lambda line: None) -> Report:
    """Extract a data set.

    Args:
        options: What is wanted.
        tell: Gets lines about the progress.

    Raises:
        UsageError: the input holds nothing to extract, or the output's place is taken.
        MissingDependencyError: a compiler, build system or Python package is not there.
        DatasetError: the disk is full; run again with `resume`.
    """
    check_place(options.output)
    journal = Journal(options.output, key=_key(options), resume=options.resume)
    prepared = prepare(options.build, options.kind, journal.folder, options.jobs)
    if prepared.build is not None and prepared.build.cause is not None:
        tell(f"the build did not end well ({prepared.build.cause}); what it compiled is extracted")
    results = list(_results(prepared, options, journal, tell))
    made = assemble(prepared, results, options.licenses, options.family)
    if not made.found:
        first = next(iter(made.failures.items()), None)
        raise UsageError(
            f"no function in {len(results)} units of {options.build.name}"
            + (f"; {first[0]}: {first[1]}" if first else "")
        )
    labels = _labels(made.functions, options, journal, tell)
    notes = {
        "kind": prepared.kind,
        "build": prepared.build.cause if prepared.build else None,
        "dropped_functions": dict(made.dropped),
        "failures": dict(made.failures),
        "stages": list(options.stages),
    }
    write_dataset(
        options.output,
        made.functions,
        labels,
        seed=None,
        command=options.command,
        notes=notes,
        extra=lambda folder: write_modules(folder, made),
    )
    journal.remove()
    return _report(prepared, results, made, labels)


def _key(options: Options) -> dict[str, object]:
    return {"build": str(options.build.resolve()), "kind": options.kind, "stages": list(options.stages)}


def _results(
    prepared: Prepared, options: Options, journal: Journal, tell: Callable[[str], None]
) -> Iterator[tuple[Unit, UnitResult]]:
    settings = Settings(root=str(prepared.root), compiler=prepared.compiler, stages=options.stages)
    names = {unit_key(unit, settings): unit for unit in prepared.units}
    missing: dict[str, Unit] = {}
    for name, unit in names.items():
        kept = journal.get(name)
        if kept is None:
            missing[name] = unit
        else:
            yield unit, kept
    tell(f"{len(names)} units, {len(names) - len(missing)} done already")
    for name, result in _run(missing, settings, options):
        journal.put(name, result)
        yield names[name], result


def _run(units: Mapping[str, Unit], settings: Settings, options: Options) -> Iterator[tuple[str, UnitResult]]:
    if not units:
        return iter(())
    if options.ray is not None:
        return extract_on_ray(units, settings, options.ray)
    return extract_locally(units, settings, min(options.jobs, len(units)))


def _labels(
    rows: Sequence[FunctionRow], options: Options, journal: Journal, tell: Callable[[str], None]
) -> list[LabelRow]:
    chosen = [row for row in rows if row.stage in options.label_stages]
    if not options.targets or not chosen:
        return []
    from costmodel.datasets.labelling import label_functions

    tell(f"labelling {len(chosen)} functions for {', '.join(options.targets)}")
    return label_functions(chosen, list(options.targets), jobs=options.jobs, cache=journal.labels())


def _report(
    prepared: Prepared, results: Sequence[tuple[Unit, UnitResult]], made: Assembled, labels: Sequence[LabelRow]
) -> Report:
    return Report(
        kind=prepared.kind if prepared.build is None else prepared.build.builder,
        project=prepared.project,
        units=len(results),
        failed_units=sum(bool(result.causes) for _, result in results),
        modules=len(made.modules),
        found=made.found,
        functions=len(made.functions),
        labels=len(labels),
        failed_labels=sum(row.value is None for row in labels),
        dropped=dict(made.dropped),
        failures=made.failures,
        build_cause=prepared.build.cause if prepared.build else None,
        licenses=_count(made, "license"),
        languages=_count(made, "language"),
    )


def _count(made: Assembled, name: str) -> dict[str, int]:
    values = [str(getattr(row, name)) for row in made.functions]
    return {value: values.count(value) for value in sorted(set(values))}
