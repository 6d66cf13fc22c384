"""`mpipc.record`: what real processes say to each other, recorded by one of them."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import mpipc
import mpipc.aio
from mpipc.cli import main
from mpipc.cli.trace.reading import read
from mpipc.ipc.memory import ChannelMemory
from mpipc.recording.catalogue import Catalogue
from mpipc.recording.records import Record
from tests.aio.support import in_loop
from tests.declarations.secretive import Login, Pin, Safe
from tests.runtime.declarations import Root
from tests.runtime.support import ROOT, ServerProcess
from tests.runtime.test_shared_memory import DATA, SIZE, Store, served
from tests.runtime.test_trace import calls
from tests.test_secrets import NUMBER, SECRET


def records(path: Path) -> list[Record]:
    return [*read(path)[1]]


def test_a_client_records_its_connections_and_both_can_be_replayed(
    shared: ServerProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "recorded"
    with mpipc.record(file) as recorder:
        with mpipc.connect(shared.address, Root) as root:
            assert root.values().small(1, second=2) == 3
            assert root.callbacks().call(lambda value: value + 1, 5) == 6
        with (
            mpipc.connect(shared.address, Root) as root,
            pytest.raises(mpipc.RemoteError, match="KeyError"),
        ):
            root.values().fail("key")
    found = records(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(found) == recorder.count
    assert found[0].kind == "begin"
    assert [each.target for each in found if each.kind == "begin"] == [shared.address] * 2
    assert {each.connection for each in found if each.kind == "end"} == {1, 2}
    assert calls([each for each in found if each.connection == 1])[:2] == [
        ("Root.values", {}), ("Values.small", {"first": 1, "second": 2}),
    ]  # fmt: skip
    assert ("Step.__call__", {"arg0": 5}) in calls(found)
    answers = {each.method: each for each in found if each.kind == "answer"}
    assert answers["Values.small"].result == 3
    assert answers["Values.small"].seconds is not None
    assert answers["Step.__call__"].sender == "client"
    assert answers["Values.fail"].raised == ("KeyError", "KeyError: ('a', 'b')")
    for connection, same in ("1", 4), ("2", 2):
        replay = ["trace", "replay", str(file), shared.address, "--connection", connection]
        assert main(replay) == 0
        assert f"{same} answers as recorded, 0 different" in capsys.readouterr().out
    assert main(["trace", "show", str(file)]) == 0
    assert f"client -> begin {shared.address}" in capsys.readouterr().out


SERVER = """
import sys
import mpipc
from tests.secretive_server import RealSafe

with mpipc.record(sys.argv[2]), mpipc.serve(sys.argv[1], RealSafe()):
    print("ready", flush=True)
    sys.stdin.read()
"""
SERVER_IN_LOOP = """
import asyncio, sys
import mpipc
from tests.secretive_server import RealSafe

async def main():
    with mpipc.record(sys.argv[2]):
        async with mpipc.aio.serve(sys.argv[1], RealSafe()):
            print("ready", flush=True)
            await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


@pytest.mark.parametrize("program", [SERVER, SERVER_IN_LOOP], ids=["threads", "loop"])
def test_a_server_records_its_clients_without_secrets(program: str, tmp_path: Path) -> None:
    file = tmp_path / "recorded"
    address = f"unix:{tmp_path}/s.sock"
    with subprocess.Popen(
        [sys.executable, "-c", program, address, str(file)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        with mpipc.connect(address, Safe) as safe:
            assert safe.open("ann", SECRET, pin=Pin(str(NUMBER))) == "hello ann"
            assert safe.reveal("ann") == SECRET
            assert safe.login(Login("ann", SECRET)).password == SECRET
        process.stdin.close()
        assert process.wait(30) == 0
    text = file.read_text()
    for secret in (SECRET, SECRET.encode().hex(), str(NUMBER)):
        assert secret not in text
    found = records(file)
    made = dict(calls(found))
    assert made["Safe.open"] == {"user": "ann", "password": "<secret>", "pin": "<secret>"}
    assert made["Safe.login"] == {"login": {"user": "ann", "password": "<secret>"}}
    [begin] = [each for each in found if each.kind == "begin"]
    assert begin.sender == "server" and str(os.getpid()) in begin.note
    assert [each.connection for each in found if each.kind == "end"] == [1]


@in_loop
async def test_an_event_loop_records_its_connections(shared: ServerProcess, tmp_path: Path) -> None:
    file = tmp_path / "recorded"
    with mpipc.record(file):
        async with mpipc.aio.connect(shared.address, Root) as root:
            values = await mpipc.aio.call(root.values)
            assert await mpipc.aio.call(values.small, 1, second=2) == 3
    found = records(file)
    assert ("Values.small", {"first": 1, "second": 2}) in calls(found)
    assert found[-1].kind == "end"


def test_what_would_be_shared_memory_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapped: list[int] = []
    take = ChannelMemory.take

    def counted(memory: ChannelMemory, size: int) -> object:
        mapped.append(size)
        return take(memory, size)

    monkeypatch.setattr(ChannelMemory, "take", counted)
    address, file = f"unix:{tmp_path}/s.sock", tmp_path / "recorded"
    with served(address):
        with mpipc.record(file), mpipc.connect(address, Store) as store:
            for _ in range(4):
                assert bytes(store.give(SIZE)) == DATA
                assert store.take(memoryview(DATA)) == sum(DATA[::4096])
        assert not mapped
        with mpipc.connect(address, Store) as store:
            for _ in range(4):
                assert bytes(store.give(SIZE)) == DATA
        assert mapped  # where nobody records, they do take that way
    answers = [each for each in records(file) if each.kind == "answer"]
    assert [each.result for each in answers if each.method == "Store.give"] == [DATA.hex()] * 4
    taken = [arguments for method, arguments in calls(records(file)) if method == "Store.take"]
    assert taken == [{"data": DATA.hex()}] * 4


def test_recording_and_counting_see_the_same_bytes(shared: ServerProcess, tmp_path: Path) -> None:
    file = tmp_path / "recorded"
    mpipc.metrics.enable()
    try:
        with mpipc.record(file), mpipc.connect(shared.address, Root) as root:
            values = root.values()
            for _ in range(100):
                assert values.small(1, second=2) == 3
            counted = mpipc.metrics.snapshot()
    finally:
        mpipc.metrics.disable()
    sizes = {"client": 0, "server": 0}
    seen = 0
    for each in records(file):
        if each.kind == "call" and each.method == "Values.small":
            seen += 1
        sizes[each.sender] += each.size + 8 * bool(each.size)
        if sizes["client"] >= counted.sent_bytes and sizes["server"] >= counted.received_bytes:
            break
    assert sizes == {"client": counted.sent_bytes, "server": counted.received_bytes}
    assert seen == 100


def test_a_closed_recorder_records_no_more_and_a_new_one_may_be_made(
    shared: ServerProcess, tmp_path: Path
) -> None:
    with mpipc.record(tmp_path / "first") as first:
        with pytest.raises(RuntimeError, match="recorder"):
            mpipc.record(tmp_path / "second")
        assert not (tmp_path / "second").exists()
        root = mpipc.connect(shared.address, Root)
    first.close()
    there = (tmp_path / "first").read_bytes()
    with root, mpipc.record(tmp_path / "second"), mpipc.connect(shared.address, Root) as other:
        assert root.values().small(1, 2) == other.values().small(1, 2) == 3
    assert (tmp_path / "first").read_bytes() == there
    assert ("Values.small", {"first": 1, "second": 2}) in calls(records(tmp_path / "second"))


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    there, link = tmp_path / "there", tmp_path / "link"
    there.write_text("precious")
    link.symlink_to(tmp_path / "elsewhere")
    for path in there, link:
        with pytest.raises(FileExistsError):
            mpipc.record(path)
    assert there.read_text() == "precious" and not (tmp_path / "elsewhere").exists()
    with mpipc.record(tmp_path / "new"):  # none of these was left switched on
        pass


def test_when_the_disk_is_full_the_program_goes_on(
    shared: ServerProcess, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "recorded"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Python ignores the signal, so that writing beyond the limit is an error.
    assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN
    with mpipc.record(file), mpipc.connect(shared.address, Root) as root:
        values = root.values()
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 12, before[1]))
        try:
            assert [values.small(1, 2) for _ in range(100)] == [3] * 100
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert file.stat().st_size <= 1 << 12
    assert "no more is recorded in" in caplog.text


def test_a_spawned_child_is_recorded(tmp_path: Path) -> None:
    file = tmp_path / "recorded"
    argv = [sys.executable, "-m", "tests.runtime.program"]
    with mpipc.record(file), mpipc.spawn(argv, Root, cwd=ROOT) as root:
        assert root.values().small(1, second=2) == 3
    assert ("Values.small", {"first": 1, "second": 2}) in calls(records(file))


def test_a_forked_child_writes_nothing_into_its_parents_file(
    shared: ServerProcess, tmp_path: Path
) -> None:
    file = tmp_path / "recorded"
    with mpipc.record(file):
        child = os.fork()
        if not child:
            try:
                with mpipc.connect(shared.address, Root) as root:
                    ok = root.values().small(1, second=2) == 3
                os._exit(0 if ok else 1)
            finally:
                os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
        with mpipc.connect(shared.address, Root) as root:
            assert root.process().pid() > 0
    assert not [method for method, _ in calls(records(file)) if method == "Values.small"]
    assert ("Process.pid", {}) in calls(records(file))


def test_a_module_that_cannot_be_derived_hides_only_its_own_methods() -> None:
    known = "tests.runtime.declarations"
    whole = Catalogue(lambda: [known])
    whole.look()
    interface, number = next(iter(whole.methods))
    assert Catalogue(lambda: ["no_such_module", known]).find(interface, number) is not None
