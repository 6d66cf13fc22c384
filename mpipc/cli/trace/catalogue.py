"""The methods of a package, by their numbers on the wire, with what reads their messages.

Parameters and results are read by the generated code that clients and servers use: there is no
second reader.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mpipc.capnp.message import Message
from mpipc.capnp.proxy import ClientMethod, ServerMethod
from mpipc.cli.call import declarations
from mpipc.cli.json_values import JsonValues
from mpipc.cli.trace.records import SECRET
from mpipc.generate.load import generated_for
from mpipc.generate.names import method_name
from mpipc.model import Field, Interface, InterfaceType, Method, Model, Type, python_object


class TraceValues(JsonValues):
    """Values as a trace has them: without secrets, and objects with their numbers."""

    def field(self, field: Field, value: Any) -> Any:
        if value is not None and self.model.hides(field):
            return SECRET
        return super().field(field, value)

    def dump(self, type: Type, value: Any) -> Any:
        if isinstance(type, InterfaceType):
            return None if value is None else str(value)
        return super().dump(type, value)


@dataclass(frozen=True)
class Entry:
    """A method, and the interface that declares it."""

    interface: Interface
    method: Method
    on_client: ClientMethod[Any]
    on_server: ServerMethod

    @property
    def name(self) -> str:
        return f"{self.interface.name}.{self.method.name}"


class Catalogue:
    """See the module."""

    def __init__(self, package: str) -> None:
        self.found, self.model = declarations(package)
        self.values = TraceValues(self.model)
        self.methods: dict[tuple[int, int], Entry] = {}
        self.interfaces: dict[type, Interface] = {}
        for module in self.model.modules.values():
            classes = [each for each in module.interfaces if not each.classless]
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
                        interface, method, on_client, made.server.methods[key]
                    )

    def arguments(self, entry: Entry, message: Message, content: tuple[int, int, int]) -> Any:
        """The arguments of a call by name, as JSON has them."""
        run = entry.on_server.run
        if run is None or entry.method.getter or entry.method.returns == "batch":
            return {}
        args, kwargs = _taken(run, message, content)
        positional = [field for field in entry.method.parameters if not field.keyword]
        given = dict(zip((field.name for field in positional), args, strict=True)) | kwargs
        return {
            field.name: self.values.field(field, given[field.name])
            for field in entry.method.parameters
        }

    def result(self, entry: Entry, message: Message, content: tuple[int, int, int]) -> Any:
        """What a method returned, as JSON has it. Raises what it has raised."""
        method = entry.method
        found = entry.on_client.unpack(message, *content)
        if method.returns == "batch":
            return f"<{len(found.items)} items{', the last' if found.done else ''}>"
        return result_of(self.values, method, found)


def result_of(values: JsonValues, method: Method, found: Any) -> Any:
    """What a method returned, as JSON has it."""
    if method.returns == "none" or method.kind != "method":
        return None
    if method.returns == "value":
        return values.field(method.result_fields[0], found)
    return values.fields(method.result_fields, found)


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


def secretive(model: Model, method: Method) -> bool:
    """Whether there is something secret in the parameters of a method."""
    return any(model.hides(each) or model.secretive(each.type) for each in method.parameters)
