"""`mpipc call ADDRESS INTERFACE.METHOD ARGUMENT...`: one call of a server, from a terminal."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from mpipc.cli.json_lines import print_json
from mpipc.cli.packages import package_name
from mpipc.cli.usage import Usage
from mpipc.derive import derive
from mpipc.derive.packages import modules_named
from mpipc.errors import ConversionError, IpcError
from mpipc.generate.clients import defaults
from mpipc.ipc import coroutines
from mpipc.ipc.channel import timeout
from mpipc.ipc.endpoints import connect
from mpipc.model import (
    Field,
    Interface,
    InterfaceType,
    Method,
    Model,
    Type,
    TypeName,
    python_object,
)
from mpipc.recording.json_values import JsonValues, NoValue
from mpipc.schema import committed_lock

_TICK = 0.2  # seconds between looks whether the server is still there


@dataclass(frozen=True)
class Options:
    """What `mpipc call` was told. `timeout`: seconds for all of it, None for ever. `root`: the name
    of the root interface, empty for the only one. `follow`: whether to go on printing calls back
    after the method has returned."""

    package: str
    root: str
    timeout: float | None
    follow: bool


def call(address: str, target: str, arguments: Sequence[str], options: Options) -> int:
    """Call a method and print what it returns as JSON; returns the exit status.

    The interface's object comes from the server's root object, through methods that are called
    `make_…` and need no arguments. Raises Usage, IpcError, and what the method has declared.
    """
    found, model = declarations(options.package)
    interface, method = _target(model, found, target)
    root, path = _path(model, found, interface, options.root)
    print_call = _Printer(model)
    values = _arguments(model, interface, method, arguments, print_call)
    seconds = 10.0 if options.timeout is None else options.timeout
    with ExitStack() as stack:
        with ExitStack() if options.timeout is None else timeout(options.timeout):
            proxy: Any = connect(address, python_object(root.key), timeout=seconds)
            if proxy is None:
                raise IpcError(f"nobody listens on {address}")
            stack.enter_context(proxy)
            for step in path:
                proxy = _done(step, getattr(proxy, step.name)())
                if proxy is None:
                    raise IpcError(f"{step.name} gave no object: there is no {interface.name}")
            try:
                found = getattr(proxy, method.name)
                given = {
                    part.name: value
                    for field in method.parameters
                    if field.name in values
                    for part, value in field.apart(values[field.name])
                }
                result = found if method.getter else _done(method, found(**given))
                if method.returns != "none":
                    print_call.result(method, result)
            except ConversionError as error:
                raise Usage(str(error)) from None
            except tuple(python_object(each.key) for each in method.raises) as error:
                raise IpcError(f"{type(error).__name__}: {error}") from None
        if options.follow:
            _wait(proxy)
    return 0


def targets(package: str) -> list[str]:
    """What can be called: `Interface.method`, for all of a package. Raises IpcError."""
    found, model = declarations(package)
    return [
        f"{interface.name}.{method.name}"
        for interface in found
        for each in model.ancestry(interface)
        for method in each.methods
        if method.kind == "method"
    ]


# ------------------------------------------------------------------------------------ declarations


def declarations(package: str) -> tuple[list[Interface], Model]:
    """The interfaces of a package or a module, and the model they are in."""
    names = declared_modules(package)
    model = derive(names, committed_lock)
    interfaces = [each for name in names for each in model.modules[name].interfaces]
    return [each for each in interfaces if not each.classless], model


def declared_modules(package: str) -> list[str]:
    """The interface modules of a package, imported; a module is one. Raises Usage."""
    names = modules_named(package_name(package))
    if names is None:
        raise Usage(f"{package}: no such package or module: say which with --package")
    return names


def _target(model: Model, found: list[Interface], target: str) -> tuple[Interface, Method]:
    wanted, dot, name = target.rpartition(".")
    if not dot:
        raise Usage(f"{target}: expected INTERFACE.METHOD")
    interface = _interface(found, wanted)
    methods = {
        method.name: method
        for each in model.ancestry(interface)
        for method in each.methods
        if method.kind == "method"
    }
    for method in methods.values():
        if name in (method.name, method.schema_name):
            return interface, method
    raise Usage(f"{interface.name} has no method {name!r}, but {', '.join(methods)}")


def _interface(found: list[Interface], name: str) -> Interface:
    for each in found:
        if name in (each.name, each.key.name):
            return each
    if not found:
        raise Usage("no interface is declared: say where with --package")
    raise Usage(f"there is no interface {name!r}, but {', '.join(each.name for each in found)}")


def _path(
    model: Model, found: list[Interface], interface: Interface, root: str
) -> tuple[Interface, list[Method]]:
    """The root interface, and the methods that lead from its object to one of the interface."""
    roots = [_interface(found, root)] if root else [each for each in found if each.root]
    if not roots:
        raise Usage("there is no root interface: say --package")
    paths = [(each, path) for each in roots for path in [_steps(model, each, interface)]]
    reached = [(each, path) for each, path in paths if path is not None]
    if not reached:
        names = " or ".join(each.name for each in roots)
        raise Usage(f"no make_… methods without arguments lead from {names} to {interface.name}")
    if len(reached) > 1:  # libmultiprocess always calls it Init
        reached = [each for each in reached if each[0].name == "Init"] or reached
    if len(reached) > 1:
        names = ", ".join(each.name for each, _ in reached)
        raise Usage(f"there are several root interfaces: say --root with one of {names}")
    return reached[0]


def _steps(model: Model, root: Interface, wanted: Interface) -> list[Method] | None:
    """The shortest way, None where there is none."""
    ways: dict[TypeName, list[Method]] = {root.key: []}
    queue = deque([root])
    while queue:
        interface = queue.popleft()
        if any(each.key == wanted.key for each in model.ancestry(interface)):
            return ways[interface.key]
        for method, made in _makers(model, interface):
            if made.key not in ways:
                ways[made.key] = [*ways[interface.key], method]
                queue.append(made)
    return None


def _makers(model: Model, interface: Interface) -> Iterator[tuple[Method, Interface]]:
    for each in model.ancestry(interface):
        for method in each.methods:
            if method.name.startswith("make_") and method.returns == "value":
                made = method.result_fields[0].type
                if isinstance(made, InterfaceType) and not _needed(each, method):
                    yield method, model.interface(made.key)


def _needed(interface: Interface, method: Method) -> list[str]:
    """The parameters that have no default."""
    given = defaults(interface, method)
    return [field.name for field in method.parameters if field.name not in given]


# --------------------------------------------------------------------------------------- arguments


def _arguments(
    model: Model, interface: Interface, method: Method, texts: Sequence[str], print_call: _Printer
) -> dict[str, Any]:
    """What was typed, as values by the names of the parameters. Objects and callables are made:
    they print how they are called."""
    typed = [field for field in method.parameters if not _is_object(field.type)]
    names = {field.name: field for field in typed}
    given: dict[str, tuple[Field, str]] = {}
    positional = 0
    for text in texts:
        name, equals, value = text.partition("=")
        if equals and name in names:
            field = names[name]
        elif positional < len(typed):
            field, value = typed[positional], text
            positional += 1
        else:
            most = f"{len(typed)} argument{'s' * (len(typed) != 1)}"
            raise Usage(f"{method.name} takes {most}: {text!r} is one too many")
        if field.name in given:
            raise Usage(f"{field.name} was given twice")
        given[field.name] = field, value
    json = JsonValues(model)
    values = {}
    for name, (field, text) in given.items():
        try:
            values[name] = json.argument(field, text)
        except NoValue as error:
            raise Usage(f"{name}: {error}") from None
    for field in method.parameters:
        if isinstance(field.type, InterfaceType) and _is_object(field.type):
            used = model.interface(field.type.key)
            values[field.name] = None if field.optional else print_call.object(field.name, used)
    missing = [name for name in _needed(interface, method) if name not in values]
    if missing:
        raise Usage(f"{interface.name}.{method.name}: {', '.join(missing)}: not given")
    return values


class _Printer:
    """Prints JSON, one value in a line, and makes objects that print how they are called."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._json = JsonValues(model)

    def result(self, method: Method, result: Any) -> None:
        """Print what a method returned; the items of an iterator one by one, as they come."""
        field = method.result_fields[0] if method.returns == "value" else None
        if field is None:
            print_json(self._json.fields(method.result_fields, result))
        elif isinstance(field.type, InterfaceType) and field.type.stream and result is not None:
            for item in result:
                print_json(self._json.dump(field.type.stream, item))
        else:
            print_json(self._json.field(field, result))

    def object(self, name: str, interface: Interface) -> Any:
        """Something to be called back. Raises Usage where it would have to give an answer."""
        methods = [
            method
            for each in self._model.ancestry(interface)
            for method in each.methods
            if method.kind == "method"
        ]
        for method in methods:
            if method.returns != "none":
                raise Usage(f"{name}: nobody here could say what {method.name} is to return")
        if interface.callable:
            return self._print(name, methods[0])
        functions = {method.name: self._method(name, method) for method in methods}
        return type(name, (python_object(interface.cls),), functions)()

    def _method(self, name: str, method: Method) -> Callable[..., None]:
        printed = self._print(f"{name}.{method.name}", method)
        return lambda _self, *arguments: printed(*arguments)

    def _print(self, name: str, method: Method) -> Callable[..., None]:
        def printed(*arguments: Any) -> None:
            fields = zip(method.parameters, arguments, strict=True)
            values = [self._json.field(field, value) for field, value in fields]
            print_json({"call": name, "arguments": values})

        return printed


def _is_object(type: Type) -> bool:
    """Whether values are objects, which cannot be typed."""
    return isinstance(type, InterfaceType) and type.stream is None


def _done(method: Method, result: Any) -> Any:
    """What a method returns, once it is there."""
    return coroutines.run(result) if method.is_async else result


def _wait(proxy: Any) -> None:
    """Until Ctrl-C, or until the server is gone."""
    while not proxy._mpipc_connection.closed:
        time.sleep(_TICK)
