"""Builds the sdist, then the wheel from that sdist, offline, and unpacks the wheel into a folder of its own."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {
    "costmodel": "costmodel",
    "ir": "costmodel/ir",
    "search": "costmodel/search",
    "datasets": "costmodel/datasets",
}
BUILD_FILES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")
IGNORED = shutil.ignore_patterns("__pycache__", "*.egg-info", "*.pyc")


@dataclass(frozen=True)
class Distribution:
    """What was built. Files are named as in the wheel, for example `costmodel/ir/program.py` (`ir/` in the sdist)."""

    disk_files: frozenset[str]
    sdist_files: frozenset[str]
    wheel_files: frozenset[str]
    wheel: Path
    installed: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python with the installed copy, and nothing of the checkout, as `costmodel`."""
        environment = {**os.environ, "PYTHONPATH": str(self.installed), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            [sys.executable, *arguments], cwd=self.installed.parent, env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip


def _files_of(source: Path) -> frozenset[str]:
    """Every file of the four folders under the name it must have in the wheel."""
    found = set()
    for folder, package in FOLDERS.items():
        files = (path for path in (source / folder).rglob("*") if path.is_file())
        found |= {(Path(package) / path.relative_to(source / folder)).as_posix() for path in files}
    return frozenset(found)


@pytest.fixture(scope="session")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    work = tmp_path_factory.mktemp("distribution")
    source = work / "source"
    source.mkdir()
    for name in BUILD_FILES:
        shutil.copy2(ROOT / name, source)
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, source / folder, ignore=_ignore_links, symlinks=True)
    disk_files = _files_of(source)
    (sdist,) = _build("build_sdist", source, work / "out").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # from Python 3.11.4 on
        archive.extractall(work / "unpacked", **safe)
    (unpacked,) = (work / "unpacked").iterdir()
    sdist_files = frozenset(path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file())
    (wheel,) = _build("build_wheel", unpacked, work / "out").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        wheel_files = frozenset(archive.namelist())
    _call([sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps", "--no-index",
           "--no-compile", "--target", str(work / "site"), str(wheel)], work)  # fmt: skip
    return Distribution(
        disk_files=disk_files,
        sdist_files=frozenset(_wheel_name(name) for name in sdist_files),
        wheel_files=wheel_files,
        wheel=wheel,
        installed=work / "site",
    )


def _wheel_name(name: str) -> str:
    folder, _, rest = name.partition("/")
    return f"{FOLDERS[folder]}/{rest}" if rest and folder in FOLDERS else name


def _ignore_links(folder: str, names: list[str]) -> set[str]:
    links = {name for name in names if (Path(folder) / name).is_symlink()}
    return links | set(IGNORED(folder, names))


def _build(hook: str, source: Path, out: Path) -> Path:
    out.mkdir(exist_ok=True)
    _call([sys.executable, "-c", f"from setuptools import build_meta; build_meta.{hook}({str(out)!r})"], source)
    return out


def _call(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
