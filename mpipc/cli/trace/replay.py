"""Calling a server as recorded, and comparing its answers with those of then.

The calls of one connection's client are made one after the other, in their order. Objects that
answers gave then are replaced by those that answers give now; objects that the client passed, by
such that answer as the client's did.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mpipc.capnp.showing import HIDDEN
from mpipc.cli.call import declarations
from mpipc.cli.trace.reading import read
from mpipc.cli.trace.show import line
from mpipc.cli.usage import Usage
from mpipc.ipc.channel import timeout
from mpipc.ipc.endpoints import connect
from mpipc.model import Field, Interface, InterfaceType, Model, python_object
from mpipc.recording.catalogue import Catalogue, Entry
from mpipc.recording.json_values import JsonValues, NoValue
from mpipc.recording.records import Record

_OBJECT = re.compile(r"<(\w+) (\d+)>")


def replay(path: Path, address: str, *, connection: int, seconds: float) -> int:
    """Replay one connection; returns 1 when an answer differs. Raises Usage, IpcError."""
    records = [each for each in read(path)[1] if each.connection == connection]
    if not records:
        raise Usage(f"{path} has no connection {connection}")
    module, root = _root(records)
    catalogue = Catalogue(lambda: [module])
    catalogue.look()
    with connect(address, python_object(root.cls), timeout=seconds) as proxy:
        replayer = _Replayer(catalogue, records, proxy, seconds)
        for text in replayer.run():
            print(text)
    print(
        f"{replayer.same} answers as recorded, {replayer.different} different,"
        f" {replayer.skipped} calls not made"
    )
    return 1 if replayer.different else 0


def _root(records: list[Record]) -> tuple[str, Interface]:
    """The interface that the client started with, and its module."""
    for record in records:
        name, _, method = record.method.rpartition(".")
        if record.kind == "call" and method == "construct" and record.module:
            for interface in declarations(record.module)[0]:
                if interface.name == name:
                    return record.module, interface
    raise Usage("the beginning of the connection is not in the trace")


class _Replayer:
    def __init__(
        self, catalogue: Catalogue, records: list[Record], root: Any, seconds: float
    ) -> None:
        self._records = records
        self._seconds = seconds
        self._entries = {each.name: each for each in catalogue.methods.values()}
        self._answers = _matched(records)
        self._there: dict[str, Any] = {}  # the server's objects, by what they are called
        self._callbacks = self._answers_of_the_client()
        self._root = root
        self.same = self.different = self.skipped = 0

    def _answers_of_the_client(self) -> dict[tuple[str, str], deque[Record | None]]:
        """What the client's objects have answered, by object and method, in order."""
        found: dict[tuple[str, str], deque[Record | None]] = defaultdict(deque)
        for at, each in enumerate(self._records):
            if each.kind == "call" and each.sender == "server":
                found[_number(each.target), each.method].append(self._answers.get(at))
        return found

    def run(self) -> Iterator[str]:
        """Make the calls; yields what is to be said of them."""
        for at, record in enumerate(self._records):
            if record.kind != "call" or record.sender != "client":
                continue
            entry = self._entries.get(record.method)
            if entry is not None and entry.method.kind == "construct":
                self._there[_number(record.target)] = self._root
            if entry is None or entry.method.kind != "method":
                continue
            answer = self._answers.get(at)
            why = self._why_not(record, entry, answer)
            if why:
                self.skipped += 1
                yield f"not made: {line(record)}: {why}"
                continue
            assert answer is not None
            now = self._call(record, entry, answer)
            then = answer.raised[:1] if answer.raised else answer.result
            if _same(then, now):
                self.same += 1
            else:
                self.different += 1
                yield f"different: {line(record)}\n  then: {then}\n  now:  {now}"

    def _why_not(self, record: Record, entry: Entry, answer: Record | None) -> str:
        if answer is None or answer.note:
            return "the trace does not have its answer"
        if _number(record.target) not in self._there:
            return "its object did not come from this server"
        if entry.method.returns == "batch":
            return "an iterator is not read again"
        if record.arguments is None:
            return "its arguments could not be read"
        if HIDDEN in _texts(record.arguments):
            return "it has a secret, which is not in the trace"
        return ""

    def _call(self, record: Record, entry: Entry, answer: Record) -> Any:
        """Make a call; returns its result as JSON has it, or the name of what it has raised."""
        method, there = entry.method, self._there[_number(record.target)]
        given: dict[str, Any] = record.arguments or {}
        try:
            positional, named = [], {}
            for field in method.parameters:
                value = self._argument(entry.values, field, given.get(field.name))
                if field.keyword:
                    named[field.keyword] = value
                else:
                    positional.append(value)
            with timeout(self._seconds):
                found = there if method.name == "__call__" else getattr(there, method.name)
                result = found if method.getter else found(*positional, **named)
        except NoValue as e:
            return f"cannot be called: {e}"
        except Exception as e:
            return (getattr(e, "type", "") or type(e).__name__,)
        if method.returns == "value" and _number(answer.result):
            self._there[_number(answer.result)] = result
        return entry.result_of(result)

    def _argument(self, values: JsonValues, field: Field, value: Any) -> Any:
        if value is None and field.optional:
            return None
        if not isinstance(field.type, InterfaceType):
            return values.load(field.type, value)
        name = _number(value)
        if name in self._there:
            return self._there[name]
        return self._stand_in(name, values.model, values.model.interface(field.type.key))

    def _stand_in(self, name: str, model: Model, interface: Interface) -> Any:
        """An object that answers as the client's did."""
        if interface.stream is not None:
            raise NoValue("an iterator of the client's is not in the trace")
        functions: dict[str, Callable[..., Any]] = {}
        for each in model.ancestry(interface):
            for method in each.methods:
                if method.kind == "method":
                    entry = self._entries[f"{each.name}.{method.name}"]
                    functions[method.name] = self._answering(name, entry)
        if interface.callable:
            (function,) = functions.values()
            return lambda *arguments: function(None, *arguments)
        return type(interface.name, (python_object(interface.cls),), functions)()

    def _answering(self, name: str, entry: Entry) -> Callable[..., Any]:
        def answer(_self: object, *_args: Any, **_kwargs: Any) -> Any:
            recorded = self._callbacks[name, entry.name]
            record = recorded.popleft() if recorded else None
            if record is None:
                raise RuntimeError("there was no such call when this was recorded")
            if record.raised:
                raise RuntimeError(record.raised[1])
            if entry.method.returns != "value":
                return None
            field = entry.method.result_fields[0]
            return self._argument(entry.values, field, record.result)

        return answer


def _matched(records: list[Record]) -> dict[int, Record]:
    """For the places of calls, their answers."""
    open_calls: dict[tuple[str, int | None], int] = {}
    found: dict[int, Record] = {}
    for at, each in enumerate(records):
        if each.kind == "call":
            open_calls[each.sender, each.id] = at
        elif each.kind == "answer":
            asker = "server" if each.sender == "client" else "client"
            place = open_calls.pop((asker, each.id), None)
            if place is not None:
                found[place] = each
    return found


def _number(shown: object) -> str:
    """What an object is known by: its number, since its interface may become known later."""
    match = _OBJECT.fullmatch(shown) if isinstance(shown, str) else None
    return match[2] if match else ""


def _same(then: Any, now: Any) -> bool:
    """Whether two results are alike. Objects are, when they are of one interface."""
    if isinstance(then, dict) and isinstance(now, dict):
        return then.keys() == now.keys() and all(_same(then[key], now[key]) for key in then)
    if isinstance(then, list | tuple) and isinstance(now, list | tuple):
        return len(then) == len(now) and all(map(_same, then, now))
    if isinstance(then, str) and _OBJECT.fullmatch(then):
        return isinstance(now, str) and now.startswith("<")
    return bool(then == now)


def _texts(value: Any) -> Iterator[Any]:
    """All that is in a value."""
    if isinstance(value, dict):
        value = [*value.values()]
    if isinstance(value, list):
        for each in value:
            yield from _texts(each)
    else:
        yield value
