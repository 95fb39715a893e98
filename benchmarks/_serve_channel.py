"""Running a compiler under a policy and weighing what it made: shared by `serve.py` and `serve_fit.py`."""

from __future__ import annotations

import re
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from costmodel.serve.advisors import get_advisor
from costmodel.serve.interrupts import Interrupt
from costmodel.serve.policies import Policy
from costmodel.serve.session import ChannelOptions, Served, Summary, serve_channel
from costmodel.toolchain.tools import require_tool

LIMIT_S = 120.0
C_FLAGS = ("-w", "-Xclang", "-disable-llvm-passes", "-emit-llvm", "-c")


@dataclass(frozen=True, kw_only=True)
class Module:
    """Bitcode as clang made it for `level`, no pass run yet."""

    project: str
    path: Path


def front_end(source: Path, out: Path, level: str, includes: Sequence[Path]) -> bool:
    """Compile C to bitcode; whether clang took it."""
    flags = [f"-I{folder}" for folder in includes]
    done = subprocess.run(
        [str(require_tool("clang").path), level, *C_FLAGS, *flags, str(source), "-o", str(out)],
        capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode == 0


def compile_served(command: Sequence[str], advisor: str, policy: Policy) -> Summary:
    """Run the compiler with its channel answered by `policy` from a thread of this process."""
    with tempfile.TemporaryDirectory() as folder, Interrupt() as interrupt:
        base = Path(folder) / "c"
        served = Served()
        options = ChannelOptions(base=base, wait_s=LIMIT_S, idle_s=LIMIT_S)
        known = get_advisor(advisor)
        args = (known, policy, options, interrupt, served)
        server = threading.Thread(target=serve_channel, args=args, daemon=True)
        server.start()
        while not Path(f"{base}.out").exists() and server.is_alive():
            server.join(0.001)
        try:
            subprocess.run(
                [*command, *known.options.format(base=base).split()], check=True, timeout=LIMIT_S, capture_output=True
            )
        finally:
            server.join(5)
    return served.summaries[0]


def text_bytes(module: Path) -> int:
    """Code bytes of the object that `llc -O2` makes of optimised bitcode."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "a.o"
        subprocess.run([str(require_tool("llc").path), "-O2", "-filetype=obj", str(module), "-o", str(out)], check=True)
        return object_text_bytes(out)


def object_text_bytes(path: Path) -> int:
    """Sum of the executable sections."""
    sizes = subprocess.run(
        [str(require_tool("llvm-size").path), "-A", str(path)], check=True, capture_output=True, text=True
    ).stdout
    return sum(int(line.split()[1]) for line in sizes.splitlines() if line.startswith(".text"))


def sources(folder: Path) -> list[Path]:
    """C files of an unpacked package that are worth compiling, in order."""
    skipped = ("test", "example", "fuzz", "bench", "python")
    found = (path for path in folder.rglob("*.c") if not any(s in path.relative_to(folder).as_posix() for s in skipped))
    return sorted(found)


def includes(source: Path) -> list[Path]:
    """The folders above a source, and their `include` folders: enough for most small C libraries."""
    near = [source.parent, *list(source.parents)[1:4]]
    return [*near, *(folder / "include" for folder in near if (folder / "include").is_dir())]


def optimise(module: Path, out: Path, level: str, policy: Policy | None = None) -> Summary | None:
    """Run LLVM's passes of `level`, the inliner asking `policy` where there is one."""
    command = [str(require_tool("opt").path), level, str(module), "-o", str(out)]
    if policy is not None:
        return compile_served(command, "inliner", policy)
    subprocess.run(command, check=True, timeout=LIMIT_S, capture_output=True)
    return None


@dataclass(frozen=True, kw_only=True)
class Allocated:
    """What register allocation left in a module, by LLVM's remarks, and its code bytes."""

    spills: int
    reloads: int
    code_bytes: int
    summary: Summary | None

    @property
    def traffic(self) -> int:
        """Spills and reloads."""
        return self.spills + self.reloads


def allocate(module: Path, advisor: str = "", policy: Policy | None = None) -> Allocated:
    """Compile optimised bitcode with `llc -O2`, the advisor asking `policy` where there is one."""
    with tempfile.TemporaryDirectory() as name:
        out, remarks = Path(name) / "a.o", Path(name) / "a.yaml"
        command = [
            str(require_tool("llc").path), "-O2", "-filetype=obj", str(module), "-o", str(out),
            f"-pass-remarks-output={remarks}", "-pass-remarks-filter=regalloc",
        ]  # fmt: skip
        summary = None
        if policy is None:
            subprocess.run(command, check=True, timeout=LIMIT_S, capture_output=True)
        else:
            summary = compile_served(command, advisor, policy)
        counts = {"NumSpills": 0, "NumReloads": 0}
        text = remarks.read_text() if remarks.exists() else ""
        for remark in text.split("--- !"):
            if re.search(r"^Name: +SpillReloadCopies$", remark, re.MULTILINE):
                for key in counts:
                    counts[key] += sum(map(int, re.findall(rf"{key}: +'(\d+)'", remark)))
        return Allocated(
            spills=counts["NumSpills"], reloads=counts["NumReloads"], code_bytes=object_text_bytes(out), summary=summary
        )
