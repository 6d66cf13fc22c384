"""What stands between a client and a server, and passes on what they say, or something else."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from fcntl import ioctl
from struct import unpack
from termios import FIONREAD

_CHUNK = 1 << 16
_SMALL = 1 << 12  # what is larger is a part of a large message


class Relay:
    """Listens on one unix socket, and connects each client to another one."""

    def __init__(self, path: str, server: str) -> None:
        self.address = f"unix:{path}"
        self.piece = _CHUNK
        """How many bytes it passes on at a time."""

        self._server = server
        self._flows = threading.Event()
        self._flows.set()
        self.jams = False
        """Whether the first large message stays in it, as `freeze` does with all."""

        self._closed = False
        self._sockets: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def client(self) -> socket.socket | None:
        """Its end of the connection to the latest client."""
        return self._sockets[-2] if len(self._sockets) > 1 else None

    def unread(self) -> int:
        """How many bytes of the latest client's are waiting."""
        if self.client is None:
            return 0
        count: int = unpack("i", ioctl(self.client.fileno(), FIONREAD, bytes(4)))[0]
        return count

    def freeze(self) -> None:
        """Pass nothing on, until `thaw`."""
        self._flows.clear()

    def thaw(self) -> None:
        self._flows.set()

    def inject(self, data: bytes) -> None:
        """Say something to the latest client in the server's name."""
        assert self.client is not None
        with suppress(OSError):
            self.client.sendall(data)

    def hang_up(self) -> None:
        for sock in self._sockets:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self.thaw()

    def close(self) -> None:
        self._closed = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self.hang_up()
        for thread in self._threads:
            thread.join()
        for sock in (self._listener, *self._sockets):
            sock.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            self._sockets += [client, server]
            server.connect(self._server.removeprefix("unix:"))
            for source, target in ((client, server), (server, client)):
                self._threads.append(
                    threading.Thread(target=self._pass_on, args=(source, target), daemon=True)
                )
                self._threads[-1].start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := self._received(source):
                for at in range(0, len(data), self.piece):
                    target.sendall(data[at : at + self.piece])
        for sock in (source, target):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _received(self, source: socket.socket) -> bytes:
        data = source.recv(_CHUNK)
        if self.jams and len(data) > _SMALL:
            self.jams = False
            self.freeze()
        if data:
            self._flows.wait()
        return data
