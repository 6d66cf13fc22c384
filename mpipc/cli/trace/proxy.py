"""Standing between clients and a server: what each sends is passed on as it is, and recorded."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from datetime import datetime, timezone
from pathlib import Path

from mpipc.cli.trace.catalogue import Catalogue
from mpipc.cli.trace.decoder import Decoder
from mpipc.cli.trace.records import File, Side, header
from mpipc.errors import AddressError, IpcError
from mpipc.ipc import address as addresses
from mpipc.ipc import peers, sockets
from mpipc.ipc.address import UnixAddress
from mpipc.ipc.client import dial

_PATIENCE = 10.0  # seconds until the server must have let the recorder in
_CHUNK = 1 << 16


def record(address: str, listen: str, output: Path, package: str) -> int:
    """Listen, connect each client to the server at `address`, and record until Ctrl-C."""
    where = addresses.parse(address, datadir=None, name="node")
    at = addresses.parse(listen, datadir=None, name="trace")
    if at.protection.certs:
        raise AddressError(f"{listen}: a recorder has no certificates: let it listen on unix:PATH")
    allowed = peers.admission(None, at.protection)
    catalogue = Catalogue(package)
    began = datetime.now(timezone.utc).isoformat(timespec="seconds")
    with File(output, header(package, str(where), began)) as file:
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
                decoder = Decoder(catalogue, number, lambda: time.monotonic() - start, file.write)
                _join(client, found[0], decoder)
        except KeyboardInterrupt:
            pass
        finally:
            sock.close()
            if isinstance(at, UnixAddress):
                at.path.unlink(missing_ok=True)
    print(f"{file.count} records in {output}", flush=True)  # now that no more can come
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
    except (OSError, ValueError):
        pass  # one of the two has gone, and the file may be closed
    finally:
        for sock in (source, sink):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        try:
            decoder.end(sender)
        except ValueError:
            pass  # the file is closed
