"""The module-level files of an extracted data set: Parquet with ComPile's columns, and a corpus that mlgo-utils reads.

Owns their layout. Sources: ComPile (arXiv 2309.15432) for the columns, LLVM's mlgo-utils (`extract_ir`) for
`corpus_description.json`, `NAME.bc` and `NAME.cmd`. Invariant: equal input, equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from costmodel.datasets.extract.assemble import Assembled, ModuleRow, ProvenanceRow, corpus_name
from costmodel.datasets.store import arrow

MODULES, PROVENANCE, CORPUS = "modules.parquet", "provenance.parquet", "corpus"
_TYPES = {"content": "binary", "functions": "int64", "duplicates": "int64"}


def write_modules(folder: Path, made: Assembled) -> None:
    """Write `modules.parquet`, `provenance.parquet` and `corpus/` into `folder`."""
    arrow.write_table(_table(ModuleRow, made.modules), folder / MODULES)
    rows = sorted(made.provenance, key=lambda row: row.function_id)
    arrow.write_table(_table(ProvenanceRow, rows), folder / PROVENANCE)
    write_corpus(folder / CORPUS, made)


def write_corpus(folder: Path, made: Assembled) -> None:
    """Write `corpus_description.json`, and for each module its bitcode and its command (words apart by NUL)."""
    names = []
    for row in made.modules:
        name = corpus_name(row)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f"{path.name}.bc").write_bytes(row.content)
        path.with_name(f"{path.name}.cmd").write_bytes("\0".join(made.commands[row.module_id]).encode())
        names.append(name)
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"has_thinlto": False, "modules": sorted(names)}, indent=2)
    (folder / "corpus_description.json").write_text(text + "\n", encoding="utf-8")


def _table(kind: type[ModuleRow] | type[ProvenanceRow], rows: Sequence[object]) -> Any:
    arrow.parquet()
    import pyarrow as pa

    def layout(name: str) -> Any:
        return pa.list_(pa.string()) if name == "license_files" else getattr(pa, _TYPES.get(name, "string"))()

    names = [field.name for field in fields(kind)]
    arrays = [pa.array([_plain(getattr(row, name)) for row in rows], type=layout(name)) for name in names]
    return pa.Table.from_arrays(arrays, names=names)


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
