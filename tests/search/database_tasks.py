"""What other processes do to a database, run through isolated workers or as scripts."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

from costmodel.core.errors import DatabaseError
from costmodel.core.record import Record
from costmodel.search.database import Database


def make_record(**changes) -> Record:
    fields = {
        "workload_id": "w",
        "target": "x86-64/znver4",
        "device": "this",
        "backend": "mlir",
        "toolchain": "llvm-22.1",
        "schedule": "v1; tile(level=cache, m=8)",
        "session": "s",
        "trial": 0,
        "seed": 0,
        "status": "ok",
        "samples_s": (1.0e-3,),
    }
    if changes.get("status", "ok") != "ok":
        fields["samples_s"] = ()
    return Record(**(fields | changes))


def add_until_the_disk_is_full(path: str, limit_bytes: int) -> tuple[int, str]:
    """Records that were added, and the message that ended it."""
    with Database.open(path) as database:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
        for trial in range(100_000):
            try:
                database.add(make_record(trial=trial, cause="x" * 1000))
            except DatabaseError as error:
                return trial, str(error)
    raise AssertionError("the disk did not fill up")


def create_on_a_full_disk(path: str) -> str:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))
    try:
        Database.open(path)
    except DatabaseError as error:
        return str(error)
    raise AssertionError("there was room")


def read_where_nothing_can_be_written(path: str) -> tuple[int, str]:
    """Number of records, and the message when opening to write."""
    if os.geteuid() == 0:
        os.seteuid(65534)  # permissions do not bind root
    with Database.open(path, readonly=True) as database:
        count = len(database)
    try:
        Database.open(path).add(make_record())
    except DatabaseError as error:
        return count, str(error)
    raise AssertionError("it could be written")


def add_many(path: str, session: str, count: int) -> None:
    with Database.open(path) as database:
        for trial in range(count):
            database.add(make_record(session=session, trial=trial))


if __name__ == "__main__":  # add for ever, saying after each record that it is in
    with Database.open(Path(sys.argv[1])) as database:
        trial = 0
        while True:
            database.add(make_record(trial=trial))
            print(trial, flush=True)
            trial += 1
