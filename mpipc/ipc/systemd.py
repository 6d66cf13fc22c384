"""Sockets that systemd passes on, and telling it how a service is: sd_listen_fds(3), sd_notify(3)
and sd_watchdog_enabled(3), which are a few environment variables. A supervisor does the same.
"""

from __future__ import annotations

import os
import socket
import threading

from mpipc.errors import AddressError

_FIRST = 3


def descriptor(name: str) -> int:
    """The descriptor of the socket that systemd listens on for this process; "" where there is
    only one. Raises AddressError."""
    environment = os.environ
    if environment.get("LISTEN_PID") != str(os.getpid()):
        raise AddressError("systemd: this process was given no sockets (LISTEN_PID)")
    count = environment.get("LISTEN_FDS", "")
    if not count.isdecimal() or not int(count):
        raise AddressError("systemd: this process was given no sockets (LISTEN_FDS)")
    names = environment.get("LISTEN_FDNAMES", "").split(":")
    names += [""] * (int(count) - len(names))
    if not name:
        if int(count) > 1:
            raise AddressError(f"systemd: there are {count} sockets: use systemd:NAME, where NAME"
                               f" is the FileDescriptorName of one: {names}")  # fmt: skip
        return _FIRST
    if names.count(name) != 1:
        raise AddressError(f"systemd:{name}: {names.count(name)} of the sockets {names} are"
                           " called so")  # fmt: skip
    return _FIRST + names.index(name)


def notify(state: str) -> None:
    """Tell systemd what state the service is in, if it wants to know; `state` as in sd_notify."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.sendto(state.encode(), f"\0{path[1:]}" if path[0] == "@" else path)
        except OSError:
            pass  # nobody listens, which is no reason not to serve


def watchdog_interval() -> float | None:
    """Seconds after which to say WATCHDOG=1 again; None when nobody waits for it."""
    environment = os.environ
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    microseconds = environment.get("WATCHDOG_USEC", "")
    if not microseconds.isdecimal() or not int(microseconds):
        return None
    return int(microseconds) / 2_000_000


def attend(ended: threading.Event) -> None:
    """Say that the service is ready, that it is alive until it ends, and that it stops then."""
    notify("READY=1")
    interval = watchdog_interval()
    try:
        while not ended.wait(interval):
            notify("WATCHDOG=1")
    finally:
        notify("STOPPING=1")
