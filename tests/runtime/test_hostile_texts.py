"""What the other end says forges no line of a log, and moves no cursor of a terminal."""

from __future__ import annotations

import json
import logging
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import pytest

import mpipc
from mpipc.capnp.rpc_messages import abort
from mpipc.cli import main
from tests.runtime.support import eventually

EVIL = "x\x1b]0;title\x07\nserver MainThread Shop.price('forged') -> 1\x9b31m\u202e"


@mpipc.interface(root=True)
class Shop(ABC):
    @abstractmethod
    def price(self, item: str) -> int: ...

    @abstractmethod
    def name(self) -> str: ...


class EvilShop(Shop):
    def price(self, item: str) -> int:
        raise ValueError(EVIL)

    def name(self) -> str:
        return EVIL


@pytest.fixture
def address(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[str]:
    caplog.set_level(logging.INFO, "mpipc")
    caplog.set_level(logging.DEBUG, "mpipc.ipc")
    with mpipc.serve(f"unix:{tmp_path}/s", EvilShop()) as server:
        yield server.address


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_a_threads_name_stays_in_its_line(address: str, caplog: pytest.LogCaptureFixture) -> None:
    def call() -> None:
        with mpipc.connect(address, Shop) as shop, pytest.raises(mpipc.RemoteError):
            shop.price("tea")

    thread = threading.Thread(target=call, name=EVIL + "y" * 1000)
    thread.start()
    thread.join()
    served = [each for each in lines(caplog) if each.startswith("server x?")]
    assert len(served) == 1
    assert served[0].isprintable() and "y" * 100 in served[0] and "y" * 200 not in served[0]


def test_neither_does_a_last_word(address: str, caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(address.removeprefix("unix:"))
        sock.sendall(abort(EVIL + "y" * 2000))
        eventually(lambda: any("gave up" in each for each in lines(caplog)))
    [said] = [each for each in lines(caplog) if "gave up" in each]
    assert said.isprintable() and "y" * 1000 not in said


def test_the_command_prints_nothing_that_is_a_command_to_the_terminal(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["call", "--package", __name__, address]
    assert main([*call, "Shop.price", "tea"]) == 1
    shown = capsys.readouterr().err
    assert "ValueError: x?]0;title?" in shown
    assert shown.replace("\n", "").isprintable()
    assert main([*call, "Shop.name"]) == 0
    shown = capsys.readouterr().out
    assert shown.replace("\n", "").isprintable()
    assert json.loads(shown) == EVIL
