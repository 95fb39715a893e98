"""The wheel and the sdist hold everything that is on disk, and work away from the checkout."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from costmodel import __version__

OPTIONAL = {"onnx", "onnxruntime", "torch", "torch_mlir", "torch_geometric", "tvm", "triton", "ziglang"}
"""Import names of what only extras install: a module may need one to be imported at all, where it is absent."""

IMPORT_ALL = """
import importlib, json, pkgutil
import costmodel, costmodel.core.errors
files, failed = {"costmodel": costmodel.__file__}, {}
def visit(package):
    for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        try:
            module = importlib.import_module(info.name)
        except ModuleNotFoundError as error:
            failed[info.name] = error.name
            continue
        except costmodel.core.errors.MissingDependencyError as error:  # an integration without its compiler
            failed[info.name] = error.__cause__.name
            continue
        files[info.name] = module.__file__
        if info.ispkg:
            visit(module)
visit(costmodel)
print(json.dumps({"files": files, "failed": failed}))
"""


@pytest.fixture(scope="module")
def imported(distribution) -> dict[str, Any]:
    done = distribution.run("-c", IMPORT_ALL)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_wheel_holds_exactly_the_files_on_disk(distribution) -> None:
    in_wheel = {name for name in distribution.wheel_files if name.startswith("costmodel/")}
    assert in_wheel == distribution.disk_files


def test_sdist_holds_exactly_the_files_on_disk(distribution) -> None:
    in_sdist = {name for name in distribution.sdist_files if name.startswith("costmodel/")}
    assert in_sdist == distribution.disk_files


def test_sdist_and_wheel_carry_licence_and_type_marker(distribution) -> None:
    assert {"LICENSE", "README.md", "pyproject.toml", "setup.py"} <= distribution.sdist_files
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in distribution.wheel_files)
    assert "costmodel/py.typed" in distribution.wheel_files


def test_wheel_takes_no_top_level_name_but_costmodel(distribution) -> None:
    tops = {name.split("/")[0] for name in distribution.wheel_files if ".dist-info/" not in name}
    assert tops == {"costmodel"}


def test_every_module_imports_from_the_installed_copy(distribution, imported) -> None:
    assert {name.split(".")[0] for name in imported["failed"].values()} <= OPTIONAL, imported["failed"]
    assert {"costmodel.core", "costmodel.ir", "costmodel.search", "costmodel.datasets"} <= set(imported["files"])
    outside = {
        name for name, file in imported["files"].items() if not Path(file).is_relative_to(distribution.installed)
    }
    assert outside == set()


def test_every_python_file_is_a_module_that_was_imported(distribution, imported) -> None:
    """A folder without `__init__.py` would be packaged and yet be found by nobody."""
    files = {name for name in distribution.disk_files if name.endswith(".py")}
    modules = {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in files}
    assert modules - set(imported["files"]) - set(imported["failed"]) == set()


def test_installed_program_works(distribution) -> None:
    done = distribution.run("-m", "costmodel.cli.main", "--version")
    assert (done.returncode, done.stdout) == (0, f"costmodel {__version__}\n")
    script = distribution.installed / "bin" / "costmodel"
    assert "costmodel.cli.main" in script.read_text()


def test_version_is_the_same_everywhere(distribution) -> None:
    assert distribution.wheel.name == f"costmodel_ir-{__version__}-py3-none-any.whl"


def test_import_costmodel_is_light(distribution) -> None:
    code = "import sys; old = set(sys.modules); import costmodel; print(*sorted(set(sys.modules) - old))"
    loaded = set(distribution.run("-c", code).stdout.split())
    assert "costmodel" in loaded
    tops = {name.split(".")[0] for name in loaded}
    assert tops - set(sys.stdlib_module_names) == {"costmodel"}
    assert not [name for name in loaded if name.startswith("costmodel.")]


@pytest.mark.parametrize("folder", ["ir", "search", "datasets"])
def test_a_folder_is_not_importable_under_its_bare_name(folder: str) -> None:
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", f"import {folder}"], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"ImportError: this package is 'costmodel.{folder}', imported as '{folder}'" in done.stderr
