"""LLVM's own compilers on our channels, and the examples of docs/serve.md as they stand there."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from costmodel.serve.advisors import ADVISORS
from costmodel.serve.policies import POLICIES

DOCUMENT = Path(__file__).parents[2] / "docs/serve.md"
VALUES = 40


def inlining_text():
    """Calls of small, large, single-use and shared functions."""
    body = "\n".join(f"  %v{i} = xor i32 %v{i - 1}, {i * 77}" for i in range(1, 30))
    large = f"define internal i32 @large(i32 %v0) {{\n{body}\n  %r = mul i32 %v29, %v15\n  ret i32 %r\n}}\n"
    small = "define internal i32 @small(i32 %a) {\n  %b = add i32 %a, 3\n  ret i32 %b\n}\n"
    callers = "".join(
        f"define i32 @f{i}(i32 %a) {{\n  %b = call i32 @small(i32 %a)\n  %c = call i32 @large(i32 %b)\n"
        f"  %d = call i32 @large(i32 %c)\n  ret i32 %d\n}}\n"
        for i in range(3)
    )
    return large + small + callers


def pressure_text():
    """More live values than there are registers, in a loop."""
    loads = "\n".join(
        f"  %p{i} = getelementptr i64, ptr %p, i64 {i}\n  %x{i} = load volatile i64, ptr %p{i}" for i in range(VALUES)
    )
    uses = "\n".join(f"  %s{i} = add i64 %s{i - 1}, %x{i}" for i in range(1, VALUES))
    again = "\n".join(f"  %t{i} = mul i64 %t{i - 1}, %x{i}" for i in range(1, VALUES))
    return (
        f"define i64 @f(ptr %p, i64 %n) {{\nentry:\n{loads}\n  br label %loop\nloop:\n"
        "  %i = phi i64 [ 0, %entry ], [ %j, %loop ]\n  %acc = phi i64 [ 0, %entry ], [ %sum, %loop ]\n"
        f"  %s0 = add i64 %acc, %x0\n{uses}\n  %t0 = add i64 %s{VALUES - 1}, %x0\n{again}\n"
        f"  %sum = add i64 %t{VALUES - 1}, %i\n  %j = add i64 %i, 1\n  %c = icmp ult i64 %j, %n\n"
        "  br i1 %c, label %loop, label %exit\nexit:\n  ret i64 %sum\n}\n"
    )


def compile_on(serve, start, base, advisor, policy, command):
    server = serve(advisor, "--policy", policy)
    compiler = start(*command, *ADVISORS[advisor].options.format(base=base).split())
    status, _, err = compiler.end()
    assert status == 0, err
    status, out, err = server.end()
    assert status == 0, err
    found = json.loads(out)
    assert found["queries"] == found["answers"] > 0
    assert (found["fallbacks"], found["complete"]) == (0, True)
    return found


@pytest.mark.toolchain("opt")
@pytest.mark.parametrize("policy", list(POLICIES["inliner"]))
def test_opt_inlines_as_it_is_told(serve, start, base, tmp_path, policy):
    source, out = tmp_path / "in.ll", tmp_path / "out.ll"
    source.write_text(inlining_text())
    command = ["opt-22", "-S", "-Oz", source, "-o", out]
    compile_on(serve, start, base, "inliner", policy, command)
    text = out.read_text()
    if policy == "default":
        subprocess.run([str(part) for part in [*command[:-1], tmp_path / "own.ll"]], check=True)
        assert text == (tmp_path / "own.ll").read_text()
    if policy in ("always", "never"):
        assert len(re.findall(r"call .*@", text)) == (0 if policy == "always" else 9)
    assert policy != "cost" or len(re.findall(r"call .*@small", text)) == 0


@pytest.mark.toolchain("llc")
@pytest.mark.parametrize(
    ("advisor", "policy"), [(a, p) for a in ("regalloc-evict", "regalloc-priority") for p in POLICIES[a]]
)
def test_llc_allocates_as_it_is_told(serve, start, base, tmp_path, advisor, policy):
    source, out = tmp_path / "in.ll", tmp_path / "out.s"
    source.write_text(pressure_text())
    command = ["llc-22", "-O2", "-mtriple=x86_64-linux-gnu", source, "-o", out]
    found = compile_on(serve, start, base, advisor, policy, command)
    assert found["contexts"] == 1
    assert "-byte Spill" in out.read_text()


@pytest.mark.toolchain("llc")
def test_a_killed_llc_ends_the_server_in_order(serve, start, base, tmp_path, until):
    source = tmp_path / "in.ll"
    source.write_text(pressure_text())
    server = serve("regalloc-priority")
    entry = Path(f"{base}.in").stat().st_ino
    command = ["llc-22", "-O2", source, "-o", "/dev/null"]
    compiler = start(*command, *ADVISORS["regalloc-priority"].options.format(base=base).split())
    until(lambda: Path(f"{base}.in").stat().st_ino != entry, "compiler", server.process)
    compiler.process.send_signal(signal.SIGKILL)
    assert server.end()[0] == 0


@pytest.fixture
def shell(tmp_path):
    """Run a shell text in a folder where `costmodel` and `python` are these."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "costmodel").write_text(f'#!/bin/sh\nexec {sys.executable} -m costmodel.cli.main "$@"\n')
    (tools / "costmodel").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}

    def run(text):
        return subprocess.run(
            ["bash", "-euc", text],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        ).stdout

    return run


def example(language, mark):
    blocks = re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    [found] = [block for block in blocks if mark in block]
    return found


@pytest.mark.toolchain("opt")
def test_the_channel_s_example(shell, tmp_path):
    (tmp_path / "in.ll").write_text(inlining_text())
    found = json.loads(shell(example("sh", "serve inliner")))
    assert (found["policy"], found["complete"]) == ("cost", True)
    assert "define" in (tmp_path / "out.ll").read_text()


@pytest.fixture
def socket_server(start, tmp_path, until):
    server = start(sys.executable, "-m", "costmodel.cli.main", "serve", "--socket", tmp_path / "costmodel.sock")
    until((tmp_path / "costmodel.sock").exists, "socket", server.process)


def test_the_socket_s_example(socket_server, tmp_path):
    text = example("python", "Client")
    done = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("thrice ")


@pytest.mark.skipif(shutil.which("socat") is None, reason="needs socat: apt-get install socat")
def test_the_shell_s_example(socket_server, shell):
    reply = json.loads(shell(example("sh", "socat")))
    assert [function["name"] for function in reply["answers"][0]["functions"]] == ["f"]
