"""The mpipc side: an implementation of the declarations, and starting the pycapnp side."""

from __future__ import annotations

import subprocess
import sys
import threading
import weakref
from pathlib import Path
from shutil import copytree

from mpipc.derive import derive
from mpipc.schema import INCLUDE, module_text
from tests.interop.declarations import Counter, Root, Step, Values

ROOT = Path(__file__).parents[2]
PATIENCE = 40.0  # seconds after which something is taken to hang


def write_schema(directory: Path) -> None:
    """All that the pycapnp side gets to know: the derived schema and what it imports."""
    copytree(INCLUDE, directory, dirs_exist_ok=True)
    module = "tests.interop.declarations"
    (directory / "declarations.capnp").write_text(module_text(derive([module]), module))


class LocalCounter(Counter):
    """Counts; `calls` remembers what was asked, and in which thread."""

    def __init__(self, name: str, parent: Counter | None = None) -> None:
        self._name = name
        self._parent = parent
        self.total = 0
        self.calls: list[tuple[int, str]] = []

    def name(self) -> str:
        return self._name

    def add(self, amount: int) -> int:
        self.calls.append((amount, threading.current_thread().name))
        self.total += amount
        return self.total

    def child(self, label: str) -> Counter:
        if not label:
            raise LookupError("a child needs a label")
        return LocalCounter(f"{self._name}/{label}", self)

    def parent(self) -> Counter | None:
        return self._parent

    def name_of(self, other: Counter) -> str:
        return other.name()


class Service(Root):
    """Implements every method; what it made it knows only weakly."""

    def __init__(self) -> None:
        self.made: weakref.WeakValueDictionary[str, LocalCounter] = weakref.WeakValueDictionary()
        self.noted: list[str] = []
        self.kept_counter: Counter | None = None
        self._keys: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def echo(self, values: Values) -> Values:
        return values

    def make_counter(self, label: str) -> Counter:
        if not label:
            raise LookupError("a counter needs a label")
        counter = self.made[label] = LocalCounter(label)
        return counter

    def find_counter(self, label: str) -> Counter | None:
        return self.made.get(label)

    def live_counters(self) -> int:
        return len(self.made)

    def is_ours(self, counter: Counter | None) -> bool:
        return any(counter is each for each in self.made.values())

    def echo_counter(self, counter: Counter | None) -> Counter | None:
        return counter

    def keep(self, counter: Counter | None) -> None:
        self.kept_counter = counter

    def kept(self) -> Counter | None:
        return self.kept_counter

    def add_in_background(self, amount: int) -> int:
        counter = self.kept_counter
        assert counter is not None
        results: list[int] = []
        thread = threading.Thread(
            target=lambda: results.append(counter.add(amount)), name="background"
        )
        thread.start()
        thread.join()
        return results[0]

    def names_of(self, counters: list[Counter]) -> list[str]:
        return [counter.name() for counter in counters]

    def apply(self, step: Step, value: int, times: int) -> int:
        for _ in range(times):
            value = step(value)
        return value

    def thread_name(self) -> str:
        return threading.current_thread().name

    def io_thread_name(self) -> str:
        return threading.current_thread().name

    def note(self, text: str) -> None:
        self.noted.append(text)

    def notes(self) -> list[str]:
        return self.noted

    def hold(self, key: str) -> str:
        self.noted.append(f"holding {key}")
        self.key(key).wait(PATIENCE)
        self.noted.append(f"held {key}")
        return key

    def let_go(self, key: str) -> None:
        self.key(key).set()

    def key(self, key: str) -> threading.Event:
        with self._lock:
            return self._keys.setdefault(key, threading.Event())

    def fail(self, text: str) -> None:
        raise LookupError(text)

    def refuse(self, text: str) -> str:
        if text:
            raise ValueError(text)
        return "accepted"

    def size(self, data: memoryview, texts: list[str]) -> int:
        return len(data) + sum(map(len, texts))

    def blob(self, size: int) -> memoryview:
        return memoryview(bytes(range(256)) * (size // 256))


class Foreign:
    """A child process in which pycapnp speaks; `module` is run with these arguments."""

    def __init__(self, module: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-m", f"tests.interop.{module}", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def output(self) -> str:
        """What it says until it ends, which must be in time and without an error."""
        output, _ = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, output
        return output

    def line(self) -> str:
        """The next line that it says."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()
