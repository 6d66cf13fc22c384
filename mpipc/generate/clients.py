"""The client class of an interface: its methods pack parameters, call, and unpack results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from mpipc.capnp.threads import CONTEXT_WORDS, context_pointer
from mpipc.errors import Problem, SchemaError
from mpipc.generate.conversions import Conversions
from mpipc.generate.fields import (
    blamed,
    naming,
    packed,
    parts_of,
    passed,
    unpack_lines,
    uses_writer,
)
from mpipc.generate.layout import WIDTH
from mpipc.generate.names import hexadecimal, identifier, method_name, quoted
from mpipc.generate.records import RecordFormat
from mpipc.generate.scope import Scope
from mpipc.model import (
    Context,
    Field,
    Interface,
    InterfaceType,
    Method,
    ModuleLayout,
    Primitive,
    TextType,
    ThreadMap,
    python_object,
)


def client_lines(
    interface: Interface, layout: ModuleLayout, scope: Scope, convert: Conversions
) -> list[str]:
    """The source of an interface's client: what its methods are made of, then the class."""
    name = identifier(interface.key)
    bases = [scope.generated(base, "{}Client") for base in interface.bases]
    listed = [f"*{base}._mpipc_methods" for base in bases]
    listed += [f'"{method.name}"' for method in interface.methods if method.kind == "method"]
    parents = [*bases] or [scope.runtime("Client")]
    if interface.stream is not None:
        parents = [f"{scope.runtime('Stream')}[{convert.written_out(interface.stream)}]"]
    elif not interface.callable:
        parents.append(convert.written_out(InterfaceType(interface.key)))
    lines = [f"_id_{name} = {hexadecimal(layout.interfaces[interface.name])}"]
    body = [
        f"class {name}Client({', '.join(parents)}):",
        f'    """Calls {interface.name} in another process."""',
        "",
        f'    _mpipc_name = "{interface.name}"',
    ]
    methods = []
    for method in interface.methods:
        maker = _Maker(interface, method, layout, scope, convert)
        lines += maker.parts()
        if method.kind == "method":
            methods += ["", *maker.method()]
            if interface.stream is not None:
                awaited = replace(method, name=f"{method.name}_async", is_async=True, doc="")
                methods += ["", *maker.method(awaited)]
        else:
            body.append(f"    _mpipc_{method.kind} = _method_{method_name(interface, method)}")
    if listed:
        comma = "," if len(listed) == 1 else ""
        body.append(f"    _mpipc_methods: tuple[str, ...] = ({', '.join(listed)}{comma})")
    secrets = [*_secrets(interface, bases, convert)]
    if secrets:
        number, text = scope.builtin("int"), scope.builtin("str")
        which = f"{scope.builtin('tuple')}[{number} | {text}, ...]"
        kind = f"{scope.builtin('dict')}[{text}, {which}]"
        lines.append(f"_secrets_{name}: {kind} = {{{', '.join(secrets)}}}")
        body.append(f"    _mpipc_secrets = _secrets_{name}")
    return [*lines, "", "", *body, *methods]


def _secrets(interface: Interface, bases: list[str], convert: Conversions) -> Iterator[str]:
    """For methods with values that must not be shown: which, by position and by name."""
    own = []
    for method in interface.methods:
        found: list[int | str] = []
        parameters = parts_of(method.parameters)
        positional = [field for field in parameters if not field.keyword]
        for field in parameters:
            if convert.hides(field):
                found += [field.name] if field.keyword else [positional.index(field), field.name]
        # Of several results, those that may be shown are.
        whole = method.returns in ("value", "batch")
        if whole and any(map(convert.hides, method.result_fields)):
            found.append("return")
        if found:
            keys = ", ".join(quoted(each) if isinstance(each, str) else str(each) for each in found)
            own.append(f'"{method.name}": ({keys}{"," * (len(found) == 1)})')
    if own or (len(bases) > 1 and convert.has_secrets(interface)):
        yield from (f"**{base}._mpipc_secrets" for base in bases)
        yield from own


def params_format(method: Method, layout: ModuleLayout, scope: Scope) -> RecordFormat:
    return RecordFormat(method.params, layout.records[method.params.path], scope)


def results_format(method: Method, layout: ModuleLayout, scope: Scope) -> RecordFormat:
    return RecordFormat(method.results, layout.records[method.results.path], scope)


class _Maker:
    """Writes what calling one method takes.

    _params_out_Chain_get    the formats of its parameters and results, where there are any
    _pack_Chain_get          write the parameters
    _unpack_Chain_get        read the results
    _method_Chain_get        ids and shape
    """

    def __init__(
        self,
        interface: Interface,
        method: Method,
        layout: ModuleLayout,
        scope: Scope,
        convert: Conversions,
    ) -> None:
        self._interface = interface
        self._method = method
        self._layout = layout
        self._scope = scope
        self._convert = convert
        self._name = method_name(interface, method)
        self._params = params_format(method, layout, scope)
        self._results = results_format(method, layout, scope)
        self._has_context = any(isinstance(slot.type, Context) for slot in method.params.slots)

    def parts(self) -> Iterator[str]:
        """What stands before the class."""
        method, name = self._method, self._name
        arguments = [
            f'"{self._interface.name}.{method.name}"',
            f"_id_{identifier(self._interface.key)}",
            str(method.ordinal),
            hexadecimal(self._params.shape),
            str(method.context),
        ]
        if method.kind == "method":
            yield from self._formats()
            if method.parameters:
                yield from ("", "", *self._pack())
            if self._results.targets():
                yield from ("", "", *self._unpack())
                arguments.append(f"_unpack_{name}")
                arguments += self._object()
            else:
                arguments.append(self._scope.runtime("nothing"))
            if method.parameters or self._results.targets():
                yield from ("", "")
        else:
            unpack = "read_capability" if method.kind == "construct" else "nothing"
            arguments.append(self._scope.runtime(unpack))
        yield f"_method_{name} = {self._scope.runtime('ClientMethod')}({', '.join(arguments)})"

    def _object(self) -> Iterator[str]:
        """Where in the results the object is that the method gives, and its client."""
        if self._method.returns == "value" and not self._method.raises:
            type, slot = self._method.result_fields[0].type, self._method.result_fields[0].slot
            if isinstance(type, InterfaceType):
                client = self._scope.generated(type.key, "{}Client")
                yield f"({self._results.pointer_index(slot)}, lambda: {client})"

    def method(self, declared: Method | None = None) -> Iterator[str]:
        """The method of the class, or another form of it."""
        method, name = declared or self._method, self._name
        parameters = ", ".join(["self", *self._parameters(as_declared=True)])
        returned = self._returned()
        if method.is_lazy:
            kind = self._scope.standard("collections.abc.AsyncGenerator")
            field = method.result_fields[0]
            assert isinstance(field.type, InterfaceType) and field.type.stream is not None
            item = self._convert.annotation(field.type.stream, taken=False)
            returned = f"{kind}[{item}, None]"
        if method.getter:
            yield f"    @{self._scope.builtin('property')}"
        define = "async def" if method.is_async else "def"
        yield f"    {define} {method.name}({parameters}) -> {returned}:"
        yield from _docstring(method.doc)
        if method.deprecated:
            text = f"{self._interface.name}.{method.name} is deprecated: {method.deprecated}"
            yield f"        self._mpipc_deprecated({quoted(text)})"
        for supplied in method.supplied:
            text = f"{self._interface.name}.{method.name}: {supplied.name} is not for callers"
            yield f"        if {supplied.name} is not None:"
            yield f"            raise {self._scope.builtin('TypeError')}({quoted(text)})"
        for field in parts_of(method.parameters):
            if field.filled_in is not None:
                yield f"        if {field.name} is None:"
                yield f"            {field.name} = {self._scope.declared(field.filled_in)}()"
        if method.parameters:
            writer = f"_pack_{name}({', '.join(map(self._argument, method.parameters))})"
        elif self._has_context:
            head = self._scope.runtime("CONTEXT_ONLY")
            writer = self._writer(self._params.words, head, context=True)
        else:
            writer = self._writer(self._params.words)
        how = "await self._mpipc_await" if method.is_async else "self._mpipc_call"
        if method.is_lazy:
            how = "self._mpipc_iterate"
        call = f"{how}(_method_{name}, {writer})"
        yield f"        {call}" if method.returns == "none" else f"        return {call}"

    def _argument(self, field: Field) -> str:
        """The expression for what is packed as a parameter."""
        if not field.parts:
            return field.name
        struct = self._convert.group(field)
        cls = self._scope.declared(struct.cls)
        return f"{cls}({passed(struct.fields, (each.name for each in field.parts))})"

    def _formats(self) -> Iterator[str]:
        name = self._name
        if self._method.parameters:
            structure = self._scope.runtime("Struct")
            # The Context comes right behind the parameters, so that both are packed in one go.
            behind = "QQ" if self._has_context else ""
            yield f'_params_out_{name} = {structure}("{self._params.write_format}{behind}")'
            yield f'_params_in_{name} = {structure}("{self._params.read_format}")'
        for index, (parameter, value) in enumerate(defaults(self._interface, self._method).items()):
            if literal(value) is None:
                declared = f"{self._scope.declared(self._interface.cls)}.{self._method.name}"
                made = f"{self._scope.runtime('default_of')}({declared}, {index})"
                yield f"_default_{name}_{parameter} = {made}"
        if self._results.words:
            structure = self._scope.runtime("Struct")
            yield f'_results_out_{name} = {structure}("{self._results.write_format}")'
            yield f'_results_in_{name} = {structure}("{self._results.read_format}")'

    def _writer(self, words: int, head: str = "", *, context: bool = False) -> str:
        """The expression for a new writer."""
        arguments = [str(words + CONTEXT_WORDS if context else words)]
        if context or head:
            arguments.append("[None, None]" if context else "[]")
        return f"{self._scope.runtime('Writer')}({', '.join([*arguments, *filter(None, [head])])})"

    def _pack(self) -> Iterator[str]:
        """The function that writes the parameters."""
        method, params, convert = self._method, self._params, self._convert
        values = {field.name: field.name for field in method.parameters}
        slots = packed(method.parameters, values, params, 0, convert)
        context = []
        if self._has_context:
            slots["context"] = hexadecimal(context_pointer(params.data_words, params.words))
            context = ["3", "0x100000003"]
        arguments = ", ".join([*params.arguments(slots), *context])
        head = f"_params_out_{self._name}.pack({arguments})"
        described = [f"{f.name}=({blamed(f, convert)}, {f.name})" for f in method.parameters]
        blame = ", ".join(["_e", f'"{self._interface.name}.{method.name}"', *described])
        taken = ", ".join(self._parameters(as_declared=False))
        yield f"def _pack_{self._name}({taken}) -> {self._scope.runtime('Writer')}:"
        if uses_writer(head):
            yield f"    _w = {self._writer(params.words, context=self._has_context)}"
            yield "    try:"
            yield f"        _w.head = {head}"
            last = ["    return _w"]
        else:
            yield "    try:"
            made = self._writer(params.words, head, context=self._has_context)
            yield f"        return {made}"
            last = []
        yield f"    except {self._scope.runtime('MISFITS')} as _e:"
        yield f"        raise {self._scope.runtime('misfit')}({blame}) from None"
        yield from last

    def _unpack(self) -> Iterator[str]:
        """The function that reads the results."""
        method, results, scope = self._method, self._results, self._scope
        taken = f"_m: {scope.runtime('Message')}, _at: int, _d: int, _p: int"
        yield f"def _unpack_{self._name}({taken}) -> {self._returned()}:"
        raised = [declared.slot for declared in method.raises]
        fields = method.result_fields
        unpack, values = unpack_lines(
            fields, results, f"_results_in_{self._name}", self._convert, raised
        )
        if method.returns == "value" and isinstance(fields[0].type, Primitive):
            # What `struct` returns has no type of its own.
            number = results.source(fields[0].slot)
            kind = "float" if number.code in "fd" else "int"
            yield f"    {number.name}: {scope.builtin(kind)}"
        yield from (f"    {line}" for line in unpack)
        for declared in method.raises:
            slot = declared.slot
            yield f"    if lo_{slot.name} or hi_{slot.name}:"
            pointer = results.pointer_at(slot, "_s"), f"lo_{slot.name}", f"hi_{slot.name}"
            assert not isinstance(slot.type, Context | ThreadMap)
            read = self._convert.from_pointer(slot.type, *pointer, slot.name)
            if isinstance(slot.type, TextType):
                read = f"{scope.declared(declared.key)}({read})"
            yield f"        raise {read}"
        if method.returns == "none":
            return
        made = values[0]
        if method.returns == "batch":
            made = f"{scope.runtime('Batch')}({', '.join(values)})"
        elif method.returns != "value":
            made = f"{scope.declared(method.returns)}({passed(fields, values)})"
        fails = any(self._convert.can_fail(field.type) for field in fields)
        where = f"{self._interface.name}.{method.name}"
        lines = naming(where, [f"return {made}"], scope, wanted=fails)
        yield from (f"    {line}" for line in lines)

    def _parameters(self, *, as_declared: bool) -> Iterator[str]:
        """The parameters, with their defaults and a star before those that are keyword-only; or
        without either."""
        given = defaults(self._interface, self._method) if as_declared else {}
        starred = not as_declared
        parameters = self._method.parameters
        # A struct is made of those that travel together: it wants what it declares.
        together = {part.name for field in parameters for part in field.parts}
        for field in parts_of(parameters) if as_declared else parameters:
            if field.keyword and not starred:
                starred = True
                yield "*"
            if field.name == "self" or field.name.startswith("_"):
                where = f"{self._interface.key}.{self._method.name}({field.name})"
                raise SchemaError(
                    [Problem(where, "generated code uses this name itself", "another name")]
                )
            annotation = self._convert.annotation(field.type, taken=field.name not in together)
            if field.optional:
                annotation += " | None"
            default = ""
            if field.name in given:
                constant = f"_default_{self._name}_{field.name}"
                default = f" = {literal(given[field.name]) or constant}"
            yield f"{field.name}: {annotation}{default}"
        if as_declared and self._method.supplied:
            yield from [] if starred else ["*"]
            for each in self._method.supplied:
                yield f"{each.name}: {self._scope.declared(each.key)} | None = None"

    def _returned(self) -> str:
        method = self._method
        if method.returns == "none":
            return "None"
        if method.returns == "value":
            field = method.result_fields[0]
            annotation = self._convert.annotation(field.type, taken=False)
            return annotation + (" | None" if field.optional else "")
        if method.returns == "batch":
            assert self._interface.stream is not None
            item = self._convert.annotation(self._interface.stream, taken=False)
            return f"{self._scope.runtime('Batch')}[{item}]"
        return self._scope.declared(method.returns)


def defaults(interface: Interface, method: Method) -> dict[str, object]:
    """The defaults of parameters, which the caller's side fills in."""
    if interface.classless or method.getter or method.kind != "method":
        return {}
    function: Any = getattr(python_object(interface.cls), method.name)
    values = function.__defaults__ or ()
    names = [field.name for field in parts_of(method.parameters) if not field.keyword]
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
