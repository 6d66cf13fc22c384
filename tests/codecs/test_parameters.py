"""Parameters that travel as one, and those that the one side or the other fills in."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

import mpipc
import mpipc.aio
from mpipc import testing
from mpipc.jsonrpc import Dispatcher
from mpipc.testing.loopback import Loopback
from tests.codecs.declarations import parameters
from tests.codecs.declarations.parameters import (
    Area,
    Outpoint,
    Packing,
    Settings,
    Starting,
    User,
    Zone,
)

test_packing = testing.suite(Packing, Starting, max_examples=20)


class Real(Packing):
    def resize(self, width: int, height: int = 1) -> Area:
        return Area(width, height)

    def spend(
        self,
        amount: int,
        hash: bytes,
        output: int | None,
        *,
        fast: bool,
        areas: Any,
        note: str = "",
    ) -> Outpoint:
        assert fast and areas == [Area(1, 2)]
        return Outpoint(hash + note.encode(), output)

    async def log_in(self, name: str, password: str, *, user: User | None = None) -> str:
        return f"{name} {password} {user and user.uid}"

    def who(
        self, number: int, *, user: User | None = None, peer: mpipc.Peer | None = None
    ) -> int | None:
        return None if user is None or user.uid is None else user.uid + number

    def whoever(self, *, peer: mpipc.Peer | None = None) -> int | None:
        return None if peer is None else peer.pid


def test_the_caller_passes_them_one_by_one() -> None:
    client: Any = Loopback(Packing, Real()).client
    assert client.resize(5) == Area(5, 1)
    assert client.resize(5, height=7) == Area(5, 7)
    spent = client.spend(1, b"a", 2, fast=True, areas=[Area(1, 2)], note="b")
    assert spent == Outpoint(b"ab", 2)


def test_a_value_that_does_not_fit_is_named_with_what_it_travels_as() -> None:
    with pytest.raises(mpipc.ConversionError, match=r"resize: area\.height"):
        Loopback(Packing, Real()).client.resize(1, 2**31)


def test_the_server_says_who_calls(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/s"
    with mpipc.serve(address, Real()), mpipc.connect(address, Packing) as client:
        assert client.who(1) == os.getuid() + 1
        assert client.whoever() == os.getpid()
        login = client.log_in("Ada", "secret")
        assert asyncio.run(login) == f"Ada secret {os.getuid()}"


def test_a_server_in_an_event_loop_does_too(tmp_path: Path) -> None:
    async def main() -> None:
        address = f"unix:{tmp_path}/s"
        async with (
            mpipc.aio.serve(address, Real()),
            mpipc.aio.connect(address, Packing) as client,
        ):
            assert await client.log_in("Ada", "secret") == f"Ada secret {os.getuid()}"
            assert await mpipc.aio.call(client.who, 1) == os.getuid() + 1
            assert await mpipc.aio.call(client.whoever) == os.getpid()

    asyncio.run(main())


def test_nobody_can_claim_to_be_somebody_else() -> None:
    client: Any = Loopback(Packing, Real()).client
    with pytest.raises(TypeError, match="user is not for callers"):
        client.who(1, user=User(0))


def test_what_the_function_raises_fails_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"unix:{tmp_path}/s"
    with mpipc.serve(address, Real()), mpipc.connect(address, Packing) as client:
        monkeypatch.setattr("tests.codecs.declarations.parameters.User", _refused)
        with pytest.raises(mpipc.RemoteError, match="PermissionError: not you"):
            client.who(1)


def _refused(uid: int | None) -> User:
    raise PermissionError("not you")


def test_without_a_connection_there_is_nobody() -> None:
    assert Real().who(1) is None
    assert Loopback(Packing, Real()).client.who(1) is None


def test_json_has_them_as_one_and_says_nothing_of_the_others() -> None:
    dispatcher = Dispatcher(Real())
    asked = b'{"jsonrpc":"2.0","id":1,"method":"resize","params":{"area":{"width":3,"height":4}}}'
    answer = dispatcher.handle(asked)
    assert answer is not None and b'"result":{"width":3,"height":4}' in answer
    claimed = b'{"jsonrpc":"2.0","id":1,"method":"who","params":{"number":1,"user":{"uid":0}}}'
    answer = dispatcher.handle(claimed)
    assert answer is not None and b"there is no parameter" in answer


class RealStarting(Starting):
    def start(
        self, name: str, settings: Settings | None = None, *, zone: Zone | None = None
    ) -> list[str]:
        return [name, str(settings and settings.path), str(zone and zone.name)]

    async def start_later(self, *, settings: Settings | None = None) -> Settings | None:
        return settings

    def as_passed(self, settings: Settings, other: Settings | None) -> Settings | None:
        return other

    def beside(self, path: str, level: int, *, settings: Settings | None = None) -> str:
        return f"{path} {level} {settings and settings.path}"


def test_what_a_caller_leaves_out_is_filled_in_and_travels(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/s"
    with mpipc.serve(address, RealStarting()), mpipc.connect(address, Starting) as client:
        assert client.start("a") == ["a", "/here", "CET"]
        assert client.start("a", None, zone=None) == ["a", "/here", "CET"]
        assert client.start("a", Settings("/b")) == ["a", "/b", "CET"]
        assert client.start("a", settings=Settings("/b"), zone=Zone.UTC) == ["a", "/b", "UTC"]
        assert client.as_passed(Settings("/b"), None) is None
        assert client.beside("/p", 1) == "/p 1 /here"
        assert asyncio.run(client.start_later()) == parameters.HERE


def test_it_is_asked_for_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    client: Any = Loopback(Starting, RealStarting()).client
    for path in ("/first", "/second"):
        monkeypatch.setattr(parameters, "HERE", Settings(path))
        assert client.start("a") == ["a", path, "CET"]


def test_a_program_with_an_event_loop_fills_it_in_too(tmp_path: Path) -> None:
    async def main() -> None:
        address = f"unix:{tmp_path}/s"
        async with (
            mpipc.aio.serve(address, RealStarting()),
            mpipc.aio.connect(address, Starting) as client,
        ):
            assert await client.start_later() == parameters.HERE
            assert await mpipc.aio.call(client.start, "a") == ["a", "/here", "CET"]

    asyncio.run(main())


def test_what_the_function_raises_the_caller_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Settings:
        raise LookupError("no settings yet")

    monkeypatch.setattr(parameters, "settings", fail)
    client: Any = Loopback(Starting, RealStarting()).client
    with pytest.raises(LookupError, match="no settings yet"):
        client.start("a")
    assert client.start("a", Settings("/b")) == ["a", "/b", "CET"]


def test_nothing_is_filled_in_without_a_connection() -> None:
    assert RealStarting().start("a") == ["a", "None", "None"]
    asked = b'{"jsonrpc":"2.0","id":1,"method":"start","params":{"name":"a"}}'
    answer = Dispatcher(RealStarting()).handle(asked)
    assert answer is not None and b'"result":["a","None","None"]' in answer
