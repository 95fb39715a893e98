"""Tuned code as Python callables.

Owns loading a library and passing arrays. Invariant: nothing of an artifact runs before its manifest, hashes and CPU
features were checked. Does not build anything; imports neither torch, nor MLIR, nor the search.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from costmodel.core.errors import ArtifactError, UnknownNameError, UsageError
from costmodel.runtime.manifest import (
    FunctionDescription,
    Manifest,
    TensorDescription,
    check_files,
    check_host,
    read_manifest,
)

Array = np.ndarray[Any, Any]
_loaded: dict[str, list[tuple[int, int]]] = {}
_loaded_lock = threading.Lock()


class ArtifactFunction:
    """One tuned function. Calls from several threads may run at once; each thread keeps its own workspace."""

    def __init__(self, description: FunctionDescription, entry: Any, alignment_bytes: int) -> None:
        """Wrap the C function `entry`."""
        self.description = description
        self._inputs = [_numpy_dtype(t) for t in description.inputs]
        self._outputs = [_numpy_dtype(t) for t in description.outputs]
        self._alignment_bytes = alignment_bytes
        self._local = threading.local()
        self.entry = entry
        """The C function: it takes addresses of the inputs, the outputs and the workspace, and checks nothing."""
        self.entry.restype = None
        self.entry.argtypes = [ctypes.c_void_p] * (len(self._inputs) + len(self._outputs) + 1)

    @property
    def name(self) -> str:
        """As the model calls it."""
        return self.description.name

    def __call__(self, *arrays: Any) -> Any:
        """Compute.

        Args:
            *arrays: one for each input, in the function's order, of exactly its shape and dtype; copied where not
                contiguous.

        Returns:
            An array, or a tuple of arrays where there are several results.

        Raises:
            UsageError: number, shape or dtype of the arrays do not fit.
        """
        if len(arrays) != len(self._inputs):
            expected = ", ".join(_shown(t) for t in self.description.inputs)
            raise UsageError(f"{self.name} takes {len(self._inputs)} arrays ({expected}), got {len(arrays)}")
        inputs = [self._checked(i, a) for i, a in enumerate(arrays)]
        outputs = [np.empty(t.shape, d) for t, d in zip(self.description.outputs, self._outputs, strict=True)]
        workspace = self._workspace()
        self.entry(*[a.ctypes.data for a in inputs], *[a.ctypes.data for a in outputs], workspace)
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def _checked(self, index: int, value: Any) -> Array:
        expected, dtype = self.description.inputs[index], self._inputs[index]
        array = np.asarray(value)
        if array.dtype != dtype:
            hint = f"; use .astype({dtype.name!r})" if array.dtype.kind in "biuf" else ""
            raise UsageError(f"{self.name}: input {index} ({_shown(expected)}) got dtype {array.dtype}{hint}")
        if array.shape != expected.shape:
            raise UsageError(f"{self.name}: input {index} ({_shown(expected)}) got shape {array.shape}")
        return np.require(array, requirements=["C", "A"])

    def _workspace(self) -> int:
        address = getattr(self._local, "address", None)
        if address is None:
            memory = np.empty(self.description.workspace_bytes + self._alignment_bytes, np.uint8)
            self._local.memory = memory
            address = memory.ctypes.data + -memory.ctypes.data % self._alignment_bytes
            self._local.address = address
        return int(address)

    def __repr__(self) -> str:
        """Signature."""
        given = ", ".join(_shown(t) for t in self.description.inputs)
        return f"<{self.name}({given}) -> ({', '.join(_shown(t) for t in self.description.outputs)})>"


class Artifact:
    """A loaded artifact. With one function it is called itself; with several, `artifact["name"](…)`."""

    def __init__(self, path: Path, manifest: Manifest, functions: Mapping[str, ArtifactFunction]) -> None:
        """Keep what `load` made."""
        self.path = path
        self.manifest = manifest
        self.functions: Mapping[str, ArtifactFunction] = MappingProxyType(dict(functions))

    def __getitem__(self, name: str) -> ArtifactFunction:
        """The function called `name`."""
        if name not in self.functions:
            raise UnknownNameError(f"{self.path} has no function {name!r}; it has {', '.join(self.functions)}")
        return self.functions[name]

    def __call__(self, *arrays: Any) -> Any:
        """Call the only function."""
        if len(self.functions) != 1:
            raise UsageError(f"{self.path} has several functions: use [name], one of {', '.join(self.functions)}")
        return next(iter(self.functions.values()))(*arrays)

    def __repr__(self) -> str:
        """Path and functions."""
        return f"<Artifact {str(self.path)!r}: {', '.join(map(repr, self.functions.values()))}>"


def load(path: str | PathLike[str]) -> Artifact:
    """Load an artifact that `costmodel tune` wrote.

    Raises:
        ArtifactError: it is absent, damaged, of another version, or needs another CPU.
    """
    folder = Path(path)
    manifest = read_manifest(folder)
    check_host(manifest, folder)
    check_files(manifest, folder)
    library = _open(folder / manifest.library)
    functions = {}
    for description in manifest.functions:
        try:
            entry = library[description.symbol]
        except AttributeError as error:
            raise ArtifactError(f"{folder / manifest.library} has no symbol {description.symbol}") from error
        functions[description.name] = ArtifactFunction(description, entry, manifest.alignment_bytes)
    return Artifact(folder, manifest, functions)


def _open(path: Path) -> ctypes.CDLL:
    """Open under a name that is new for each new file: the C library hands back an older one of the same name."""
    resolved = path.resolve()
    status = resolved.stat()
    with _loaded_lock:
        seen = _loaded.setdefault(str(resolved), [])
        key = (status.st_ino, status.st_mtime_ns)
        if key not in seen:
            seen.append(key)
        name = str(resolved.parent) + "/." * seen.index(key) + "/" + resolved.name
    try:
        return ctypes.CDLL(name)
    except OSError as error:
        raise ArtifactError(f"{path} cannot be loaded: {error}") from error


def _numpy_dtype(tensor: TensorDescription) -> np.dtype[Any]:
    try:
        return np.dtype("uint16" if tensor.dtype == "bfloat16" else tensor.dtype)
    except TypeError as error:
        raise ArtifactError(f"{tensor.name!r} has the unknown type {tensor.dtype!r}") from error


def _shown(tensor: TensorDescription) -> str:
    return f"{tensor.name}: {tensor.dtype}[{','.join(map(str, tensor.shape))}]"
