"""TCP with TLS: who has a certificate may talk, everybody else is told why not."""

from __future__ import annotations

import socket
import ssl
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

import mpipc
from mpipc.cli import main
from mpipc.cli.certs import Authority
from mpipc.ipc import tls
from tests import rpc_schema
from tests.rpc_peer import built
from tests.runtime.declarations import Root
from tests.runtime.program import RealRoot
from tests.runtime.support import PATIENCE, Running, descriptors, eventually


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates of every kind, each in a directory of its name."""
    directory = tmp_path_factory.mktemp("tls") / "certs"
    assert main(["certs", str(directory), "server=localhost,127.0.0.1", "alice", "bob"]) == 0
    assert main(["certs", str(directory), "elsewhere=example.org,192.0.2.1"]) == 0
    assert main(["certs", str(directory / "other"), "server=127.0.0.1", "mallory"]) == 0
    authority = Authority(directory)
    authority.issue("late", [], 0)
    authority.issue("late-server", ["127.0.0.1"], 0)
    return directory


@pytest.fixture
def serve(certs: Path) -> Callable[..., mpipc.Server]:
    def serve(name: str = "server", **options: Any) -> mpipc.Server:
        return mpipc.serve(f"tcp:127.0.0.1:0?certs={certs / name}", RealRoot(), **options)

    return serve


@pytest.fixture
def connect(certs: Path) -> Callable[..., Any]:
    def connect(
        server: mpipc.Server, name: str = "alice", host: str = "127.0.0.1", **o: Any
    ) -> Any:
        return mpipc.connect(f"tcp:{host}:{port(server)}?certs={certs / name}", Root, **o)

    return connect


def port(server: mpipc.Server) -> int:
    return int(server.address.partition("?")[0].rpartition(":")[2])


def works(root: Any) -> bool:
    with root:
        return bool(root.values().small(1, 2) == 3)


Serve = Callable[..., mpipc.Server]
Connect = Callable[..., Any]


class TestCertificates:
    def test_keys_are_private(self, certs: Path) -> None:
        keys = [certs / "ca.key", certs / "server" / "key.pem", certs / "alice" / "key.pem"]
        assert [stat.S_IMODE(key.stat().st_mode) for key in keys] == [0o600] * 3
        assert stat.S_IMODE(certs.stat().st_mode) == 0o700
        assert sorted(path.name for path in (certs / "alice").iterdir()) == [
            "ca.pem", "cert.pem", "key.pem",
        ]  # fmt: skip

    def test_what_to_copy_is_said(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        directory = tmp_path / "c"
        assert main(["certs", str(directory), "web=a.example,::1", "alice", "--days", "7"]) == 0
        said = capsys.readouterr().out.splitlines()
        assert said[0] == f"made {directory}/web for a server that clients reach as a.example, ::1"
        assert said[1] == f"made {directory}/alice for a client"
        assert "Copy each" in said[2] and f"Keep {directory}/ca.key here" in said[3]

    def test_the_authority_stays_and_certificates_are_renewed(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        arguments = ["certs", str(tmp_path / "c"), "alice"]
        assert main(arguments) == 0
        before = [(tmp_path / "c" / name).read_bytes() for name in ("ca.pem", "alice/cert.pem")]
        assert main(arguments) == 0
        after = [(tmp_path / "c" / name).read_bytes() for name in ("ca.pem", "alice/cert.pem")]
        assert before[0] == after[0] and before[1] != after[1]

    def test_mistakes_are_said(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "file").touch()
        for arguments, why in [
            (["certs", str(tmp_path / "c"), "../alice"], "a name has letters, digits, - and _"),
            (["certs", str(tmp_path / "c"), "alice", "--days", "0"], "for a day at least"),
            (["certs", str(tmp_path / "file"), "alice"], "File exists"),
        ]:
            assert main(arguments) == 1
            assert why in capsys.readouterr().err
        assert not (tmp_path / "c").exists()

    def test_a_directory_is_checked_at_once(self, certs: Path, tmp_path: Path) -> None:
        mine = tmp_path / "mine"

        def why() -> str:
            with pytest.raises(mpipc.AddressError) as first:
                mpipc.serve(f"tcp:127.0.0.1:0?certs={mine}", RealRoot())
            with pytest.raises(mpipc.AddressError) as second:
                mpipc.connect(f"tcp:127.0.0.1:1?certs={mine}", Root)
            assert str(first.value) == str(second.value)
            return str(first.value)

        assert why() == (
            f"{mine}: No such file or directory; expected ca.pem, cert.pem and key.pem, as"
            " `mpipc certs` makes them"
        )
        mine.mkdir()
        for name in ("ca.pem", "cert.pem", "key.pem"):
            (mine / name).write_bytes((certs / "alice" / name).read_bytes())
        (mine / "key.pem").chmod(0o640)
        assert why() == f"{mine}/key.pem: others can read this key (mode 0640, expected 0600)"
        (mine / "key.pem").chmod(0o600)
        (mine / "cert.pem").write_bytes((certs / "bob" / "cert.pem").read_bytes())
        assert "the certificates are damaged: key values mismatch" in why()
        (mine / "cert.pem").write_text("nothing")
        assert "the certificates are damaged" in why()


class TestTalking:
    def test_calls_callbacks_and_much_data(self, serve: Serve, connect: Connect) -> None:
        files = descriptors()
        with serve() as server:
            assert "?certs=" in server.address
            with connect(server) as root:
                assert root.callbacks().call(lambda value: value + 1, 1) == 2
                data = bytes(range(256)) * (1 << 12)

                def work() -> int:
                    return int(root.callbacks().exchange(lambda got: got * 2, data * 5, 1))

                for running in [Running(work) for _ in range(4)]:
                    assert running.result() == 10 * len(data)
            assert works(connect(server, "bob", "localhost"))
        eventually(lambda: descriptors() == files)
        eventually(lambda: not [t for t in threading.enumerate() if "mpipc-tls" in t.name])

    def test_who_it_is_stands_in_the_certificate(self, serve: Serve, connect: Connect) -> None:
        seen: list[mpipc.Peer] = []

        def allow(peer: mpipc.Peer) -> bool:
            seen.append(peer)
            return True

        with serve(peers=allow) as server:
            assert works(connect(server, peers=["server"]))
            with pytest.raises(mpipc.AddressError, match="certificate server serves there"):
                connect(server, peers=["another"])
        assert set(seen) == {mpipc.Peer(name="alice")}

    def test_only_those_who_are_named(self, serve: Serve, connect: Connect) -> None:
        with serve(peers=["alice"]) as server:
            assert works(connect(server))
            with pytest.raises(mpipc.Disconnected, match="certificate bob may not talk to tcp:"):
                connect(server, "bob")
            assert works(connect(server))

    def test_connections_of_one_certificate_are_counted(
        self, serve: Serve, connect: Connect
    ) -> None:
        with serve(max_connections_per_peer=2) as server:
            kept = [connect(server), connect(server)]
            with pytest.raises(mpipc.Disconnected, match="more than 2 connections of certificate"):
                connect(server)
            assert works(connect(server, "bob"))
            for root in kept:
                assert works(root)

    def test_one_connection_too_many_is_refused(self, serve: Serve, connect: Connect) -> None:
        with serve(max_connections=2) as server:
            kept = [connect(server), connect(server, "bob")]
            for _ in range(3):
                with pytest.raises(mpipc.Disconnected, match="more than 2 connections"):
                    connect(server)
            for root in kept:
                assert works(root)

    def test_both_ends_learn_when_the_other_one_goes(self, serve: Serve, connect: Connect) -> None:
        with serve() as server:
            root = connect(server)
            objects, gates = root.objects(), root.gates()
            other = connect(server, "bob")
            things = other.objects().make_many(3)
            assert len(objects.alive()) == 3
            waiting = Running(lambda: gates.wait("never"))
            eventually(lambda: gates.waiting("never") == 1)
            mpipc.close(other)
            eventually(lambda: objects.alive() == [])
            server.close()
            with pytest.raises(mpipc.Disconnected, match="the other end closed the connection"):
                waiting.result()
            del things

    def test_what_is_inside_is_the_protocol_itself(self, serve: Serve, certs: Path) -> None:
        """So that another program can do the TLS."""
        context = tls.context(certs / "alice", server=False)
        with serve() as server, socket.create_connection(("127.0.0.1", port(server))) as plain:
            plain.settimeout(PATIENCE)
            with context.wrap_socket(plain, server_hostname="localhost") as wrapped:
                wrapped.send(built(lambda message: message.init("bootstrap")))
                answer = rpc_schema.read(wrapped.recv(1 << 10))
                assert "results" in answer["return"]

    def test_an_inherited_socket(self, certs: Path, connect: Connect) -> None:
        with socket.create_server(("0.0.0.0", 0)) as listening:
            fd = listening.dup().detach()
            with mpipc.serve(f"fd:{fd}?certs={certs / 'server'}", RealRoot()):
                address = f"tcp:127.0.0.1:{listening.getsockname()[1]}?certs={certs / 'alice'}"
                assert works(mpipc.connect(address, Root))


def refused_on_both_sides(
    server: mpipc.Server, connecting: Any, log: pytest.LogCaptureFixture
) -> tuple[str, str]:
    """What the client and the server say."""
    log.clear()
    with pytest.raises(mpipc.IpcError) as caught:
        connecting()
    eventually(lambda: log.records)
    (record,) = [r for r in log.records if r.getMessage().startswith("refused a client")]
    return str(caught.value), record.getMessage()


class TestHandshakes:
    """Those that say nothing have no certificate yet, and keep nobody out."""

    @pytest.fixture
    def silent(self) -> Any:
        sockets: list[socket.socket] = []

        def connected(server: mpipc.Server, said: bytes) -> socket.socket:
            sockets.append(socket.create_connection(("127.0.0.1", port(server)), PATIENCE))
            sockets[-1].sendall(said)
            return sockets[-1]

        yield connected
        for each in sockets:
            each.close()

    @pytest.mark.parametrize("said", [b"", b"\x16"], ids=["nothing", "its first byte"])
    def test_silent_ones_keep_nobody_out(
        self, serve: Serve, connect: Connect, silent: Any, said: bytes, caplog: Any
    ) -> None:
        with serve(max_connections=3, construct_timeout=PATIENCE) as server:
            with connect(server) as honest:
                flood = [silent(server, said) for _ in range(40)]
                assert works(connect(server))
                assert works(connect(server))
                assert honest.values().small(1, 2) == 3
                for each in flood[:20]:  # those that were there first
                    assert each.recv(1 << 10) == b""
            assert "more than 16 clients without a certificate yet" in caplog.text

    def test_closing_the_server_ends_them(self, serve: Serve, silent: Any) -> None:
        with serve(construct_timeout=10 * PATIENCE) as server:
            clients = [silent(server, said) for said in (b"", b"\x16", b"\x16\x03\x01")]
            eventually(lambda: len(handshakes()) == 3)
        for each in clients:
            assert each.recv(1 << 10) == b""
        eventually(lambda: not handshakes())


def handshakes() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("mpipc-tls")]


class TestRefused:
    """Each with the reason on both sides; an honest client is served before, during and after."""

    @pytest.fixture(autouse=True)
    def server(self, serve: Serve, connect: Connect) -> Any:
        with serve(construct_timeout=0.5) as server, connect(server) as honest:
            yield server
            assert honest.values().small(1, 2) == 3
            assert works(connect(server))

    CLIENTS: ClassVar = {
        "mallory": ("unknown ca", "unable to get local issuer certificate"),
        "late": ("certificate expired", "certificate has expired"),
    }

    @pytest.mark.parametrize("name", CLIENTS)
    def test_a_client_whose_certificate_is_no_good(
        self, server: Any, connect: Connect, name: str, caplog: Any, certs: Path, tmp_path: Path
    ) -> None:
        where = name if name == "late" else "other/mallory"
        # It trusts the server: what is tested is that the server does not trust it.
        for file in ("cert.pem", "key.pem"):
            (tmp_path / file).write_bytes((certs / where / file).read_bytes())
        (tmp_path / "key.pem").chmod(0o600)
        (tmp_path / "ca.pem").write_bytes((certs / "ca.pem").read_bytes())
        theirs, ours = self.CLIENTS[name]
        client, log = refused_on_both_sides(server, lambda: connect(server, tmp_path), caplog)
        assert f"the other end refused our certificate: {theirs}" in client
        assert f"the other end's certificate is refused: {ours}" in log

    def test_a_client_of_another_authority(
        self, server: Any, connect: Connect, caplog: Any
    ) -> None:
        client, log = refused_on_both_sides(
            server, lambda: connect(server, "other/mallory"), caplog
        )
        assert "the other end's certificate is refused: self-signed certificate in" in client or (
            "the other end's certificate is refused: unable to get local issuer" in client
        )
        assert "the other end refused our certificate: unknown ca" in log

    def test_a_client_in_plain_text(self, server: Any, caplog: Any) -> None:
        client, log = refused_on_both_sides(
            server, lambda: mpipc.connect(f"tcp:127.0.0.1:{port(server)}?insecure", Root), caplog
        )
        for said in (client, log):
            assert "127.0.0.1" in said and "is for clients with certificates (TLS)" in said

    def test_a_client_without_a_certificate(self, server: Any, certs: Path, caplog: Any) -> None:
        context = ssl.create_default_context(cafile=certs / "ca.pem")
        with socket.create_connection(("127.0.0.1", port(server))) as plain:
            plain.settimeout(PATIENCE)
            with (
                context.wrap_socket(plain, server_hostname="localhost") as wrapped,
                pytest.raises(ssl.SSLError, match="ALERT_CERTIFICATE_REQUIRED"),
            ):
                wrapped.recv(1)
        eventually(lambda: "the other end has shown no certificate" in caplog.text)

    def test_a_client_with_an_older_tls(self, server: Any, certs: Path, caplog: Any) -> None:
        context = tls.context(certs / "alice", server=False)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
        with socket.create_connection(("127.0.0.1", port(server))) as plain:
            plain.settimeout(PATIENCE)
            with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
                context.wrap_socket(plain, server_hostname="localhost")
        eventually(lambda: "refused a client" in caplog.text)

    @pytest.mark.parametrize("greeting", [b"", b"\x16", b"\x16\x03\x01\x00\xff\x01"], ids=len)
    def test_a_client_that_says_nothing(self, server: Any, greeting: bytes, caplog: Any) -> None:
        with socket.create_connection(("127.0.0.1", port(server))) as plain:
            plain.settimeout(PATIENCE)
            plain.send(greeting)
            while plain.recv(1 << 10):
                pass
        eventually(lambda: "no TLS handshake within 0.5 s" in caplog.text)

    @pytest.mark.parametrize("greeting", [b"\x16" * 1000, b"\x16\x03\x01\x00\x04junk"], ids=len)
    def test_a_client_that_talks_nonsense(self, server: Any, greeting: bytes, caplog: Any) -> None:
        with socket.create_connection(("127.0.0.1", port(server))) as plain:
            plain.settimeout(PATIENCE)
            plain.send(greeting)
            try:
                while plain.recv(1 << 10):
                    pass
            except ConnectionResetError:
                pass
        eventually(lambda: "refused a client" in caplog.text)


class TestServersThatAreRefused:
    WRONG: ClassVar = {
        "late-server": "certificate has expired",
        "elsewhere": "IP address mismatch, certificate is not valid for '127.0.0.1'",
        "bob": "unsuitable certificate purpose",
    }

    @pytest.mark.parametrize("name", WRONG)
    def test_a_server_whose_certificate_is_no_good(
        self, serve: Serve, connect: Connect, name: str, caplog: Any
    ) -> None:
        with serve(name) as server:
            client, log = refused_on_both_sides(server, lambda: connect(server), caplog)
        assert f"the other end's certificate is refused: {self.WRONG[name]}" in client
        assert "the other end refused our certificate" in log

    def test_a_server_in_plain_text(self, connect: Connect, caplog: Any) -> None:
        with mpipc.serve("tcp:127.0.0.1:0", RealRoot()) as server:
            with pytest.raises(mpipc.AddressError, match="the other end does not speak TLS"):
                connect(server)
            assert works(mpipc.connect(server.address, Root))
        assert "not a Cap'n Proto message" in caplog.text

    def test_a_server_that_says_nothing(self, certs: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            address = f"tcp:127.0.0.1:{silent.getsockname()[1]}?certs={certs / 'alice'}"
            with pytest.raises(mpipc.IpcError, match=r"within|in time"):
                mpipc.connect(address, Root, timeout=0.3)
