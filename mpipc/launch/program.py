"""Starting a program through the launcher."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mpipc.errors import SandboxError
from mpipc.launch.sandbox import Sandbox
from mpipc.temporary import Temporary

_LAUNCHER = str(Path(__file__).with_name("launcher.py"))
_PATIENCE = 60.0  # seconds that a launcher may take, which does very little


def start(
    argv: Sequence[str],
    *,
    keep: Sequence[int] = (),
    sockets: Sequence[tuple[str, int]] = (),
    die_with_thread: bool = False,
    sandbox: Sandbox | None = None,
    **options: Any,
) -> subprocess.Popen[bytes]:
    """Start a program.

    `keep`             descriptors that it inherits.
    `sockets`          listening sockets that it gets as from systemd, with their names.
    `die_with_thread`  whether it is killed when the calling thread ends.
    `options`          for Popen.

    Raises what Popen raises, SandboxError, and TypeError for options that cannot be combined with
    this.
    """
    if sys.platform != "linux":
        if sandbox is not None and sandbox.required:
            raise SandboxError("there are no sandboxes on this system, only on Linux")
        return subprocess.Popen(argv, pass_fds=[*keep], **options)
    for name in ("executable", "pass_fds", "shell"):
        if options.get(name):
            raise TypeError(f"{name} cannot be given here: put the program into argv")
    temporary = confined = None
    reading, writing = os.pipe()
    try:
        if sandbox is not None:
            temporary = Temporary("sandbox")
            if options.get("user") is not None:
                shutil.chown(temporary.path, options["user"])
            options["env"] = {**_environment(options), "TMPDIR": str(temporary.path)}
            confined = sandbox.plan(str(temporary.path))
        plan = {
            "errors": writing,
            "keep": [*keep],
            "sockets": [[name, fd] for name, fd in sockets],
            "parent": os.getpid() if die_with_thread else 0,
            "sandbox": confined,
        }
        command = [sys.executable, "-I", "-S", _LAUNCHER, json.dumps(plan), *map(os.fspath, argv)]
        given = [*keep, writing, *(fd for _, fd in sockets)]
        child = subprocess.Popen(command, pass_fds=given, **options)
        if temporary is not None:
            # When nobody refers to the child any more, or this process ends.
            weakref.finalize(child, temporary.remove)
        os.close(writing)
        writing = -1
        _await_program(child, reading)
    except BaseException:
        if temporary is not None:
            temporary.remove()
        raise
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)
    return child


def _environment(options: dict[str, Any]) -> dict[str, str]:
    given = options.get("env")
    return dict(os.environ if given is None else given)


def _await_program(child: subprocess.Popen[bytes], reading: int) -> None:
    """Wait until the launcher has become the program. Raises what has kept it from that."""
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    report = b""
    try:
        if not poll.poll(_PATIENCE * 1000):
            raise SandboxError(f"the program was not started within {_PATIENCE:g} s")
        report = os.read(reading, 1 << 16)
        if not report:
            return
    except BaseException:
        child.kill()
        child.wait()
        raise
    child.wait()
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream is not None:
            stream.close()
    error = json.loads(report)
    if "unsupported" in error:
        raise SandboxError(error["unsupported"])
    raise OSError(error["errno"], error["text"], error["file"])
