from collections.abc import Callable
from pathlib import Path

import pytest

DATA = Path(__file__).parent / "data"


@pytest.fixture
def sample() -> Callable[[str], str]:
    """Text of a sample program by file name."""
    return lambda name: (DATA / name).read_text()


@pytest.fixture
def sample_path() -> Callable[[str], Path]:
    """Path of a sample program by file name."""
    return lambda name: DATA / name
