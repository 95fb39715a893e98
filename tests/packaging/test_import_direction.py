"""Imports point one way: the contracts in pyproject.toml, checked on the installed tree (one real folder, no links)."""

import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINTER = Path(sys.executable).parent / "lint-imports"


def lint(distribution, *arguments: str):
    return distribution.run(str(LINTER), "--config", str(ROOT / "pyproject.toml"), "--no-cache", *arguments)


def test_contracts_are_kept(distribution) -> None:
    done = lint(distribution)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("module", "statement"),
    [
        ("core/planted.py", "import costmodel.ir"),
        ("ir/planted.py", "from costmodel.toolchain import tools"),
        ("search/planted.py", "import costmodel.datasets"),
        ("runtime/planted.py", "import torch"),
    ],
)
def test_a_planted_breach_is_caught(distribution, tmp_path: Path, module: str, statement: str) -> None:
    site = tmp_path / "site"
    shutil.copytree(distribution.installed, site)
    (site / "costmodel" / module).parent.mkdir(exist_ok=True)
    (site / "costmodel" / module).write_text(f'"""Planted."""\n\n{statement}\n')
    planted = type(distribution)(**{**distribution.__dict__, "installed": site})
    done = lint(planted)
    assert done.returncode == 1
    assert "planted" in done.stdout
