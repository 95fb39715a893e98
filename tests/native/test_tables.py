"""The table that C++ is built with is the one that Python has."""

from pathlib import Path

import costmodel
from costmodel.native.tables import tables


def test_the_committed_table_is_what_python_writes() -> None:
    committed = Path(costmodel.__file__).parent / "native" / "core" / "Tables.inc"
    assert committed.read_text(encoding="utf-8") == tables(), (
        "run: python -m costmodel.native.tables > costmodel/native/core/Tables.inc"
    )
