"""Reading a data set. Owns lazy access: a column is read when it is asked for, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from costmodel.core.hashing import sha256_file
from costmodel.core.tables import FUNCTION_COLUMNS, LABEL_COLUMNS, FunctionRow, LabelRow
from costmodel.datasets.store import arrow
from costmodel.datasets.store.files import DatasetError
from costmodel.datasets.store.manifest import Manifest, read_manifest
from costmodel.datasets.store.write import FUNCTIONS, LABELS


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A data set on disk. Immutable; safe to share between threads; every call reads anew."""

    folder: Path
    manifest: Manifest

    def functions(self, columns: Sequence[str] | None = None) -> Any:
        """`functions.parquet` as a `pyarrow.Table` of `columns` (default: all), rows in canonical order."""
        return self._table(FUNCTIONS, columns, FUNCTION_COLUMNS)

    def labels(self, columns: Sequence[str] | None = None) -> Any:
        """`labels.parquet` as a `pyarrow.Table` of `columns` (default: all), rows in canonical order."""
        return self._table(LABELS, columns, LABEL_COLUMNS)

    def column(self, name: str) -> np.ndarray[Any, Any]:
        """One column of the functions, [num_functions]; texts are objects, absent ones None."""
        return np.asarray(self.functions([name]).column(0).to_numpy(zero_copy_only=False))

    def label_column(self, name: str) -> np.ndarray[Any, Any]:
        """One column of the labels, [num_labels]; an absent `value` is NaN."""
        return np.asarray(self.labels([name]).column(0).to_numpy(zero_copy_only=False))

    def function_rows(self) -> Iterator[FunctionRow]:
        """All functions, in canonical order."""
        return arrow.function_rows(self.functions())

    def label_rows(self) -> Iterator[LabelRow]:
        """All labels, in canonical order."""
        return arrow.label_rows(self.labels())

    def damaged(self) -> dict[str, str]:
        """Files that differ from the manifest, with what is wrong with each; empty where all is well."""
        found = {}
        for name, expected in self.manifest.files.items():
            path = self.folder / name
            if not path.is_file():
                found[name] = "is missing"
            elif sha256_file(path) != expected:
                found[name] = "has other content than the manifest says"
        return found

    def _table(self, file: str, columns: Sequence[str] | None, known: Sequence[str]) -> Any:
        path = self.folder / file
        unknown = [name for name in columns or () if name not in known]
        if unknown:
            raise DatasetError(f"{file} has no column {unknown[0]!r}; known: {', '.join(known)}")
        parquet = arrow.parquet()
        try:
            return parquet.read_table(path, columns=list(columns or known), partitioning=None)
        except (OSError, ValueError) as error:  # pyarrow's own errors derive from these two
            raise DatasetError(f"{path} cannot be read: {error}") from error


def read_dataset(folder: Path) -> Dataset:
    """Open the data set in `folder`; reads the manifest only.

    Raises:
        DatasetError: no data set, damaged, or of another version.
    """
    manifest = read_manifest(Path(folder))
    for name in (FUNCTIONS, LABELS):
        if not (Path(folder) / name).is_file():
            raise DatasetError(f"{folder} lacks {name}, which its manifest lists; the copy is incomplete")
    return Dataset(folder=Path(folder), manifest=manifest)
