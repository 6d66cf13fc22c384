"""What a process says of itself, as to systemd: sd_notify(3), the other end of it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path


class Notifications:
    """A socket that a process is told of in NOTIFY_SOCKET. Only who may enter the directory can
    write to it."""

    def __init__(self, directory: Path, name: str) -> None:
        self._path = directory / name
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.setblocking(False)
        self._sock.bind(str(self._path))

    @property
    def address(self) -> str:
        return str(self._path)

    def fileno(self) -> int:
        return self._sock.fileno()

    def read(self) -> Iterator[str]:
        """What was said since the last time, as lines: READY=1."""
        while True:
            try:
                data = self._sock.recv(4096)
            except BlockingIOError:
                return
            yield from data.decode(errors="replace").splitlines()

    def close(self) -> None:
        self._sock.close()
        self._path.unlink(missing_ok=True)


def environment(
    given: dict[str, str] | None, notifications: Notifications | None, watchdog: float | None
) -> dict[str, str]:
    """The environment of a process. What somebody told this process is not for its children, also
    where they are given a copy of its environment."""
    found = dict(os.environ if given is None else given)
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS",
                 "LISTEN_FDNAMES"):  # fmt: skip
        if found.get(name) == os.environ.get(name):
            found.pop(name, None)
    if notifications is not None:
        found["NOTIFY_SOCKET"] = notifications.address
    if watchdog is not None:
        found["WATCHDOG_USEC"] = str(int(watchdog * 1_000_000))
    return found
