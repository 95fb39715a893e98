"""What is tuned: a model or a file of functions, as partitions, and the distinct workloads in them.

Owns the way from a file to workloads. Foreign text and models are read in isolated workers.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from costmodel.core.errors import ParseError, UsageError
from costmodel.ir.mlir import Operation, parse_generic
from costmodel.search.artifact import FunctionSource, Port, function_source
from costmodel.search.kernel.form import Kernel
from costmodel.search.kernel.partition import KernelCall
from costmodel.search.kernel.printing import workload_id
from costmodel.toolchain.isolation import call_isolated

SUFFIXES = (".onnx", ".mlir")
SEPARATOR = "// -----"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A distinct kernel and how often the source calls it."""

    workload_id: str
    kernel: Kernel
    count: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file read: functions to build, and its distinct workloads in the order in which they are first called."""

    path: Path
    functions: tuple[FunctionSource, ...]
    workloads: tuple[Workload, ...]
    texts: tuple[str, ...]
    """For each function, the module it was read from: what the file says, or what the importer made of a model."""

    @property
    def is_model(self) -> bool:
        """Whether it came from ONNX."""
        return self.path.suffix == ".onnx"


def read_source(path: Path, input_shapes: Mapping[str, tuple[int, ...]]) -> Source:
    """Read `.onnx` or `.mlir`; raises `CostModelError` with one line for anything that cannot be tuned."""
    if path.suffix not in SUFFIXES:
        raise UsageError(f"{path}: expected a file that ends in {' or '.join(SUFFIXES)}")
    if not path.is_file():
        raise UsageError(f"{path}: {'is a folder' if path.is_dir() else 'no such file'}; expected a model or a kernel")
    if not os.access(path, os.R_OK):
        raise UsageError(f"{path}: cannot be read; check its permissions")
    if path.stat().st_size == 0:
        raise ParseError(
            f"{path}:1:1: the file is empty; expected {'an ONNX model' if path.suffix == '.onnx' else 'MLIR text'}"
        )
    return _read_onnx(path, input_shapes) if path.suffix == ".onnx" else _read_mlir(path, input_shapes)


def _read_onnx(path: Path, input_shapes: Mapping[str, tuple[int, ...]]) -> Source:
    from costmodel.toolchain.onnx_import import import_onnx

    model = import_onnx(path.absolute(), input_shapes=dict(input_shapes))  # a worker may have another folder
    text = normalized(model.mlir, str(path))
    ports = [
        tuple(Port(name=i.name, shape=i.shape, dtype=np.dtype(str(i.dtype)).name) for i in group)
        for group in (model.inputs, model.outputs)
    ]
    source = function_source(
        _functions(text, path)[0], inputs=ports[0], outputs=ports[1], weights=list(model.weights.values())
    )
    return Source(path=path, functions=(source,), workloads=_workloads((source,)), texts=(model.mlir,))


def _read_mlir(path: Path, input_shapes: Mapping[str, tuple[int, ...]]) -> Source:
    if input_shapes:
        raise UsageError(f"{path}: --input sets shapes of ONNX inputs; write static shapes into the MLIR file")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ParseError(f"{path}: byte {error.start} is not UTF-8; expected MLIR text") from error
    sources, texts = list[FunctionSource](), list[str]()
    for part in modules(text):
        sources += map(function_source, _functions(normalized(part, str(path)), path))
        texts += [part] * (len(sources) - len(texts))
    names = [source.name for source in sources]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"{path}: two modules have a function {twice!r}; give them different names")
    return Source(path=path, functions=tuple(sources), workloads=_workloads(tuple(sources)), texts=tuple(texts))


def modules(text: str) -> list[str]:
    """The modules of a file, which lines of `// -----` separate as in MLIR's own tests; lines keep their numbers."""
    parts, lines = list[str](), text.splitlines()
    cuts = [i for i, line in enumerate(lines) if line.strip() == SEPARATOR]
    for start, end in zip([0, *(i + 1 for i in cuts)], [*cuts, len(lines)], strict=True):
        if any(line.strip() for line in lines[start:end]):
            parts.append("\n" * start + "\n".join(lines[start:end]) + "\n")
    return parts or [text]


def normalized(text: str, file: str) -> str:
    """The normal form, by MLIR in a worker."""
    return str(call_isolated("costmodel.toolchain.normalize:normalize_linalg", text, file))


def _functions(text: str, path: Path) -> list[Operation]:
    functions = [
        op for op in parse_generic(text, file=str(path)).body if op.name == "func.func" and op.regions[0].blocks
    ]
    if not functions:
        raise UsageError(f"{path}: no function with a body; expected func.func of linalg on tensors")
    return functions


def _workloads(sources: tuple[FunctionSource, ...]) -> tuple[Workload, ...]:
    found: dict[str, tuple[Kernel, int]] = {}
    for source in sources:
        for step in source.partition.steps:
            if isinstance(step, KernelCall):
                key = workload_id(step.kernel)
                kernel, count = found.get(key, (step.kernel, 0))
                found[key] = (kernel, count + 1)
    families: dict[str, int] = {}
    workloads = []
    for key, (kernel, count) in found.items():
        number = families[kernel.family] = families.get(kernel.family, -1) + 1
        workloads.append(Workload(workload_id=key, kernel=kernel, count=count, name=f"{kernel.family}_{number}"))
    return tuple(workloads)
