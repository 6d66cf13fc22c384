"""Runs in a new process, restricts it, and becomes the program that is to run there.

Started as a script, isolated (`python -I -S`), with a plan as JSON and the program's arguments. It
imports the standard library alone, and little of it: no code of the user's runs before all of the
plan holds. Why it fails is written to a pipe, which the program does not get.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import resource
import shutil
import signal
import sys
from struct import pack
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpipc.launch import landlock, seccomp

_PDEATHSIG, _NO_NEW_PRIVS, _AMBIENT, _CLEAR_ALL = 1, 38, 47, 4
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION = 0x20080522
_FIRST_SOCKET = 3


def main() -> None:
    plan: dict[str, Any] = json.loads(sys.argv[1])
    argv = sys.argv[2:]
    # Away from where sockets are passed on.
    errors = fcntl.fcntl(plan["errors"], fcntl.F_DUPFD_CLOEXEC, _FIRST_SOCKET + 100)
    os.close(plan["errors"])
    try:
        if plan["parent"]:
            _end_with(plan["parent"])
        _pass_on(plan["sockets"])
        program = _found(argv[0])
        if plan["sandbox"] is not None:
            keep = {0, 1, 2, errors, *plan["keep"]}
            keep.update(range(_FIRST_SOCKET, _FIRST_SOCKET + len(plan["sockets"])))
            _close_others(keep)
            _restrict(plan["sandbox"], program)
        _become(program, argv)
    except OSError as e:
        report = {"errno": e.errno, "text": e.strerror or str(e), "file": e.filename}
        os.write(errors, json.dumps(report).encode())
    except Unsupported as e:
        os.write(errors, json.dumps({"unsupported": str(e)}).encode())
    os._exit(127)


def _become(program: str, argv: list[str]) -> None:
    try:
        os.execv(program, argv)
    except OSError as e:
        e.filename = program
        raise


class Unsupported(Exception):
    """This system cannot do what the plan wants."""


def _found(program: str) -> str:
    """The path of a program, as `subprocess` finds it."""
    found = program if "/" in program else shutil.which(program)
    if found is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), program)
    if not os.path.exists(found):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), program)
    return found


def _end_with(parent: int) -> None:
    """Be killed when the thread of the parent ends that has started this process, which it does
    when the parent is killed."""
    _prctl(_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(127)  # it was faster


def _pass_on(sockets: list[list[Any]]) -> None:
    """Pass on listening sockets as systemd does: sd_listen_fds(3)."""
    if not sockets:
        return
    first = _FIRST_SOCKET + 100
    moved = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, first) for _, fd in sockets]
    for number, fd in enumerate(moved):
        os.dup2(fd, _FIRST_SOCKET + number, inheritable=True)
    os.environ["LISTEN_PID"] = str(os.getpid())
    os.environ["LISTEN_FDS"] = str(len(sockets))
    os.environ["LISTEN_FDNAMES"] = ":".join(name for name, _ in sockets)


def _close_others(keep: set[int]) -> None:
    """Close every descriptor but these."""
    low = 0
    for fd in sorted(keep):
        if fd > low:  # an empty range would be taken for all
            os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, 2**31 - 1)


# ---------------------------------------------------------------------------------- the sandbox


def _restrict(sandbox: dict[str, Any], program: str) -> None:
    version = min(landlock.abi(), sandbox["newest"])
    if sandbox["required"]:
        _check(sandbox, version)
    _prctl(_NO_NEW_PRIVS, 1)
    for name, limit in sandbox["limits"].items():
        _limit(getattr(resource, name), limit)
    if sandbox["processes"] > 0:
        _limit(resource.RLIMIT_NPROC, _tasks_of_user() + sandbox["processes"])
    if version:
        _restrict_files(sandbox, version, program)
    _drop_capabilities()
    if seccomp.supported():
        _restrict_calls(sandbox, version)


def _check(sandbox: dict[str, Any], version: int) -> None:
    """Raises Unsupported when something that is wanted does not hold here."""
    if not version:
        raise Unsupported("this kernel has no Landlock, or it is turned off")
    if not seccomp.supported():
        raise Unsupported("there is no list of this machine's system calls")
    if version < 4 and (sandbox["tcp_bind"] or sandbox["tcp_connect"]):
        raise Unsupported(f"this kernel cannot restrict ports (Landlock {version}, needs 4)")
    if version < 6 and sandbox["unix_sockets"]:
        raise Unsupported(
            f"this kernel cannot keep it from abstract sockets (Landlock {version}, needs 6)"
        )
    if sandbox["processes"] and os.getuid() == 0:
        raise Unsupported("root is not held to a number of processes: run it as another user")


def _restrict_files(sandbox: dict[str, Any], version: int, program: str) -> None:
    tcp = bool(sandbox["tcp_bind"] or sandbox["tcp_connect"])
    ruleset = landlock.Ruleset(version, ports=not sandbox["network"])
    ruleset.allow(program, landlock.READ | landlock.EXECUTE)
    for path in sandbox["programs"]:
        _allow_if_there(ruleset, path, landlock.READ | landlock.EXECUTE)
    for path in sandbox["libraries"]:
        _allow_if_there(ruleset, path, landlock.READ)
    for path in sandbox["listed"]:
        _allow_if_there(ruleset, path, landlock.READ_DIR)
    for path in sandbox["devices"]:
        _allow_if_there(ruleset, path, landlock.READ_FILE | landlock.WRITE_FILE)
    for path in sandbox["readable"]:
        ruleset.allow(path, landlock.READ)
    for path in sandbox["writable"]:
        ruleset.allow(path, landlock.READ | landlock.WRITE)
    if tcp:
        ruleset.allow_ports(sandbox["tcp_bind"], landlock.BIND)
        ruleset.allow_ports(sandbox["tcp_connect"], landlock.CONNECT)
    ruleset.enforce()


def _allow_if_there(ruleset: landlock.Ruleset, path: str, rights: int) -> None:
    try:
        ruleset.allow(path, rights)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        pass  # it cannot be read in any case


def _limit(kind: int, value: int) -> None:
    """Set a limit for good; it is never raised."""
    _, most = resource.getrlimit(kind)
    if most != resource.RLIM_INFINITY:
        value = min(value, most)
    if kind == resource.RLIMIT_CPU:
        # A signal first, and a second later the end.
        resource.setrlimit(kind, (value, value + 1 if most != value else value))
    else:
        resource.setrlimit(kind, (value, value))


def _tasks_of_user() -> int:
    """How many processes and threads the user has, which is what the kernel counts."""
    count, user = 0, os.getuid()
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                if os.stat(f"/proc/{name}").st_uid == user:
                    count += len(os.listdir(f"/proc/{name}/task"))
            except OSError:
                pass  # it has ended
    return count


def _drop_capabilities() -> None:
    """What root may do more than others. Without new privileges, no program gets them back."""
    _prctl(_AMBIENT, _CLEAR_ALL)
    number = _CAPSET.get(os.uname().machine)
    if number is None:
        return
    header, none = pack("=Ii", _CAPABILITY_VERSION, 0), bytes(24)
    if ctypes.CDLL(None, use_errno=True).syscall(number, header, none):
        raise OSError(ctypes.get_errno(), "capabilities cannot be dropped")


def _restrict_calls(sandbox: dict[str, Any], version: int) -> None:
    rules = seccomp.Filter()
    rules.own_limits()
    rules.own_ways()
    rules.processes(allowed=sandbox["processes"] > 0)
    if version < 6:
        rules.own_signals(os.getpid())
    if version < 3:
        rules.refuse("truncate")
    if not sandbox["network"]:
        tcp = bool(sandbox["tcp_bind"] or sandbox["tcp_connect"])
        rules.sockets(unix=sandbox["unix_sockets"], tcp=tcp)
    rules.enforce()


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")


if __name__ == "__main__":
    # Not the package, whose import would take longer than all of this.
    sys.path.insert(0, os.path.dirname(__file__))
    import landlock  # type: ignore[import-not-found,no-redef]
    import seccomp  # type: ignore[import-not-found,no-redef]

    main()
