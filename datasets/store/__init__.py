"""Data sets on disk: Parquet tables, manifest and card, written whole or not at all, read lazily.

Example:
    >>> from costmodel.datasets.store import read_dataset, write_dataset
    >>> write_dataset(folder, functions, labels, seed=0, command=["costmodel", "generate", "matmul"])
    >>> read_dataset(folder).labels(["metric", "value"]).num_rows
"""

from __future__ import annotations

from costmodel.datasets.store.files import DatasetError
from costmodel.datasets.store.manifest import Manifest, relative_command
from costmodel.datasets.store.read import Dataset, read_dataset
from costmodel.datasets.store.write import write_dataset

__all__ = ["Dataset", "DatasetError", "Manifest", "read_dataset", "relative_command", "write_dataset"]
