"""Usual calls go a straight way: what may happen on it that is not usual."""

from __future__ import annotations

import gc
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import pytest

import mpipc
from mpipc.ipc import threads
from tests.runtime.support import PATIENCE, ServerProcess, eventually

Step = Annotated[Callable[[int], int], mpipc.interface(name="StraightStep")]


@mpipc.interface(root=True)
class Impatient(ABC):
    """Does not wait for long."""

    @abstractmethod
    def ask(self, step: Step, value: int) -> int: ...

    @abstractmethod
    def add(self, value: int) -> int: ...

    @abstractmethod
    def adder(self) -> Step: ...


class Server(Impatient):
    def __init__(self) -> None:
        self.gave_up = threading.Event()
        self.adders: list[weakref.ref[Any]] = []

    def ask(self, step: Callable[[int], int], value: int) -> int:
        try:
            with mpipc.timeout(0.05):
                step(value)
        except mpipc.Timeout:
            self.gave_up.set()
        if value < 0:
            raise ValueError("it is negative")
        return 42

    def add(self, value: int) -> int:
        return value + 1

    def adder(self) -> Callable[[int], int]:
        def add(value: int) -> int:
            return value + 100

        self.adders.append(weakref.ref(add))
        return add


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[tuple[Impatient, Server]]:
    server = Server()
    with (
        mpipc.serve(f"unix:{tmp_path}/s", server) as listener,
        mpipc.connect(listener.address, Impatient) as root,
    ):
        yield root, server


@pytest.mark.parametrize("value", [1, -1])
@pytest.mark.parametrize("deadline", [None, PATIENCE])
def test_an_answer_that_comes_while_a_callback_runs_is_not_lost_to_its_calls(
    impatient: tuple[Impatient, Server], value: int, deadline: float | None
) -> None:
    root, server = impatient
    assert [root.add(number) for number in range(4)] == [1, 2, 3, 4]
    found: list[int] = []

    def step(value: int) -> int:
        question: Any = threads.current().pins[root._mpipc_connection].question  # type: ignore[attr-defined]
        assert server.gave_up.wait(PATIENCE)
        eventually(lambda: question.done)  # the I/O thread has taken it in
        if deadline is None:
            found.append(root.adder()(value))
        else:
            with mpipc.timeout(deadline):
                found.append(root.adder()(value))
        return value

    if value > 0:
        assert root.ask(step, value) == 42
    else:
        with pytest.raises(mpipc.RemoteError, match="it is negative"):
            root.ask(step, value)
    assert found == [value + 100]
    assert [root.add(number) for number in range(4)] == [1, 2, 3, 4]


def test_an_interrupt_around_a_callback_leaves_the_next_ones_alone(shared: ServerProcess) -> None:
    with shared.connect() as root:
        callbacks = root.callbacks()
        assert [callbacks.call(lambda v: v + 1, number) for number in range(4)] == [1, 2, 3, 4]

        def interrupted(value: int) -> int:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            callbacks.call(interrupted, 1)
        assert [callbacks.call(lambda v: v + 1, number) for number in range(4)] == [1, 2, 3, 4]


def test_a_connection_that_is_lost_in_a_callback_is_let_go(
    start: Callable[..., ServerProcess],
) -> None:
    def lose() -> weakref.ref[Any]:
        server = start()
        root = server.connect()
        callbacks = root.callbacks()
        assert [callbacks.call(lambda v: v + 1, number) for number in range(4)] == [1, 2, 3, 4]
        connection = root._mpipc_connection

        def kill(value: int) -> int:
            server.process.kill()
            eventually(lambda: connection.closed)
            return value

        with pytest.raises(mpipc.Disconnected):
            callbacks.call(kill, 1)
        return weakref.ref(connection)

    connection = lose()
    eventually(lambda: gc.collect() >= 0 and connection() is None)
    assert not any(each is connection() for each in threads.current().contexts)


@pytest.mark.parametrize("late", [False, True])
def test_what_is_dropped_while_a_thread_writes_is_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    """Also where nothing is sent any more, and the I/O thread does not look around by itself, as it
    does now and then where the main thread makes calls."""
    server = Server()
    with mpipc.serve(f"unix:{tmp_path}/s", server) as listener, ThreadPoolExecutor(1) as other:
        root = other.submit(mpipc.connect, listener.address, Impatient).result(PATIENCE)
        assert [*other.map(root.add, range(4))] == [1, 2, 3, 4]
        held = [other.submit(root.adder).result(PATIENCE)]
        channel: Any = root._mpipc_connection.driver
        eventually(lambda: not channel._role.watching)
        write = channel.outbox._send

        def write_slowly(data: bytes, flags: int) -> int:
            sent: int = write(data, flags)
            if held:
                held.clear()
                gc.collect()
                eventually(lambda: not channel._kicked)  # the I/O thread has looked for it
            if late:
                channel._role.was_late()
            return sent

        monkeypatch.setattr(channel.outbox, "_send", write_slowly)
        assert other.submit(root.add, 4).result(PATIENCE) == 5
        (adder,) = server.adders
        eventually(lambda: adder() is None)
        mpipc.close(root)
