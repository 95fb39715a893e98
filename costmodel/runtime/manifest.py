"""`manifest.json` of an artifact: reading, and the checks before any of its code is loaded.

Owns the schema's version and what is refused: another version, a damaged file, a lesser CPU.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from costmodel.core.errors import ArtifactError
from costmodel.core.hashing import sha256_file
from costmodel.core.target_host import read_host

SCHEMA_VERSION = 1
FILE = "manifest.json"
_CODE_FEATURE = re.compile(
    r"(s?sse|pni$|sse4|avx|fma$|f16c$|bmi|abm$|popcnt$|movbe$|gfni$|adx$|vaes$|vpclmul|asimd|sve|fp16|fphp$|bf16|i8mm|rv|z[a-z])"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorDescription:
    """An input or output; `dtype` is numpy's name, or `bfloat16`, which is passed as `uint16`."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionDescription:
    """One function of the library."""

    name: str
    symbol: str
    inputs: tuple[TensorDescription, ...]
    outputs: tuple[TensorDescription, ...]
    workspace_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A checked manifest."""

    name: str
    library: str
    target: str
    toolchain: str
    cpu_features: tuple[str, ...]
    alignment_bytes: int
    functions: tuple[FunctionDescription, ...]
    files: dict[str, str]
    """sha256 of each file by name."""


def code_features(features: Iterable[str]) -> tuple[str, ...]:
    """Those CPU features, as the kernel names them, that compiled code may use."""
    return tuple(sorted(f for f in features if _CODE_FEATURE.match(f)))


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest's form.

    Raises:
        ArtifactError: there is none, it is damaged, or of another version.
    """
    path = folder / FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ArtifactError(
            f"{path}: {error.strerror or error}; expected a folder that costmodel tune wrote"
        ) from error
    except ValueError as error:
        raise ArtifactError(f"{path} is damaged: {error}") from error
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != SCHEMA_VERSION:
        newer = "; update costmodel" if isinstance(version, int) and version > SCHEMA_VERSION else ""
        raise ArtifactError(f"{path}: schema_version is {version!r}, this costmodel reads {SCHEMA_VERSION}{newer}")
    try:
        return _manifest(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"{path} is damaged: {type(error).__name__}: {error}") from error


def check_host(manifest: Manifest, folder: Path, proc: Path = Path("/proc")) -> None:
    """Refuse a CPU of another kind, or one without a feature that the code may use."""
    host = read_host(proc)
    arch = manifest.target.split("/")[0]
    if arch != host.arch:
        raise ArtifactError(f"{folder} was built for {manifest.target}; this CPU is {host.arch}: tune again here")
    missing = sorted(set(manifest.cpu_features) - set(host.features))
    if missing:
        shown = ", ".join(missing[:6]) + (" …" if len(missing) > 6 else "")
        raise ArtifactError(f"{folder} was built for {manifest.target}; this CPU lacks {shown}: tune again here")


def check_files(manifest: Manifest, folder: Path) -> None:
    """Refuse files that are absent or changed."""
    for name, expected in manifest.files.items():
        try:
            found = sha256_file(folder / name)
        except OSError as error:
            raise ArtifactError(f"{folder / name}: {error.strerror or error}; the artifact is not whole") from error
        if found != expected:
            raise ArtifactError(f"{folder / name} is damaged: sha256 {found[:12]}…, the manifest says {expected[:12]}…")


def _manifest(document: dict[str, Any]) -> Manifest:
    names = [str(document["library"]), *map(str, document["files"])]
    for name in names:
        if "/" in name or name in ("", ".", ".."):
            raise ValueError(f"{name!r} is no file name")
    if names[0] not in names[1:]:
        raise ValueError(f"no hash for {names[0]!r}")
    return Manifest(
        name=str(document["name"]),
        library=names[0],
        target=str(document["target"]),
        toolchain=str(document["toolchain"]),
        cpu_features=tuple(map(str, document["cpu_features"])),
        alignment_bytes=int(document["alignment_bytes"]),
        functions=tuple(_function(f) for f in document["functions"]),
        files={str(k): str(v) for k, v in document["files"].items()},
    )


def _function(document: dict[str, Any]) -> FunctionDescription:
    return FunctionDescription(
        name=str(document["name"]),
        symbol=str(document["symbol"]),
        inputs=tuple(_tensor(t) for t in document["inputs"]),
        outputs=tuple(_tensor(t) for t in document["outputs"]),
        workspace_bytes=int(document["workspace_bytes"]),
    )


def _tensor(document: dict[str, Any]) -> TensorDescription:
    return TensorDescription(
        name=str(document["name"]), shape=tuple(int(n) for n in document["shape"]), dtype=str(document["dtype"])
    )
