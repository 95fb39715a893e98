"""The C predictor, built by the machine's compiler and asked from Python: for checks and for timing.

Owns the calls into the shared library; not a way to predict in production (that is `Predictor`). Lifetime: `build` once
for each folder; `NativeModel` frees its model when closed.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

import numpy as np

from costmodel.core.errors import CheckpointError, MissingDependencyError, ToolchainError
from costmodel.export.layout import ABI_VERSION
from costmodel.models.base import Array

_FIGURES = 13


class _Target(ctypes.Structure):
    _fields_ = (("struct_size", ctypes.c_size_t), ("arch", ctypes.c_char_p), ("figures", ctypes.c_double * _FIGURES))


class _Request(ctypes.Structure):
    _fields_ = (
        ("struct_size", ctypes.c_size_t), ("features", ctypes.c_void_p), ("feature_count", ctypes.c_size_t),
        ("target", ctypes.POINTER(_Target)), ("pipeline", ctypes.c_char_p), ("metrics", ctypes.c_void_p),
        ("metric_count", ctypes.c_size_t),
    )  # fmt: skip


class _Estimate(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_double) for name in ("mean", "std", "low", "high", "nonzero")), ("exists", ctypes.c_int32),
    )  # fmt: skip


class _Answer(ctypes.Structure):
    _fields_ = (("struct_size", ctypes.c_size_t), ("known", ctypes.c_int32), ("distance", ctypes.c_double))


class _Graph(ctypes.Structure):
    _fields_ = (
        ("struct_size", ctypes.c_size_t), ("vocabulary_version", ctypes.c_uint32), ("node_count", ctypes.c_size_t),
        ("edge_count", ctypes.c_size_t), ("node_num_columns", ctypes.c_size_t), ("node_kind", ctypes.c_void_p),
        ("node_token", ctypes.c_void_p), ("node_num", ctypes.c_void_p), ("edge_index", ctypes.c_void_p),
        ("edge_kind", ctypes.c_void_p), ("edge_pos", ctypes.c_void_p),
    )  # fmt: skip


NUMBERS = ("mean", "std", "low", "high", "nonzero")


def sources(names: Sequence[str] = ("costmodel.h", "costmodel.c", "example.c")) -> dict[str, bytes]:
    """C files of the package by name; by default those that are exported."""
    folder = resources.files("costmodel") / "native" / "c"
    return {name: (folder / name).read_bytes() for name in names}


def compiler() -> str | None:
    """A C compiler of this machine."""
    return next((path for name in ("cc", "gcc", "clang", "clang-22") if (path := shutil.which(name))), None)


def build(folder: Path, *flags: str) -> Path:
    """Compile the predictor as a shared library in `folder`; its path.

    Raises:
        MissingDependencyError: no C compiler.
        ToolchainError: it refused the source.
    """
    cc = compiler()
    if cc is None:
        raise MissingDependencyError("no C compiler (cc, gcc, clang) is installed; install one to build the predictor")
    for name, data in (sources() | sources(("timing.c",))).items():
        (folder / name).write_bytes(data)
    library = folder / "libcostmodel.so"
    files = [str(folder / name) for name in ("costmodel.c", "timing.c")]
    command = [cc, "-std=c11", "-O2", "-shared", "-fPIC", *flags, *files, "-o", str(library), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolchainError(f"{cc} refused costmodel.c: {done.stderr.strip()[:300]}")
    return library


class NativeModel:
    """One loaded model; rows go through C one by one."""

    def __init__(self, library: Path, weights: bytes) -> None:
        """Raises `CheckpointError` with C's own words."""
        self._c = _declared(library)
        self._model = ctypes.c_void_p()
        status = self._c.costmodel_create_from_memory(ABI_VERSION, weights, len(weights), ctypes.byref(self._model))
        if status:
            raise CheckpointError(self._c.costmodel_error_string(status).decode())
        self.metrics = tuple(
            self._c.costmodel_metric_name(self._model, i).decode()
            for i in range(self._c.costmodel_metric_count(self._model))
        )
        self._scratch = ctypes.create_string_buffer(self._c.costmodel_scratch_bytes(self._model))
        self._estimates = (_Estimate * len(self.metrics))()
        self._answer = _Answer(struct_size=ctypes.sizeof(_Answer))

    def close(self) -> None:
        """Free it."""
        self._c.costmodel_destroy(self._model)
        self._model = ctypes.c_void_p()

    def target(self, name: str) -> _Target:
        """Figures of a target by name; raises `CheckpointError` for an unknown one."""
        found = _Target(struct_size=ctypes.sizeof(_Target))
        self._check(self._c.costmodel_target_by_name(self._model, name.encode(), ctypes.byref(found)))
        return found

    def row(self, numbers: Mapping[str, float]) -> Array:
        """Features `[P + 1]` from numbers by name (`models.encode`), put in their places by C."""
        found = np.zeros(self._c.costmodel_feature_count(self._model))
        for name, value in numbers.items():
            self._check(self._c.costmodel_feature_add(
                self._model, found.ctypes.data, len(found), name.encode(), value
            ))  # fmt: skip
        return found

    def predict(self, features: Array, target: _Target, pipeline: str | None = None) -> tuple[Array, bool, float]:
        """Numbers `[M, 5]` (`NUMBERS`) for `features[P + 1]`, whether it is known, its distance."""
        request = self._request(np.ascontiguousarray(features, np.float64), target, pipeline)
        self._check(self._ask(request))
        return self._found()

    def predict_graph(self, graph: object, vocabulary: int, target: _Target) -> tuple[Array, bool, float]:
        """The same from the arrays of a `ProgramGraph`."""
        kept = {
            name: np.ascontiguousarray(getattr(graph, name))
            for name in ("node_kind", "node_token", "node_num", "edge_index", "edge_kind", "edge_pos")
        }
        pointers = {name: array.ctypes.data for name, array in kept.items()}
        arrays = _Graph(
            struct_size=ctypes.sizeof(_Graph), vocabulary_version=vocabulary, node_count=len(kept["node_kind"]),
            edge_count=len(kept["edge_kind"]), node_num_columns=kept["node_num"].shape[1], **pointers,
        )  # fmt: skip
        request = self._request(None, target, None)
        self._check(self._c.costmodel_predict_graph(
            self._model, ctypes.byref(arrays), ctypes.byref(request), self._scratch, len(self._scratch),
            self._estimates,
            len(self.metrics), ctypes.byref(self._answer),
        ))  # fmt: skip
        return self._found()

    def seconds_per_call(self, features: Array, target: _Target, rounds: int = 7, calls: int = 100) -> float:
        """Processor time of a call, all metrics, over rows in turn of `features[n, P + 1]`; best of some rounds."""
        rows = np.ascontiguousarray(features, np.float64)
        request = self._request(rows[0], target, None)
        return min(
            float(self._c.costmodel_seconds(
                self._model, ctypes.byref(request), rows.ctypes.data, len(rows), calls, self._scratch,
                len(self._scratch),
                self._estimates,
            ))
            for _ in range(rounds)
        )  # fmt: skip

    def _request(self, features: Array | None, target: _Target, pipeline: str | None) -> _Request:
        found = _Request(
            struct_size=ctypes.sizeof(_Request), features=None if features is None else features.ctypes.data,
            feature_count=0 if features is None else len(features), target=ctypes.pointer(target),
            pipeline=None if pipeline is None else pipeline.encode(), metrics=None, metric_count=0,
        )  # fmt: skip
        found.kept = features
        return found

    def _ask(self, request: _Request) -> int:
        return int(self._c.costmodel_predict(
            self._model, ctypes.byref(request), self._scratch, len(self._scratch), self._estimates, len(self.metrics),
            ctypes.byref(self._answer),
        ))  # fmt: skip

    def _found(self) -> tuple[Array, bool, float]:
        numbers = np.array([[getattr(one, name) for name in NUMBERS] for one in self._estimates])
        return numbers, bool(self._answer.known), float(self._answer.distance)

    def _check(self, status: int) -> None:
        if status:
            raise CheckpointError(self._c.costmodel_error_string(status).decode())


def measured_us(weights: bytes, features: Array, target: str, folder: Path, flags: Sequence[str] = ()) -> float:
    """Microseconds a function that a model of `weights` takes here, all metrics; see `build` for errors."""
    model = NativeModel(build(folder, *flags), weights)
    try:
        return 1e6 * model.seconds_per_call(features, model.target(target))
    finally:
        model.close()


def _declared(library: Path) -> ctypes.CDLL:
    found = ctypes.CDLL(str(library))
    size, pointer, text = ctypes.c_size_t, ctypes.c_void_p, ctypes.c_char_p
    signatures: dict[str, tuple[list[object], object]] = {
        "create_from_memory": ([ctypes.c_uint32, text, size, pointer], ctypes.c_int),
        "destroy": ([pointer], None),
        "abi_version": ([], ctypes.c_uint32),
        "error_string": ([ctypes.c_int], text),
        "metric_count": ([pointer], size),
        "feature_count": ([pointer], size),
        "feature_add": ([pointer, pointer, size, text, ctypes.c_double], ctypes.c_int),
        "metric_name": ([pointer, size], text),
        "scratch_bytes": ([pointer], size),
        "target_by_name": ([pointer, text, pointer], ctypes.c_int),
        "predict": ([pointer, pointer, pointer, size, pointer, size, pointer], ctypes.c_int),
        "seconds": ([pointer, pointer, pointer, size, size, pointer, size, pointer], ctypes.c_double),
        "predict_graph": ([pointer, pointer, pointer, pointer, size, pointer, size, pointer], ctypes.c_int),
    }
    for name, (arguments, result) in signatures.items():
        function = getattr(found, f"costmodel_{name}")
        function.argtypes, function.restype = arguments, result
    return found
