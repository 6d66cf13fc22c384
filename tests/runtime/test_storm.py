"""Many bad clients at once, of every kind and over every transport: an honest one is served all the
time, and nothing is left of the others."""

from __future__ import annotations

import logging
import os
import random
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

import mpipc
from mpipc.cli import main
from tests.rpc_peer import built
from tests.runtime.declarations import Root
from tests.runtime.program import RealRoot
from tests.runtime.support import Running, descriptors, eventually

BOOTSTRAP = built(lambda message: message.init("bootstrap"))
TLS_GREETING = b"\x16\x03\x01\x02\x00\x01"

KINDS: list[Callable[[socket.socket, random.Random], object]] = [
    lambda sock, chance: None,
    lambda sock, chance: sock.send(chance.randbytes(chance.randrange(1, 300))),
    lambda sock, chance: sock.send(BOOTSTRAP),
    lambda sock, chance: (sock.send(BOOTSTRAP), sock.recv(100)),
    lambda sock, chance: sock.send(BOOTSTRAP[: chance.randrange(1, len(BOOTSTRAP))]),
    lambda sock, chance: sock.send(TLS_GREETING + chance.randbytes(50)),
    lambda sock, chance: (sock.send(BOOTSTRAP * 3), sock.recv(100), sock.send(b"\xff" * 9)),
]


def is_let_in(address: str) -> bool:
    """As soon as the server has noticed that the others are gone."""
    try:
        with mpipc.connect(address, Root) as root:
            return root.values().small(1, 2) == 3
    except mpipc.Disconnected:
        return False


@pytest.mark.parametrize("transport", ["unix", "tcp", "tls"])
def test_an_honest_client_is_served_in_a_storm(
    transport: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mpipc")
    certs = tmp_path / "certs"
    if transport == "tls":
        assert main(["certs", str(certs), "server=127.0.0.1", "alice"]) == 0
    address, use = {
        "unix": (f"unix:{tmp_path}/s", ""),
        "tcp": ("tcp:127.0.0.1:0", ""),
        "tls": (f"tcp:127.0.0.1:0?certs={certs}/server", f"?certs={certs}/alice"),
    }[transport]
    before = descriptors()
    with mpipc.serve(address, RealRoot(), max_connections=20, construct_timeout=1.0) as server:
        place = server.address.partition("?")[0]

        def open_socket() -> socket.socket:
            sock = socket.socket(socket.AF_UNIX if transport == "unix" else socket.AF_INET)
            sock.settimeout(1)
            path, port = place.removeprefix("unix:"), place.rpartition(":")[2]
            sock.connect(path if transport == "unix" else ("127.0.0.1", int(port)))
            return sock

        def be_bad(seed: int) -> None:
            chance = random.Random(seed)
            for _ in range(50):
                with suppress(OSError), open_socket() as sock:
                    chance.choice(KINDS)(sock, chance)

        with mpipc.connect(place + use, Root) as root:
            values = root.values()
            storm = [Running(lambda seed=seed: be_bad(seed)) for seed in range(4)]  # type: ignore[misc]
            while any(each.is_alive() for each in storm):
                assert values.small(1, 2) == 3
            for each in storm:
                each.result()
            assert values.small(1, 2) == 3
        eventually(lambda: is_let_in(place + use))
    eventually(lambda: descriptors() <= before, lambda: os.listdir("/proc/self/fd"))
    eventually(lambda: not [t for t in threading.enumerate() if "mpipc-tls" in t.name])
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR or r.exc_info]
