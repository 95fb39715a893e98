"""What a run of the tuner is asked for, checked before anything starts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from costmodel.core.errors import ArtifactError, UsageError

DATABASE = "records.db"
DEFAULT_TRIALS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneOptions:
    """Options of `costmodel tune`. `seconds` None is no limit; `database` None is a file in `out`."""

    source: Path
    out: Path
    trials: int = DEFAULT_TRIALS
    seconds: float | None = None
    target: str = "native"
    threads: int = 1
    strategy: str = "evolutionary"
    seed: int = 0
    resume: bool = False
    database: Path | None = None
    input_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def database_path(self) -> Path:
        """Where records go."""
        return self.database if self.database is not None else self.out / DATABASE

    def check(self) -> None:
        """Raise `UsageError` or `ArtifactError` for a combination that makes no sense."""
        if self.trials < 0:
            raise UsageError(f"--trials {self.trials}: expected 0 or more")
        if self.seconds is not None and not 0 < self.seconds < math.inf:
            raise UsageError(f"--seconds {self.seconds:g}: expected a positive number")
        if self.seed < 0:
            raise UsageError(f"--seed {self.seed}: expected 0 or more")
        if self.threads != 1:
            raise UsageError(
                f"--threads {self.threads}: only 1 is possible until parallel loops are a knob; leave it out"
            )
        if self.out.exists() and not self.out.is_dir():
            raise ArtifactError(f"{self.out} is a file; give a folder that does not exist yet")
        if self.out.exists() and any(self.out.iterdir()) and not self.resume:
            raise UsageError(f"{self.out} exists; add --resume to go on with it, or give another folder")
