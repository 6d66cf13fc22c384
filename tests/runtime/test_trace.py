"""`mpipc trace`: a real client and a real server with the recorder between them."""

from __future__ import annotations

import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mpipc
from mpipc.cli import main
from mpipc.cli.trace.reading import read
from mpipc.recording.records import Record
from tests.declarations.secretive import Key, Login, Pin, Safe
from tests.runtime.declarations import Root
from tests.runtime.support import ROOT, ServerProcess
from tests.test_secrets import MANY, NUMBER, SECRET, Serving


class Recorder:
    """A process that records what goes to a server."""

    def __init__(self, server: str, directory: Path, package: str) -> None:
        self.address = f"unix:{directory}/trace.sock"
        self.file = directory / "recorded"
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mpipc", "trace", "record", server),
                *("--listen", self.address, "--package", package, "--output", str(self.file)),
            ],
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout
        self.said = self.process.stdout.readline()
        assert self.said.startswith("recording on ")

    def stop(self) -> list[Record]:
        """End it as Ctrl-C does; what it has recorded."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.said += self.process.communicate(timeout=30)[0]
        return [*read(self.file)[1]]


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Callable[..., Recorder]]:
    started: list[Recorder] = []

    def start(server: str, package: str = "tests.runtime.declarations") -> Recorder:
        started.append(Recorder(server, tmp_path, package))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.communicate()


@pytest.fixture
def recorded(recording: Callable[..., Recorder], shared: ServerProcess) -> Recorder:
    """A recorder that has recorded a client, and has ended."""
    recorder = recording(shared.address)
    with mpipc.connect(recorder.address, Root) as root:
        values = root.values()
        assert values.small(1, second=2) == 3
        with pytest.raises(mpipc.RemoteError, match="KeyError"):
            values.fail("key")
        assert root.callbacks().call(lambda value: value + 1, 5) == 6
    recorder.stop()
    return recorder


def calls(records: list[Record]) -> list[tuple[str, Any]]:
    return [
        (each.method, each.arguments)
        for each in records
        if each.kind == "call" and not each.method.endswith((".construct", ".makeThread"))
    ]


def test_calls_and_answers_are_recorded(recorded: Recorder) -> None:
    records = [*read(recorded.file)[1]]
    made = calls(records)
    assert made[:3] == [
        ("Root.values", {}),
        ("Values.small", {"first": 1, "second": 2}),
        ("Values.fail", {"kind": "key"}),
    ]
    assert made[4][0] == "Callbacks.call" and made[4][1]["value"] == 5
    assert made[5] == ("Step.__call__", {"arg0": 5})
    assert made[4][1]["step"] == next(
        each.target for each in records if each.method == "Step.__call__"
    )
    answers = {each.method: each for each in records if each.kind == "answer"}
    assert answers["Values.small"].result == 3
    assert answers["Values.fail"].raised is not None
    assert answers["Values.fail"].raised[0] == "KeyError"
    assert (answers["Step.__call__"].sender, answers["Step.__call__"].result) == ("client", 6)
    assert all(each.seconds is not None and each.seconds > 0 for each in answers.values())
    assert stat.S_IMODE(recorded.file.stat().st_mode) == 0o600
    assert f"{len(records)} records" in recorded.said


def test_a_trace_is_shown(recorded: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "show", str(recorded.file)]) == 0
    shown = capsys.readouterr().out
    assert "Values.small(first=1, second=2)" in shown
    assert "Values.small: 3 (" in shown and "Values.fail: raised KeyError: " in shown
    assert "finish" not in shown
    assert main(["trace", "show", "--all", str(recorded.file)]) == 0
    assert "finish" in capsys.readouterr().out


def test_a_replay_compares_the_answers(
    recorded: Recorder, shared: ServerProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    replay = ["trace", "replay", str(recorded.file), shared.address]
    assert main(replay) == 0
    assert "5 answers as recorded, 0 different, 0 calls not made" in capsys.readouterr().out
    text = recorded.file.read_text()
    assert text.count('"result":3,') == 1
    recorded.file.write_text(text.replace('"result":3,', '"result":4,'))
    assert main(replay) == 1
    out = capsys.readouterr().out
    assert "then: 4\n  now:  3" in out and "4 answers as recorded, 1 different" in out
    assert main([*replay, "--connection", "7"]) == 2


def test_secrets_are_not_recorded(
    recording: Callable[..., Recorder], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serving = Serving(tmp_path / "s")
    try:
        recorder = recording(serving.address, "tests.declarations.secretive")
        with mpipc.connect(recorder.address, Safe) as safe:
            assert safe.open("ann", SECRET, pin=Pin(str(NUMBER))) == "hello ann"
            assert safe.reveal("ann") == SECRET
            assert safe.several("ann").token == SECRET
            assert safe.login(Login("ann", SECRET)).password == SECRET
            assert safe.key(Key(SECRET.encode(), "m/0")).key is not None
            safe.many(**MANY)
            safe.back(lambda told: None)
            with pytest.raises(mpipc.ConversionError):
                safe.pin()
        records = recorder.stop()
        text = recorder.file.read_text()
        for secret in (SECRET, SECRET.encode().hex(), str(NUMBER)):
            assert secret not in text
        made = dict(calls(records))
        assert made["Safe.open"] == {"user": "ann", "password": "<secret>", "pin": "<secret>"}
        assert made["Safe.login"] == {"login": {"user": "ann", "password": "<secret>"}}
        answers = {each.method: each for each in records if each.kind == "answer"}
        assert answers["Safe.reveal"].result == "<secret>"
        assert answers["Safe.pin"].note == "results that cannot be read (ConversionError)"
        # What needs a secret cannot be replayed; what only gives one can.
        assert main(["trace", "replay", str(recorder.file), serving.address]) == 0
        out = capsys.readouterr().out
        assert "it has a secret, which is not in the trace" in out and "0 different" in out
    finally:
        serving.stop()


def test_what_is_no_message_is_passed_on_and_not_kept(
    recording: Callable[..., Recorder], shared: ServerProcess
) -> None:
    recorder = recording(shared.address)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(30)
        sock.connect(recorder.address.removeprefix("unix:"))
        sock.sendall(b"GET / HTTP/1.1\r\nCookie: s3cret\r\n\r\n")
        while sock.recv(1 << 16):
            pass  # the server says what it thinks of that, and closes
    with mpipc.connect(recorder.address, Root) as root:
        assert root.values().small(1, 2) == 3
    records = recorder.stop()
    assert any("cannot be decoded" in each.note for each in records if each.connection == 1)
    assert ("Values.small", {"first": 1, "second": 2}) in calls(records)
    assert "s3cret" not in recorder.file.read_text()


def test_a_file_that_is_there_is_not_overwritten(
    tmp_path: Path, shared: ServerProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "there"
    there.write_text("precious")
    arguments = ["--listen", f"unix:{tmp_path}/t", "--output", str(there)]
    package = ["--package", "tests.runtime.declarations"]
    assert main(["trace", "record", shared.address, *arguments, *package]) == 2
    assert "is there already" in capsys.readouterr().err
    assert there.read_text() == "precious"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "was not written by"),
        (b"\xff\xfe\n", "was not written by"),
        (b'{"trace": 2}\n', "was not written by"),
        (b'{"trace":9,"began":"b"}\n', "version 9"),
        (b'{"trace":2,"began":"b"}\n{"at": 1}\n', "line 2"),
        (b'{"trace":2,"began":"b"}\n\xff\n', "line 2"),
        (b'{"trace":2,"began":"b"}\n' + b"[" * 9999 + b"\n", "line 2"),
    ],
)
def test_a_malformed_file_is_a_clear_error(
    tmp_path: Path, text: bytes, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.write_bytes(text)
    for arguments in (["show", str(file)], ["replay", str(file), "unix:nowhere"]):
        assert main(["trace", *arguments]) == 2
        assert says in capsys.readouterr().err
    assert main(["trace", "show", str(tmp_path / "missing")]) == 2
