"""One line for each call, where it was asked for, and nothing else where it was not."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import mpipc
from tests.runtime.declarations import Root
from tests.runtime.support import Running, ServerProcess, eventually

LINE = re.compile(r"(client|server) (\S+) (\w+\.\w+)\((.*)\) (->|raised) (.*) [\d.]+ ms on (.*)")


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[tuple[str, ...]]]]:
    """The calls that this process has logged: (side, thread, method, arguments, verb, outcome)."""
    logger = logging.getLogger("mpipc.ipc")
    before = logger.level
    logger.setLevel(logging.DEBUG)

    def lines() -> list[tuple[str, ...]]:
        found = []
        for record in caplog.records:
            if record.name == "mpipc.ipc":
                match = LINE.fullmatch(record.getMessage())
                assert match, record.getMessage()
                found.append(match.groups()[:-1])
        return found

    yield lines
    logger.setLevel(before)


class TestAClient:
    def test_logs_calls_with_arguments_and_results(
        self, logged: Any, shared: ServerProcess
    ) -> None:
        with mpipc.connect(shared.address, Root) as root:
            values = root.values()
            assert values.small(1, second=2) == 3
        client = [line for line in logged() if line[2] != "Root.values"]
        assert client == [("client", "MainThread", "Values.small", "1, second=2", "->", "3")]

    def test_logs_exceptions_and_shortens_what_is_long(
        self, logged: Any, shared: ServerProcess
    ) -> None:
        with mpipc.connect(shared.address, Root) as root:
            with pytest.raises(mpipc.RemoteError):
                root.values().fail("key")
            root.values().optional(1, "x" * 10_000)
        failed, long = (line for line in logged() if line[2] != "Root.values")
        assert failed[2:5] == ("Values.fail", "'key'", "raised")
        assert failed[5].startswith("RemoteError: ") and "KeyError" in failed[5]
        assert long[2] == "Values.optional"
        assert "..." in long[3] and len(long[3]) < 100 and len(long[5]) < 100

    def test_logs_who_calls_and_what_is_called_back(
        self, logged: Any, shared: ServerProcess
    ) -> None:
        with mpipc.connect(shared.address, Root) as root:
            callbacks = root.callbacks()
            Running(lambda: callbacks.call(lambda value: value + 1, 1), name="worker").result()
        callback, call = (line for line in logged() if line[2] != "Root.callbacks")
        assert callback == ("server", "worker", "Step.__call__", "1", "->", "2")
        assert (call[1], call[2], call[5]) == ("worker", "Callbacks.call", "2")

    def test_logs_attributes_for_structured_logging(
        self, logged: Any, shared: ServerProcess, caplog: pytest.LogCaptureFixture
    ) -> None:
        with mpipc.connect(shared.address, Root) as root:
            values = root.values()
            values.small(1, 2)
            with pytest.raises(mpipc.RemoteError):
                values.fail("key")
        _, small, fail = (vars(each) for each in caplog.records if each.name == "mpipc.ipc")
        expected = {
            "ipc_side": "client", "ipc_interface": "Values", "ipc_method": "small",
            "ipc_peer": shared.address, "ipc_outcome": "returned", "ipc_error": None,
        }  # fmt: skip
        assert {name: small[name] for name in expected} == expected
        assert small["ipc_seconds"] > 0
        assert (fail["ipc_outcome"], fail["ipc_error"]) == ("raised", "RemoteError")

    def test_logs_nothing_unless_it_is_asked_to(
        self, shared: ServerProcess, caplog: pytest.LogCaptureFixture
    ) -> None:
        with mpipc.connect(shared.address, Root) as root:
            assert root.values().small(1, 2) == 3
        assert not [record for record in caplog.records if record.name == "mpipc.ipc"]

    def test_is_asked_when_it_connects(self, logged: Any, shared: ServerProcess) -> None:
        logger = logging.getLogger("mpipc.ipc")
        with mpipc.connect(shared.address, Root) as root:
            logger.setLevel(logging.WARNING)
            with mpipc.connect(shared.address, Root) as silent:
                silent.values()
            assert logged() == []
            logger.setLevel(logging.DEBUG)
            root.values()
        assert [line[2] for line in logged()] == ["Root.values"]


class TestAServer:
    def test_logs_what_it_is_asked(self, start: Callable[..., ServerProcess]) -> None:
        server = start("--log")
        with server.connect() as root:
            assert root.values().small(1, 2) == 3
            with pytest.raises(mpipc.RemoteError):
                root.values().fail("empty")
        errors = eventually(lambda: "Values.fail" in server.errors and server.errors)
        lines = [line.partition(" ipc ")[2] for line in str(errors).splitlines() if " ipc " in line]
        calls = [match for match in map(LINE.fullmatch, lines) if match]
        assert len(calls) == len(lines) == 4
        assert [call[3] for call in calls][:2] == ["Root.values", "Values.small"]
        assert calls[1].group(1, 4, 6) == ("server", "1, 2", "3")
        assert calls[3].group(5, 6) == ("raised", "RuntimeError: ''")
        assert {call[7] for call in calls} == {server.address}

    def test_is_enabled_by_a_function(self, script: Callable[..., Any], shared: Any) -> None:
        done = script(
            """
import sys
import mpipc
from mpipc.observe import log
from tests.runtime.declarations import Root

assert not log.enabled()
log.enable(sys.stdout)
assert log.enabled()
with mpipc.connect(sys.argv[1], Root) as root:
    root.values()
""",
            shared.address,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert re.fullmatch(
            r"\d{4}-\d\d-\d\d [\d:,]+ ipc client MainThread Root\.values\(\) -> .* ms on unix:.*\n",
            done.stdout,
        )
