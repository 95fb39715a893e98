"""What is tuned: a model or a file of functions, as partitions, and the distinct workloads in them.

Owns the way from a file to workloads. Foreign text and models are read in isolated workers.
"""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A distinct kernel and how often the source calls it."""

    workload_id: str
    kernel: Kernel
    count: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file read: functions to build, its workloads (most calls first seen first), the text it was read from."""

    path: Path
    functions: tuple[FunctionSource, ...]
    workloads: tuple[Workload, ...]
    normal_text: str

    @property
    def is_model(self) -> bool:
        """Whether it came from ONNX."""
        return self.path.suffix == ".onnx"


def read_source(path: Path, input_shapes: Mapping[str, tuple[int, ...]]) -> Source:
    """Read `.onnx` or `.mlir`; raises `CostModelError` with one line for anything that cannot be tuned."""
    if path.suffix not in SUFFIXES:
        raise UsageError(f"{path}: expected a file that ends in {' or '.join(SUFFIXES)}")
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise ParseError(
            f"{path}:1:1: the file is empty; expected {'an ONNX model' if path.suffix == '.onnx' else 'MLIR text'}"
        )
    return _read_onnx(path, input_shapes) if path.suffix == ".onnx" else _read_mlir(path, input_shapes)


def _read_onnx(path: Path, input_shapes: Mapping[str, tuple[int, ...]]) -> Source:
    from costmodel.toolchain.onnx_import import import_onnx

    model = import_onnx(path, input_shapes=dict(input_shapes))
    text = normalized(model.mlir, str(path))
    ports = [
        tuple(Port(name=i.name, shape=i.shape, dtype=np.dtype(str(i.dtype)).name) for i in group)
        for group in (model.inputs, model.outputs)
    ]
    source = function_source(
        _functions(text, path)[0], inputs=ports[0], outputs=ports[1], weights=list(model.weights.values())
    )
    return Source(path=path, functions=(source,), workloads=_workloads((source,)), normal_text=text)


def _read_mlir(path: Path, input_shapes: Mapping[str, tuple[int, ...]]) -> Source:
    if input_shapes:
        raise UsageError(f"{path}: --input sets shapes of ONNX inputs; write static shapes into the MLIR file")
    try:
        text = path.read_text()
    except UnicodeDecodeError as error:
        raise ParseError(f"{path}: byte {error.start} is not UTF-8; expected MLIR text") from error
    normal = normalized(text, str(path))
    sources = tuple(function_source(function) for function in _functions(normal, path))
    return Source(path=path, functions=sources, workloads=_workloads(sources), normal_text=normal)


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
