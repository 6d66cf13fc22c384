"""Bad clients of a real server: it answers or drops them, and serves the others."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from struct import pack
from typing import Any

import pytest

import mpipc
from mpipc.generate.load import generated_for
from tests import rpc_peer, rpc_schema
from tests.interop.declarations import Root
from tests.interop.service import PATIENCE, Service
from tests.rpc_peer import call, finish
from tests.runtime.support import eventually
from tests.test_malformed import SCHEMA, VALUES

INTERFACE = next(id for id, _ in generated_for(Root).server.methods)


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def path(tmp_path: Path, service: Service) -> Iterator[str]:
    limits = mpipc.Limits(message_words=1 << 16, calls=50, threads=10)
    with mpipc.serve(f"unix:{tmp_path}/s", service, limits=limits):
        yield f"{tmp_path}/s"


class BadClient:
    """A socket on which anything can be said; what comes back is read as RPC messages."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(path)
        self._received = b""

    def send(self, *messages: bytes) -> None:
        self.socket.sendall(b"".join(messages))

    def next(self) -> dict[str, Any] | None:
        """The next message of the server's, None at the end of the connection."""
        while True:
            size = 8 + int.from_bytes(self._received[4:8], "little") * 8
            if len(self._received) >= size > 8:
                message, self._received = self._received[:size], self._received[size:]
                return rpc_schema.read(message)
            try:
                chunk = self.socket.recv(1 << 16)
            except ConnectionResetError:
                chunk = b""
            if not chunk:
                assert not self._received
                return None
            self._received += chunk

    def returned(self) -> dict[str, Any]:
        """The next answer."""
        while True:
            message = self.next()
            assert message is not None and "abort" not in message, message
            if "return" in message:
                answer: dict[str, Any] = message["return"]
                return answer

    def bootstrap(self) -> None:
        """Ask for the root object, which is export 0."""
        self.send(rpc_peer.built(lambda m: m.init("bootstrap")), finish(0))
        assert "results" in self.returned()

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def client(path: str) -> Iterator[BadClient]:
    client = BadClient(path)
    yield client
    client.close()


@pytest.fixture(autouse=True)
def honest(path: str, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a bad client does, an honest one that was there before and one that comes after are
    served, no thread stays, and nothing fails."""
    caplog.set_level(logging.INFO, "mpipc")
    with mpipc.connect(f"unix:{path}", Root) as before:
        assert before.refuse("") == "accepted"
        yield
        with mpipc.connect(f"unix:{path}", Root) as after:
            assert after.refuse("") == before.refuse("") == "accepted"
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR or r.exc_info]


def dropped(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The log's lines on clients that were dropped."""
    return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]


# ------------------------------------------------------------------------------------- dropped

GARBAGE = {
    "zeros": (bytes(4096), "empty"),
    "ones": (b"\xff" * 4096, "not a Cap'n Proto message"),
    "an HTTP request": (
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "not a Cap'n Proto message",
    ),
    "a TLS greeting": (bytes.fromhex("16030100c0010000bc0303"), "not a Cap'n Proto message"),
    "a size of 32 GiB": (pack("<II", 0, 0xFFFFFFFF), "larger than the limit"),
    "a size just above the limit": (pack("<II", 0, (1 << 16) + 1), "larger than the limit"),
    "segments of 32 GiB each": (pack("<IIII", 1, 0xFFFFFFFF, 0xFFFFFFFF, 0), "larger"),
    "an answer to nothing": (rpc_peer.results(3), "a question that was not asked"),
    "a release of nothing": (rpc_peer.release(77), "does not hold"),
    "a wild pointer": (pack("<IIQ", 0, 1, 1 << 2 | 1 << 32 | 1 << 48), "leads out"),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_ends_the_connection(
    client: BadClient, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    garbage, reason = GARBAGE[name]
    client.send(garbage)
    message = client.next()
    assert message is not None and reason in message["abort"]["reason"]
    assert client.next() is None
    (line,) = dropped(caplog)
    assert line.startswith("dropped the connection on unix:") and reason in line


def test_a_client_that_gives_up_is_gone(
    client: BadClient, caplog: pytest.LogCaptureFixture
) -> None:
    client.send(rpc_peer.built(lambda m: m.init("abort").__setattr__("reason", "no more")))
    assert client.next() is None
    eventually(lambda: "the other end gave up: no more" in caplog.text)
    assert dropped(caplog) == []


@pytest.mark.parametrize("size", [20, 8000])
def test_random_bytes(client: BadClient, size: int) -> None:
    """Whatever they mean, at the end of them the client is gone."""
    client.send(os.urandom(size))
    client.socket.shutdown(socket.SHUT_WR)
    while client.next() is not None:
        pass


def test_garbage_in_the_middle_of_a_call(
    client: BadClient, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    client.bootstrap()
    client.send(hold(1, "k"))
    eventually(lambda: "holding k" in service.noted)
    client.send(b"\xff" * 100)
    message = client.next()
    assert message is not None and "abort" in message
    assert client.next() is None
    service.let_go("k")
    eventually(lambda: "its caller is gone" in caplog.text)
    assert len(dropped(caplog)) == 1


def hold(question: int, key: str) -> bytes:
    def fill(message: Any) -> None:
        made = message.init("call")
        made.questionId, made.interfaceId, made.methodId = question, INTERFACE, 16
        made.init("target").importedCap = 0
        params = made.init("params").content.as_struct(
            SCHEMA.Root.schema.methods["hold"].param_type
        )
        params.key = key

    return rpc_peer.built(fill)


# ------------------------------------------------------------------------------ gone by itself


@pytest.mark.parametrize(
    "begin",
    [
        b"",
        b"\0",
        pack("<I", 0),
        pack("<II", 0, 100),
        pack("<II", 0, 100) + bytes(799),
        pack("<II", 0, 60_000) + bytes(100_000),
        pack("<II", 3, 1),
        pack("<IIIIII", 3, 1, 1, 1, 1, 0) + bytes(31),
    ],
    ids=len,
)
def test_closing_in_the_middle_of_a_message(
    client: BadClient, begin: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    threads = threading.active_count()
    client.send(begin)
    client.socket.shutdown(socket.SHUT_WR)
    assert client.next() is None
    assert dropped(caplog) == []
    eventually(lambda: threading.active_count() <= threads)


def test_closing_with_answers_on_their_way(path: str, service: Service) -> None:
    for _ in range(20):
        client = BadClient(path)
        client.bootstrap()
        client.send(*(call(n, 0, interface=INTERFACE, method=15) for n in range(1, 40)))
        client.close()


def test_a_slow_client_is_served(client: BadClient) -> None:
    stream = rpc_peer.built(lambda m: m.init("bootstrap")) + finish(0) + echo(1, VALUES)
    for index in range(len(stream)):
        client.send(stream[index : index + 1])
    assert "results" in client.returned()
    assert "results" in client.returned()


# ---------------------------------------------------------------------------------- answered


def echo(question: int, values: dict[str, Any], damage: tuple[bytes, bytes] = (b"", b"")) -> bytes:
    """A call of `echo`, in which some bytes are replaced."""

    def fill(message: Any) -> None:
        made = message.init("call")
        made.questionId, made.interfaceId, made.methodId = question, INTERFACE, 1
        made.init("target").importedCap = 0
        params = made.init("params").content.as_struct(
            SCHEMA.Root.schema.methods["echo"].param_type
        )
        params.values = values

    return rpc_peer.built(fill).replace(*damage)


ANSWERED = {
    "an unknown method": (
        call(1, 0, interface=INTERFACE, method=99),
        "Root has no such method (99)",
        "unimplemented",
    ),
    "an unknown interface": (
        call(1, 0, interface=INTERFACE + 1),
        "Root has no such method (0)",
        "unimplemented",
    ),
    "an enum value that there is not": (
        echo(1, {**VALUES, "color": 77}),
        "77, which is no Color",
        "failed",
    ),
    "a duration that is no number": (
        echo(1, {**VALUES, "delay": float("nan")}),
        "nan milliseconds, which is no duration",
        "failed",
    ),
    "a text that is not UTF-8": (
        echo(1, {**VALUES, "text": "grubber"}, (b"grubber", b"gr\xff\xfeber")),
        "not UTF-8",
        "failed",
    ),
    "a text without its end": (
        echo(1, {**VALUES, "text": "grubber"}, (b"grubber\0", b"grubbers")),
        "NUL byte",
        "failed",
    ),
    "parameters that are no struct": (
        call(1, 0, interface=INTERFACE, method=1, content=pack("<Q", 1 | 2 << 32)),
        "a struct pointer was expected",
        "failed",
    ),
    "a capability that is not there": (
        call(1, 0, interface=INTERFACE, method=5, content=pack("<Q", 3 | 7 << 32)),
        "a struct pointer was expected",
        "failed",
    ),
    "an object that was released": (call(1, 12, interface=INTERFACE), "released", "failed"),
    "a call on a call that never was": (call(1, (9, [0])), "finished", "failed"),
}


@pytest.mark.parametrize("name", ANSWERED)
def test_a_bad_call_is_answered_with_what_is_bad(
    client: BadClient, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    message, reason, type = ANSWERED[name]
    client.bootstrap()
    client.send(message)
    answer = client.returned()
    assert answer["answerId"] == 1
    assert reason in answer["exception"]["reason"] and answer["exception"]["type"] == type
    # The client itself is served on.
    client.send(echo(2, VALUES))
    assert "results" in client.returned()
    assert dropped(caplog) == []


def test_too_many_calls_are_refused_one_by_one(client: BadClient, service: Service) -> None:
    client.bootstrap()
    client.send(hold(0, "k"))
    eventually(lambda: "holding k" in service.noted)
    client.send(*(hold(number, "k") for number in range(1, 100)))
    refused = [client.returned() for _ in range(50)]
    assert {answer["exception"]["type"] for answer in refused} == {"overloaded"}
    assert [answer["answerId"] for answer in refused] == list(range(50, 100))
    service.let_go("k")
    assert {client.returned()["answerId"] for _ in range(50)} == set(range(50))


def test_a_client_that_reads_nothing_hinders_nobody(
    client: BadClient, path: str, service: Service
) -> None:
    """The server's answers to it fill the socket, and then wait."""
    client.bootstrap()

    def blob(message: Any, question: int) -> None:
        made = message.init("call")
        made.questionId, made.interfaceId, made.methodId = question, INTERFACE, 21
        made.init("target").importedCap = 0
        params = SCHEMA.Root.schema.methods["blob"].param_type
        made.init("params").content.as_struct(params).size = 1 << 18

    numbers = range(1, 41)
    client.send(*(rpc_peer.built(lambda m, n=n: blob(m, n)) for n in numbers))  # type: ignore[misc]
    with mpipc.connect(f"unix:{path}", Root) as root:
        assert len(root.blob(1 << 18)) == 1 << 18
    assert {client.returned()["answerId"] for _ in numbers} == set(numbers)
