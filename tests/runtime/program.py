"""The server process: python -m tests.runtime.program [options] ADDRESS... | -ipcfd N

Serves `Root` at each address, says `ready ADDRESS` for each on standard output, and ends when its
standard input does. Everything of mpipc's is used as a user would.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import sys
import threading
import weakref
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import msgspec
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import mpipc
from mpipc.observe import log
from tests.runtime.declarations import (
    Callbacks,
    Color,
    Gates,
    Objects,
    OutOfStock,
    Path,
    Plain,
    Point,
    Process,
    Root,
    Split,
    Spoiled,
    Thing,
    Threads,
    Values,
)


class RealThreads(Threads):
    def __init__(self) -> None:
        self._notes: dict[int, list[int]] = defaultdict(list)
        self._io_notes: list[int] = []

    def ident(self) -> int:
        return threading.get_ident()

    def name(self) -> str:
        return threading.current_thread().name

    def note(self, number: int) -> int:
        ident = threading.get_ident()
        self._notes[ident].append(number)
        return ident

    def noted(self) -> list[int]:
        return self._notes.pop(threading.get_ident(), [])

    def count(self) -> int:
        return threading.active_count()

    def names(self) -> list[str]:
        return sorted(thread.name for thread in threading.enumerate())

    def io_ident(self) -> int:
        return threading.get_ident()

    def io_note(self, number: int) -> None:
        self._io_notes.append(number)

    def io_noted(self) -> list[int]:
        return self._io_notes


class RealGates(Gates):
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gates: dict[str, threading.Event] = defaultdict(threading.Event)
        self._waiting: dict[str, int] = defaultdict(int)
        self._passed: dict[str, int] = defaultdict(int)

    def gate(self, name: str) -> threading.Event:
        with self._lock:
            return self._gates[name]

    def wait(self, gate: str) -> str:
        with self._lock:
            self._waiting[gate] += 1
        self.gate(gate).wait()
        with self._lock:
            self._waiting[gate] -= 1
            self._passed[gate] += 1
        return gate

    def wait_again(self, gate: str) -> str:
        return self.wait(gate)

    def waiting(self, gate: str) -> int:
        return self._waiting[gate]

    def passed(self, gate: str) -> int:
        return self._passed[gate]

    def open(self, gate: str) -> None:
        self.gate(gate).set()

    def let_through(self, gate: str) -> None:
        with self._lock:
            self._gates.pop(gate, threading.Event()).set()


class RealCallbacks(Callbacks):
    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._local = threading.local()

    def call(self, step: Callable[[int], int], value: int) -> int:
        return step(value)

    def catch(self, step: Callable[[int], int], value: int) -> str:
        try:
            return str(step(value))
        except mpipc.RemoteError as e:
            return f"{e.type}: {e.text}"

    def bounce(self, depth: int, back: Callable[[int], list[int]]) -> list[int]:
        # Any other thread than the one that has it would be refused.
        if not self._lock.acquire(blocking=False):
            raise AssertionError("another thread holds the lock")
        try:
            self._local.depth = getattr(self._local, "depth", 0) + 1
            rest = back(depth - 1) if depth else []
            return [threading.get_ident(), *rest]
        finally:
            self._lock.release()

    def deepest(self) -> int:
        depth: int = self._local.depth
        return depth

    def later(self, notify: Callable[[str], None], texts: Sequence[str]) -> None:
        def run() -> None:
            for text in texts:
                notify(text)

        threading.Thread(target=run, name="background").start()

    def exchange(self, exchange: Callable[[bytes], bytes], data: bytes, rounds: int) -> int:
        return sum(len(exchange(data)) for _ in range(rounds))

    def recurse(self, step: Callable[[int], int], value: int) -> int:
        return step(value + 1)


class RealThing(Thing):
    def __init__(
        self, name: str, ended: list[str], stay: Callable[[], object] = lambda: None
    ) -> None:
        self._name = name
        self._ended = ended
        self._stay = stay

    def get_name(self) -> str:
        return self._name

    def itself(self) -> Thing:
        return self

    def __del__(self) -> None:
        self._stay()
        self._ended.append(self._name)


class RealPlain(Plain):
    def __init__(self, name: str) -> None:
        self._name = name

    def get_name(self) -> str:
        return self._name


class RealObjects(Objects):
    def __init__(self, gates: RealGates) -> None:
        self._gates = gates
        self._alive: weakref.WeakSet[RealThing] = weakref.WeakSet()
        self._ended: list[str] = []
        self._kept: Thing | None = None

    def make(self, name: str) -> Thing:
        thing = RealThing(name, self._ended)
        self._alive.add(thing)
        return thing

    def make_many(self, count: int) -> list[Thing]:
        return [self.make(str(number)) for number in range(count)]

    def make_plain(self, name: str) -> Plain:
        return RealPlain(name)

    def make_stubborn(self, name: str, gate: str) -> Thing:
        return RealThing(name, self._ended, lambda: self._gates.wait(gate))

    def maybe(self, name: str | None) -> Thing | None:
        return None if name is None else self.make(name)

    def alive(self) -> list[str]:
        return sorted(thing.get_name() for thing in self._alive)

    def ended(self) -> list[str]:
        return list(self._ended)

    def keep(self, thing: Thing | None) -> None:
        self._kept = thing

    def kept(self) -> Thing | None:
        return self._kept

    def keeps(self, thing: Thing) -> bool:
        return thing is self._kept

    def ask(self, thing: Thing) -> str:
        return thing.get_name()

    def ask_all(self, things: Sequence[Thing]) -> list[str]:
        return [thing.get_name() for thing in things]


class RealValues(Values):
    def __init__(self) -> None:
        self._calls = 0

    def calls(self) -> int:
        return self._calls

    def small(self, first: int, second: int) -> int:
        self._calls += 1
        return first + second

    def large(self, number: int) -> int:
        self._calls += 1
        return number

    def mixed(
        self, color: Color, flag: bool, text: str, data: bytes, ratio: float, count: int
    ) -> str:
        self._calls += 1
        return repr((color, flag, text, data, ratio, count))

    def shapes(self, origin: Point, path: Path, more: Sequence[Point]) -> Path:
        self._calls += 1
        return Path(path.name, [origin, *path.points, *more], path.color)

    def lists(self, numbers: Sequence[int], texts: Sequence[str]) -> list[str]:
        self._calls += 1
        return [*map(str, numbers), *texts]

    def table(self, table: Mapping[str, int]) -> dict[str, int]:
        self._calls += 1
        return dict(table)

    def optional(self, number: int | None, text: str | None) -> str | None:
        self._calls += 1
        return None if number is None and text is None else f"{number} {text}"

    def pause(self, duration: timedelta) -> timedelta:
        self._calls += 1
        return duration

    def defaults(self, number: int = 0, text: str = "", color: Color = Color.RED) -> str:
        # Other defaults than the declared ones, to see whose are used.
        return f"{number} {text} {color.name}"

    def split(self, dividend: int, divisor: int) -> Split:
        quotient, remainder = divmod(dividend, divisor)
        return Split(quotient, remainder, None if remainder else "exact")

    def wrong(self, kind: str) -> int:
        wrong: dict[str, object] = {"large": 1000, "text": "text", "none": None, "float": 1.5}
        return wrong[kind]  # type: ignore[return-value]

    def wrong_split(self) -> Split:
        return Split(1, "two", None)  # type: ignore[arg-type]

    def order(self, text: str) -> str:
        raised = {
            "sold out": OutOfStock("sold out"),
            "mouldy": Spoiled("mouldy: ü"),
            "other": ValueError("not declared"),
        }
        if text in raised:
            raise raised[text]
        return text

    def fail(self, kind: str) -> None:
        if kind == "key":
            raise KeyError("a", "b")
        if kind == "empty":
            raise RuntimeError
        if kind == "own":
            raise OutOfStock("not declared here")
        raise mpipc.Disconnected("of something else")


class RealProcess(Process):
    def spans(self) -> list[str]:
        return [each.to_json(indent=None) for each in _exporter.get_finished_spans()]

    def metrics(self) -> str:
        return msgspec.json.encode(mpipc.metrics.snapshot()).decode()

    def __init__(self) -> None:
        self.servers: list[mpipc.Server] = []

    def pid(self) -> int:
        return os.getpid()

    def caller(self, *, peer: mpipc.Peer | None = None) -> tuple[int | None, int | None]:
        return (None, None) if peer is None else (peer.pid, peer.uid)

    def ask(self, process: Process) -> tuple[int | None, int | None]:
        return process.caller()

    def arguments(self) -> list[str]:
        return sys.argv[1:]

    def descriptors(self) -> list[str]:
        found = []
        for fd in os.listdir("/proc/self/fd"):
            try:
                found.append(f"{fd} {os.readlink(f'/proc/self/fd/{fd}')}")
            except FileNotFoundError:
                pass  # the one that listed the directory
        return sorted(found)

    def instances(self, type: str) -> int:
        return sum(
            f"{each.__class__.__module__}.{each.__class__.__name__}" == type
            # Not those that are kept for calls like earlier ones, and refer to nothing any more.
            and getattr(each, "id", 0) != -1
            and getattr(each, "target", each) is not None
            for each in gc.get_objects()
        )

    def kill(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def close_server(self) -> None:
        for server in self.servers:
            server.close()

    def leave(self) -> None:
        sys.exit(3)

    def leave_io(self) -> None:
        sys.exit(3)

    def relay(self, address: str) -> Root:
        other: Root = mpipc.connect(address, Root)
        return other


class RealRoot(Root):
    """One object of each kind, for all clients."""

    def __init__(self) -> None:
        self._threads = RealThreads()
        self._gates = RealGates()
        self._callbacks = RealCallbacks()
        self._objects = RealObjects(self._gates)
        self._values = RealValues()
        self.real_process = RealProcess()

    def threads(self) -> Threads:
        return self._threads

    def gates(self) -> Gates:
        return self._gates

    def callbacks(self) -> Callbacks:
        return self._callbacks

    def objects(self) -> Objects:
        return self._objects

    def values(self) -> Values:
        return self._values

    def process(self) -> Process:
        return self.real_process


_exporter = InMemorySpanExporter()


def main() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("addresses", nargs="*")
    parser.add_argument("-ipcfd", type=int)
    parser.add_argument("--tracebacks", action="store_true")
    parser.add_argument("--log", action="store_true", help="log calls to standard error")
    parser.add_argument("--exports", type=int, default=1_000_000, help="objects of a client")
    parser.add_argument("--threads", type=int, default=1_000, help="threads of a client")
    parser.add_argument("--spans", action="store_true", help="make spans of calls")
    parser.add_argument("--metrics", action="store_true", help="count calls")
    parser.add_argument("--introspect", action="store_true", help="let others look")
    options = parser.parse_args()
    if options.spans:
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(_exporter))
        mpipc.spans.enable(provider)
    if options.metrics:
        mpipc.metrics.enable()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    if options.log:
        log.enable()
    limits = mpipc.Limits(exports=options.exports, threads=options.threads)
    root = RealRoot()
    if mpipc.serve_spawned(root, limits=limits, tracebacks=options.tracebacks):
        return
    for address in options.addresses:
        server = mpipc.serve(
            address, root, limits=limits, tracebacks=options.tracebacks,
            introspect=options.introspect,
        )  # fmt: skip
        root.real_process.servers.append(server)
        print(f"ready {server.address}", flush=True)
    sys.stdin.read()
    root.real_process.close_server()


if __name__ == "__main__":
    main()
