"""`mpipc top ADDRESS`: what a running server does, again and again."""

from __future__ import annotations

import os
import select
import shutil
import sys
import termios
import time
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mpipc.capnp.showing import printable
from mpipc.cli.json_lines import print_json
from mpipc.errors import IpcError, Unimplemented
from mpipc.introspection.api import (
    ConnectionCounts,
    Introspection,
    MethodCounts,
    RunningCall,
    Snapshot,
)
from mpipc.ipc.channel import timeout
from mpipc.ipc.endpoints import connect

_PATIENCE = 10.0  # seconds that the server may take for an answer
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"  # another screen, no cursor
_HOME, _REST_OF_LINE, _REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"
_BOLD, _REVERSE, _PLAIN = "\x1b[1m", "\x1b[7m", "\x1b[0m"


def top(address: str, *, interval: float, once: bool, json: bool) -> int:
    """Show what a server does until somebody types q; returns the exit status. `once`: one table,
    without rates. `json`: a line of JSON for each look. Raises IpcError."""
    found: Any = connect(address, Introspection, timeout=_PATIENCE)
    if found is None:
        raise IpcError(f"nobody listens on {address}")
    with found as root:
        snapshot = _look(root, address)
        if json:
            _print_json(root, address, snapshot, interval, once)
        elif once or not (sys.stdout.isatty() and sys.stdin.isatty()):
            print("\n".join(rows(snapshot, None, address)))
        else:
            _show(root, address, snapshot, interval)
    return 0


def _look(root: Any, address: str) -> Snapshot:
    try:
        with timeout(_PATIENCE):
            found: Snapshot = root.snapshot()
    except Unimplemented:
        raise IpcError(
            f"{address} does not tell what goes on there: it should be served with"
            " mpipc.serve(..., introspect=True), and by the same user"
        ) from None
    return found


def _print_json(root: Any, address: str, snapshot: Snapshot, interval: float, once: bool) -> None:
    while True:
        print_json(snapshot)
        if once:
            return
        time.sleep(interval)
        snapshot = _look(root, address)


# -------------------------------------------------------------------------------- the terminal


def _show(root: Any, address: str, snapshot: Snapshot, interval: float) -> None:
    before = None
    with _screen():
        while True:
            size = shutil.get_terminal_size()
            lines = [*rows(snapshot, before, address)]
            _draw([*lines[: size.lines - 1], "q: quit"], size.columns)
            if _quit_within(interval):
                return
            before, snapshot = snapshot, _look(root, address)


@contextmanager
def _screen() -> Iterator[None]:
    """The terminal shows another screen and passes on each key; afterwards it is as before."""
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    try:
        tty.setcbreak(fd)
        sys.stdout.write(_ENTER)
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()


def _draw(lines: Sequence[str], width: int) -> None:
    shown = []
    for number, line in enumerate(lines):
        text = line[:width]
        if number == 0:
            text = f"{_BOLD}{text}{_PLAIN}"
        elif line.isupper() and line.strip():
            text = f"{_REVERSE}{text.ljust(width)}{_PLAIN}"
        shown.append(text + _REST_OF_LINE)
    sys.stdout.write(_HOME + "\r\n".join(shown) + _REST_OF_SCREEN)
    sys.stdout.flush()


def _quit_within(seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([sys.stdin], [], [], left)[0]:
            return False
        key = os.read(sys.stdin.fileno(), 1)
        if key in (b"q", b"Q", b""):
            return True


# ------------------------------------------------------------------------------------ the rows


def rows(snapshot: Snapshot, before: Snapshot | None, address: str) -> Iterator[str]:
    """What is shown of a snapshot, in lines; rates are since the one before it."""
    passed = snapshot.seconds - before.seconds if before else 0.0

    def rate(now: int, then: int) -> str:
        return f"{(now - then) / passed:.1f}" if passed > 0 else "-"

    def flow(now: int, then: int) -> str:
        return f"{_bytes((now - then) / passed)}/s" if passed > 0 else "-"

    clients = [each for each in snapshot.connections if each.side == "server"]
    calls = sum(each.calls for each in snapshot.methods)
    earlier = sum(each.calls for each in before.methods) if before else 0
    yield printable(
        f"{snapshot.program} ({snapshot.pid}) on {address}: up {_time(snapshot.seconds)},"
        f" {len(clients)} of {snapshot.accepted} clients are there"
    )
    threads = sum(len(each.threads) for each in snapshot.connections)
    objects = sum(sum(each.objects.values()) for each in snapshot.connections)
    then = before or snapshot
    yield (
        f"{calls} calls, {rate(calls, earlier)}/s; {objects} objects; {threads} threads;"
        f" sent {_bytes(snapshot.sent_bytes)} ({flow(snapshot.sent_bytes, then.sent_bytes)}),"
        f" received {_bytes(snapshot.received_bytes)}"
        f" ({flow(snapshot.received_bytes, then.received_bytes)})"
    )
    yield ""
    yield from _methods(snapshot, before, rate)
    yield ""
    yield from _connections(snapshot.connections)
    running = sorted(
        (call for each in snapshot.connections for call in each.calls),
        key=lambda call: -call.seconds,
    )
    if running:
        yield ""
        yield from _running(running)


def _methods(snapshot: Snapshot, before: Snapshot | None, rate: Any) -> Iterator[str]:
    then = {_key(each): each.calls for each in before.methods} if before else {}
    yield f"{'METHOD':40} {'SIDE':6} {'CALLS/S':>9} {'CALLS':>9} {'ERRORS':>7} {'RUN':>5}" + (
        f" {'50 %':>9} {'99 %':>9}"
    )

    def busy(each: MethodCounts) -> tuple[int, int]:
        return then.get(_key(each), 0) - each.calls, -each.calls

    for each in sorted(snapshot.methods, key=busy):
        name = printable(f"{each.interface}.{each.method}")
        errors = sum(each.errors.values())
        yield (
            f"{name:40.40} {each.side:6} {rate(each.calls, then.get(_key(each), 0)):>9}"
            f" {each.calls:>9} {errors:>7} {each.running:>5}"
            f" {_within(each.quantile(0.5)):>9} {_within(each.quantile(0.99)):>9}"
        )


def _connections(connections: Sequence[ConnectionCounts]) -> Iterator[str]:
    yield f"{'CONNECTION':46} {'SINCE':>9} {'OBJECTS':>8} {'HELD':>6} {'THREADS':>8}" + (
        f" {'SENT':>9} {'RECEIVED':>9}"
    )
    for each in connections:
        who = each.peer if each.side == "server" else f"to {each.address}"
        yield (
            f"{printable(who):46.46} {_time(each.seconds):>9} {sum(each.objects.values()):>8}"
            f" {each.held:>6} {len(each.threads):>8}"
            f" {_bytes(each.sent_bytes):>9} {_bytes(each.received_bytes):>9}"
        )


def _running(calls: Sequence[RunningCall]) -> Iterator[str]:
    yield f"{'RUNNING CALL':40} {'SIDE':6} {'FOR':>9}  THREAD"
    for each in calls:
        name = printable(f"{each.interface}.{each.method}")
        thread = printable(each.thread)
        yield f"{name:40.40} {each.side:6} {_time(each.seconds):>9}  {thread}"


def _key(method: MethodCounts) -> tuple[str, str, str]:
    return method.side, method.interface, method.method


def _time(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, whole = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{whole:02}"


def _within(seconds: float) -> str:
    """The bound of a bucket."""
    if seconds == float("inf"):
        return "longer"
    return f"<{seconds * 1000:g} ms" if seconds else "-"


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
