"""What `costmodel doctor` looks at, each as a `Finding`. Nothing foreign runs in this process."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from costmodel.core.workers import Outcome, run_isolated
from costmodel.toolchain.link import LINKERS, MISSING_REMEDY, find_linker
from costmodel.toolchain.tools import APT_LINE, APT_TOOLS, LLVM_MAJOR, find_apt_tool, find_tool, wheel_version

Status = Literal["ok", "note", "missing", "broken"]
"""`note`: works, but not as tested. `broken`: it is here and does not work."""

DISTRIBUTION = "costmodel-ir"
PROBE_TIMEOUT_S = 60.0

WHEEL_TOOLS = ("opt", "llc", "llvm-mca", "llvm-objcopy", "mlir-opt", "mlir-translate")
CPU_FEATURES = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_bf16", "amx_tile", "asimd", "sve", "v")
SLOWING_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_MAIN_FREE")

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)==([^\s;]+)(?:.*extra\s*==\s*['\"](\w+)['\"])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at. `remedy` is what to type where it is missing, broken or worth a note."""

    group: str
    name: str
    status: Status
    version: str = ""
    detail: str = ""
    remedy: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A capability of ours, shown by a job in `costmodel.cli.probes`; `packages` are the import names it needs."""

    group: str
    name: str
    task: str
    packages: tuple[str, ...]
    extra: str = ""
    """What installs the packages; empty: every installation has them, and no run can do without."""


PROBES = (
    Probe(group="reader", name="mlir", task="mlir_reader", packages=("mlir",)),
    Probe(group="reader", name="llvm", task="llvm_reader", packages=("llvmlite",)),
    Probe(group="reader", name="onnx", task="onnx_reader", packages=("onnx", "torch_mlir"), extra="onnx"),
    Probe(group="reader", name="tir", task="tir_reader", packages=()),
    Probe(group="backend", name="mlir", task="mlir_backend", packages=("mlir",)),
)
"""A new reader or backend is one line here."""


def gather() -> list[Finding]:
    """Look at everything, in the order in which it is shown. Takes seconds; never raises for what it finds."""
    findings = [run_probe(probe) for probe in PROBES]
    findings += _targets()
    findings += _labellers()
    findings += _packages()
    findings += _tools()
    findings += _linkers()
    findings += _machine()
    return findings


def _isolated(task: str) -> Outcome:
    return run_isolated(f"costmodel.cli.probes:{task}", timeout_s=PROBE_TIMEOUT_S)


def run_probe(probe: Probe) -> Finding:
    """Run one probe in its worker; a package it needs that is absent makes it missing, without a worker."""
    absent = [package for package in probe.packages if find_spec(package) is None]
    if absent:
        status: Status = "missing"
        detail = f"needs the Python package{'s' if len(absent) > 1 else ''} {', '.join(absent)}"
    else:
        outcome = _isolated(probe.task)
        status, detail = ("ok", str(outcome.value)) if outcome.ok else ("broken", outcome.headline)
    remedy = "" if status == "ok" else _install(probe.extra)
    return Finding(
        group=probe.group, name=probe.name, status=status, detail=detail, remedy=remedy, required=not probe.extra
    )


def _install(extra: str = "") -> str:
    return f"pip install '{DISTRIBUTION}[{extra}]'" if extra else f"pip install {DISTRIBUTION}"


def _targets() -> Iterator[Finding]:
    outcome = _isolated("llvm_targets")
    if not outcome.ok:
        yield Finding(
            group="target", name="all", status="broken", detail=outcome.headline, remedy="pip install llvmlite"
        )
        return
    for name, error in outcome.value.items():
        native = name.replace("-", "_") == platform.machine()
        use = "measured here and compiled for" if native else "compiled for, not measured here"
        yield Finding(group="target", name=name, status="broken" if error else "ok", detail=error or use)


def _labellers() -> Iterator[Finding]:
    """Each labeller on one target of each architecture it serves: what it gives there, or what it needs."""
    outcome = _isolated("labellers")
    for name, version, metrics, needs in outcome.value or ():
        status: Status = "ok" if version else "missing"
        remedy = "" if version else f"needs {needs}"
        yield Finding(group="labeller", name=name, status=status, version=version or "", detail=metrics, remedy=remedy)
    if not outcome.ok:
        yield Finding(group="labeller", name="all", status="broken", detail=outcome.headline, remedy=_install())


def _packages() -> Iterator[Finding]:
    for name, pinned, extra in _pins():
        yield package_finding(
            name, pinned, _install(extra), detail=f"extra {extra}" if extra else "", required=not extra
        )


def _pins() -> list[tuple[str, str, str]]:
    """Name, version and extra ("" for none) of each pinned requirement, those for development left out."""
    try:
        lines = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return []
    matches = [match for line in lines if (match := _REQUIREMENT.match(line))]
    pins = {match.group(1): (match.group(1), match.group(2), match.group(3) or "") for match in reversed(matches)}
    return [pin for pin in reversed(pins.values()) if pin[2] != "dev"]


def package_finding(name: str, pinned: str, remedy: str, *, detail: str, required: bool) -> Finding:
    """Compare the installed version of one distribution with the one it was tested in."""
    version = wheel_version(name)
    status: Status = "missing"
    if version is not None:
        same = version.partition("+")[0] == pinned  # a local label names a build of the same release: 2.13.0+cpu
        status = "ok" if same else "note"
        detail = detail if same else f"tested with {pinned}"
    shown = "" if status == "ok" else remedy
    return Finding(
        group="python", name=name, status=status, version=version or "", detail=detail, remedy=shown, required=required
    )


def _tools() -> Iterator[Finding]:
    for name in WHEEL_TOOLS:
        tool = find_tool(name)
        remedy = "" if tool else _install()
        detail = f"{tool.path} ({tool.source})" if tool else ""
        version = tool.version if tool else ""
        yield Finding(
            group="tool", name=name, status="ok" if tool else "missing", version=version, detail=detail, remedy=remedy
        )
    for name in APT_TOOLS:
        tool = find_apt_tool(name)
        yield Finding(
            group="tool",
            name=f"{name}-{LLVM_MAJOR}",
            status="ok" if tool else "missing",
            version=tool.version if tool else "",
            detail=str(tool.path) if tool else "the distribution's build, for plug-ins and tests marked toolchain",
            remedy="" if tool else APT_LINE,
        )
    ptxas = _find_ptxas()
    yield Finding(
        group="tool",
        name="ptxas",
        status="ok" if ptxas else "missing",
        detail=str(ptxas or "registers and spills of NVPTX code"),
        remedy="" if ptxas else _install("triton"),
    )


def _find_ptxas() -> Path | None:
    on_path = shutil.which("ptxas")
    if on_path:
        return Path(on_path)
    spec = find_spec("triton")
    folders = (spec.submodule_search_locations if spec else None) or []
    found = [Path(folder) / "backends" / "nvidia" / "bin" / "ptxas" for folder in folders]
    return next((path for path in found if path.is_file()), None)


def _linkers() -> Iterator[Finding]:
    found = {name: find_linker(name) for name in LINKERS}
    for name, linker in found.items():
        status: Status = "ok" if linker else "missing"
        need = "" if any(found.values()) else MISSING_REMEDY
        version = linker.version if linker else ""
        yield Finding(group="linker", name=name, status=status, detail=version, remedy="" if linker else need)


def _machine() -> Iterator[Finding]:
    outcome = _isolated("host_cpu")
    features = sorted(_cpu_flags() & set(CPU_FEATURES))
    yield Finding(
        group="machine",
        name="cpu",
        status="ok",
        version=str(outcome.value or ""),
        detail=" ".join(features) or "unknown",
    )
    yield Finding(group="machine", name="cores", status="ok", detail=f"{len(os.sched_getaffinity(0))} usable")
    gib = {key: value / 2**20 for key, value in _meminfo_kib().items()}
    detail = f"{gib.get('MemTotal', 0):.1f} GiB, {gib.get('MemAvailable', 0):.1f} GiB free"
    yield Finding(group="machine", name="memory", status="ok", detail=detail)
    yield Finding(
        group="machine", name="python", status="ok", version=platform.python_version(), detail=platform.platform()
    )
    for name in SLOWING_VARIABLES:
        if name in os.environ:
            yield Finding(
                group="machine",
                name=name,
                status="note",
                detail=f"set to {os.environ[name]!r}: numpy may run slower kernels, which flatters a comparison",
                remedy=f"unset {name}",
            )


def _cpu_flags() -> set[str]:
    for line in _proc_lines("cpuinfo"):
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features", "isa"):
            return set(value.split())
    return set()


def _meminfo_kib() -> dict[str, int]:
    pairs = (line.partition(":") for line in _proc_lines("meminfo"))
    return {key: int(value.split()[0]) for key, _, value in pairs if value.split()}


def _proc_lines(name: str) -> list[str]:
    path = Path("/proc") / name
    return path.read_text(errors="replace").splitlines() if path.is_file() else []
