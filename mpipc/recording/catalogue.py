"""Methods by their numbers on the wire, with what reads their messages.

Parameters and results are read by the generated code that clients and servers use: there is no
second reader.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from mpipc.capnp.message import Message
from mpipc.capnp.proxy import ClientMethod, ServerMethod
from mpipc.capnp.showing import HIDDEN
from mpipc.derive import derive
from mpipc.errors import IpcError
from mpipc.generate.load import generated_for
from mpipc.generate.names import method_name
from mpipc.model import Field, Interface, InterfaceType, Method, Model, Type, python_object
from mpipc.recording.json_values import JsonValues
from mpipc.schema import committed_lock


class TraceValues(JsonValues):
    """Values as a trace has them: without secrets, and objects with their numbers."""

    def field(self, field: Field, value: Any) -> Any:
        if value is not None and self.model.hides(field):
            return HIDDEN
        return super().field(field, value)

    def dump(self, type: Type, value: Any) -> Any:
        if isinstance(type, InterfaceType):
            return None if value is None else str(value)
        return super().dump(type, value)


@dataclass(frozen=True)
class Entry:
    """A method, the interface that declares it, and what turns values into JSON."""

    interface: Interface
    method: Method
    on_client: ClientMethod[Any]
    on_server: ServerMethod
    values: TraceValues

    @property
    def name(self) -> str:
        return f"{self.interface.name}.{self.method.name}"

    def arguments(self, message: Message, content: tuple[int, int, int]) -> Any:
        """The arguments of a call by name, as JSON has them."""
        method, run = self.method, self.on_server.run
        if run is None or method.getter or method.returns == "batch":
            return {}
        args, kwargs = _taken(run, message, content)
        positional = [field for field in method.parameters if not field.keyword]
        given = dict(zip((field.name for field in positional), args, strict=True)) | kwargs
        return {
            field.name: self.values.field(field, given[field.name]) for field in method.parameters
        }

    def result(self, message: Message, content: tuple[int, int, int]) -> Any:
        """What the method returned, as JSON has it. Raises what it has raised."""
        found = self.on_client.unpack(message, *content)
        if self.method.returns == "batch":
            return f"<{len(found.items)} items{', the last' if found.done else ''}>"
        return self.result_of(found)

    def result_of(self, found: Any) -> Any:
        """What the method returned, as JSON has it."""
        method = self.method
        if method.returns == "none" or method.kind != "method":
            return None
        if method.returns == "value":
            return self.values.field(method.result_fields[0], found)
        return self.values.fields(method.result_fields, found)


class Catalogue:
    """The methods of modules, and of what they use. `modules` gives the modules' names; it is asked
    again when a method is not known, since there may be more by then."""

    def __init__(self, modules: Callable[[], Iterable[str]]) -> None:
        self._modules = modules
        self._seen: set[str] = set()
        self._lock = threading.RLock()
        self.methods: dict[tuple[int, int], Entry] = {}
        self.interfaces: dict[type, Interface] = {}

    def find(self, interface: int, number: int) -> Entry | None:
        """A method, None where no module declares it."""
        key = interface, number
        if key not in self.methods:
            with self._lock:
                # One by one: a module that cannot be derived hides its own methods only.
                for module in self._new():
                    try:
                        self._add(derive([module], committed_lock))
                    except IpcError:
                        pass  # who runs the program hears of it elsewhere
        return self.methods.get(key)

    def look(self) -> None:
        """Take in the modules that were not there before. Raises SchemaError."""
        with self._lock:
            new = self._new()
            if new:
                self._add(derive(new, committed_lock))

    def _new(self) -> list[str]:
        new = sorted({*self._modules()} - self._seen)
        self._seen.update(new)
        return new

    def _add(self, model: Model) -> None:
        values = TraceValues(model)
        for module in model.modules.values():
            classes = [
                each for each in module.interfaces if not each.classless and each.generic is None
            ]
            if not classes:
                continue
            client = generated_for(python_object(classes[0].cls)).client
            generated: Any = sys.modules[client.__module__]
            for interface in module.interfaces:
                made = generated.INTERFACES[interface.key.name]
                self.interfaces[made.client] = interface
                for method in interface.methods:
                    on_client = vars(generated)[f"_method_{method_name(interface, method)}"]
                    key = on_client.interface, on_client.number
                    self.methods[key] = Entry(
                        interface, method, on_client, made.server.methods[key], values
                    )


class _Taken(BaseException):
    """Leaves generated code with the arguments that it has read. No method declares it."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.args, self.kwargs = args, kwargs


class _Taker:
    """An object whose methods take their arguments and are done with it."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise _Taken(args, kwargs)


def _taken(
    run: Callable[..., Any], message: Message, content: tuple[int, int, int]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    try:
        running = run(_Taker(), message, *content)
        if hasattr(running, "send"):
            running.send(None)
    except _Taken as taken:
        return taken.args, taken.kwargs
    return (), {}
