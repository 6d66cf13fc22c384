"""Which sockets a program in a sandbox can have."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.sandbox.prisoner import Prisoner

Imprisoned = Callable[..., Prisoner]

KINDS = [
    "AF_UNIX, SOCK_STREAM", "AF_UNIX, SOCK_DGRAM", "AF_INET, SOCK_STREAM", "AF_INET6, SOCK_STREAM",
    "AF_INET, SOCK_DGRAM", "AF_NETLINK, SOCK_RAW", "AF_PACKET, SOCK_RAW", "AF_INET, SOCK_RAW",
    "AF_INET, SOCK_STREAM, 262", "AF_INET, SOCK_STREAM, 132", "AF_VSOCK, SOCK_STREAM",
]  # fmt: skip


def make(kind: str) -> str:
    return f"from socket import *; socket({kind}); result = 'made'"


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def connect(port: int) -> str:
    return f"import socket; socket.create_connection(('127.0.0.1', {port})); result = 'there'"


class TestNothingGranted:
    @pytest.mark.parametrize("kind", KINDS)
    def test_no_socket_is_made(self, prisoner: Prisoner, kind: str) -> None:
        assert prisoner.run(make(kind)) == "PermissionError"

    def test_pairs_are(self, prisoner: Prisoner) -> None:
        code = "import socket; a, b = socket.socketpair(); a.send(b'x'); result = b.recv(1)"
        assert prisoner.run(code) == "b'x'"

    def test_pairs_lead_nowhere_else(self, prisoner: Prisoner, tmp_path: Path) -> None:
        """A datagram socket of a pair could be connected anew, to the socket of a service."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service:
            service.bind(f"{tmp_path}/service")
            for kind in ("SOCK_DGRAM", "SOCK_STREAM", "SOCK_SEQPACKET"):
                code = f"""
from socket import *
a, b = socketpair(AF_UNIX, {kind})
a.connect("{tmp_path}/service")
result = "connected"
"""
                assert prisoner.run(code) in ("PermissionError", "OSError"), kind


class TestTcp:
    def test_connects_to_what_is_named(self, imprisoned: Imprisoned, port: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            prisoner = imprisoned(tcp_connect=[port])
            assert prisoner.run(connect(port)) == "there"
            assert prisoner.run(connect(other.getsockname()[1])) == "PermissionError"
            # It would connect with its first bytes.
            code = f"""
import socket
s = socket.socket()
s.sendto(b"x", socket.MSG_FASTOPEN, ("127.0.0.1", {other.getsockname()[1]}))
"""
            assert prisoner.run(code) == "PermissionError"
            code = code.replace('sendto(b"x", ', 'sendmsg([b"x"], [], ')
            assert prisoner.run(code) == "PermissionError"
            for number in (port, 0):
                code = f"import socket; socket.create_server(('127.0.0.1', {number}))"
                assert prisoner.run(code) == "PermissionError"

    def test_listens_where_it_is_named(self, imprisoned: Imprisoned) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        prisoner = imprisoned(tcp_bind=[port])
        code = f"import socket; s = socket.create_server(('127.0.0.1', {port})); result = 'bound'"
        assert prisoner.run(code) == "bound"
        assert prisoner.run(connect(port)) == "PermissionError"

    def test_and_nothing_else(self, imprisoned: Imprisoned) -> None:
        prisoner = imprisoned(tcp_connect=[1])
        tcp = [each for each in KINDS if each.endswith("SOCK_STREAM") and "INET" in each]
        for each in KINDS:
            expected = "made" if each in tcp else "PermissionError"
            assert prisoner.run(make(each)) == expected, each


class TestUnix:
    def test_connects_and_listens(self, imprisoned: Imprisoned, tmp_path: Path) -> None:
        (tmp_path / "own").mkdir()
        with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as abstract:
            server.bind(f"{tmp_path}/s")
            server.listen()
            abstract.bind(f"\0mpipc-test-{os.getpid()}")
            abstract.listen()
            prisoner = imprisoned(unix_sockets=True, writable=[tmp_path / "own"])
            code = "import socket; s = socket.socket(socket.AF_UNIX); s.{}; result = 'done'"
            assert prisoner.run(code.format(f"connect('{tmp_path}/s')")) == "done"
            assert prisoner.run(code.format(f"bind('{tmp_path}/own/s')")) == "done"
            assert prisoner.run(code.format(f"bind('{tmp_path}/other')")) == "PermissionError"
            name = abstract.getsockname()
            assert prisoner.run(code.format(f"connect({name!r})")) == "PermissionError"
        assert prisoner.run(make("AF_INET, SOCK_STREAM")) == "PermissionError"


def test_the_whole_network(imprisoned: Imprisoned, port: int) -> None:
    prisoner = imprisoned(network=True)
    assert prisoner.run(connect(port)) == "there"
    assert prisoner.run(make("AF_INET, SOCK_DGRAM")) == "made"
    code = "import socket; socket.create_server(('127.0.0.1', 0)); result = 'bound'"
    assert prisoner.run(code) == "bound"
