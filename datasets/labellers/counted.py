"""`counted`: instructions that a call executes, counted in an emulator; nothing is timed.

AArch64 and RISC-V: qemu-user with a small plugin of ours, built with `cc`. x86-64: callgrind, which knows no AVX-512.
Needs `apt-get install qemu-user valgrind lld-22 llvm-22 gcc`. `freestanding.program` calls the function once with a
zeroed buffer of 64 MiB for each pointer, 64 for each integer and 1.0 for each float, and exits. What calls a function
of a library but for allocation and copies, faults or runs on cannot be driven so, and gets a cause.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import ClassVar

from costmodel.core.errors import ToolchainError, UnsupportedError
from costmodel.core.target import Target
from costmodel.datasets.labellers import Answer, Value
from costmodel.datasets.labellers.assembly import Instruction, split_functions
from costmodel.datasets.labellers.compiled import Compiled
from costmodel.datasets.labellers.freestanding import program
from costmodel.toolchain.retarget import target_machine
from costmodel.toolchain.tools import APT_LINE, LLVM_MAJOR, find_tool_for

METRIC = "instructions_executed"
RUN_TIMEOUT_S = 20.0
BUILD_TIMEOUT_S = 60.0

_EMULATORS = {
    "x86-64": ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"),
    "aarch64": ("qemu-aarch64", "-cpu", "max"),
    "riscv64": ("qemu-riscv64", "-cpu", "rv64,v=true,vext_spec=v1.0,zba=true,zbb=true,zbs=true"),
}
_EXIT = {
    "x86-64": ("movl $60, %eax", "xorl %edi, %edi", "syscall"),
    "aarch64": ("mov x8, #93", "mov x0, #0", "svc #0"),
    "riscv64": ("li a7, 93", "li a0, 0", "ecall"),
}
"""The exit, in assembly."""

_PLUGIN = r"""
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
struct block;
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t, void (*)(uint64_t, struct block *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct block *, int, void *, uint64_t);
size_t qemu_plugin_tb_n_insns(const struct block *);
void qemu_plugin_register_atexit_cb(uint64_t, void (*)(uint64_t, void *), void *);
void qemu_plugin_outs(const char *);
int qemu_plugin_version = 1;
static uint64_t executed;
static void translated(uint64_t id, struct block *block) {
  (void)id;
  qemu_plugin_register_vcpu_tb_exec_inline(block, 0, &executed, qemu_plugin_tb_n_insns(block));
}
static void finished(uint64_t id, void *data) {
  char line[64];
  (void)id; (void)data;
  snprintf(line, sizeof line, "Collected : %llu\n", (unsigned long long)executed);
  qemu_plugin_outs(line);
}
int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv) {
  (void)info; (void)argc; (void)argv;
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_atexit_cb(id, finished, NULL);
  return 0;
}
"""
"""qemu's plugin interface, version 1 (qemu 4.2 to 8.2 take it); its header is in no Debian package."""

_COLLECTED = re.compile(r"Collected\s*: (\d+)")


class CountedLabeller:
    """Executed instructions of functions that need nothing but memory."""

    needs = (
        "an emulator (qemu-user; valgrind for x86-64), ld.lld, llvm-mc of LLVM 22 and, for qemu, a C compiler: "
        "apt-get install qemu-user valgrind lld-22 llvm-22 gcc"
    )
    default = False
    measures = False
    gives: ClassVar[Mapping[str, tuple[str, ...]]] = {"x86-64": (METRIC,), "aarch64": (METRIC,), "riscv64": (METRIC,)}

    def version(self, target: Target) -> str | None:
        """The emulator's version, if linker, assembler and, where the plugin is built, a C compiler are here too."""
        if _linker() is None or find_tool_for("llvm-mc", target.arch) is None:
            return None
        if target.arch != "x86-64" and shutil.which("cc") is None:
            return None
        return _emulator_version(_EMULATORS[target.arch][0])

    def label(self, functions: Sequence[Compiled], target: Target) -> list[Answer]:
        """See `Labeller.label`."""
        if target.arch == "x86-64" and target.vector_bits > 256:
            cause = Value(cause=f"unsupported: valgrind knows no AVX-512, which {target.name} has; use another target")
            return [{METRIC: cause} for _ in functions]
        return [{METRIC: _count(function, target)} for function in functions]


def _linker() -> str | None:
    return shutil.which(f"ld.lld-{LLVM_MAJOR}") or shutil.which("ld.lld")


@cache
def _emulator_version(program: str) -> str | None:
    if shutil.which(program) is None:
        return None
    done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=False)
    found = re.search(r"\d+\.\d+(?:\.\d+)?", done.stdout)
    return f"{program} {found[0]}" if found else None


def _count(function: Compiled, target: Target) -> Value:
    try:
        with tempfile.TemporaryDirectory(prefix="costmodel-counted-") as scratch:
            program, overhead = _build(function, target, Path(scratch))
            return Value(value=float(_run(program, target, Path(scratch)) - overhead))
    except (ToolchainError, UnsupportedError) as error:
        return Value(cause=f"unsupported: cannot be driven: {' '.join(str(error).split())[:200]}")


def _build(function: Compiled, target: Target, scratch: Path) -> tuple[Path, int]:
    """The program, and the instructions that are not the function's: all of `_start`, which has no branches."""
    assembly = target_machine(target.name).emit_assembly(program(function))
    overhead = sum(map(_machine_count, split_functions(assembly, target.arch)["_start"].instructions))
    overhead += 0 if target.arch == "x86-64" else len(_EXIT[target.arch])  # callgrind leaves out the block that exits
    exit_text = "\n\t".join([".text", ".globl costmodel_exit", "costmodel_exit:", *_EXIT[target.arch]])
    (scratch / "code.s").write_text(f"{assembly}\n\t{exit_text}\n")
    _assemble(scratch / "code.s", target)
    linker = _linker()
    if linker is None:
        raise ToolchainError("ld.lld is gone; apt-get install lld-22")
    command = [linker, "-static", "-o", str(scratch / "program"), str(scratch / "code.o")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_TIMEOUT_S, check=False)
    if done.returncode != 0:
        undefined = re.search(r"undefined symbol: (\S+)", done.stderr)
        raise UnsupportedError(f"calls {undefined[1]}" if undefined else f"does not link: {done.stderr[:150]}")
    return scratch / "program", overhead


def _machine_count(instruction: Instruction) -> int:
    """RISC-V's `call` is two instructions."""
    return 2 if instruction.mnemonic == "call" else 1


def _assemble(path: Path, target: Target) -> None:
    tool = find_tool_for("llvm-mc", target.arch)
    if tool is None:
        raise ToolchainError(f"no llvm-mc for {target.arch}; {APT_LINE}")
    features = target.llvm_features()
    command = [str(tool.path), "-filetype=obj", f"-triple={target.triple}", f"-mcpu={target.llvm_cpu}"]
    command += [
        *([f"-mattr={features}"] if features else []),
        "-position-independent",
        "-o",
        str(path.with_suffix(".o")),
    ]
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, timeout=BUILD_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise ToolchainError(f"llvm-mc refuses LLVM's own assembly: {done.stderr[:150]}")


def _run(program: Path, target: Target, scratch: Path) -> int:
    emulator = list(_EMULATORS[target.arch])
    if target.arch != "x86-64":
        emulator += ["-plugin", str(_plugin(scratch)), "-d", "plugin"]
    try:
        done = subprocess.run(
            [*emulator, str(program)],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=RUN_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolchainError(f"does not end within {RUN_TIMEOUT_S:.0f} s in the emulator") from error
    found = _COLLECTED.search(done.stdout + done.stderr)
    if done.returncode != 0 or found is None:
        raise ToolchainError(f"the run ended with status {done.returncode} (a fault, or instructions it does not know)")
    return int(found[1])


def _plugin(scratch: Path) -> Path:
    source, library = scratch / "count.c", scratch / "count.so"
    source.write_text(_PLUGIN)
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise ToolchainError(f"cc does not build the plugin: {done.stderr[:150]}")
    return library
