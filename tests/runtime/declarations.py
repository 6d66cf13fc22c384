"""What the processes of these tests say to each other."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Annotated

import msgspec

import mpipc
from mpipc import Float32, Int8, Int32, Raises, UInt64

Step = Annotated[Callable[[int], int], mpipc.interface(name="Step")]
Bounce = Annotated[Callable[[int], list[int]], mpipc.interface(name="Bounce")]
Notify = Annotated[Callable[[str], None], mpipc.interface(name="Notify")]
Exchange = Annotated[Callable[[bytes], bytes], mpipc.interface(name="Exchange")]


class Color(enum.Enum):
    RED = 1
    GREEN = 2


class Point(msgspec.Struct, frozen=True):
    x: Int32
    y: Int32


class Path(msgspec.Struct, frozen=True):
    name: str
    points: list[Point]
    color: Color


class Split(mpipc.Results):
    quotient: Int32
    remainder: Int32
    note: str | None


class OutOfStock(Exception):
    """An exception that methods declare."""


class Spoiled(Exception):
    """Another one."""


@mpipc.interface
class Threads(ABC):
    """Where calls run."""

    @abstractmethod
    def ident(self) -> int: ...

    @abstractmethod
    def name(self) -> str: ...

    @abstractmethod
    def note(self, number: int) -> int:
        """Remember a number for the thread that this runs on, which is returned."""

    @abstractmethod
    def noted(self) -> list[int]:
        """The numbers that were remembered for this thread, in order."""

    @abstractmethod
    def count(self) -> int:
        """How many threads the process has."""

    @abstractmethod
    def names(self) -> list[str]:
        """What its threads are called."""

    @mpipc.method(context=False)
    @abstractmethod
    def io_ident(self) -> int:
        """The thread that methods without a context run on."""

    @mpipc.method(context=False)
    @abstractmethod
    def io_note(self, number: int) -> None: ...

    @mpipc.method(context=False)
    @abstractmethod
    def io_noted(self) -> list[int]: ...


@mpipc.interface
class Gates(ABC):
    """Calls that last until another call ends them."""

    @abstractmethod
    def wait(self, gate: str) -> str:
        """Block until the gate is opened; returns its name."""

    @mpipc.method(idempotent=True)
    @abstractmethod
    def wait_again(self, gate: str) -> str:
        """As `wait`."""

    @abstractmethod
    def waiting(self, gate: str) -> int:
        """How many calls block there."""

    @abstractmethod
    def passed(self, gate: str) -> int:
        """How many calls went through, to the end of the method."""

    @abstractmethod
    def open(self, gate: str) -> None: ...

    @abstractmethod
    def let_through(self, gate: str) -> None:
        """End the calls that block there now."""


@mpipc.interface
class Callbacks(ABC):
    """Calls back."""

    @abstractmethod
    def call(self, step: Step, value: int) -> int:
        """What the callback makes of a value."""

    @abstractmethod
    def catch(self, step: Step, value: int) -> str:
        """What the server sees of the exception that the callback raises."""

    @abstractmethod
    def bounce(self, depth: int, back: Bounce) -> list[int]:
        """The threads that run it, both sides' in turn. Each side holds a re-entrant lock."""

    @abstractmethod
    def deepest(self) -> int:
        """How deep `bounce` was nested, as a thread-local of this thread counted it."""

    @abstractmethod
    def later(self, notify: Notify, texts: Sequence[str]) -> None:
        """Call back from a thread of the server's own, after this call has returned."""

    @abstractmethod
    def exchange(self, exchange: Exchange, data: bytes, rounds: Int32) -> int:
        """Send data back and forth; returns how many bytes came back."""

    @abstractmethod
    def recurse(self, step: Step, value: int) -> int:
        """Calls back with value + 1, without end."""


@mpipc.interface
class Thing(ABC):
    @abstractmethod
    def get_name(self) -> str: ...

    @abstractmethod
    def itself(self) -> Thing: ...


@mpipc.interface(destroy=False)
class Plain(ABC):
    """An interface without `destroy`."""

    @abstractmethod
    def get_name(self) -> str: ...


@mpipc.interface
class Objects(ABC):
    """Makes, keeps and compares objects."""

    @abstractmethod
    def make(self, name: str) -> Thing: ...

    @abstractmethod
    def make_many(self, count: Int32) -> list[Thing]: ...

    @abstractmethod
    def make_plain(self, name: str) -> Plain: ...

    @abstractmethod
    def make_stubborn(self, name: str, gate: str) -> Thing:
        """A thing whose end blocks until the gate is opened."""

    @abstractmethod
    def maybe(self, name: str | None) -> Thing | None: ...

    @abstractmethod
    def alive(self) -> list[str]:
        """The names of the things that exist in this process."""

    @abstractmethod
    def ended(self) -> list[str]:
        """The names of the things whose end has run, in order."""

    @abstractmethod
    def keep(self, thing: Thing | None) -> None: ...

    @abstractmethod
    def kept(self) -> Thing | None: ...

    @abstractmethod
    def keeps(self, thing: Thing) -> bool:
        """Whether it is the very object that was kept."""

    @abstractmethod
    def ask(self, thing: Thing) -> str: ...

    @abstractmethod
    def ask_all(self, things: Sequence[Thing]) -> list[str]: ...


@mpipc.interface
class Values(ABC):
    """Values of every kind, and what is wrong with them. Each says on the server how often it was
    called (`calls`)."""

    @abstractmethod
    def calls(self) -> int: ...

    @abstractmethod
    def small(self, first: Int8, second: Int8) -> int: ...

    @abstractmethod
    def large(self, number: UInt64) -> UInt64: ...

    @abstractmethod
    def mixed(
        self, color: Color, flag: bool, text: str, data: bytes, ratio: Float32, count: Int32
    ) -> str: ...

    @abstractmethod
    def shapes(self, origin: Point, path: Path, more: Sequence[Point]) -> Path: ...

    @abstractmethod
    def lists(self, numbers: Sequence[Int8], texts: Sequence[str]) -> list[str]: ...

    @abstractmethod
    def table(self, table: Mapping[str, Int32]) -> dict[str, Int32]: ...

    @abstractmethod
    def optional(self, number: Int32 | None, text: str | None) -> str | None: ...

    @abstractmethod
    def pause(self, duration: timedelta) -> timedelta: ...

    @abstractmethod
    def defaults(
        self, number: Int32 = 5, text: str = "five", color: Color = Color.GREEN
    ) -> str: ...

    @abstractmethod
    def split(self, dividend: Int32, divisor: Int32) -> Split: ...

    @abstractmethod
    def wrong(self, kind: str) -> Int8:
        """Return something that does not fit."""

    @abstractmethod
    def wrong_split(self) -> Split: ...

    @mpipc.method(raises=[OutOfStock, Raises(Spoiled, "spoiled", "demo::Spoiled")])
    @abstractmethod
    def order(self, text: str) -> str:
        """Raise what the text says, or return it."""

    @abstractmethod
    def fail(self, kind: str) -> None:
        """Raise an exception that is not declared."""


@mpipc.interface
class Process(ABC):
    """The process that serves."""

    @abstractmethod
    def metrics(self) -> str:
        """What was counted, as JSON."""

    @abstractmethod
    def spans(self) -> list[str]:
        """The spans that have ended, each as JSON."""

    @abstractmethod
    def pid(self) -> int: ...

    @abstractmethod
    def caller(self, *, peer: mpipc.Peer | None = None) -> tuple[int | None, int | None]:
        """Process and user of whoever calls."""

    @abstractmethod
    def ask(self, process: Process) -> tuple[int | None, int | None]:
        """The `caller` that another process is told when this one calls it back."""

    @abstractmethod
    def arguments(self) -> list[str]: ...

    @abstractmethod
    def descriptors(self) -> list[str]:
        """What its open descriptors are."""

    @abstractmethod
    def instances(self, type: str) -> int:
        """How many objects of a type (`module.name`) the process has."""

    @abstractmethod
    def kill(self) -> None:
        """End without a goodbye."""

    @abstractmethod
    def close_server(self) -> None: ...

    @abstractmethod
    def leave(self) -> None:
        """Raise SystemExit."""

    @mpipc.method(context=False)
    @abstractmethod
    def leave_io(self) -> None: ...

    @abstractmethod
    def relay(self, address: str) -> Root:
        """Connect to another process; its root object."""


@mpipc.interface(root=True)
class Root(ABC):
    @abstractmethod
    def threads(self) -> Threads: ...

    @abstractmethod
    def gates(self) -> Gates: ...

    @abstractmethod
    def callbacks(self) -> Callbacks: ...

    @abstractmethod
    def objects(self) -> Objects: ...

    @abstractmethod
    def values(self) -> Values: ...

    @abstractmethod
    def process(self) -> Process: ...
