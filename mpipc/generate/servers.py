"""The server of an interface: per method a function that reads, calls and writes; their table."""

from __future__ import annotations

from collections.abc import Iterator

from mpipc.generate.clients import params_format, results_format
from mpipc.generate.conversions import Conversions
from mpipc.generate.fields import (
    apart,
    blamed,
    naming,
    packed,
    parts_of,
    passed,
    unpack_lines,
    uses_writer,
)
from mpipc.generate.names import hexadecimal, identifier, method_name
from mpipc.generate.scope import Scope
from mpipc.model import (
    Context,
    Interface,
    InterfaceType,
    Method,
    ModuleLayout,
    Slot,
    TextType,
    ThreadMap,
    TypeName,
)

PEER = TypeName("mpipc.ipc.peers", "Peer")


def server_lines(
    interface: Interface, layout: ModuleLayout, scope: Scope, convert: Conversions
) -> Iterator[str]:
    """The source of an interface's server."""
    for method in interface.methods:
        if method.kind == "method":
            yield from _function(interface, method, layout, scope, convert)
            yield from ("", "")
    yield from _table(interface, layout, scope, convert)


def _function(
    interface: Interface, method: Method, layout: ModuleLayout, scope: Scope, convert: Conversions
) -> Iterator[str]:
    name = method_name(interface, method)
    params = params_format(method, layout, scope)
    if interface.stream is not None:
        impl = f"{scope.runtime('Source')}[{convert.annotation(interface.stream, taken=True)}]"
    elif interface.callable:
        impl = scope.standard("typing.Any")
    else:
        impl = convert.annotation(InterfaceType(interface.key), taken=True)
    writer = scope.runtime("Writer")
    taken = f"_impl: {impl}, _m: {scope.runtime('Message')}, _at: int, _d: int, _p: int"
    if method.supplied:
        taken += f", _peer: {scope.declared(PEER)} | None = None"
    # A generator that is async begins in the event loop, too.
    define = "async def" if method.is_async or method.is_lazy else "def"
    yield f"{define} _serve_{name}({taken}) -> {writer}:"
    unpack, values = unpack_lines(method.parameters, params, f"_params_in_{name}", convert)
    yield from (f"    {line}" for line in unpack)
    fails = any(convert.can_fail(field.type) for field in method.parameters)
    several = any(field.parts for field in method.parameters)
    if method.parameters and (fails or method.raises or several):
        # What cannot be read is none of the exceptions that the method declares.
        lines = []
        for field, value in zip(method.parameters, values, strict=True):
            kind = convert.annotation(field.type, taken=False) + " | None" * field.optional
            lines.append(f"p_{field.name}: {kind} = {value}")
        where = f"{interface.name}.{method.name}"
        yield from (f"    {line}" for line in naming(where, lines, scope, wanted=fails))
        values = [f"p_{field.name}" for field in method.parameters]
    called = "_impl" if method.name == "__call__" else f"_impl.{method.name}"
    arguments = passed(parts_of(method.parameters), apart(method.parameters, values, convert))
    who = f"_peer or {scope.declared(PEER)}()" if method.supplied else ""
    for given in method.supplied:
        arguments += ", " * bool(arguments)
        arguments += f"{given.name}={scope.declared(given.function)}({who})"
    call = called if method.getter else f"{called}({arguments})"
    if method.is_async:
        call = f"await {call}"
    if method.returns != "none":
        call = f"_result = {call}"
    if method.raises:
        yield "    try:"
        yield f"        {call}"
    else:
        yield f"    {call}"
    for each in method.raises:
        yield f"    except {scope.declared(each.key)} as _e:"
        yield from _raised(name, method, each.slot, layout, scope, convert)
    yield from _results(interface, method, layout, scope, convert)


def _raised(
    name: str,
    method: Method,
    slot: Slot,
    layout: ModuleLayout,
    scope: Scope,
    convert: Conversions,
) -> Iterator[str]:
    """Results that say only that a declared exception was raised."""
    results = results_format(method, layout, scope)
    assert not isinstance(slot.type, Context | ThreadMap)
    value = f"{scope.builtin('str')}(_e)" if isinstance(slot.type, TextType) else "_e"
    written = convert.to_pointer(slot.type, results.pointer_word(slot, 0), value)
    arguments = ", ".join(results.arguments({slot.name: written}))
    yield f"        _w = {scope.runtime('Writer')}({results.words})"
    yield f"        _w.head = _results_out_{name}.pack({arguments})"
    yield "        return _w"


def _results(
    interface: Interface, method: Method, layout: ModuleLayout, scope: Scope, convert: Conversions
) -> Iterator[str]:
    name = method_name(interface, method)
    results = results_format(method, layout, scope)
    writer = scope.runtime("Writer")
    if not results.words:
        yield f"    return {writer}(0)"
        return
    fields = method.result_fields
    single = method.returns == "value"
    values = {field.name: "_result" if single else f"_result.{field.name}" for field in fields}
    arguments = ", ".join(results.arguments(packed(fields, values, results, 0, convert)))
    head = f"_results_out_{name}.pack({arguments})"
    if not fields:
        yield f"    return {writer}({results.words}, [], {head})"
        return
    where = f'_e, "{interface.name}.{method.name}"'
    if isinstance(method.returns, TypeName):
        cls = scope.declared(method.returns)
        blame = f"{scope.runtime('results_misfit')}({where}, {cls}, _result)"
    else:
        described = f"({blamed(fields[0], convert)}, {values[fields[0].name]})"
        name = "items" if method.returns == "batch" else "result"
        blame = f"{scope.runtime('misfit')}({where}, {name}={described})"
    children = uses_writer(head)
    if children:
        yield f"    _w = {writer}({results.words})"
    yield "    try:"
    yield (
        f"        _w.head = {head}"
        if children
        else f"        return {writer}({results.words}, [], {head})"
    )
    yield f"    except {scope.runtime('MISFITS')} as _e:"
    yield f"        raise {blame} from None"
    if children:
        yield "    return _w"


def _table(
    interface: Interface, layout: ModuleLayout, scope: Scope, convert: Conversions
) -> Iterator[str]:
    name = identifier(interface.key)
    if interface.stream is not None:
        declared = scope.runtime("Source")
    else:
        declared = "None" if interface.callable else scope.declared(interface.cls)
    yield f"{name}Server = {scope.runtime('Server')}("
    yield f'    "{interface.name}",'
    yield f"    {declared},"
    rows = [f"**{scope.generated(base, '{}Server')}.methods," for base in interface.bases]
    for method in interface.methods:
        shape = hexadecimal(results_format(method, layout, scope).shape)
        arguments = [f'"{interface.name}.{method.name}"', shape, str(method.context)]
        arguments.append(f'"{method.kind}"')
        if method.kind == "method":
            arguments.append(run := f"_serve_{method_name(interface, method)}")
            if interface.stream is not None:
                arguments[-1] = f"{scope.runtime('in_batches')}({run})"
                arguments.append(f"run_async={scope.runtime('in_awaited_batches')}({run})")
        elif interface.stream is not None:
            arguments.append(f"run_async={scope.runtime('close_awaited')}")
        if method.is_async or method.is_lazy:
            arguments.append("is_async=True")
        if method.supplied:
            arguments.append("supplied=True")
        made = f"{scope.runtime('ServerMethod')}({', '.join(arguments)})"
        rows.append(f"(_id_{name}, {method.ordinal}): {made},")
    if rows:
        yield "    {"
        yield from (f"        {row}" for row in rows)
        yield "    },"
    else:
        yield "    {},"
    if interface.stream is not None:
        yield f"    {scope.runtime('Source')}.close,"
    if convert.has_secrets(interface):
        yield f"    secrets={name}Client._mpipc_secrets,"
    yield ")"
