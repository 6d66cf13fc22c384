"""Who may talk: our own user by default, and whom `peers` names; on both sides of a connection."""

from __future__ import annotations

import asyncio
import grp
import os
import pwd
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

import mpipc
import mpipc.aio
from tests.runtime.declarations import Root
from tests.runtime.program import RealProcess, RealRoot

Script = Callable[..., "CompletedProcess[str]"]

NOBODY = pwd.getpwnam("nobody")
GROUP = grp.getgrgid(NOBODY.pw_gid).gr_name
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else as well")

# What a program needs is loaded before: somebody else may not read it.
SOMEBODY_ELSE = f"""
import os, resource, socket, sys
import encodings.idna
import mpipc
import mpipc.ipc.endpoints  # while the library can still be read
from mpipc.generate.load import generated_for
from tests.runtime.declarations import Root
from tests.runtime.program import RealRoot

generated_for(Root)
os.setgroups([])
os.setgid({NOBODY.pw_gid})
os.setuid({NOBODY.pw_uid})
"""
CLIENT = (
    SOMEBODY_ELSE
    + """
try:
    with mpipc.connect(sys.argv[1], Root) as root:
        print(root.values().small(1, 2))
except mpipc.IpcError as e:
    print(type(e).__name__, e)
"""
)
SERVER = (
    SOMEBODY_ELSE
    + """
with mpipc.serve(sys.argv[1], RealRoot(), peers=["root", "nobody"]) as server:
    print("ready", flush=True)
    print(server.address, flush=True)
    sys.stdin.read()
"""
)


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that others can enter."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        yield Path(directory)


@pytest.fixture(params=["unix", "tcp"])
def address(request: pytest.FixtureRequest, place: Path) -> str:
    return f"unix:{place}/s" if request.param == "unix" else "tcp:127.0.0.1:0"


def works(address: str, **options: Any) -> bool:
    with mpipc.connect(address, Root, **options) as root:
        return root.values().small(1, 2) == 3


@as_root
class TestSomebodyElse:
    def test_cannot_open_the_socket_file(self, place: Path, script: Script) -> None:
        with mpipc.serve(f"unix:{place}/s", RealRoot()) as server:
            said = script(CLIENT, server.address).stdout
        assert said == f"AddressError cannot connect to {server.address}: Permission denied\n"

    def test_is_refused_by_the_server(
        self, address: str, script: Script, caplog: pytest.LogCaptureFixture
    ) -> None:
        with mpipc.serve(address, RealRoot()) as server:
            if address.startswith("unix:"):
                os.chmod(address.removeprefix("unix:"), 0o666)  # as if that were all
            # Else the client refuses first, since the server is not its own user either.
            trusting = CLIENT.replace("Root) as", "Root, peers=['root']) as")
            said = script(trusting, server.address).stdout
            assert works(server.address)
        who = f"user nobody ({NOBODY.pw_uid})"
        assert said.startswith(f"Disconnected {server.address}: the other end gave up: ")
        assert who in said and f"may not talk to {server.address}" in said
        assert f"refused a client of {server.address}: {who}" in caplog.text

    def test_is_no_server_for_us(self, address: str, place: Path, client: Any) -> None:
        os.chown(place, NOBODY.pw_uid, NOBODY.pw_gid)
        other = client(SERVER, address)
        address = other.stdout.readline().strip()
        with pytest.raises(mpipc.AddressError) as caught:
            works(address)
        assert f"user nobody ({NOBODY.pw_uid})" in str(caught.value)
        assert "serves there, who is not trusted: see `peers`" in str(caught.value)
        # Unless we say that it is.
        assert works(address, peers=["nobody"])
        assert works(address, peers=[NOBODY.pw_uid])
        assert works(address, peers=[f"@{GROUP}"])
        with pytest.raises(mpipc.AddressError, match="not trusted"):
            works(address, peers=["root", "daemon"])

    def test_may_come_when_it_is_named(self, address: str, script: Script) -> None:
        named: list[list[str | int]] = [["nobody"], ["root", NOBODY.pw_uid], [f"@{GROUP}"]]
        for peers in named:
            trusting = CLIENT.replace("Root) as", "Root, peers=['root']) as")
            with mpipc.serve(address, RealRoot(), peers=peers) as server:
                assert script(trusting, server.address).stdout == "3\n"
                if "root" not in peers:
                    with pytest.raises(mpipc.Disconnected, match=r"user root \(0\).* may not talk"):
                        works(server.address)

    def test_cannot_take_all_connections(self, place: Path, client: Any) -> None:
        peers: list[str | int] = ["root", "nobody"]
        address = f"unix:{place}/s"
        with mpipc.serve(address, RealRoot(), peers=peers, max_connections_per_peer=3):
            client(
                SOMEBODY_ELSE
                + """
kept = []
try:
    while True:
        kept.append(mpipc.connect(sys.argv[1], Root, peers=["root"]))
except mpipc.Disconnected as e:
    assert len(kept) == 3 and "more than 3 connections of user nobody" in str(e), e
    print("ready", flush=True)
sys.stdin.read()
""",
                address,
            )
            assert works(address)

    def test_goes_on_when_it_may_have_threads_again(self, place: Path, script: Script) -> None:
        """A limit of the system's, which root does not have."""
        os.chown(place, NOBODY.pw_uid, NOBODY.pw_gid)
        done = script(
            SOMEBODY_ELSE
            + """
with mpipc.serve(sys.argv[1], RealRoot()) as server:
    with mpipc.connect(sys.argv[1], Root) as root:
        values = root.values()
        _, most = resource.getrlimit(resource.RLIMIT_NPROC)
        resource.setrlimit(resource.RLIMIT_NPROC, (1, most))
        for _ in range(3):
            with socket.socket(socket.AF_UNIX) as raw:
                raw.connect(sys.argv[1][5:])
                assert b"can't start new thread" in raw.recv(1000)
        assert values.small(1, 2) == 3
        resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
    with mpipc.connect(sys.argv[1], Root) as root:
        print(root.values().small(1, 2))
""",
            f"unix:{place}/s",
        )
        assert done.stdout == "3\n", done.stderr

    def test_cannot_lead_us_elsewhere(self, place: Path) -> None:
        """A link of somebody else's, even to a server of ours, is not followed."""
        os.chmod(place, 0o1777)
        with mpipc.serve(f"unix:{place}/s", RealRoot()):
            os.symlink(place / "s", place / "link")
            assert works(f"unix:{place}/link")
            os.lchown(place / "link", NOBODY.pw_uid, NOBODY.pw_gid)
            with pytest.raises(mpipc.AddressError, match=f"belongs to user {NOBODY.pw_uid}"):
                works(f"unix:{place}/link")
            os.mkdir(place / "real", 0o700)
            os.symlink(place / "real", place / "there")
            with mpipc.serve(f"unix:{place}/real/s", RealRoot()):
                assert works(f"unix:{place}/there/s")
                os.lchown(place / "there", NOBODY.pw_uid, NOBODY.pw_gid)
                with pytest.raises(mpipc.AddressError, match=f"{place}/there belongs to user"):
                    works(f"unix:{place}/there/s")
                assert works(f"unix:{place}/real/s")

    def test_does_not_learn_more_over_insecure_tcp(self, script: Script) -> None:
        """There nobody knows anybody, which is why it must be asked for."""
        with mpipc.serve("tcp:127.0.0.1:0?insecure", RealRoot()) as server:
            assert script(CLIENT, server.address).stdout == "3\n"


class TestPeers:
    def test_a_function_is_told_who_it_is(self, address: str) -> None:
        seen: list[mpipc.Peer] = []

        def allow(peer: mpipc.Peer) -> bool:
            seen.append(peer)
            return len(seen) % 2 == 1

        with mpipc.serve(address, RealRoot(), peers=allow) as server:
            assert works(server.address)
            with pytest.raises(mpipc.Disconnected, match="may not talk"):
                works(server.address)
            assert works(server.address)
        unix = address.startswith("unix:")
        us = mpipc.Peer(os.getpid(), os.getuid(), os.getgid()) if unix else None
        assert seen == [us or mpipc.Peer(uid=os.getuid())] * 3

    def test_a_client_asks_as_well(self, address: str) -> None:
        with mpipc.serve(address, RealRoot()) as server:
            assert works(server.address, peers=lambda peer: peer.uid == os.getuid())
            with pytest.raises(mpipc.AddressError, match="not trusted"):
                works(server.address, peers=lambda peer: False)
            with pytest.raises(mpipc.AddressError, match="not trusted"):
                works(server.address, peers=[])

    def test_a_function_that_fails_lets_nobody_in(self, address: str) -> None:
        def allow(peer: mpipc.Peer) -> bool:
            raise KeyError("who?")

        with (
            mpipc.serve(address, RealRoot(), peers=allow) as server,
            pytest.raises(mpipc.Disconnected, match=r"nobody can say .* may talk \(KeyError\)"),
        ):
            works(server.address)

    def test_who_does_not_exist_is_an_error_at_once(self, tmp_path: Path) -> None:
        wrong: dict[Any, str] = {
            ("no such user",): "there is no user 'no such user'",
            ("@no such group",): "there is no group 'no such group'",
            "root": r'a list is expected: \["root"\]',
        }
        for peers, why in wrong.items():
            with pytest.raises(mpipc.AddressError, match=why):
                mpipc.serve(f"unix:{tmp_path}/s", RealRoot(), peers=peers)
            with pytest.raises(mpipc.AddressError, match=why):
                mpipc.connect(f"unix:{tmp_path}/s", Root, peers=peers)
        assert not (tmp_path / "s").exists()


class TestRootPerPeer:
    """A function instead of an object: what each client gets."""

    def test_each_client_gets_its_own(self, tmp_path: Path) -> None:
        made: list[RealRoot] = []

        def root_for(peer: mpipc.Peer) -> RealRoot:
            assert peer.pid == os.getpid()
            made.append(RealRoot())
            return made[-1]

        with (
            mpipc.serve(f"unix:{tmp_path}/s", root_for) as server,
            mpipc.connect(server.address, Root) as first,
            mpipc.connect(server.address, Root) as second,
        ):
            first.gates().open("a")
            assert first.gates().wait("a") == "a"
            assert (first.gates().passed("a"), second.gates().passed("a")) == (1, 0)
        assert len(made) == 2

    def test_a_client_is_refused_with_the_reason(self, tmp_path: Path) -> None:
        def root_for(peer: mpipc.Peer) -> RealRoot:
            raise PermissionError("not on Sundays")

        with mpipc.serve(f"unix:{tmp_path}/s", root_for) as server:
            for _ in range(2):
                with pytest.raises(mpipc.Disconnected, match="PermissionError: not on Sundays"):
                    works(server.address)


@pytest.mark.parametrize("address", ["unix:s", "tcp:127.0.0.1:0"])
def test_a_client_knows_who_calls_it_back(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    expected = (os.getpid() if address == "unix:s" else None, os.getuid())

    async def asked(address: str) -> object:
        async with mpipc.aio.connect(address, Root) as root:
            process = await mpipc.aio.call(root.process)
            return await mpipc.aio.call(process.ask, RealProcess())

    with mpipc.serve(address, RealRoot()) as server:
        with mpipc.connect(server.address, Root) as root:
            assert root.process().ask(RealProcess()) == expected
        assert asyncio.run(asked(server.address)) == expected
