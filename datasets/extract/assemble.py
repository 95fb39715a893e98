"""From units' results to the data set's rows: licences, duplicates, provenance, and the two module formats.

Owns what is kept and what is counted as dropped. Invariant: depends on the results alone, not on the order in which
they came.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from costmodel.core.hashing import sha256_text
from costmodel.core.tables import FunctionRow
from costmodel.datasets.dedup import drop_by
from costmodel.datasets.extract.commands import Unit, relative_arguments
from costmodel.datasets.extract.sources import Prepared
from costmodel.datasets.extract.unit import ModuleResult, UnitResult
from costmodel.datasets.licenses import License, find_license, is_allowed
from costmodel.ir.structure import near_hash, structural_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleRow:
    """One row of `modules.parquet`: ComPile's columns, then ours."""

    content: bytes
    license_expression: str
    license_source: str
    license_files: tuple[str, ...]
    package_source: str
    language: str
    module_id: str
    stage: str
    project: str
    source_file: str
    command: str
    """JSON list of words, paths relative to the build."""
    directory: str
    functions: int
    duplicates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenanceRow:
    """One row of `provenance.parquet`: where a function of `functions.parquet` came from."""

    function_id: str
    module_id: str
    source_file: str
    symbol: str
    structural_hash: str
    near_hash: str


@dataclass(slots=True, kw_only=True)
class Assembled:
    """What a run gives."""

    functions: list[FunctionRow] = field(default_factory=list)
    modules: list[ModuleRow] = field(default_factory=list)
    provenance: list[ProvenanceRow] = field(default_factory=list)
    commands: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What the corpus keeps of each module, by `module_id`: the front end's words where they are known."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Functions, by cause."""
    failures: dict[str, str] = field(default_factory=dict)
    """Units and functions that failed, with why."""
    found: int = 0
    """Functions before anything was dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    row: FunctionRow
    structure: str
    module_id: str
    source_file: str


def assemble(
    prepared: Prepared, results: Sequence[tuple[Unit, UnitResult]], allowed: tuple[str, ...], family: str | None
) -> Assembled:
    """Turn the results of all units into rows."""
    made = Assembled()
    candidates: list[_Candidate] = []
    for unit, result in sorted(results, key=lambda pair: (pair[0].source, pair[0].directory, pair[0].arguments)):
        source = _shown(relative(unit.source, prepared.root))
        for index, cause in enumerate(result.causes):
            made.failures[source if index == 0 else f"{source} ({index + 1})"] = _shown(cause)
        found = _license(unit, prepared)
        for module in result.modules:
            made.found += len(module.functions)
            for cause in module.causes:
                made.failures[f"{source}, {module.stage}"] = _shown(cause)
            if found is None or not is_allowed(found.expression, allowed):
                made.dropped[f"licence {found.expression}" if found else "no licence"] += len(module.functions)
                continue
            candidates += _module(made, prepared, unit, module, found, family, source)
    _keep_distinct(made, candidates)
    _drop_equal_modules(made)
    return made


def relative(path: str, root: Path) -> str:
    """`path` relative to the root; the last two parts of one outside."""
    return os.path.relpath(path, root) if Path(path).is_relative_to(root) else "/".join(Path(path).parts[-2:])


def _license(unit: Unit, prepared: Prepared) -> License | None:
    manifest = unit.environment.get("CARGO_MANIFEST_DIR")
    inside = manifest is None or Path(manifest).is_relative_to(prepared.root)
    return find_license(prepared.root if inside else Path(str(manifest)), Path(unit.source))


def _module(
    made: Assembled,
    prepared: Prepared,
    unit: Unit,
    module: ModuleResult,
    found: License,
    family: str | None,
    source: str,
) -> list[_Candidate]:
    language = module.language or "unknown"
    root = str(prepared.root)
    command = [_shown(word) for word in relative_arguments(module.command, root)]
    project = _project(unit, prepared)
    rows = [
        FunctionRow(
            ir=text,
            format="llvm",
            level="llvm",
            stage=module.stage,
            entry=symbol,
            project=project,
            family=family or language,
            language=language,
            license=found.expression,
            license_file=_shown(found.files[0]),
        )
        for symbol, text in module.functions
    ]
    hashes = [structural_hash(row) for row in rows]
    name = f"{source}{'#' if module.member else ''}{_shown(module.member)}"
    identity = sha256_text(json.dumps([project, name, module.stage, command, hashes]))
    words = relative_arguments(module.frontend or module.command, root)
    made.commands[identity] = tuple(_shown(word) for word in words)
    made.modules.append(
        ModuleRow(
            content=module.bitcode,
            license_expression=found.expression,
            license_source=found.source,
            license_files=tuple(_shown(file) for file in found.files),
            package_source=project,
            language=language,
            module_id=identity,
            stage=module.stage,
            project=project,
            source_file=name,
            command=json.dumps(command),
            directory=_shown(relative(unit.directory, prepared.root)),
            functions=len(rows),
            duplicates=0,
        )
    )
    return [
        _Candidate(row=row, structure=structure, module_id=identity, source_file=name)
        for row, structure in zip(rows, hashes, strict=True)
    ]


def _keep_distinct(made: Assembled, candidates: list[_Candidate]) -> None:
    by_row = {id(candidate.row): candidate for candidate in candidates}
    first: dict[str, _Candidate] = {}
    for candidate in sorted(candidates, key=lambda one: (one.source_file, one.module_id, one.row.entry)):
        first.setdefault(candidate.row.function_id, candidate)
    made.functions = drop_by(
        [candidate.row for candidate in candidates], lambda row: (row.stage, by_row[id(row)].structure)
    )
    made.dropped["duplicate"] += len(candidates) - len(made.functions)
    for row in made.functions:
        origin = first[row.function_id]
        made.provenance.append(
            ProvenanceRow(
                function_id=row.function_id,
                module_id=origin.module_id,
                source_file=origin.source_file,
                symbol=row.entry,
                structural_hash=origin.structure,
                near_hash=near_hash(row),
            )
        )
    made.dropped = Counter({cause: count for cause, count in made.dropped.items() if count})


def _drop_equal_modules(made: Assembled) -> None:
    """Modules with equal functions at one stage are one; the first by source stays, and its command with it."""
    kept: dict[tuple[str, str], ModuleRow] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for row in sorted(made.modules, key=lambda row: (row.project, row.source_file, row.stage, row.module_id)):
        key = (row.stage, sha256_text(repr(row.content)))
        counts[key] += 1
        kept.setdefault(key, row)
    made.modules = [_with_duplicates(row, counts[key] - 1) for key, row in kept.items()]


def _with_duplicates(row: ModuleRow, duplicates: int) -> ModuleRow:
    values = {name: getattr(row, name) for name in ModuleRow.__slots__}
    return ModuleRow(**{**values, "duplicates": duplicates})


def _project(unit: Unit, prepared: Prepared) -> str:
    name, version = unit.environment.get("CARGO_PKG_NAME"), unit.environment.get("CARGO_PKG_VERSION")
    return f"{name}-{version}" if name and version else prepared.project


def _shown(text: str) -> str:
    """Text that every format can hold: bytes that are no UTF-8, as escapes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def corpus_name(row: ModuleRow) -> str:
    """A module's path within the corpus: its source's, every odd character written as `%XX`."""
    name = quote(row.source_file, safe="/+-_.@,=()#").replace("../", "")
    return f"{row.stage}/{row.project}/{name}.{row.module_id[:8]}"
