"""Compiling one Triton configuration for each target; runs inside workers only.

Owns the way from a configuration to rows and labels. Labels come from `ptxas -v` on the PTX that Triton gives, and from
the metadata in the AMD assembly; shared memory from Triton, which allocates it at launch and hides it from both.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from costmodel.core.hashing import sha256_fields
from costmodel.core.metrics import get_metric
from costmodel.core.tables import FunctionRow, LabelRow
from costmodel.core.target import Target
from costmodel.datasets.generators.base import LICENSE, Product
from costmodel.datasets.triton_kernels import Configuration, Family, load

PROJECT = "generator-triton"
PIPELINE = f"triton-{triton.__version__}"
_PTXAS_USED = re.compile(r"Used (\d+) registers")
_PTXAS_FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_AMD = {
    "registers_vector": r"^\s+\.vgpr_count:\s+(\d+)",
    "registers_general": r"^\s+\.sgpr_count:\s+(\d+)",
    "stack_bytes": r"^\s+\.private_segment_fixed_size:\s+(\d+)",
    "code_bytes": r"^; codeLenInByte = (\d+)",
}
_AMD_SPILLS = re.compile(r"^\s+\.[sv]gpr_spill_count:\s+(\d+)", re.MULTILINE)
_ALIGNMENT = 16
_WORD_BYTES = 4


def compile_configuration(spec: tuple[tuple[str, Any], ...]) -> Product:
    """Rows and labels of one configuration on every target of `spec`."""
    fields = dict(spec)
    configuration = Configuration(
        dtype=fields["dtype"], constants=tuple((n, v) for n, v in fields["constants"]),
        num_warps=fields["num_warps"], num_stages=fields["num_stages"], aligned=fields["aligned"],
    )  # fmt: skip
    family = load(fields["family"])
    functions: dict[str, FunctionRow] = {}
    labels = list[LabelRow]()
    for name in fields["targets"]:
        rows, values, cause = _compile(family, configuration, Target.parse(name))
        for row in rows:
            if row.level in fields["levels"]:
                functions[row.function_id] = row
                labels += _labels(row, name, values, cause)
    return Product(functions=tuple(functions.values()), labels=tuple(labels))


def _compile(
    family: Family, configuration: Configuration, target: Target
) -> tuple[list[FunctionRow], dict[str, tuple[float, str]], str | None]:
    """TTIR and TTGIR rows as far as they got, metric to value and tool, and why there are no values."""
    constants = dict(configuration.constants)
    attributes = _aligned(family) if configuration.aligned else {}
    source = ASTSource(family.kernel, family.types(configuration), constants, attributes)
    options = {"num_warps": configuration.num_warps, "num_stages": configuration.num_stages}
    with _fresh_cache():
        try:
            compiled = triton.compile(source, target=_gpu(target), options=options)
        except (triton.CompilationError, triton.runtime.errors.PTXASError, RuntimeError) as error:
            rows = _front_end_rows(family, configuration, source, target, options)
            return rows, {}, f"compile_error: {' '.join(str(error).split())[-300:]}"
    values = _nvidia(compiled.asm["ptx"], target) if target.arch == "nvptx64" else _amd(compiled.asm["amdgcn"])
    values["shared_bytes"] = (float(compiled.metadata.shared), "triton")
    return [_row(family, configuration, level, compiled.asm[level]) for level in ("ttir", "ttgir")], values, None


def _front_end_rows(
    family: Family, configuration: Configuration, source: Any, target: Target, options: Mapping[str, int]
) -> list[FunctionRow]:
    """The TTIR of a configuration that a later stage refused."""
    from triton._C.libtriton import ir

    backend = triton.compiler.make_backend(_gpu(target))
    parsed = backend.parse_options(dict(options))
    context = ir.context()
    ir.load_dialects(context)
    backend.load_dialects(context)
    try:
        module = source.make_ir(
            _gpu(target), parsed, backend.get_codegen_implementation(parsed), backend.get_module_map(), context
        )
    except (triton.CompilationError, RuntimeError):
        return []
    return [_row(family, configuration, "ttir", str(module))]


def _aligned(family: Family) -> dict[tuple[int, ...], list[list[Any]]]:
    """Triton's mark of divisibility for every pointer and integer."""
    kinds = list(family.signature.values())
    return {
        (i,): [["tt.divisibility", _ALIGNMENT]] for i, kind in enumerate(kinds) if kind.startswith("*") or kind == "i32"
    }


def _gpu(target: Target) -> Any:
    if target.arch == "nvptx64":
        return GPUTarget("cuda", int(target.cpu.removeprefix("sm_").rstrip("a")), 32)
    return GPUTarget("hip", target.cpu, 32 if target.cpu.startswith("gfx1") else 64)


@contextlib.contextmanager
def _fresh_cache() -> Iterator[None]:
    """Triton's own cache in a folder that ends with the compilation: ours is the one that is kept."""
    folder = tempfile.mkdtemp(prefix="costmodel-triton-")
    with triton.knobs.cache.scope(), triton.knobs.compilation.scope():
        triton.knobs.cache.dir = folder
        triton.knobs.compilation.disable_line_info = True
        try:
            yield
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _row(family: Family, configuration: Configuration, level: str, text: str) -> FunctionRow:
    workload = {"family": family.name, "dtype": configuration.dtype, "signature": dict(family.signature)}
    return FunctionRow(
        ir=without_locations(text), format="mlir", level=level, stage="source" if level == "ttir" else "scheduled",
        entry=family.kernel.__name__, schedule=str(configuration), workload_id=sha256_fields(1, workload),
        project=PROJECT, family=family.name, language="triton", license=LICENSE,
    )  # fmt: skip


_LOCATION = re.compile(r' ?loc\((?:[^()"]|"[^"]*"|\((?:[^()"]|"[^"]*"|\([^()]*\))*\))*\)')
_LOCATION_LINE = re.compile(r"^#loc\d* = .*\n?", re.MULTILINE)


def without_locations(text: str) -> str:
    """MLIR text without its debug locations, which name files of this machine."""
    return _LOCATION.sub("", _LOCATION_LINE.sub("", text)).strip() + "\n"


def _nvidia(ptx: str, target: Target) -> dict[str, tuple[float, str]]:
    """What `ptxas -v` reports; `spills` and `reloads` are words of four bytes moved by the spill code."""
    ptxas = triton.knobs.nvidia.ptxas
    arch = target.cpu + ("a" if target.cpu == "sm_90" else "")
    with tempfile.TemporaryDirectory(prefix="costmodel-ptxas-") as folder:
        path, out = Path(folder, "kernel.ptx"), Path(folder, "kernel.cubin")
        path.write_text(ptx)
        done = subprocess.run(
            [ptxas.path, "-v", f"--gpu-name={arch}", str(path), "-o", str(out)],
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"ptxas: {done.stderr.strip()[-300:]}")
        code_bytes = _text_bytes(out.read_bytes())
    used, frame = _PTXAS_USED.search(done.stderr), _PTXAS_FRAME.search(done.stderr)
    if used is None or frame is None:
        raise RuntimeError(f"ptxas -v said nothing of registers: {done.stderr.strip()[-300:]}")
    tool = f"ptxas-{ptxas.version}"
    stack, stored, loaded = (float(g) for g in frame.groups())
    values = {
        "registers_general": float(used[1]), "spills": stored / _WORD_BYTES, "reloads": loaded / _WORD_BYTES,
        "stack_bytes": stack, "code_bytes": float(code_bytes),
    }  # fmt: skip
    return {name: (value, tool) for name, value in values.items()}


def _text_bytes(cubin: bytes) -> int:
    """Bytes of the `.text.` sections of a 64-bit little-endian ELF file."""

    def number(at: int, size: int) -> int:
        return int.from_bytes(cubin[at : at + size], "little")

    table, size, count, names_at = number(0x28, 8), number(0x3A, 2), number(0x3C, 2), number(0x3E, 2)
    sections = [table + i * size for i in range(count)]
    names = number(sections[names_at] + 0x18, 8)
    total = 0
    for section in sections:
        start = names + number(section, 4)
        if cubin[start : cubin.index(b"\0", start)].startswith(b".text."):
            total += number(section + 0x20, 8)
    return total


def _amd(assembly: str) -> dict[str, tuple[float, str]]:
    """What the assembly's own metadata and comments report; `.vgpr_count` counts accumulation registers too."""
    tool = f"triton-amdgpu-{triton.__version__}"
    values = {
        name: float(found[1]) for name, pattern in _AMD.items() if (found := re.search(pattern, assembly, re.MULTILINE))
    }
    values["spills"] = float(sum(int(n) for n in _AMD_SPILLS.findall(assembly)))
    return {name: (value, tool) for name, value in values.items()}


def _labels(
    row: FunctionRow, target: str, values: Mapping[str, tuple[float, str]], cause: str | None
) -> Iterator[LabelRow]:
    if cause is not None:
        values = {"registers_general": (float("nan"), "triton")}
    for metric, (value, tool) in sorted(values.items()):
        name, _, version = tool.rpartition("-") if "-" in tool else (tool, "", triton.__version__)
        yield LabelRow(
            function_id=row.function_id, target=target, pipeline=PIPELINE, metric=metric,
            value=None if cause else value, unit=get_metric(metric).unit, cause=cause, tool=name, tool_version=version,
        )  # fmt: skip
