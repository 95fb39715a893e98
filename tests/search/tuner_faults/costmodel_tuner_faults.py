"""The mlir backend with another builder: the n-th candidate of a run gets the n-th fault, as real machine code.

Which one it is stands in a file that outlives workers, because most faults take their worker with them.
"""

from __future__ import annotations

import os
from pathlib import Path

import costmodel_measure_faults as faults

from costmodel.search.backends.mlir.backend import MlirBackend

COUNTER = "COSTMODEL_TEST_COUNTER"
STATUS = {
    "slow": "ok",
    "compile_spins": "compile_timeout",
    "spins": "run_timeout",
    "null": "crash",
    "one_wrong": "wrong",
    "one_nan": "nan",
    "hog": "oom",
    "compile_aborts": "compile_error",
    "compile_hogs": "oom",
    "refused": "compile_error",
    "right": "ok",
}
"""Fault → what the trial's status must be, in the order of candidates."""


def build(kernel, schedule):
    """The worker's task. Default lowering is slow, so that a right candidate beats it."""
    if schedule is None:
        return faults.build(kernel, "slow")
    counter = Path(os.environ[COUNTER])
    number = counter.stat().st_size
    with counter.open("ab") as file:
        file.write(b".")
    return faults.build(kernel, list(STATUS)[number % len(STATUS)])


class FaultyCandidates(MlirBackend):
    name = "faulty"
    build_task = "costmodel_tuner_faults:build"
    preload = ("costmodel_tuner_faults",)

    def toolchain(self):
        return "faults-1"
