"""Who is asked for what on a target.

Owns the choice of labellers and its errors. Invariant: each metric is asked of one labeller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from costmodel.core.errors import MissingDependencyError, UsageError
from costmodel.core.metrics import get_metric
from costmodel.core.target import Target
from costmodel.datasets.labellers import LABELLERS, ORDER, Answer, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A labeller and the metrics it is asked for; it may give more."""

    labeller: str
    version: str
    metrics: tuple[str, ...]
    gives: tuple[str, ...]
    measures: bool = False

    def all(self, value: Value) -> Answer:
        """The same for every metric it gives."""
        return dict.fromkeys(self.gives, value)


def plan(target: Target, labellers: Sequence[str] | None, metrics: Sequence[str] | None) -> tuple[Step, ...]:
    """The steps for `target`; see `labelling.label_functions` for what is raised."""
    for name in metrics or ():
        get_metric(name)
    named = [(name, LABELLERS.get(name)()) for name in labellers or ORDER]
    left = None if metrics is None else list(dict.fromkeys(metrics))
    steps, taken = [], set[str]()
    for name, labeller in named:
        gives = labeller.gives.get(target.arch, ())
        wanted = tuple(m for m in gives if m not in taken and (left is None or m in left))
        asked = labellers is not None or (metrics is not None and bool(wanted))
        if not wanted or not (labeller.default or asked):
            continue
        version = labeller.version(target)
        if version is None:
            if labellers is not None:
                if labeller.measures and not target.is_native:
                    raise UsageError(f"{name} measures, and {target.name} is not this machine; give --target native")
                raise MissingDependencyError(
                    f"the labeller {name} is not usable for {target.name}: needs {labeller.needs}"
                )
            continue
        taken.update(wanted)
        steps.append(
            Step(
                labeller=name,
                version=version,
                metrics=wanted,
                gives=gives,
                measures=labeller.measures,
            )
        )
    for metric in left or ():
        if metric not in taken:
            raise _no_one(metric, target)
    return tuple(steps)


def missing_metrics(target: Target) -> dict[str, str]:
    """Metrics that exist for `target` and that only absent tools give, with what they need."""
    have = {metric for step in plan(target, None, None) for metric in step.metrics}
    wanted: dict[str, str] = {}
    for name in ORDER:
        labeller = LABELLERS.get(name)()
        offered = [m for m in labeller.gives.get(target.arch, ()) if m not in have]
        if labeller.default and offered and labeller.version(target) is None:
            wanted.update(dict.fromkeys(offered, labeller.needs))
    return wanted


def _no_one(metric: str, target: Target) -> Exception:
    givers = {name: LABELLERS.get(name)() for name in ORDER}
    here = {name: labeller for name, labeller in givers.items() if metric in labeller.gives.get(target.arch, ())}
    if all(labeller.measures for labeller in here.values()) and here:
        return UsageError(f"{metric} is measured, and {target.name} is not this machine; give --target native")
    if here:
        needs = "; or ".join(labeller.needs for labeller in here.values())
        return MissingDependencyError(f"{metric} on {target.name} needs a tool that is not installed: {needs}")
    offered = sorted({m for labeller in givers.values() for m in labeller.gives.get(target.arch, ())})
    return UsageError(f"no labeller gives {metric} on {target.name}; on {target.arch} there are: {', '.join(offered)}")
