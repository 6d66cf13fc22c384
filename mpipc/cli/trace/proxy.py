"""Standing between clients and a server: what each sends is passed on as it is, and recorded."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from contextlib import closing
from pathlib import Path

from mpipc.capnp.message import DEFAULT_LIMITS, Limits
from mpipc.cli.call import declared_modules
from mpipc.cli.usage import Usage
from mpipc.errors import AddressError, IpcError
from mpipc.ipc import address as addresses
from mpipc.ipc import peers, sockets
from mpipc.ipc.address import UnixAddress
from mpipc.ipc.client import dial
from mpipc.recording.catalogue import Catalogue
from mpipc.recording.decoder import Decoder
from mpipc.recording.records import File, Side

_PATIENCE = 10.0  # seconds until the server must have let the recorder in
_CHUNK = 1 << 16
_LIMITS: dict[Side, Limits] = {"client": DEFAULT_LIMITS, "server": DEFAULT_LIMITS}


def record(address: str, listen: str, output: Path, package: str) -> int:
    """Listen, connect each client to the server at `address`, and record until Ctrl-C; returns 1
    when the file could not be written. Raises Usage, IpcError."""
    where = addresses.parse(address, datadir=None, name="node")
    at = addresses.parse(listen, datadir=None, name="trace")
    if at.protection.certs:
        raise AddressError(f"{listen}: a recorder has no certificates: let it listen on unix:PATH")
    allowed = peers.admission(None, at.protection)
    modules = declared_modules(package)
    catalogue = Catalogue(lambda: modules)
    catalogue.look()
    try:
        file = File(output)
    except FileExistsError:
        raise Usage(f"{output} is there already: say another --output, or remove it") from None
    except OSError as e:
        raise Usage(f"{output}: {e.strerror}") from None
    with closing(file):
        sock, at = sockets.listen(at)
        print(f"recording on {at} into {output}", flush=True)
        start = time.monotonic()
        try:
            for number in itertools.count(1):
                client, _ = sock.accept()
                try:
                    if not allowed(peers.peer_of(client, at.protection, 1.0)):
                        raise AddressError("somebody else")
                    found = dial(where, None, _PATIENCE)
                    if found is None:
                        raise AddressError(f"nobody listens on {where}")
                except (IpcError, OSError) as e:
                    print(f"a client was refused: {e}", flush=True)
                    client.close()
                    continue
                decoder = Decoder(
                    catalogue, number, lambda: time.monotonic() - start, file.write, limits=_LIMITS
                )
                decoder.begin("client", str(where), "")
                _join(client, found.sock, decoder)
        except KeyboardInterrupt:
            pass
        finally:
            sock.close()
            if isinstance(at, UnixAddress):
                at.path.unlink(missing_ok=True)
    print(f"{file.count} records in {output}", flush=True)  # now that no more can come
    if file.error is not None:
        raise IpcError(f"{output}: {file.error.strerror}: what came then was not recorded")
    return 0


def _join(client: socket.socket, server: socket.socket, decoder: Decoder) -> None:
    client.setblocking(True)
    server.setblocking(True)
    ways: list[tuple[Side, socket.socket, socket.socket]] = [
        ("client", client, server), ("server", server, client),
    ]  # fmt: skip
    for sender, source, sink in ways:
        threading.Thread(target=_pass_on, args=[sender, source, sink, decoder], daemon=True).start()


def _pass_on(sender: Side, source: socket.socket, sink: socket.socket, decoder: Decoder) -> None:
    try:
        while True:
            data = source.recv(_CHUNK)
            if not data:
                break
            # Recorded before it is passed on: so the answer to it comes later in the file, too.
            decoder.feed(sender, data)
            sink.sendall(data)
    except OSError:
        pass  # one of the two has gone
    finally:
        for sock in (source, sink):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        decoder.end(sender)
