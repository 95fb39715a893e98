"""A builder for MetaSchedule that starts a process once, not once a round: imports of TVM cost seconds, here a minute.

Owns nothing but the process. Invariant: a candidate that does not compile in time costs only itself.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import tvm.s_tir.tensor_intrin
from tvm.driver import build as tvm_build
from tvm.ir.utils import derived_object
from tvm.s_tir.meta_schedule.builder import BuilderInput, BuilderResult, PyBuilder
from tvm.s_tir.transform import RemoveWeightLayoutRewriteBlock

FORK = multiprocessing.get_context("fork")


@derived_object
class ForkedBuilder(PyBuilder):  # type: ignore[misc]
    """Builds in a forked child that has TVM loaded; replaced by another when it hangs or dies."""

    def __init__(self, timeout_s: float = 15.0) -> None:
        super().__init__()
        self.timeout_s = timeout_s
        self.child: Any = None
        self.line: Connection | None = None

    def build(self, build_inputs: Sequence[BuilderInput]) -> list[BuilderResult]:
        """One result for each input."""
        return [self._one(item) for item in build_inputs]

    def _one(self, item: BuilderInput) -> BuilderResult:
        if self.child is None or not self.child.is_alive():
            self.line, other = FORK.Pipe()
            self.child = FORK.Process(target=_serve, args=(other,), daemon=True)
            self.child.start()
        assert self.line is not None
        self.line.send((tvm.ir.save_json(item.mod), tvm.ir.save_json(item.target)))
        try:
            if self.line.poll(self.timeout_s):
                path, error = self.line.recv()
                return BuilderResult(path, error)
        except EOFError:
            pass
        self.child.kill()
        self.child.join()
        return BuilderResult(None, f"the build died or took over {self.timeout_s:g} s")


def _serve(line: Connection) -> None:
    while True:
        module, target = line.recv()
        try:
            mod = RemoveWeightLayoutRewriteBlock(skip_tensor_rewrite=True)(tvm.ir.load_json(module))
            path = Path(tempfile.mkdtemp()) / "kernel.so"  # MetaSchedule deletes the folder when it has run the file
            tvm_build(mod, target=tvm.ir.load_json(target)).export_library(str(path))
            line.send((str(path), None))
        except Exception as error:  # noqa: BLE001 - TVM raises whatever; it is this candidate's result
            line.send((None, f"{type(error).__name__}: {error}"[:2000]))
