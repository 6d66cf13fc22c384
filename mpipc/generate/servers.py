"""The server of an interface: per method a function that reads, calls and writes; their table."""

from __future__ import annotations

from mpipc.generate.clients import params_format, results_format
from mpipc.generate.conversions import Conversions
from mpipc.generate.fields import call, packed, unpack_lines
from mpipc.generate.names import identifier, method_prefix
from mpipc.generate.scope import Scope
from mpipc.generate.structs import blamed_type
from mpipc.model import Interface, Method, ModuleLayout, Slot


def server_lines(
    interface: Interface, layout: ModuleLayout, scope: Scope, convert: Conversions
) -> list[str]:
    """The source of an interface's server."""
    lines: list[str] = []
    for method in interface.methods:
        if method.kind == "method":
            lines += [*_function(interface, method, layout, scope, convert), "", ""]
    return lines + _table(interface, layout, scope)


def _function(
    interface: Interface,
    method: Method,
    layout: ModuleLayout,
    scope: Scope,
    convert: Conversions,
) -> list[str]:
    prefix = method_prefix(interface, method)
    params = params_format(method, layout, scope)
    impl = scope.standard("typing.Any") if interface.callable else scope.declared(interface.key)
    message, writer = scope.runtime("Message"), scope.runtime("Writer")
    lines = [
        f"def {prefix}_serve(",
        f"    _impl: {impl}, _m: {message}, _at: int, _d: int, _p: int",
        f") -> {writer}:",
    ]
    unpack, arguments = unpack_lines(method.parameters, params, f"{prefix}_params_in", convert)
    lines += [f"    {line}" for line in unpack]
    called = "_impl" if method.name == "__call__" else f"_impl.{method.name}"
    assign = "" if method.returns == "none" else "_result = "
    indent = "    "
    if method.raises:
        lines.append("    try:")
        indent = "        "
    lines += call(f"{assign}{called}", arguments, indent)
    for declared in method.raises:
        lines += [
            f"    except {scope.declared(declared.key)} as _e:",
            *_write_raised(prefix, method, declared.slot, layout, scope),
        ]
    return lines + _write_results(interface, method, layout, scope, convert)


def _write_raised(
    prefix: str, method: Method, slot: Slot, layout: ModuleLayout, scope: Scope
) -> list[str]:
    """Results that say only that a declared exception was raised."""
    results = results_format(method, layout, scope)
    values = {slot.name: f"_w.text({results.pointer_word(slot, 0)}, str(_e))"}
    return [
        f"        _w = {scope.runtime('Writer')}({results.words})",
        *call(f"_w.parts[0] = {prefix}_results_out.pack", results.arguments(values), " " * 8),
        "        return _w",
    ]


def _write_results(
    interface: Interface,
    method: Method,
    layout: ModuleLayout,
    scope: Scope,
    convert: Conversions,
) -> list[str]:
    prefix = method_prefix(interface, method)
    results = results_format(method, layout, scope)
    writer = scope.runtime("Writer")
    if not results.words:
        return [f"    return {writer}(0)"]
    fields = method.result_fields
    single = method.returns == "value"
    values = {field.name: "_result" if single else f"_result.{field.name}" for field in fields}
    slots = packed(fields, values, results, 0, convert)
    lines = [f"    _w = {writer}({results.words})"]
    pack = call(f"_w.parts[0] = {prefix}_results_out.pack", results.arguments(slots), " " * 8)
    if not fields:
        return [*lines, *(line[4:] for line in pack), "    return _w"]
    where = f'e, "{interface.name}.{method.name}"'
    if single:
        blamed = f'[("result", "{blamed_type(fields[0], convert)}", _result)]'
        misfit = scope.runtime("misfit")
        arguments = [where, blamed]
    else:
        pairs = [f'("{field.name}", "{blamed_type(field, convert)}")' for field in fields]
        misfit = scope.runtime("struct_misfit")
        arguments = [where, f"[{', '.join(pairs)}]", "_result"]
    return [
        *lines,
        "    try:",
        *pack,
        f"    except {scope.runtime('MISFITS')} as e:",
        *call(f"raise {misfit}", arguments, " " * 8, " from None"),
        "    return _w",
    ]


def _table(interface: Interface, layout: ModuleLayout, scope: Scope) -> list[str]:
    server, server_method = scope.runtime("Server"), scope.runtime("ServerMethod")
    declared = "None" if interface.callable else scope.declared(interface.key)
    id = layout.interfaces[interface.name]
    rows = [f"        **{scope.generated(base, '{}Server')}.methods," for base in interface.bases]
    for method in interface.methods:
        shape = results_format(method, layout, scope).shape
        label = f"{interface.name}.{method.name}"
        arguments = [f'"{label}"', f"{shape:#x}", str(method.context), f'"{method.kind}"']
        if method.kind == "method":
            arguments.append(f"{method_prefix(interface, method)}_serve")
        rows += call(f"({id:#x}, {method.ordinal}): {server_method}", arguments, " " * 8, ",")
    return [
        f"{identifier(interface.key)}Server = {server}(",
        f'    "{interface.name}",',
        f"    {declared},",
        "    {",
        *rows,
        "    },",
        ")",
    ]
