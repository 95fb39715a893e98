"""Finds every package under the mapped folders; all else is in pyproject.toml."""

from pathlib import Path

from setuptools import find_namespace_packages, setup

FOLDERS = {
    "costmodel": "costmodel",
    "costmodel.ir": "ir",
    "costmodel.search": "search",
    "costmodel.datasets": "datasets",
}
# In costmodel/ these are the links that `make links` makes.
MAPPED = ("ir", "ir.*", "search", "search.*", "datasets", "datasets.*")


def packages() -> list[str]:
    root = Path(__file__).parent
    found = []
    for name, folder in FOLDERS.items():
        hidden = ("*__pycache__*", *(MAPPED if name == "costmodel" else ()))
        found += [name, *(f"{name}.{sub}" for sub in find_namespace_packages(str(root / folder), exclude=hidden))]
    return sorted(found)


setup(packages=packages())
