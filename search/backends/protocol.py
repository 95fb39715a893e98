"""What every backend offers: a schedule's IR at once, and the names of worker tasks that build and measure it.

Owns the interface and the values that pass between the two tasks. Knows no compiler.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from costmodel.search.backends.mlir.kernel import Argument
from costmodel.search.kernel.form import Kernel
from costmodel.search.schedule.text import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Realised:
    """The scheduled IR of a candidate, before any code generation."""

    text: str
    arguments: tuple[Argument, ...]
    """Of the entry function, in order: inputs, outputs, then scratch and packed buffers."""
    prepack_arguments: tuple[Argument, ...] = ()
    """Of the function that packs constants once; empty where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """An object whose function `entry` takes one bare pointer for each argument and returns nothing."""

    data: bytes
    entry: str
    arguments: tuple[Argument, ...]
    prepack_arguments: tuple[Argument, ...] = ()
    prepack: str = "prepack"
    seconds: dict[str, float]
    """What each step of the build took, by name of the step."""
    ir_bytes: int
    """Size of the scheduled IR's text."""


class Backend(Protocol):
    """Turns a kernel and a schedule into code. Made once by whoever tunes, used by one thread, holds no resources.

    `build_task` and `measure_task` are `"module:function"` names for `costmodel.core.workers`: they run in processes
    that may be killed, and only there does foreign code run.

    `build_task(kernel, schedule_text | None) -> Built`; None asks for the default lowering. It raises where the
    schedule or the compiler refuses. `measure_task(built, key, spec)` is `measure.runner.measure` wherever
    the object runs on this machine.
    """

    name: str
    build_task: str
    measure_task: str
    preload: tuple[str, ...]
    """Modules that the building worker imports when it starts."""

    def toolchain(self) -> str:
        """Names and versions of everything that turns a schedule into code, for the key of records."""

    def realise(self, kernel: Kernel, schedule: Schedule) -> Realised:
        """The scheduled IR, without generating code and without a worker.

        Raises:
            UnsupportedError: The schedule does not fit the kernel; the message names the step.
        """
