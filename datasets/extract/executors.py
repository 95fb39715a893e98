"""Where units are extracted: in local worker processes, or on a Ray cluster.

Owns the fan-out. Invariant: one result for each unit, whatever kills its process. Results come as they are done, in any
order; the caller sorts.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterator, Mapping
from typing import Any

from costmodel.core.errors import MissingDependencyError, UsageError
from costmodel.core.workers import WorkerPool
from costmodel.datasets.extract.commands import Unit
from costmodel.datasets.extract.unit import Settings, UnitResult, extract_unit

UNIT_TIMEOUT_S = 900.0
MEMORY_BYTES = 4 << 30
_TASK = "costmodel.datasets.extract.unit:extract_unit"
_RAY_RETRIES = 1


def extract_locally(units: Mapping[str, Unit], settings: Settings, jobs: int) -> Iterator[tuple[str, UnitResult]]:
    """Extract in `jobs` processes that may be killed."""
    preload = ("costmodel.datasets.extract.unit", "llvmlite.binding")
    with WorkerPool("extract", jobs, preload=preload, memory_bytes=MEMORY_BYTES) as pool:
        names = {pool.submit(_TASK, unit, settings, timeout_s=UNIT_TIMEOUT_S): name for name, unit in units.items()}
        for handle in concurrent.futures.as_completed(names):
            outcome = handle.result()
            name = names[handle]
            if outcome.ok:
                yield name, outcome.value
            else:
                yield name, UnitResult(causes=(f"its process failed: {outcome.status}: {outcome.headline}",))


def extract_on_ray(units: Mapping[str, Unit], settings: Settings, address: str) -> Iterator[tuple[str, UnitResult]]:
    """Extract on the Ray cluster at `address` (`local` starts one here); its nodes must see the build's folder.

    Raises:
        MissingDependencyError: Ray is not installed.
        UsageError: no cluster answers at the address.
    """
    ray = _ray()
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False, include_dashboard=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UsageError(f"no Ray cluster at {address!r}: {' '.join(str(error).split())[:200]}") from error
    try:
        task = ray.remote(max_retries=_RAY_RETRIES)(extract_unit)
        pending = {task.remote(unit, settings): name for name, unit in units.items()}
        while pending:
            (ready,), _ = ray.wait(list(pending), num_returns=1)
            name = pending.pop(ready)
            try:
                yield name, ray.get(ready)
            except ray.exceptions.RayError as error:
                cause = str(error).strip().splitlines()[-1][:200]
                yield name, UnitResult(causes=(f"its Ray task failed: {cause}",))
    finally:
        ray.shutdown()


def _ray() -> Any:
    try:
        import ray
        import ray.exceptions
    except ModuleNotFoundError as error:
        raise MissingDependencyError("--ray needs the Python package ray: pip install 'costmodel-ir[ray]'") from error
    return ray
