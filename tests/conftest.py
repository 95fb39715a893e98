"""What all tests share: golden files, skips by capability (each with its reason), repeatable property tests."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from costmodel.toolchain.tools import APT_LINE, APT_TOOLS, LLVM_MAJOR, find_apt_tool

GOLDEN = Path(__file__).parent / "golden"

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files instead of comparing")
    parser.addoption(
        "--require",
        action="append",
        default=[],
        choices=["toolchain", "gpu"],
        help="fail, instead of skipping, tests whose capability is missing",
    )


@dataclass(frozen=True)
class Golden:
    """Compares a text with a committed file under tests/golden/."""

    update: bool

    def check(self, name: str, text: str) -> None:
        """Fail where `text` differs from tests/golden/`name`; with --update-golden write it there."""
        path = GOLDEN / name
        if self.update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            return
        if not path.is_file():
            pytest.fail(f"no golden file {name}: run pytest with --update-golden and look at what it wrote")
        assert text == path.read_text(encoding="utf-8"), (
            f"differs from tests/golden/{name} (--update-golden rewrites it)"
        )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(update=request.config.getoption("--update-golden"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    for capability, missing in (("toolchain", _missing_tools(item)), ("gpu", _missing_gpu(item))):
        if not missing:
            continue
        if capability in item.config.getoption("--require"):
            pytest.fail(f"--require {capability}: {missing}", pytrace=False)
        pytest.skip(missing)


def _missing_tools(item: pytest.Item) -> str | None:
    marker = item.get_closest_marker("toolchain")
    if marker is None:
        return None
    names = [name for name in marker.args or APT_TOOLS if find_apt_tool(name) is None]
    tools = ", ".join(f"{name}-{LLVM_MAJOR}" for name in names)
    return f"needs {tools}: {APT_LINE}" if names else None


def _missing_gpu(item: pytest.Item) -> str | None:
    if item.get_closest_marker("gpu") is None:
        return None
    has_gpu = Path("/dev/nvidiactl").exists() and shutil.which("nvidia-smi")
    return None if has_gpu else "needs an NVIDIA GPU and its driver (nvidia-smi)"
