"""The client class of an interface: its methods pack parameters, call, and unpack results."""

from __future__ import annotations

from typing import Any

from mpipc.capnp.threads import CONTEXT_WORDS, context_pointer
from mpipc.generate.conversions import Conversions
from mpipc.generate.fields import call, packed, tuple_lines, unpack_lines
from mpipc.generate.names import identifier, method_prefix
from mpipc.generate.records import RecordFormat
from mpipc.generate.scope import Scope, python_object
from mpipc.generate.structs import blamed_type
from mpipc.model import Context, Interface, Method, ModuleLayout


def client_lines(
    interface: Interface, layout: ModuleLayout, scope: Scope, convert: Conversions
) -> list[str]:
    """The source of an interface's client: its methods' constants, then the class."""
    client = scope.runtime("Client")
    name = f"{identifier(interface.key)}Client"
    id = layout.interfaces[interface.name]
    bases = [scope.generated(base, "{}Client") for base in interface.bases] or [client]
    if not interface.callable:
        bases.append(scope.declared(interface.key))
    own = [method.name for method in interface.methods if method.kind == "method"]
    listed = [f"*{base}._mpipc_methods" for base in bases[: len(interface.bases)]]
    listed += [f'"{method}"' for method in own]
    constants: list[str] = []
    body = [
        f"class {name}({', '.join(bases)}):",
        f'    """Calls a {interface.name} in another process."""',
        "",
        f'    _mpipc_name = "{interface.name}"',
        *tuple_lines("_mpipc_methods: tuple[str, ...]", listed, "    "),
    ]
    for method in interface.methods:
        constants += _constants(interface, method, id, layout, scope)
        if method.kind == "method":
            body += ["", *_method(interface, method, layout, scope, convert)]
        else:
            body.insert(4, f"    _mpipc_{method.kind} = {method_prefix(interface, method)}")
    return [*constants, "", "", *body]


def params_format(method: Method, layout: ModuleLayout, scope: Scope) -> RecordFormat:
    return RecordFormat(method.params, layout.records[method.params.path], scope, ("context",))


def results_format(method: Method, layout: ModuleLayout, scope: Scope) -> RecordFormat:
    return RecordFormat(method.results, layout.records[method.results.path], scope)


def _has_context(method: Method) -> bool:
    return any(isinstance(slot.type, Context) for slot in method.params.slots)


def _constants(
    interface: Interface, method: Method, id: int, layout: ModuleLayout, scope: Scope
) -> list[str]:
    prefix = method_prefix(interface, method)
    params, results = params_format(method, layout, scope), results_format(method, layout, scope)
    structure = scope.runtime("Struct")
    client_method = scope.runtime("ClientMethod")
    label = f"{interface.name}.{method.name}"
    lines = [
        f'{prefix} = {client_method}("{label}", {id:#x}, {method.ordinal}, {params.shape:#x}, '
        f"{method.context})"
    ]
    if method.kind != "method":
        return lines
    if _has_context(method):
        # The Context comes right behind the parameters, so that both are packed in one go.
        lines.append(f'{prefix}_params_out = {structure}("{params.write_format}QQ")')
    elif params.words:
        lines.append(f'{prefix}_params_out = {structure}("{params.write_format}")')
    if params.targets():
        lines.append(f'{prefix}_params_in = {structure}("{params.read_format}")')
    if results.words:
        lines.append(f'{prefix}_results_out = {structure}("{results.write_format}")')
    if results.targets():
        lines.append(f'{prefix}_results_in = {structure}("{results.read_format}")')
    return lines


def _method(
    interface: Interface,
    method: Method,
    layout: ModuleLayout,
    scope: Scope,
    convert: Conversions,
) -> list[str]:
    prefix = method_prefix(interface, method)
    params, results = params_format(method, layout, scope), results_format(method, layout, scope)
    lines = [
        *call(f"def {method.name}", _parameters(interface, method, scope, convert), "    ",
              f" -> {_returned(method, scope, convert)}:"),
        *_docstring(method.doc),
        *_warning(interface, method),
    ]  # fmt: skip
    values = {field.name: field.name for field in method.parameters}
    slots = packed(method.parameters, values, params, 0, convert)
    writer = scope.runtime("Writer")
    if _has_context(method):
        slots["context"] = hex(context_pointer(params.data_words, params.words))
        caps = scope.runtime("CONTEXT_CAPS")
        lines.append(f"        _w = {writer}({params.words + CONTEXT_WORDS}, {caps})")
        arguments = [*params.arguments(slots), "3", "0x100000003"]
    else:
        lines.append(f"        _w = {writer}({params.words})")
        arguments = params.arguments(slots)
    pack = f"_w.parts[0] = {prefix}_params_out.pack"
    if method.parameters:
        blamed = [
            f'("{field.name}", "{blamed_type(field, convert)}", {field.name})'
            for field in method.parameters
        ]
        where = f'e, "{interface.name}.{method.name}"'
        lines += [
            "        try:",
            *call(pack, arguments, " " * 12),
            f"        except {scope.runtime('MISFITS')} as e:",
            *call(f"raise {scope.runtime('misfit')}", [where, f"[{', '.join(blamed)}]"], " " * 12,
                  " from None"),
        ]  # fmt: skip
    elif arguments:
        lines += call(pack, arguments, " " * 8)
    sent = f"self._mpipc_call({prefix}, _w)"
    if not results.targets():
        return [*lines, f"        {sent}"]
    lines.append(f"        _m, _at, _d, _p = {sent}")
    unpack, read = unpack_lines(method.result_fields, results, f"{prefix}_results_in", convert)
    lines += [f"        {line}" for line in unpack]
    for declared in method.raises:
        slot = declared.slot
        if not any("_s = " in line for line in unpack):
            lines.append("        _s = _at + (_d << 3)")
            unpack = ["_s = "]
        at = results.pointer_at(slot, "_s")
        lines += [
            f"        if hi_{slot.name}:",
            f"            raise {scope.declared(declared.key)}"
            f"(_m.text({at}, lo_{slot.name}, hi_{slot.name}))",
        ]
    if method.returns == "none":
        return lines
    if method.returns == "value":
        return [*lines, f"        return {read[0]}"]
    names = [field.name for field in method.result_fields]
    given = [f"{name}={value}" for name, value in zip(names, read, strict=True)]
    return [*lines, *call(f"return {scope.declared(method.returns)}", given, " " * 8)]


def _parameters(
    interface: Interface, method: Method, scope: Scope, convert: Conversions
) -> list[str]:
    defaults = _defaults(interface, method, scope)
    result = ["self"]
    for field in method.parameters:
        annotation = convert.annotation(field.type, taken=True)
        if field.optional:
            annotation += " | None"
        default = f" = {defaults[field.name]}" if field.name in defaults else ""
        result.append(f"{field.name}: {annotation}{default}")
    return result


def _returned(method: Method, scope: Scope, convert: Conversions) -> str:
    if method.returns == "none":
        return "None"
    if method.returns == "value":
        field = method.result_fields[0]
        annotation = convert.annotation(field.type, taken=False)
        return annotation + (" | None" if field.optional else "")
    return scope.declared(method.returns)


def _defaults(interface: Interface, method: Method, scope: Scope) -> dict[str, str]:
    """Expressions for the defaults of parameters, which the caller's side fills in."""
    if interface.callable:
        return {}
    function: Any = getattr(python_object(interface.key), method.name)
    values = function.__defaults__ or ()
    names = [field.name for field in method.parameters][len(method.parameters) - len(values) :]
    result = {}
    for index, (name, value) in enumerate(zip(names, values, strict=True)):
        if value is None or type(value) in (bool, int, str, bytes):
            result[name] = repr(value)
        else:
            declared = f"{scope.declared(interface.key)}.{method.name}"
            result[name] = f"{scope.runtime('default_of')}({declared}, {index})"
    return result


def _warning(interface: Interface, method: Method) -> list[str]:
    if not method.deprecated:
        return []
    text = f"{interface.name}.{method.name} is deprecated: {method.deprecated}"
    return [f"        self._mpipc_deprecated({text!r})"]


def _docstring(doc: str) -> list[str]:
    if not doc:
        return []
    escaped = doc.replace("\\", "\\\\").replace('"""', '\\"\\"\\"').splitlines()
    if len(escaped) == 1 and len(escaped[0]) <= 86:
        return [f'        """{escaped[0]}"""']
    return [
        f'        """{escaped[0]}',
        *(f"        {line}".rstrip() for line in escaped[1:]),
        '        """',
    ]
