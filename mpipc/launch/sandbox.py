"""`mpipc.Sandbox`: what a program may do, which was started by `mpipc.spawn` or a supervisor."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

StrPath = str | os.PathLike[str]

_SYSTEM = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"]
# What C libraries look up, whatever the program is.
_SETTINGS = [
    "ld.so.cache",
    "ld.so.preload",
    "localtime",
    "timezone",
    "locale.alias",
    "ssl/openssl.cnf",
]
_NETWORK = ["hosts", "host.conf", "resolv.conf", "nsswitch.conf", "gai.conf", "services",
            "protocols", "ssl"]  # fmt: skip
_DEVICES = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"]
_ANY_VERSION = 1 << 30


class Sandbox(msgspec.Struct, frozen=True, kw_only=True):
    """What a program may do; what is not named here it may not. On Linux.

    It keeps its standard streams and the connection to its parent, and can read the system's
    libraries, Python's and mpipc's. Files of its own it has in a directory that is removed when it
    ends (TMPDIR).

    `readable`      files and directories that it may read, with all that is beneath.
    `writable`      those that it may read, write, make and remove as well.
    `tcp_connect`   ports that it may connect to; `tcp_bind`: that it may listen on.
    `unix_sockets`  whether it may make unix sockets: to connect to any that its user can, and to
                    listen in a writable directory.
    `network`       whether it may use networks, and sockets of every kind, without limits.
    `processes`     how many processes it may start, at once; 0: none. It needs another user than
                    root, of whom the kernel counts all processes and threads.
    `memory`        bytes of address space for each process; None: as many as there are.
    `cpu_time`      seconds of processor time for each process, until it is ended; None: any.
    `files`         descriptors that it may have open at once.
    `file_size`     bytes of the largest file that it may write; None: any.
    `required`      False: where the system cannot do all of this, do what it can. By default a
                    program is not started then: SandboxError.

    Raises ValueError for a number that makes no sense.
    """

    readable: Sequence[StrPath] = ()
    writable: Sequence[StrPath] = ()
    tcp_connect: Sequence[int] = ()
    tcp_bind: Sequence[int] = ()
    unix_sockets: bool = False
    network: bool = False
    processes: int = 0
    memory: int | None = None
    cpu_time: int | None = None
    files: int = 256
    file_size: int | None = None
    required: bool = True

    def __post_init__(self) -> None:
        for paths in (self.readable, self.writable):
            if isinstance(paths, (str, os.PathLike)):
                raise ValueError(f"{paths!r}: a list of paths is wanted")
        for port in (*self.tcp_connect, *self.tcp_bind):
            if not 0 <= port < 1 << 16:
                raise ValueError(f"{port} is no port")
        for name in ("processes", "memory", "cpu_time", "files", "file_size"):
            value = getattr(self, name)
            if value is not None and value < (name != "processes"):
                raise ValueError(f"{name}={value} makes no sense")

    def plan(self, temporary: str) -> dict[str, Any]:
        """For the launcher. `temporary`: the program's directory for files of its own."""
        package = Path(__file__).parent.parent
        limits = {
            "RLIMIT_AS": self.memory,
            "RLIMIT_CPU": self.cpu_time,
            "RLIMIT_NOFILE": self.files,
            "RLIMIT_FSIZE": self.file_size,
            "RLIMIT_CORE": 0,
        }
        tcp = bool(self.network or self.tcp_bind or self.tcp_connect)
        settings = _SETTINGS + (_NETWORK if tcp else [])
        return {
            "programs": _SYSTEM,
            "libraries": [*_python(), str(package), *(f"/etc/{name}" for name in settings)],
            # Python looks for packages by listing the directories that they may be in.
            "listed": [str(package.parent)],
            "devices": _DEVICES,
            "readable": [os.path.abspath(path) for path in self.readable],
            "writable": [temporary, *(os.path.abspath(path) for path in self.writable)],
            "tcp_connect": list(self.tcp_connect),
            "tcp_bind": list(self.tcp_bind),
            "unix_sockets": self.unix_sockets,
            "network": self.network,
            "processes": self.processes,
            "limits": {name: value for name, value in limits.items() if value is not None},
            "required": self.required,
            "newest": _ANY_VERSION,
        }


def _python() -> list[str]:
    """Where this Python's own modules and installed packages are."""
    found = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    found.update(sysconfig.get_paths().values())
    return sorted(found)
