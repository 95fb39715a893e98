"""`costmodel serve`: arguments, and the socket as a process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from costmodel.cli.main import main
from costmodel.serve.client import Client

TEXT = "define i32 @f(i32 %a) {\n  %b = mul i32 %a, 3\n  ret i32 %b\n}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give an advisor (inliner, regalloc-evict, regalloc-priority) and --channel BASE, or --socket PATH"),
        (["inliner"], "and --channel BASE"),
        (["outliner", "--channel", "{}/c"], "unknown advisor 'outliner'; known: inliner"),
        (["inliner", "--channel", "{}/c", "--policy", "cst"], "unknown inliner policy 'cst'; known: always, cost"),
        (["regalloc-evict", "--channel", "{}/c", "--policy", "always"], "unknown regalloc-evict policy 'always'"),
        (["inliner", "--channel", "{}/absent/c"], "No such file or directory"),
        (["inliner", "--channel", "{}/c", "--compilers", "-1"], "--compilers is -1"),
        (["inliner", "--channel", "{}/c", "--wait-s", "0"], "--wait-s is 0, expected a number above 0"),
        (["inliner", "--channel", "{}/c", "--idle-s", "nan"], "--idle-s is nan"),
        (["inliner", "--channel", "{}/c", "--model", "default"], "--model makes no sense with --channel"),
        (["--socket", "{}/s", "--policy", "cost"], "--policy makes no sense with --socket"),
        (["inliner", "--socket", "{}/s"], "an advisor makes no sense with --socket"),
        (["--socket", "{}/s", "--max-request-bytes", "0"], "--max-request-bytes is 0"),
        (["--socket", "{}/s", "--model", "absent"], "no model 'absent'"),
        (["--socket", "{}/absent/s"], "No such file or directory"),
    ],
)
def test_bad_usage_is_one_line_and_status_2(arguments, message, tmp_path, capsys):
    assert main(["serve", *[argument.format(tmp_path) for argument in arguments]]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("costmodel: error: ")
    assert message in error
    assert not list(tmp_path.iterdir())


def test_the_socket_serves_until_ctrl_c(tmp_path):
    path = tmp_path / "s"
    command = [sys.executable, "-m", "costmodel.cli.main", "serve", "--socket", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        deadline = time.monotonic() + 60
        while not path.exists() and server.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        try:
            with Client(path) as client:
                [answer] = client.predict([{"ir": TEXT, "target": "x86-64/znver4", "metrics": ["instructions"]}])
        finally:
            server.send_signal(signal.SIGINT)
        out, err = server.communicate(timeout=60)
    assert server.returncode == 130
    assert answer["functions"][0]["metrics"]["instructions"]["mean"] > 0
    assert json.loads(out)["messages"] == 1
    assert "serving at" in err
    assert not path.exists()
