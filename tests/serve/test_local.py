"""The local socket: answers, limits, and clients that misbehave."""

from __future__ import annotations

import base64
import json
import os
import select
import socket
import stat
import struct
import threading
import time

import pytest

from costmodel.core.errors import ParseError, UsageError
from costmodel.serve.client import Client
from costmodel.serve.framing import encode, receive
from costmodel.serve.interrupts import Interrupt
from costmodel.serve.local import LocalServer, SocketOptions
from costmodel.serve.requests import Answerer

TEXT = """define i32 @twice(i32 %a) {
  %b = add i32 %a, %a
  ret i32 %b
}
define i32 @once(i32 %a) {
  ret i32 %a
}
"""
ASKED = {"ir": TEXT, "target": "x86-64/znver4"}


@pytest.fixture(scope="module")
def answerer():
    return Answerer.load()


@pytest.fixture
def started(tmp_path, answerer, until):
    """Run a server in a thread; returns a function that starts it with options, and gives its path."""
    interrupt, threads = Interrupt(), []

    def make(**options):
        server = LocalServer(answerer, SocketOptions(path=tmp_path / "s", **options), interrupt)
        threads.append(threading.Thread(target=server.run))
        threads[-1].start()
        until((tmp_path / "s").exists, "socket")
        return tmp_path / "s", server

    with interrupt:
        yield make
        interrupt.request()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
    assert not (tmp_path / "s").exists()


def raw(path):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(30)
    connection.connect(str(path))
    return connection


def test_a_batch_is_answered_in_order_as_predict_answers(started, answerer, tmp_path, capsys):
    from costmodel.cli.main import main

    path, _ = started()
    with Client(path) as client:
        whole, wrong, narrow = client.predict(
            [ASKED, {**ASKED, "target": "z80/zilog"}, {**ASKED, "metrics": ["spills"], "format": "llvm"}]
        )
    file = tmp_path / "f.ll"
    file.write_text(TEXT)
    assert main(["predict", str(file), "--target", ASKED["target"], "--format", "json"]) == 0
    assert whole == json.loads(capsys.readouterr().out)
    assert [one["name"] for one in whole["functions"]] == ["twice", "once"]
    assert "z80" in wrong["error"]["message"]
    assert [list(one["metrics"]) for one in narrow["functions"]] == [["spills"]] * 2


def test_several_targets_and_bytes(started):
    path, _ = started()
    encoded = base64.b64encode(TEXT.encode()).decode()
    asked = {"ir": encoded, "encoding": "base64", "target": ["x86-64/znver4", "aarch64/neoverse-n1"]}
    with Client(path) as client:
        [answer] = client.predict([asked])
        assert [one["target"] for one in answer["functions"]] == asked["target"] * 2
        assert client.predict([]) == []


def test_the_socket_is_its_owner_s(started):
    path, _ = started()
    mode = os.stat(path).st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


@pytest.mark.parametrize(
    ("request_", "kind", "message"),
    [
        (5, "ParseError", "expected an object with ir and target"),
        ({"target": "x86-64/znver4"}, "ParseError", "'ir' is missing"),
        ({"ir": TEXT}, "ParseError", "'target' is missing"),
        ({"ir": TEXT, "target": []}, "ParseError", "target is empty"),
        ({"ir": TEXT, "target": [5]}, "ParseError", "expected texts"),
        ({**ASKED, "colour": 1}, "ParseError", "unknown field 'colour'"),
        ({**ASKED, "encoding": "rot13"}, "ParseError", "expected base64"),
        ({**ASKED, "ir": "@", "encoding": "base64"}, "ParseError", "no base64"),
        ({**ASKED, "format": 3}, "ParseError", "'format' is 3"),
        ({**ASKED, "format": "fortran"}, "UnknownNameError", "unknown reader 'fortran'"),
        ({**ASKED, "metrics": ["charm"]}, "UnknownNameError", "charm"),
        ({**ASKED, "ir": ""}, "ParseError", "empty"),
        ({**ASKED, "ir": "/etc/passwd"}, "ParseError", "none of the known formats"),
        ({**ASKED, "ir": "\ud800 define"}, "ParseError", "0xed is not UTF-8"),
    ],
)
def test_a_bad_request_is_an_error_among_good_answers(started, request_, kind, message):
    path, _ = started()
    with Client(path) as client:
        good, bad, again = client.predict([ASKED, request_, ASKED])
    assert good == again
    assert bad["error"]["kind"] == kind
    assert message in bad["error"]["message"]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ([], "expected an object with requests"),
        ({"requests": []}, "schema_version is None"),
        ({"schema_version": 2, "requests": []}, "schema_version is 2"),
        ({"schema_version": 1}, "'requests' is missing"),
        ({"schema_version": 1, "requests": {}}, "expected list"),
        ({"schema_version": 1, "requests": [1] * 4097}, "at most 4096"),
    ],
)
def test_a_bad_message_is_refused_and_the_connection_goes_on(started, message, expected):
    path, _ = started()
    with raw(path) as connection:
        connection.sendall(encode(message))
        assert expected in receive(connection, 1 << 20, 30)["error"]["message"]
        connection.sendall(encode({"schema_version": 1, "requests": [ASKED]}))
        assert receive(connection, 1 << 20, 30)["answers"][0]["functions"]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (struct.pack(">I", 3) + b"{}}", "no JSON"),
        (struct.pack(">I", 2) + b"\xff\xfe", "no JSON"),
        (struct.pack(">I", 200_000) + b"[" * 200_000, "no JSON"),
        (struct.pack(">I", 1 << 31), "at most 1000000 are taken"),
        (b"GET / HTTP/1.1\r\n\r\n", "at most 1000000 are taken"),
    ],
)
def test_what_is_no_message_is_told_and_closed(started, sent, expected):
    path, server = started(max_request_bytes=1_000_000)
    with raw(path) as connection:
        connection.sendall(sent)
        assert expected in receive(connection, 1 << 20, 30)["error"]["message"]
        assert connection.recv(1) == b""
    assert server.summary()["errors"] == 1
    with Client(path) as client:
        assert client.predict([ASKED])[0]["functions"]


def test_too_large_a_request_is_an_error_for_the_client(started):
    path, _ = started(max_request_bytes=1000)
    with Client(path) as client, pytest.raises(UsageError, match="at most 1000 are taken"):
        client.predict([{**ASKED, "ir": TEXT + ";" * 2_000_000}])


@pytest.mark.parametrize("sent", [b"", b"\x00", struct.pack(">I", 100) + b"{", struct.pack(">I", 100)])
def test_slow_and_half_open_clients_time_out_and_disturb_nobody(started, sent, until):
    path, server = started(idle_s=0.5)
    with raw(path) as slow:
        slow.sendall(sent)
        with Client(path) as client:
            assert client.predict([ASKED])[0]["functions"]
        until(lambda: server.summary()["timeouts"] >= 1, "time-out")
        said = b""
        while chunk := slow.recv(4096):
            said += chunk
        assert (b"not complete within 0.5 s" in said) == bool(sent)


def test_a_trickle_does_not_extend_the_time(started):
    path, server = started(idle_s=0.6)
    with raw(path) as slow:
        for byte in struct.pack(">I", 10_000) + b" " * 10_000:
            if select.select([slow], [], [], 0.05)[0]:
                break
            slow.sendall(bytes([byte]))
        assert "not complete within 0.6 s" in receive(slow, 1 << 20, 30)["error"]["message"]
        assert server.summary()["timeouts"] == 1


def test_a_client_that_closes_in_the_middle(started, until):
    path, server = started()
    with raw(path) as connection:
        connection.sendall(struct.pack(">I", 100) + b"{")
    until(lambda: server.summary()["errors"] == 1, "error")
    with Client(path) as client:
        assert client.predict([ASKED])[0]["functions"]


def test_many_clients_at_once_get_the_same(started):
    path, _ = started()
    found = []

    def ask():
        with Client(path) as client:
            found.extend(client.predict([ASKED]) for _ in range(3))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 18
    assert all(one == found[0] for one in found)


def test_too_many_connections_are_refused_until_one_ends(started, until):
    path, server = started(max_connections=1)
    with Client(path) as first:
        assert first.predict([ASKED])[0]["functions"]
        with raw(path) as second:
            assert "no more are taken" in receive(second, 1 << 20, 30)["error"]["message"]
        assert first.predict([ASKED])[0]["functions"]

    def free():
        try:
            with raw(path) as third:
                third.sendall(encode({"schema_version": 1, "requests": []}))
                return "answers" in receive(third, 1 << 20, 30)
        except OSError:  # refused, and the reply lost with the connection
            return False

    until(free, "free connection")
    assert server.summary()["refused"] >= 1


def test_a_second_server_is_refused(started, answerer):
    path, _ = started()
    with Interrupt() as interrupt, pytest.raises(UsageError, match="another server answers"):
        LocalServer(answerer, SocketOptions(path=path), interrupt).run()
    with Client(path) as client:
        assert client.predict([ASKED])[0]["functions"]


def test_a_dead_server_s_socket_is_replaced(started, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(tmp_path / "s"))
    path, _ = started()
    deadline = time.monotonic() + 30
    while True:
        try:
            with Client(path) as client:
                assert client.predict([ASKED])[0]["functions"]
            return
        except UsageError:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.parametrize("make", ["file", "folder", "long"])
def test_places_that_cannot_be_a_socket(answerer, tmp_path, make):
    path = tmp_path / ("s" if make != "long" else "s" * 120)
    if make == "file":
        path.write_text("precious")
    if make == "folder":
        path = tmp_path / "absent" / "s"
    with Interrupt() as interrupt, pytest.raises(UsageError):
        LocalServer(answerer, SocketOptions(path=path), interrupt).run()
    assert make != "file" or path.read_text() == "precious"


def test_the_client_says_what_is_wrong(tmp_path):
    with pytest.raises(UsageError, match="nobody serves at"):
        Client(tmp_path / "absent")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        with Client(tmp_path / "s", timeout_s=0.2) as client, pytest.raises(UsageError, match="did not answer"):
            client.predict([ASKED])
        server.accept()[0].close()
        with Client(tmp_path / "s", timeout_s=10) as client:
            peer = server.accept()[0]
            peer.sendall(encode({"schema_version": 7, "answers": []}))
            with pytest.raises(ParseError, match="schema_version is 7"):
                client.predict([])
            peer.close()
            with pytest.raises(UsageError, match="closed the connection"):
                client.predict([])
