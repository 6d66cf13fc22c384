"""`mpipc call`: real servers in child processes, called from a terminal."""

from __future__ import annotations

import json
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mpipc.cli import main
from tests.interop.service import Foreign, write_schema

ROOT = Path(__file__).parents[1]
PATIENCE = 30.0

API = """
from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from datetime import timedelta

import msgspec

import mpipc
from mpipc import Int32, UInt8


class Color(enum.Enum):
    RED = 1
    GREEN = 2


class Box(msgspec.Struct):
    name: str
    data: bytes
    color: Color = Color.RED
    inside: list[Box] = []


class Refused(Exception):
    pass


class Found(mpipc.Results):
    reason: str
    box: Box | None


@mpipc.interface
class Listener(ABC):
    @abstractmethod
    def on_box(self, box: Box, place: Int32) -> None: ...


@mpipc.interface
class Store(ABC):
    @abstractmethod
    def swap(self, box: Box, times: dict[UInt8, timedelta], more: Box | None = None) -> Box: ...

    @abstractmethod
    def add(self, left: Int32, right: Int32 = 10) -> Int32: ...

    @abstractmethod
    def text(self, value: str) -> str: ...

    @abstractmethod
    async def wait(self, value: str) -> str: ...

    @abstractmethod
    def boxes(self, names: Iterable[str]) -> Iterator[Box]: ...

    @abstractmethod
    def numbers(self, given: AsyncIterable[int]) -> AsyncIterator[int]: ...

    @abstractmethod
    def find(self, name: str) -> Found: ...

    @abstractmethod
    def times(self, value: dict[UInt8, timedelta]) -> dict[UInt8, timedelta]: ...

    @mpipc.method(raises=Refused)
    @abstractmethod
    def refuse(self) -> None: ...

    @abstractmethod
    def fail(self) -> None: ...

    @abstractmethod
    def sleep(self) -> None: ...

    @abstractmethod
    def count(self, to: Int32, tick: Callable[[Int32, Color], None]) -> str: ...

    @abstractmethod
    def ask(self, question: Callable[[], str]) -> None: ...

    @abstractmethod
    def listen(self, listener: Listener) -> Store: ...

    @abstractmethod
    def nothing(self) -> Store | None: ...


@mpipc.interface
class Hidden(ABC):
    @abstractmethod
    def never(self) -> None: ...


@mpipc.interface
class Shop(ABC):
    @abstractmethod
    def make_store(self, size: Int32 = 1) -> Store: ...

    @abstractmethod
    def make_hidden(self, key: str) -> Hidden: ...


@mpipc.interface(root=True)
class Root(ABC):
    @abstractmethod
    def make_shop(self) -> Shop: ...
"""
PROGRAM = """
import asyncio
import sys
import threading
import time

import mpipc
from shop.api import Box, Color, Found, Refused, Root, Shop, Store


class RealStore(Store):
    def swap(self, box, times, more=None):
        return Box(box.name[::-1], box.data[::-1], Color.GREEN, [box, more] if more else [box])

    def add(self, left, right=10):
        return left + right

    def text(self, value):
        return value

    async def wait(self, value):
        await asyncio.sleep(0)
        return value

    def boxes(self, names):
        for name in names:
            yield Box(name, b"")

    async def numbers(self, given):
        async for number in given:
            yield number

    def find(self, name):
        return Found("no " + name, None)

    def times(self, value):
        return value

    def refuse(self):
        raise Refused("not today")

    def fail(self):
        raise LookupError("lost")

    def sleep(self):
        time.sleep(60)

    def count(self, to, tick):
        for number in range(to):
            tick(number, Color.GREEN)
        return "done"

    def ask(self, question):
        question()

    def listen(self, listener):
        threading.Timer(0.05, listener.on_box, (Box("late", b"\\x01"), 7)).start()
        return self

    def nothing(self):
        return None


class RealShop(Shop):
    def make_store(self, size=1):
        return RealStore()

    def make_hidden(self, key):
        raise NotImplementedError


class RealRoot(Root):
    def make_shop(self):
        return RealShop()


with mpipc.serve("unix:s", RealRoot()) as server:
    print("ready", flush=True)
    server.serve_forever()
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a server listens on `unix:s`, with the package `shop`."""
    directory = tmp_path_factory.mktemp("call")
    (directory / "shop").mkdir()
    (directory / "shop" / "__init__.py").touch()
    (directory / "shop" / "api.py").write_text(API)
    (directory / "program.py").write_text(PROGRAM)
    server = subprocess.Popen([sys.executable, "program.py"], cwd=directory, stdout=subprocess.PIPE)
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"
    yield directory
    server.kill()
    server.communicate()


@dataclass
class Run:
    """What a command did."""

    returncode: int
    stdout: str
    stderr: str


Call = Callable[..., Run]


@pytest.fixture
def command(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """Types `mpipc` and what follows in the directory."""
    monkeypatch.chdir(directory)
    monkeypatch.syspath_prepend(str(directory))

    def command(*arguments: str) -> Run:
        capsys.readouterr()
        status = main(arguments)
        return Run(status, *capsys.readouterr())

    return command


@pytest.fixture
def call(command: Call) -> Call:
    """Types `mpipc call unix:s` and what follows."""
    return partial(command, "call", "--package", "shop", "unix:s")


def printed(run: Run) -> Any:
    """What a call has printed."""
    assert run.returncode == 0, run.stderr
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    return lines[0] if len(lines) == 1 else lines


def test_values_of_every_kind_by_position_and_by_name(call: Call) -> None:
    box = {"name": "ab", "data": "00ff"}
    again = {**box, "color": "RED", "inside": []}
    swapped = {"name": "ba", "data": "ff00", "color": "GREEN", "inside": [again]}
    assert printed(call("Store.swap", json.dumps(box), "{}")) == swapped
    assert printed(call("Store.swap", "times={}", f"box={json.dumps(again)}")) == swapped
    swapped["inside"] = [again, again]
    arguments = json.dumps(box), '{"1": 2.5, "2": "PT1S"}', f"more={json.dumps(again)}"
    assert printed(call("Store.swap", *arguments)) == swapped
    assert printed(call("Store.swap", json.dumps(swapped), "{}"))["inside"] == [swapped]


def test_methods_that_are_async(call: Call) -> None:
    assert printed(call("Store.wait", "a b")) == "a b"


def test_items_of_iterators_are_lines(call: Call) -> None:
    assert [box["name"] for box in printed(call("Store.boxes", '["a", "b"]'))] == ["a", "b"]
    assert printed(call("Store.numbers", "[1, 2, 3]")) == [1, 2, 3]
    assert call("Store.numbers", "[]").stdout == ""


def test_what_is_printed_can_be_given_again(call: Call) -> None:
    times = printed(call("Store.times", '{"1": 2.5, "255": "PT3H"}'))
    assert printed(call("Store.times", json.dumps(times))) == times
    assert list(times) == ["1", "255"]


@pytest.mark.parametrize("typed", ["hello", "5", "null", "[1, 2", "a=b", "", "ü"])
def test_a_text_needs_no_quotes(call: Call, typed: str) -> None:
    assert printed(call("Store.text", f"value={typed}")) == typed
    assert printed(call("Store.text", json.dumps(typed))) == typed


def test_defaults_negative_numbers_and_schema_names(call: Call) -> None:
    assert printed(call("Store.add", "-3")) == 7
    assert printed(call("Store.add", "-3", "right=-4")) == -7


def test_several_results_and_none(call: Call) -> None:
    assert printed(call("Store.find", "it")) == {"reason": "no it", "box": None}
    assert printed(call("Store.nothing")) is None
    assert printed(call("Shop.make_store")) == "<Store>"


def test_calls_back_are_lines_of_json(call: Call) -> None:
    assert printed(call("Store.count", "2")) == [
        {"call": "tick", "arguments": [0, "GREEN"]},
        {"call": "tick", "arguments": [1, "GREEN"]},
        "done",
    ]


def test_following_prints_what_comes_later_until_ctrl_c(directory: Path) -> None:
    command = ["call", "--follow", "--package", "shop", "unix:s", "Store.listen"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mpipc", *command],
        cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    lines: list[Any] = []
    while len(lines) < 2:
        ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
        assert ready
        lines.append(json.loads(process.stdout.readline()))
    box = {"name": "late", "data": "01", "color": "RED", "inside": []}
    assert sorted(lines, key=str) == ["<Store>", {"call": "listener.on_box", "arguments": [box, 7]}]
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (130, b"")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Store.refuse"], "Refused: not today"),
        (["Store.fail"], "LookupError: lost"),
        (["--timeout", "0.2", "Store.sleep"], "no answer in time"),
        (["Hidden.never"], None),
    ],
)
def test_a_failed_call_is_an_error(call: Call, arguments: list[str], message: str | None) -> None:
    run = call(*arguments)
    assert (run.returncode, run.stdout) == (1 if message else 2, "")
    if message:
        assert run.stderr == f"mpipc: {message}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Store"], "Store: expected INTERFACE.METHOD"),
        (
            ["Nothing.add"],
            "there is no interface 'Nothing', but Listener, Store, Hidden, Shop, Root",
        ),
        (["Store.subtract"], "Store has no method 'subtract', but swap, add, "),
        (["Store.add"], "Store.add: left: not given"),
        (["Store.add", "1", "2", "3"], "add takes 2 arguments: '3' is one too many"),
        (["Store.add", "left=1", "left=2"], "left was given twice"),
        (["Store.add", "one"], 'left: "one": Expected `int`, got `str`'),
        (["Store.add", "3000000000"], "Store.add: left: 3000000000 is out of range"),
        (["Store.swap", '{"nam": "x"}', "{}"], "box: Box has no field 'nam', but name, data, "),
        (
            ["Store.swap", '{"name": "x", "data": "xy"}', "{}"],
            'box: data: "xy": non-hexadecimal number',
        ),
        (["Store.swap", '{"name": "x"}', "{}"], "box: "),
        (["Store.swap", '{"name": "x"', "{}"], "box: this is no JSON: "),
        (
            ["Store.swap", '{"name": "x", "color": "BLUE"}', "{}"],
            'box: color: "BLUE": Color has no such member, but RED, GREEN',
        ),
        (["Store.ask"], "question: nobody here could say what __call__ is to return"),
        (["Hidden.never"], "no make_… methods without arguments lead from Root to Hidden"),
        (["--root", "Boot", "Store.add", "1"], "there is no interface 'Boot'"),
        (["--package", "shops", "Store.add", "1"], "shops: no such package or module"),
        (["--package", "./none", "Store.add", "1"], "./none: there is no such directory"),
    ],
)
def test_wrong_usage_says_what_is_wrong(call: Call, arguments: list[str], message: str) -> None:
    run = call(*arguments)
    assert run.stderr.startswith(f"mpipc: {message}"), run.stderr
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("unix:none", "nobody listens on unix:"),
        ("auto:none", "nobody listens on auto:"),
        ("nix:none", "nix:none: expected unix"),
        ("unix:program.py", "nobody listens on unix:"),
    ],
)
def test_addresses_where_nobody_answers(command: Call, address: str, message: str) -> None:
    run = command("call", "--package", "./shop", address, "Store.fail")
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith(f"mpipc: {message}"), run.stderr


def test_a_server_that_was_not_written_with_mpipc(command: Call, tmp_path: Path) -> None:
    write_schema(tmp_path)
    server = Foreign("server", str(tmp_path), str(tmp_path / "s"))
    try:
        assert server.line() == "ready"
        package = "tests.interop.declarations"
        called = partial(command, "call", "--package", package, f"unix:{tmp_path}/s")
        assert printed(called("Root.echo_counter")) is None
        assert printed(called("Root.names_of", "[]")) == []
        refused = called("Root.refuse", "no")
        assert (refused.returncode, refused.stderr) == (1, "mpipc: ValueError: no\n")
    finally:
        server.kill()
