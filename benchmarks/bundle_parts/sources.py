"""Functions that people wrote: C, C++ and Rust of packages whose licence allows it, built and extracted.

Nothing is downloaded here: the packages lie in a folder, and their hashes are checked. C and C++ come as source
packages of Python, Rust as Debian's packages of crates.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from bundle_parts.quota import say
from costmodel.core.errors import CostModelError
from costmodel.core.hashing import sha256_file, sha256_text
from costmodel.core.tables import FunctionRow
from costmodel.datasets.extract import Options, extract
from costmodel.datasets.extract.commands import AFTER, BEFORE
from costmodel.datasets.store import read_dataset

TABLE = Path(__file__).with_name("sources.json")
"""Package, version, sha256 of the source package, the family of its functions, and the `most` of each stage."""
PER_PROJECT = 700
"""Of each stage, where the table says no other `most`: many projects tell more than many functions of few."""


def requirements() -> list[str]:
    """Lines for pip."""
    return [
        f"{name}=={entry['version']} --hash=sha256:{entry['sha256']}"
        for name, entry in sorted(_table().items())
        if "crate" not in entry
    ]


def crates() -> list[str]:
    """Names for `apt-get download`."""
    return [f"librust-{name}-dev" for name, entry in sorted(_table().items()) if "crate" in entry]


def _table() -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = json.loads(TABLE.read_text())
    return table


def functions(sdists: Path, work: Path, jobs: int, *, quick: bool) -> list[FunctionRow]:
    """Functions before and after optimisation, at most so many of each of a package, chosen by hash."""
    rows = list[FunctionRow]()
    for name, entry in sorted(_table().items())[: 2 if quick else None]:
        archive = sdists / entry["file"]
        if not archive.is_file() or sha256_file(archive) != entry["sha256"]:
            say(f"{name}: {entry['file']} is not in {sdists.name} or is another file; left out")
            continue
        try:
            found = _extracted(name, entry, archive, work, jobs)
        except CostModelError as error:
            say(f"{name}: {error}")
            continue
        for stage in (BEFORE, AFTER):
            of_stage = [row for row in found if row.stage == stage]
            picked = sorted(of_stage, key=lambda row: sha256_text(row.function_id))[: entry.get("most", PER_PROJECT)]
            say(f"{name}: {len(picked)} of {len(of_stage)} functions {stage}")
            rows += picked
    return rows


def _extracted(name: str, entry: dict[str, Any], archive: Path, work: Path, jobs: int) -> list[FunctionRow]:
    out = work / "extracted" / name
    if not (out / "manifest.json").is_file():
        folder = _unpacked(entry, archive, work / "unpacked")
        options = Options(
            build=folder, output=out, family=entry["family"], jobs=jobs, stages=(BEFORE, AFTER), resume=True
        )
        extract(options, lambda line: say(f"{name}: {line}"))
    return list(read_dataset(out).function_rows())


def _unpacked(entry: dict[str, Any], archive: Path, into: Path) -> Path:
    if "crate" in entry:
        return _unpacked_crate(entry["crate"], archive, into)
    folder = into / archive.name.removesuffix(".tar.gz")
    if not folder.is_dir():
        with tarfile.open(archive) as file:
            file.extractall(into, filter="data")
    return folder


def _unpacked_crate(crate: str, archive: Path, into: Path) -> Path:
    """A crate that builds by itself: its manifest keeps no optional and no development dependency."""
    folder = into / crate
    if not folder.is_dir():
        with tempfile.TemporaryDirectory() as root:
            subprocess.run(["dpkg-deb", "-x", str(archive), root], check=True)
            shutil.copytree(Path(root) / "usr" / "share" / "cargo" / "registry" / crate, folder)
        (folder / "rust-toolchain").unlink(missing_ok=True)  # the one that is installed compiles
        manifest = folder / "Cargo.toml"
        given = tomllib.loads(manifest.read_text())
        package = given["package"]
        kept = {key: package[key] for key in ("name", "version", "edition", "license") if key in package}
        lines = ["[package]", *(f"{key} = {json.dumps(value)}" for key, value in kept.items()), "[features]"]
        features = given.get("features", {})
        own = {name for name, needs in features.items() if all(need in features for need in needs)}
        lines += [f"{name} = {json.dumps(features[name])}" for name in sorted(own)]
        manifest.write_text("\n".join(lines) + "\n")
    return folder
