"""Addresses: what they mean, where a socket file may be, and what becomes of it."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import mpipc
from mpipc.ipc.address import (
    Address,
    FdAddress,
    Protection,
    SystemdAddress,
    TcpAddress,
    UnixAddress,
    parse,
)
from tests.runtime.declarations import Root
from tests.runtime.program import RealRoot
from tests.runtime.support import ROOT, Running, ServerProcess, descriptors, eventually

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")

PARSED: dict[str, Address] = {
    "unix": UnixAddress(Path("/data/node.sock")),
    "unix:a/b.sock": UnixAddress(Path("/data/a/b.sock")),
    "unix:/run/x y?z:1": UnixAddress(Path("/run/x y?z:1")),
    "auto": UnixAddress(Path("/data/node.sock"), optional=True),
    "auto:b": UnixAddress(Path("/data/b"), optional=True),
    "tcp:127.0.0.1:0": TcpAddress("127.0.0.1", 0),
    "tcp:[::1]:65535": TcpAddress("::1", 65535),
    "tcp:example.org:80?insecure": TcpAddress("example.org", 80, Protection(insecure=True)),
    "tcp:example.org:80?certs=a:b": TcpAddress("example.org", 80, Protection(Path("/data/a:b"))),
    "fd:3": FdAddress(3),
    "fd:3?certs=/c": FdAddress(3, Protection(Path("/c"))),
    "systemd": SystemdAddress(),
    "systemd:web?insecure": SystemdAddress("web", Protection(insecure=True)),
}
REFUSED = {
    "": "expected unix",
    "http://example.org": "expected unix",
    "unix?insecure": "expected unix",
    "unix:a\0b": "a path cannot have a NUL byte",
    "unix:\0abstract": "a path cannot have a NUL byte",
    "unix:" + "x" * 110: "can have 107 at most: choose a shorter",
    "tcp": "expected tcp:HOST:PORT",
    "tcp:80": "expected tcp:HOST:PORT",
    "tcp:host:65536": "expected tcp:HOST:PORT",
    "tcp:host:-1": "expected tcp:HOST:PORT",
    "tcp:host:٣": "expected tcp:HOST:PORT",
    "tcp:host:80?certs": "?certs is unknown: expected ?certs=DIRECTORY or ?insecure",
    "tcp:host:80?certs=": "is unknown",
    "tcp:host:80?insecure&certs=x": "is unknown",
    "fd:": "expected fd:NUMBER",
    "fd:x": "expected fd:NUMBER",
    "fd:99999999999999999999": "expected fd:NUMBER",
}


class TestGrammar:
    @pytest.mark.parametrize("text", PARSED)
    def test_an_address_is_parsed(self, text: str) -> None:
        assert parse(text, datadir="/data", name="node") == PARSED[text]

    @pytest.mark.parametrize("text", [text for text in PARSED if text[:4] not in ("auto", "unix")])
    def test_an_address_is_written_as_it_is_read(self, text: str) -> None:
        address = PARSED[text]
        assert parse(str(address), datadir="/", name="x") == address

    @pytest.mark.parametrize("text", REFUSED)
    def test_what_is_wrong_is_said(self, text: str) -> None:
        with pytest.raises(mpipc.AddressError) as caught:
            parse(text, datadir="/data", name="node")
        assert REFUSED[text] in str(caught.value)

    def test_what_is_no_text_is_refused(self) -> None:
        with pytest.raises(mpipc.AddressError, match=r"7: an address is a text"):
            mpipc.connect(7, Root)  # type: ignore[call-overload]

    def test_a_path_is_relative_to_the_working_directory_by_default(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert parse("unix:x", datadir=None, name="node") == UnixAddress(tmp_path / "x")


def serves(address: str, datadir: Path | None = None) -> bool:
    """Whether one can listen there, and be connected to."""
    with (
        mpipc.serve(address, RealRoot(), datadir=datadir) as server,
        mpipc.connect(server.address, Root) as root,
    ):
        return root.values().small(1, 2) == 3


def refusal(path: Path) -> str:
    """Why one cannot listen there."""
    with pytest.raises(mpipc.AddressError) as caught:
        mpipc.serve(f"unix:{path}", RealRoot())
    text = str(caught.value)
    assert text.startswith(f"cannot listen on unix:{path}: ")
    return text.partition(f"{path}: ")[2]


class TestSocketFile:
    def test_belongs_to_its_user_alone_and_is_removed(self, tmp_path: Path) -> None:
        path = tmp_path / "s"
        before = os.umask(0)
        try:
            with mpipc.serve(f"unix:{path}", RealRoot()):
                info = path.stat()
        finally:
            os.umask(before)
        assert stat.S_ISSOCK(info.st_mode) and stat.S_IMODE(info.st_mode) == 0o600
        assert info.st_uid == os.geteuid()
        assert not path.exists()

    def test_is_never_an_abstract_name(self, tmp_path: Path) -> None:
        with mpipc.serve(f"unix:{tmp_path}/@s", RealRoot()):
            lines = Path("/proc/net/unix").read_text().splitlines()
        assert [line.split()[-1] for line in lines if "@s" in line] == [f"{tmp_path}/@s"]

    def test_is_replaced_when_nobody_listens(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(tmp_path / "s"))
        assert serves(f"unix:{tmp_path}/s")

    def test_is_not_replaced_while_somebody_listens(self, tmp_path: Path) -> None:
        with mpipc.serve(f"unix:{tmp_path}/s", RealRoot()) as server:
            assert refusal(tmp_path / "s") == "another process listens there"
            with mpipc.connect(server.address, Root) as root:
                assert root.values().small(1, 2) == 3

    def test_that_is_no_socket_is_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "s"
        path.write_text("precious")
        assert refusal(path) == "the file exists and is no socket"
        assert path.read_text() == "precious"
        (tmp_path / "link").symlink_to(tmp_path / "nowhere")
        assert refusal(tmp_path / "link") == "the file exists and is no socket"
        with pytest.raises(mpipc.AddressError, match="nobody listens"):
            mpipc.connect(f"unix:{path}", Root)

    @as_root
    def test_of_somebody_else_is_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "s"
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        os.chown(path, NOBODY, NOBODY)
        assert refusal(path) == "the socket belongs to somebody else"
        assert path.exists()

    def test_two_servers_have_two(self, tmp_path: Path) -> None:
        with mpipc.serve(f"unix:{tmp_path}/a", RealRoot()):
            assert serves(f"unix:{tmp_path}/b")
            assert serves("unix", tmp_path)
            assert serves("unix:c", tmp_path)

    def test_of_two_servers_that_start_at_once_belongs_to_one(
        self, tmp_path: Path, request: pytest.FixtureRequest
    ) -> None:
        request.addfinalizer(partial(sys.setswitchinterval, sys.getswitchinterval()))
        sys.setswitchinterval(1e-6)  # so that they are in the middle of it at the same time
        path = tmp_path / "s"

        def start(go: threading.Barrier) -> mpipc.Server | None:
            go.wait()
            try:
                return mpipc.serve(f"unix:{path}", RealRoot())
            except mpipc.AddressError as e:
                assert "another process listens there" in str(e)
                return None

        for _ in range(20):
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(str(path))
            go = threading.Barrier(4)
            starting = [Running(partial(start, go)) for _ in range(4)]
            (server,) = [each.result() for each in starting if each.result() is not None]
            with server, mpipc.connect(server.address, Root) as root:
                assert root.values().small(1, 2) == 3

    def test_that_is_missing_is_no_error_for_auto(self, tmp_path: Path) -> None:
        assert mpipc.connect("auto", Root, datadir=tmp_path) is None
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(tmp_path / "node.sock"))
        assert mpipc.connect("auto", Root, datadir=tmp_path) is None
        with pytest.raises(mpipc.AddressError, match="nobody listens on unix:"):
            mpipc.connect("unix", Root, datadir=tmp_path)
        with (
            mpipc.serve("unix", RealRoot(), datadir=tmp_path, name="node"),
            mpipc.connect("unix", Root, datadir=tmp_path) as root,
        ):
            assert root.values().small(1, 2) == 3


class TestDirectory:
    @pytest.mark.parametrize("mode", [0o770, 0o707, 0o777, 0o720])
    def test_that_others_can_write_to_is_refused(self, tmp_path: Path, mode: int) -> None:
        directory = tmp_path / "open"
        directory.mkdir()
        directory.chmod(mode)
        why = f"others can write to {directory} (mode {mode:04o}); use a private directory"
        assert refusal(directory / "s") == why
        # One further up can be replaced as well.
        (directory / "private").mkdir(mode=0o700)
        assert refusal(directory / "private" / "s") == why

    def test_that_is_sticky_is_fine(self, tmp_path: Path) -> None:
        directory = tmp_path / "sticky"
        directory.mkdir()
        directory.chmod(0o1777)
        assert serves(f"unix:{directory}/s")
        (directory / "private").mkdir(mode=0o700)
        assert serves(f"unix:{directory}/private/s")

    @as_root
    def test_of_somebody_else_is_refused(self, tmp_path: Path) -> None:
        directory = tmp_path / "theirs"
        (directory / "ours").mkdir(parents=True)
        os.chown(directory, NOBODY, NOBODY)
        assert refusal(directory / "s") == f"{directory} belongs to somebody else"
        assert refusal(directory / "ours" / "s") == f"{directory} belongs to somebody else"

    def test_behind_a_symbolic_link_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "real" / "deep").mkdir(parents=True)
        link = tmp_path / "link"
        link.symlink_to(tmp_path / "real")
        assert refusal(link / "s") == f"{link} is a symbolic link; use {tmp_path}/real"
        assert (
            refusal(link / "deep" / "s") == f"{link} is a symbolic link; use {tmp_path}/real/deep"
        )
        assert serves(f"unix:{tmp_path}/real/deep/s")

    def test_that_is_missing_or_none_is_named(self, tmp_path: Path) -> None:
        assert refusal(tmp_path / "x" / "s") == f"{tmp_path}/x: No such file or directory"
        (tmp_path / "file").touch()
        assert "Not a directory" in refusal(tmp_path / "file" / "x" / "s")
        assert refusal(tmp_path / "file" / "s") == f"{tmp_path}/file is no directory"


class TestTcp:
    @pytest.mark.parametrize("address", ["tcp:127.0.0.1:0", "tcp:[::1]:0", "tcp:localhost:0"])
    def test_on_this_machine_works(self, address: str) -> None:
        assert serves(address)

    @pytest.mark.parametrize("address", ["tcp:0.0.0.0:0", "tcp:[::]:0", "tcp:192.0.2.1:80"])
    def test_beyond_this_machine_needs_protection(self, address: str) -> None:
        for use in (lambda: mpipc.serve(address, RealRoot()), lambda: mpipc.connect(address, Root)):
            with pytest.raises(mpipc.AddressError) as caught:
                use()
            assert "beyond this machine TCP needs certificates" in str(caught.value)
            assert f"{address}?insecure, where anybody may read and talk" in str(caught.value)

    def test_insecure_is_allowed_when_it_is_said(self) -> None:
        with mpipc.serve("tcp:0.0.0.0:0?insecure", RealRoot()) as server:
            assert server.address.endswith("?insecure")
            with mpipc.connect(server.address, Root) as root:
                assert root.values().small(1, 2) == 3
        with pytest.raises(mpipc.AddressError, match="nobody knows who is at the other end"):
            mpipc.serve("tcp:0.0.0.0:0?insecure", RealRoot(), peers=["root"])

    def test_the_other_machine_is_asked_whether_it_is_still_there(self) -> None:
        with (
            mpipc.serve("tcp:127.0.0.1:0", RealRoot()) as server,
            mpipc.connect(server.address, Root) as root,
        ):
            assert root.values().small(1, 2) == 3
            port = f":{int(server.address.rpartition(':')[2]):04X}"

            def timers() -> list[str]:
                """Which timer runs, at either end (proc(5)): 02 is the one for that."""
                lines = map(str.split, Path("/proc/net/tcp").read_text().splitlines())
                ends = [each for each in lines if port in each[1] + each[2] and each[3] == "01"]
                return [end[5].partition(":")[0] for end in ends]

            eventually(lambda: timers() == ["02", "02"], timers)

    def test_a_port_in_use_is_an_error(self) -> None:
        with (
            mpipc.serve("tcp:127.0.0.1:0", RealRoot()) as server,
            pytest.raises(mpipc.AddressError, match="already in use"),
        ):
            mpipc.serve(server.address, RealRoot())
        with pytest.raises(mpipc.AddressError, match="nobody listens"):
            mpipc.connect(server.address, Root)


class TestDescriptor:
    """`fd:N`, in both directions."""

    @pytest.fixture
    def pair(self) -> Iterator[tuple[int, int]]:
        ours, theirs = socket.socketpair()
        yield ours.detach(), theirs.detach()

    def test_connected_serves_its_other_end_alone(self, pair: tuple[int, int]) -> None:
        ours, theirs = pair
        server = mpipc.serve(f"fd:{ours}", RealRoot())
        assert server.address == f"fd:{ours}"
        with mpipc.connect(f"fd:{theirs}", Root) as root:
            assert root.values().small(1, 2) == 3
        server.serve_forever()  # which ends, since nobody else can come
        server.close()
        eventually(lambda: not any(os.path.exists(f"/proc/self/fd/{fd}") for fd in pair))

    def test_connected_ends_with_the_server(self, pair: tuple[int, int]) -> None:
        files = descriptors()
        with mpipc.serve(f"fd:{pair[0]}", RealRoot()):
            root = mpipc.connect(f"fd:{pair[1]}", Root)
            values = root.values()
        with pytest.raises(mpipc.Disconnected):
            values.small(1, 2)
        mpipc.close(root)
        eventually(lambda: descriptors() == files - 2)

    def test_listening_stays_so_for_others_that_have_it(self, tmp_path: Path) -> None:
        """As systemd has it, which starts the service anew for the next client."""
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(tmp_path / "s"))
            listening.listen()
            for _ in range(2):
                with (
                    mpipc.serve(f"fd:{listening.dup().detach()}", RealRoot()),
                    mpipc.connect(f"unix:{tmp_path}/s", Root) as root,
                ):
                    assert root.values().small(1, 2) == 3
                assert (tmp_path / "s").exists()

    def test_inherited_by_a_child(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            fd = listening.fileno()
            with subprocess.Popen(
                [sys.executable, "-m", "tests.runtime.program", f"fd:{fd}"],
                cwd=ROOT, pass_fds=[fd], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            ) as child:  # fmt: skip
                host, port = listening.getsockname()
                with mpipc.connect(f"tcp:{host}:{port}", Root) as root:
                    assert root.process().pid() == child.pid
                child.stdin.close()  # type: ignore[union-attr]
                assert child.wait() == 0

    def test_that_is_none_is_refused(self, tmp_path: Path) -> None:
        reading, writing = os.pipe()
        for use in (
            lambda fd: mpipc.serve(f"fd:{fd}", RealRoot()),
            lambda fd: mpipc.connect(f"fd:{fd}", Root),
        ):
            with pytest.raises(mpipc.AddressError, match="the descriptor is no socket"):
                use(reading)
            with pytest.raises(mpipc.AddressError, match="Bad file descriptor"):
                use(1_000_000)
            with (
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams,
                pytest.raises(mpipc.AddressError, match="no stream socket"),
            ):
                use(datagrams.dup().detach())
        os.close(reading)
        os.close(writing)

    def test_listening_is_none_to_connect_to(self, tmp_path: Path) -> None:
        with (
            socket.create_server(("127.0.0.1", 0)) as listening,
            pytest.raises(mpipc.AddressError, match="the socket listens"),
        ):
            mpipc.connect(f"fd:{listening.dup().detach()}", Root)

    def test_beyond_this_machine_needs_protection(self) -> None:
        with (
            socket.create_server(("0.0.0.0", 0)) as listening,
            pytest.raises(mpipc.AddressError, match="needs certificates"),
        ):
            mpipc.serve(f"fd:{listening.dup().detach()}", RealRoot())


class TestWaiting:
    def test_a_server_whose_queue_is_full_is_waited_for(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as busy:
            busy.bind(str(tmp_path / "s"))
            busy.listen(0)
            with socket.socket(socket.AF_UNIX) as first:
                first.connect(str(tmp_path / "s"))
                with pytest.raises(mpipc.Timeout, match=r"did not answer within 0\.3 s"):
                    mpipc.connect(f"unix:{tmp_path}/s", Root, timeout=0.3)

    def test_many_connect_at_once(self, server: ServerProcess) -> None:
        roots = [mpipc.connect(server.address, Root) for _ in range(100)]
        assert [root.values().small(1, 2) for root in roots] == [3] * 100
        for root in roots:
            mpipc.close(root)
