"""The client class of an interface: its methods pack parameters, call, and unpack results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mpipc.capnp.threads import CONTEXT_WORDS, context_pointer
from mpipc.errors import Problem, SchemaError
from mpipc.generate.conversions import Conversions
from mpipc.generate.fields import blamed, packed, passed, unpack_lines
from mpipc.generate.layout import WIDTH
from mpipc.generate.names import hexadecimal, identifier, method_name, quoted
from mpipc.generate.records import RecordFormat
from mpipc.generate.scope import Scope, python_object
from mpipc.model import (
    Context,
    Interface,
    Method,
    ModuleLayout,
    Primitive,
    TextType,
    ThreadMap,
)


def client_lines(
    interface: Interface, layout: ModuleLayout, scope: Scope, convert: Conversions
) -> list[str]:
    """The source of an interface's client: its methods' constants, then the class."""
    name = identifier(interface.key)
    bases = [scope.generated(base, "{}Client") for base in interface.bases]
    listed = [f"*{base}._mpipc_methods" for base in bases]
    listed += [f'"{method.name}"' for method in interface.methods if method.kind == "method"]
    parents = bases or [scope.runtime("Client")]
    if not interface.callable:
        parents.append(scope.declared(interface.key))
    lines = [f"_id_{name} = {hexadecimal(layout.interfaces[interface.name])}"]
    body = [
        f"class {name}Client({', '.join(parents)}):",
        f'    """Calls a {interface.name} in another process."""',
        "",
        f'    _mpipc_name = "{interface.name}"',
    ]
    methods = []
    for method in interface.methods:
        lines += _constants(interface, method, layout, scope)
        if method.kind == "method":
            methods += ["", *_method(interface, method, layout, scope, convert)]
        else:
            body.append(f"    _mpipc_{method.kind} = _method_{method_name(interface, method)}")
    if listed:
        comma = "," if len(listed) == 1 else ""
        body.append(f"    _mpipc_methods: tuple[str, ...] = ({', '.join(listed)}{comma})")
    return [*lines, "", "", *body, *methods]


def params_format(method: Method, layout: ModuleLayout, scope: Scope) -> RecordFormat:
    return RecordFormat(method.params, layout.records[method.params.path], scope)


def results_format(method: Method, layout: ModuleLayout, scope: Scope) -> RecordFormat:
    return RecordFormat(method.results, layout.records[method.results.path], scope)


def _has_context(method: Method) -> bool:
    return any(isinstance(slot.type, Context) for slot in method.params.slots)


def _constants(
    interface: Interface, method: Method, layout: ModuleLayout, scope: Scope
) -> Iterator[str]:
    name = method_name(interface, method)
    params, results = params_format(method, layout, scope), results_format(method, layout, scope)
    arguments = [
        f'"{interface.name}.{method.name}"',
        f"_id_{identifier(interface.key)}",
        str(method.ordinal),
        hexadecimal(params.shape),
        str(method.context),
    ]
    yield f"_method_{name} = {scope.runtime('ClientMethod')}({', '.join(arguments)})"
    if method.kind != "method":
        return
    if method.parameters:
        # The Context comes right behind the parameters, so that both are packed in one go.
        behind = "QQ" if _has_context(method) else ""
        structure = scope.runtime("Struct")
        yield f'_params_out_{name} = {structure}("{params.write_format}{behind}")'
        yield f'_params_in_{name} = {structure}("{params.read_format}")'
    for index, (parameter, value) in enumerate(defaults(interface, method).items()):
        if literal(value) is None:
            declared = f"{scope.declared(interface.key)}.{method.name}"
            made = f"{scope.runtime('default_of')}({declared}, {index})"
            yield f"_default_{name}_{parameter} = {made}"
    if results.words:
        structure = scope.runtime("Struct")
        yield f'_results_out_{name} = {structure}("{results.write_format}")'
        yield f'_results_in_{name} = {structure}("{results.read_format}")'


def _method(
    interface: Interface, method: Method, layout: ModuleLayout, scope: Scope, convert: Conversions
) -> Iterator[str]:
    name = method_name(interface, method)
    results = results_format(method, layout, scope)
    parameters = ", ".join(_parameters(interface, method, scope, convert))
    if method.getter:
        yield f"    @{scope.builtin('property')}"
    yield f"    def {method.name}({parameters}) -> {_returned(method, scope, convert)}:"
    yield from _docstring(method.doc)
    if method.deprecated:
        text = f"{interface.name}.{method.name} is deprecated: {method.deprecated}"
        yield f"        self._mpipc_deprecated({quoted(text)})"
    yield from _params(interface, method, layout, scope, convert)
    call = f"self._mpipc_call(_method_{name}, _w)"
    if not results.targets():
        yield f"        {call}"
        return
    yield f"        _m, _at, _d, _p = {call}"
    raised = [declared.slot for declared in method.raises]
    fields = method.result_fields
    unpack, values = unpack_lines(fields, results, f"_results_in_{name}", convert, raised)
    if method.returns == "value" and isinstance(fields[0].type, Primitive):
        # What `struct` returns has no type of its own.
        number = results.source(fields[0].slot)
        kind = "float" if number.code in "fd" else "int"
        yield f"        {number.name}: {scope.builtin(kind)}"
    yield from (f"        {line}" for line in unpack)
    for declared in method.raises:
        slot = declared.slot
        yield f"        if lo_{slot.name} or hi_{slot.name}:"
        pointer = results.pointer_at(slot, "_s"), f"lo_{slot.name}", f"hi_{slot.name}"
        assert not isinstance(slot.type, Context | ThreadMap)
        read = convert.from_pointer(slot.type, *pointer, slot.name)
        if isinstance(slot.type, TextType):
            read = f"{scope.declared(declared.key)}({read})"
        yield f"            raise {read}"
    if method.returns == "value":
        yield f"        return {values[0]}"
    elif method.returns != "none":
        yield f"        return {scope.declared(method.returns)}({passed(fields, values)})"


def _params(
    interface: Interface, method: Method, layout: ModuleLayout, scope: Scope, convert: Conversions
) -> Iterator[str]:
    """Lines that make the writer `_w` of the parameters."""
    params = params_format(method, layout, scope)
    writer = scope.runtime("Writer")
    has_context = _has_context(method)
    if has_context:
        words, caps = params.words + CONTEXT_WORDS, scope.runtime("CONTEXT_CAPS")
        yield f"        _w = {writer}({words}, {caps})"
    else:
        yield f"        _w = {writer}({params.words})"
    if not method.parameters:
        if has_context:
            yield f"        _w.parts[0] = {scope.runtime('CONTEXT_ONLY')}"
        return
    values = {field.name: field.name for field in method.parameters}
    slots = packed(method.parameters, values, params, 0, convert)
    context = []
    if has_context:
        slots["context"] = hexadecimal(context_pointer(params.data_words, params.words))
        context = ["3", "0x100000003"]
    arguments = ", ".join([*params.arguments(slots), *context])
    described = [f"{f.name}=({blamed(f, convert)}, {f.name})" for f in method.parameters]
    blame = ", ".join(["_e", f'"{interface.name}.{method.name}"', *described])
    yield "        try:"
    packing = f"_params_out_{method_name(interface, method)}.pack({arguments})"
    yield f"            _w.parts[0] = {packing}"
    yield f"        except {scope.runtime('MISFITS')} as _e:"
    yield f"            raise {scope.runtime('misfit')}({blame}) from None"


def _parameters(
    interface: Interface, method: Method, scope: Scope, convert: Conversions
) -> Iterator[str]:
    given = defaults(interface, method)
    yield "self"
    named = False
    for field in method.parameters:
        if field.keyword and not named:
            named = True
            yield "*"
        if field.name == "self" or field.name.startswith("_"):
            where = f"{interface.key}.{method.name}({field.name})"
            raise SchemaError(
                [Problem(where, "generated code uses this name itself", "another name")]
            )
        annotation = convert.annotation(field.type, taken=True)
        if field.optional:
            annotation += " | None"
        default = ""
        if field.name in given:
            constant = f"_default_{method_name(interface, method)}_{field.name}"
            default = f" = {literal(given[field.name]) or constant}"
        yield f"{field.name}: {annotation}{default}"


def _returned(method: Method, scope: Scope, convert: Conversions) -> str:
    if method.returns == "none":
        return "None"
    if method.returns == "value":
        field = method.result_fields[0]
        annotation = convert.annotation(field.type, taken=False)
        return annotation + (" | None" if field.optional else "")
    return scope.declared(method.returns)


def defaults(interface: Interface, method: Method) -> dict[str, object]:
    """The defaults of parameters, which the caller's side fills in."""
    if interface.callable or method.getter or method.kind != "method":
        return {}
    function: Any = getattr(python_object(interface.key), method.name)
    values = function.__defaults__ or ()
    names = [field.name for field in method.parameters if not field.keyword]
    found = dict(zip(names[len(names) - len(values) :], values, strict=True))
    return found | (function.__kwdefaults__ or {})


def literal(value: object) -> str | None:
    """A default as the declaration has it, None where that takes more than a literal."""
    if type(value) is str:
        return quoted(value)
    return repr(value) if value is None or type(value) in (bool, int) else None


def _docstring(doc: str) -> Iterator[str]:
    if not doc:
        return
    lines = doc.replace("\\", "\\\\").replace('"""', '\\"\\"\\"').splitlines()
    # A quote must not touch those around it.
    lines[0] = f" {lines[0]}" if lines[0].startswith('"') else lines[0]
    single = f'        """{lines[0]} """' if doc.endswith('"') else f'        """{lines[0]}"""'
    if len(lines) == 1 and len(single) <= WIDTH:
        yield single
    else:
        rest = [f"        {line}".rstrip() for line in [*lines[1:], '"""']]
        yield "\n".join([f'        """{lines[0]}', *rest])
