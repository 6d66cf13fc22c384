"""Large views between two ends that are mpipc; and everybody else, who notices nothing."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import resource
import socket
import struct
import sys
import threading
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Annotated, Any

import pytest

import mpipc
from mpipc import Float64, Int32
from mpipc.capnp.frame import MARK, MARKED, FrameReader
from mpipc.capnp.message import DEFAULT_LIMITS
from mpipc.errors import ProtocolError
from mpipc.generate.load import generated_for
from mpipc.ipc import memory
from mpipc.ipc.memory import ChannelMemory
from mpipc.testing.connected import connection_pair
from tests.runtime.support import eventually

SIZE = 3 << 20
DATA = bytes(range(256)) * (SIZE >> 8)


@mpipc.interface(root=True)
class Store(ABC):
    @abstractmethod
    def take(self, data: memoryview) -> int: ...

    @abstractmethod
    def give(self, size: Int32) -> memoryview: ...

    @abstractmethod
    def numbers(self, values: Annotated[memoryview, Float64]) -> Annotated[memoryview, Float64]: ...

    @abstractmethod
    def note(self, text: str) -> None: ...

    @abstractmethod
    def order(self) -> list[str]: ...

    @abstractmethod
    def pid(self) -> Int32: ...


class RealStore(Store):
    def __init__(self) -> None:
        self.noted: list[str] = []

    def take(self, data: memoryview) -> int:
        self.noted.append(f"{len(data)}")
        return sum(data[::4096])

    def give(self, size: int) -> memoryview:
        return memoryview(DATA)[:size]

    def numbers(self, values: memoryview) -> memoryview:
        return memoryview(array("d", [2 * value for value in values]))

    def note(self, text: str) -> None:
        self.noted.append(text)

    def order(self) -> list[str]:
        return self.noted

    def pid(self) -> int:
        return os.getpid()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """In another process."""
    address = f"unix:{tmp_path}/s.sock"
    with served(address), mpipc.connect(address, Store) as store:
        yield store


@contextlib.contextmanager
def served(address: str) -> Iterator[None]:
    context = get_context("spawn")
    ready = context.Event()
    process = context.Process(target=serve, args=(address, ready), daemon=True)
    process.start()
    try:
        assert ready.wait(40)
        yield
    finally:
        process.terminate()
        process.join()


def serve(address: str, ready: Event) -> None:
    with mpipc.serve(address, RealStore()) as server:
        ready.set()
        server.serve_forever()


def mapped(pid: int | None = None) -> int:
    """How often messages are mapped in a process."""
    return Path(f"/proc/{pid or 'self'}/maps").read_text().count("/memfd:mpipc")


def descriptors(pid: int | None = None) -> int:
    return len(os.listdir(f"/proc/{pid or 'self'}/fd"))


def agree(store: Store) -> None:
    """Have large values go through memory, both ways."""

    def both() -> bool:
        store.take(memoryview(DATA))
        view = store.give(SIZE)
        return mapped() > 0 and sharing(store)._agreed and len(view) > 0

    eventually(both)


def sharing(store: Any) -> Any:
    return store._mpipc_connection._sharing


class TestViews:
    def test_arrive_in_the_memory_that_the_sender_filled(self, store: Store) -> None:
        agree(store)
        gc.collect()
        before = mapped()
        view = store.give(SIZE)
        assert view == DATA and view.readonly
        assert mapped() == before + 1
        del view
        gc.collect()
        assert mapped() == before

    def test_are_sent_that_way_too(self, store: Store) -> None:
        agree(store)
        for content in (DATA, bytearray(DATA), memoryview(DATA)[5:]):
            w = memoryview(content)
            assert store.take(w) == sum(w[::4096])
        numbers = array("d", range(200_000))
        assert list(store.numbers(memoryview(numbers))) == [2 * value for value in numbers]
        assert mapped(store.pid()) <= 1  # what the last call came with

    def test_may_change_after_the_call(self, store: Store) -> None:
        """What a call was given is sent as it was."""
        agree(store)
        content = bytearray(DATA)
        with mpipc.pipeline() as pipeline:
            promises = []
            for value in range(8):
                content[::4096] = bytes([value]) * len(content[::4096])
                promises.append(pipeline.call(store.take, memoryview(content)))
        sums = [promise.result() for promise in promises]
        assert sums == [value * len(content[::4096]) for value in range(8)]

    def test_keep_their_place_among_small_messages(self, store: Store) -> None:
        agree(store)
        store.order()
        expected = list(store.order())
        with mpipc.pipeline() as pipeline:
            for number in range(20):
                pipeline.call(store.note, str(number))
                pipeline.call(store.take, memoryview(DATA))
                expected += [str(number), str(SIZE)]
        assert store.order() == expected

    def test_of_several_threads_are_not_mixed_up(self, store: Store) -> None:
        agree(store)
        wrong: list[object] = []

        def use(value: int) -> None:
            content = bytes([value]) * (SIZE + 8 * value)
            for _ in range(10):
                if store.take(memoryview(content)) != value * len(content[::4096]):
                    wrong.append(value)
                if store.give(SIZE - value) != DATA[: SIZE - value]:
                    wrong.append(value)

        threads = [threading.Thread(target=use, args=(value,)) for value in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []

    def test_more_than_may_be_mapped_are_copied(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(memory, "_MAPPINGS", 4)
        agree(store)
        views = [store.give(SIZE) for _ in range(8)]
        assert all(view == DATA for view in views)
        assert mapped() <= 4

    def test_leave_no_descriptors(self, store: Store) -> None:
        agree(store)
        gc.collect()
        pid = store.pid()
        here, there = descriptors(), descriptors(pid)
        for _ in range(30):
            store.take(store.give(SIZE))
        gc.collect()
        assert descriptors() <= here
        assert descriptors(pid) <= there + 2  # of the call before this one

    def test_outlive_their_connection_which_leaves_nothing(self, tmp_path: Path) -> None:
        address = f"unix:{tmp_path}/s.sock"
        with served(address):
            gc.collect()
            before = descriptors()
            with mpipc.connect(address, Store) as store:
                agree(store)
                view = store.give(SIZE)
            assert view == DATA
            del view, store
            eventually(lambda: gc.collect() + 1 and descriptors() <= before)
            assert mapped() == 0


class TestWithoutMemory:
    """Whatever is missing: large values travel as before."""

    @pytest.mark.parametrize("missing", ["memfd_create", "socketpair", "sendmsg"])
    def test_the_stream_is_used(
        self, store: Store, missing: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*args: object) -> Any:
            raise OSError(24, "too many open files")

        if missing == "memfd_create":
            monkeypatch.setattr(os, "memfd_create", fail)
        elif missing == "socketpair":
            monkeypatch.setattr(socket, "socketpair", fail)
        else:
            monkeypatch.setattr(memory._Filled, "hand_over", lambda self, header: None)
        for _ in range(5):
            assert store.take(memoryview(DATA)) == sum(DATA[::4096])
            assert store.give(SIZE) == DATA
        assert mapped(store.pid()) == 0

    def test_a_relay_that_passes_no_descriptors_does_not_matter(self, tmp_path: Path) -> None:
        """Nor does it see anything else than messages of Cap'n Proto."""
        address = f"unix:{tmp_path}/s.sock"
        frames: list[bytes] = []
        with served(address), relay(tmp_path / "r.sock", tmp_path / "s.sock", frames) as path:
            with mpipc.connect(f"unix:{path}", Store) as store:
                for _ in range(5):
                    assert store.take(memoryview(DATA)) == sum(DATA[::4096])
                    assert store.give(SIZE) == DATA
                assert not sharing(store)._agreed
            assert mapped() == 0
        assert len(frames) == 2
        for stream in frames:
            reader = FrameReader(DEFAULT_LIMITS)
            assert len(list(reader.feed(bytes(stream)))) > 5 and not reader.missing

    def test_tcp_shares_nothing(self) -> None:
        with (
            mpipc.serve("tcp:127.0.0.1:0", RealStore()) as server,
            mpipc.connect(server.address, Store) as store,
        ):
            for _ in range(3):
                assert store.give(SIZE) == DATA
            assert sharing(store) is None


@contextlib.contextmanager
def relay(front: Path, back: Path, streams: list[bytes]) -> Iterator[Path]:
    """Pass one connection's bytes on, both ways, and keep them in `streams` at the end."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(front))
    listener.listen()
    threads: list[threading.Thread] = []

    def pump(source: socket.socket, sink: socket.socket) -> None:
        kept = bytearray()
        with contextlib.suppress(OSError):
            while chunk := source.recv(1 << 16):
                kept.extend(chunk)
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)
        streams.append(bytes(kept))

    def accept() -> None:
        here, _ = listener.accept()
        there = socket.socket(socket.AF_UNIX)
        there.connect(str(back))
        threads.extend(
            threading.Thread(target=pump, args=pair) for pair in ((here, there), (there, here))
        )
        for thread in threads[1:]:
            thread.start()

    threads.append(threading.Thread(target=accept))
    threads[0].start()
    yield front
    for thread in threads:
        thread.join(30)
    listener.close()


# ------------------------------------------------------------------------------ a hostile sender


@pytest.fixture
def receiver() -> Iterator[tuple[ChannelMemory, socket.socket]]:
    """The receiving half of one end, and the socket through which descriptors come to it."""
    here, there = socket.socketpair()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    receive: list[Callable[..., bytes]] = [here.recv]
    made = ChannelMemory(here, None, lambda recv: receive.__setitem__(0, recv), lambda: None)  # type: ignore[arg-type]
    made.keep_descriptors()
    pass_descriptor(there, theirs.fileno())
    theirs.close()
    assert receive[0](10) == b"\0"
    assert made.accept_pair() and receive[0] == here.recv
    yield made, ours
    made.close()
    for sock in (here, there, ours):
        sock.close()


def pass_descriptor(sock: socket.socket, *fds: int) -> None:
    sock.sendmsg(
        [b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack(f"{len(fds)}i", *fds))]
    )


def filled(content: bytes, seals: int, flags: int = os.MFD_ALLOW_SEALING) -> int:
    fd = os.memfd_create("test", flags)
    os.write(fd, content)
    if seals:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


ALL = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
HOSTILE: dict[str, tuple[Callable[[], int], str]] = {
    "not sealed": (lambda: filled(bytes(4096), 0), "not sealed"),
    "never to be sealed": (lambda: filled(bytes(4096), 0, 0), "not sealed"),
    "may shrink": (lambda: filled(bytes(4096), ALL & ~fcntl.F_SEAL_SHRINK), "not sealed"),
    "may grow": (lambda: filled(bytes(4096), ALL & ~fcntl.F_SEAL_GROW), "not sealed"),
    "may change": (lambda: filled(bytes(4096), ALL & ~fcntl.F_SEAL_WRITE), "not sealed"),
    "shorter": (lambda: filled(bytes(4088), ALL), "another size"),
    "longer": (lambda: filled(bytes(4104), ALL), "another size"),
    "a file": (lambda: os.open(sys.executable, os.O_RDONLY), "no memory"),
    "a pipe": (lambda: os.pipe()[0], "no memory"),
    "a device": (lambda: os.open("/dev/zero", os.O_RDWR), "no memory"),
}


def test_memory_arrives_though_no_descriptor_is_left(receiver: Any) -> None:
    """It is copied then, since each mapping keeps one."""
    made, sender = receiver
    content = DATA[: 1 << 16]
    fd = filled(content, ALL)
    pass_descriptor(sender, fd)
    os.close(fd)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors() + 20, limits[1]))
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(0))
        found = made.take(len(content))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for each in taken:
            os.close(each)
    assert found[:] == content and mapped() == 0


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_sealed_memory_is_refused(name: str, receiver: Any) -> None:
    made, sender = receiver
    make, why = HOSTILE[name]
    fd = make()
    pass_descriptor(sender, fd)
    before = descriptors()
    with pytest.raises(ProtocolError, match=why):
        made.take(4096)
    assert descriptors() == before and mapped() == 0
    os.close(fd)


def test_a_mark_without_memory_is_refused(receiver: Any) -> None:
    made, sender = receiver
    with pytest.raises(ProtocolError, match="no memory came"):
        made.take(4096)
    sender.send(b"\0")
    with pytest.raises(ProtocolError, match="no memory came"):
        made.take(4096)


def test_more_descriptors_than_one_are_closed(receiver: Any) -> None:
    made, sender = receiver
    fds = [filled(bytes([n]) * 4096, ALL) for n in range(5)]
    pass_descriptor(sender, *fds)
    before = descriptors()
    found = made.take(4096)
    assert found[:3] == bytes(3)
    assert descriptors() == before + 1  # of the mapping
    del found
    assert descriptors() == before
    for fd in fds:
        os.close(fd)


def test_what_comes_instead_of_the_socket_is_refused() -> None:
    here, there = socket.socketpair()
    made = ChannelMemory(here, None, lambda recv: None, lambda: None)  # type: ignore[arg-type]
    before = descriptors()
    for make, _ in HOSTILE.values():
        fd = make()
        pass_descriptor(there, fd)
        os.close(fd)
        assert made._recv(10) == b"\0"
        assert not made.accept_pair()
    pass_descriptor(there, here.fileno())  # a socket of another kind
    assert made._recv(10) == b"\0"
    assert not made.accept_pair()
    assert not made.accept_pair()  # nothing has come
    made.close()
    gc.collect()
    assert descriptors() <= before + 1  # the other end of the pipe above
    here.close()
    there.close()


def test_a_descriptor_that_nobody_asked_for_is_dropped(tmp_path: Path) -> None:
    with (
        mpipc.serve(f"unix:{tmp_path}/s.sock", RealStore()),
        socket.socket(socket.AF_UNIX) as client,
    ):
        client.connect(f"{tmp_path}/s.sock")
        eventually(lambda: threading.active_count() > 1)
        fd = filled(bytes(4096), ALL)
        client.sendmsg([bytes(3)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", fd))])
        os.close(fd)
        client.sendall(bytes(5) + bytes(8))  # an empty message, which ends the connection
        assert client.recv(1000)
        assert not any("memfd:test" in link for link in links())


def links() -> list[str]:
    found = []
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"/proc/self/fd/{fd}"))
    return found


MARKS = {
    "beyond the limit": (MARK.pack(MARKED, 8, (DEFAULT_LIMITS.message_words + 3) * 8), "larger"),
    "of an endless memory": (MARK.pack(MARKED, 8, 1 << 63), "larger"),
    "of nothing": (MARK.pack(MARKED, 8, 16), "no mark of one"),
    "of less than nothing": (MARK.pack(MARKED, 4096, 16), "no mark of one"),
    "crooked": (MARK.pack(MARKED, 12, 4096), "no mark of one"),
    "far inside": (MARK.pack(MARKED, 8192, 16384), "no mark of one"),
}


@pytest.mark.parametrize("name", MARKS)
def test_a_bad_mark_is_refused_before_anything_is_mapped(name: str) -> None:
    reader = FrameReader(DEFAULT_LIMITS)
    reader.take_memory = lambda size: pytest.fail("mapped")
    mark, why = MARKS[name]
    with pytest.raises(ProtocolError, match=why):
        list(reader.feed(mark))


def test_memory_with_another_message_than_was_announced_is_refused() -> None:
    reader = FrameReader(DEFAULT_LIMITS)
    reader.take_memory = lambda size: bytes(size)  # type: ignore[assignment,return-value]
    with pytest.raises(ProtocolError, match="another message"):
        list(reader.feed(MARK.pack(MARKED, 8, 4096)))


def test_a_mark_is_none_where_nothing_was_agreed_upon() -> None:
    with pytest.raises(ProtocolError, match="segments"):
        list(FrameReader(DEFAULT_LIMITS).feed(MARK.pack(MARKED, 8, 4096)))
    here, there = socket.socketpair()
    made = ChannelMemory(here, None, lambda recv: None, lambda: None)  # type: ignore[arg-type]
    with pytest.raises(ProtocolError, match="not agreed upon"):
        made.take(4096)
    here.close()
    there.close()


def test_a_sender_that_does_not_seal_is_dropped_and_others_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"unix:{tmp_path}/s.sock"
    with served(address), mpipc.connect(address, Store) as honest:
        with mpipc.connect(address, Store) as store:
            agree(store)
            monkeypatch.setattr(memory, "_SEALS", fcntl.F_SEAL_SHRINK)
            with pytest.raises(mpipc.Disconnected):
                for _ in range(3):
                    store.take(memoryview(DATA))
            monkeypatch.undo()
        agree(honest)
        assert honest.take(memoryview(DATA)) == sum(DATA[::4096])


def test_a_mark_in_two_pieces_is_understood() -> None:
    content = struct.pack("<IIQ", 0, 511, 0) + bytes(510 * 8)
    with connection_pair(RealStore(), generated_for(Store)):
        reader = FrameReader(DEFAULT_LIMITS)
        reader.take_memory = lambda size: content  # type: ignore[assignment,return-value]
        mark = MARK.pack(MARKED, 0, len(content))
        for cut in range(1, len(mark)):
            assert list(reader.feed(mark[:cut])) == []
            (message,) = reader.feed(mark[cut:])
            assert (message.start, message.end) == (8, len(content))
