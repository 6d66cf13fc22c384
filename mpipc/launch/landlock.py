"""Which files and TCP ports a process can reach: Linux's Landlock (landlock(7)), by its system
calls. Imported by the launcher: the standard library alone.

The packages for it are pre-releases that nobody maintains, and it is three system calls.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable
from struct import pack

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446  # the same on every architecture
_VERSION = 1
_PATH, _PORT = 1, 2  # kinds of rules

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = (1 << bit for bit in range(4))
_MAKE_CHAR, _MAKE_BLOCK = 1 << 6, 1 << 11
REFER, TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
READ = READ_FILE | READ_DIR
_ALL = (1 << 16) - 1
# Everything but to run programs, and to make and control devices.
WRITE = _ALL & ~(EXECUTE | _MAKE_CHAR | _MAKE_BLOCK | _IOCTL_DEV)
_OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | _IOCTL_DEV

BIND, CONNECT = 1, 2
_SCOPES = 3  # abstract sockets, signals

_libc = ctypes.CDLL(None, use_errno=True)


def abi() -> int:
    """The version that the kernel has; 0 for none."""
    return max(0, int(_libc.syscall(_CREATE, None, ctypes.c_size_t(0), _VERSION)))


class Ruleset:
    """What a process can reach; nothing else, once it is enforced. `version`: of the kernel."""

    def __init__(self, version: int, *, ports: bool) -> None:
        self._files = _ALL
        for since, right in ((2, REFER), (3, TRUNCATE), (5, _IOCTL_DEV)):
            if version < since:
                self._files &= ~right
        attributes = [self._files]
        if version >= 4:
            attributes.append(BIND | CONNECT if ports else 0)
        if version >= 6:
            attributes.append(_SCOPES)
        packed = pack(f"={len(attributes)}Q", *attributes)
        self._fd = _call(_CREATE, packed, ctypes.c_size_t(len(packed)), 0)

    def allow(self, path: str, rights: int) -> None:
        """Allow something for a file, or for all that is beneath a directory. Raises OSError."""
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISDIR(os.fstat(fd).st_mode):
                rights &= _OF_FILES
            rule = pack("=Qi", rights & self._files, fd)
            _call(_ADD_RULE, self._fd, _PATH, rule, 0)
        finally:
            os.close(fd)

    def allow_ports(self, ports: Iterable[int], right: int) -> None:
        for port in ports:
            _call(_ADD_RULE, self._fd, _PORT, pack("=QQ", right, port), 0)

    def enforce(self) -> None:
        """From now on, for this process and its children; it needs no new privileges."""
        _call(_RESTRICT, self._fd, 0)
        os.close(self._fd)


def _call(number: int, *arguments: object) -> int:
    result = int(_libc.syscall(number, *arguments))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"Landlock: {os.strerror(error)}")
    return result
