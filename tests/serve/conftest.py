"""Servers and fake compilers as real processes, with real FIFOs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

FAKE = Path(__file__).with_name("fake_compiler.py")
LIMIT_S = 60


def wait_for(condition, what, process=None):
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        if process is not None and process.poll() is not None:
            pytest.fail(f"ended with {process.returncode} before {what}: {process.stderr.read()}")
        if time.monotonic() > deadline:
            pytest.fail(f"no {what} within {LIMIT_S} s")
        time.sleep(0.01)


class Running:
    """A process whose end is awaited with a limit, and which is killed at the end of the test."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def end(self):
        """Status, standard output, standard error."""
        out, err = self.process.communicate(timeout=LIMIT_S)
        return self.process.returncode, out, err

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)


@pytest.fixture
def until():
    return wait_for


@pytest.fixture
def start():
    several = []

    def make(*command):
        several.append(Running([str(part) for part in command]))
        return several[-1]

    yield make
    for one in several:
        one.process.kill()
        one.process.communicate()


@pytest.fixture
def base(tmp_path):
    return tmp_path / "channel"


@pytest.fixture
def serve(start, base):
    """Start `costmodel serve` and wait until its FIFOs are there."""

    def make(advisor, *options, at=base):
        running = start(sys.executable, "-m", "costmodel.cli.main", "serve", advisor, "--channel", at, *options)
        wait_for(Path(f"{at}.out").exists, "FIFO", running.process)
        return running

    return make


@pytest.fixture
def compiler(start, base):
    def make(advisor, contexts, at=base, **plan):
        full = {"base": str(at), "advisor": advisor, "contexts": contexts, **plan}
        return start(sys.executable, "-S", FAKE, json.dumps(full))

    return make
