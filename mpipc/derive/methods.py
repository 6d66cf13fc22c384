"""A function, or a Callable, -> `model.Method`."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import FunctionType
from typing import Literal

from mpipc import declare
from mpipc.derive.annotations import shown
from mpipc.derive.defaults import check_default
from mpipc.derive.lock import former_name
from mpipc.derive.mistakes import Mistake, Place
from mpipc.derive.names import camel, member_name
from mpipc.derive.parameters import filler_of, packed, supplied, supplier_of
from mpipc.derive.records import Member, member, record
from mpipc.derive.site import Site
from mpipc.derive.structs import field_members
from mpipc.derive.types.structs import kind_of
from mpipc.model import (
    Context,
    DeclaredException,
    Method,
    Record,
    Reserved,
    Slot,
    StructType,
    TextType,
    ThreadMap,
    Type,
    TypeName,
)

CONTEXT = Member("context", Context(), 0)
"""The parameter that says which thread runs a call (WIRE.md, "A call")."""


@dataclass(frozen=True)
class Signature:
    """A method's parameters, by name, and its return type, as annotated; `keywords` are those that
    are passed by name only. `is_async`: what it returns is to be awaited."""

    parameters: Sequence[tuple[str, object]]
    returns: object
    keywords: Collection[str] = ()
    is_async: bool = False
    defaults: Mapping[str, object] = field(default_factory=dict)


def signature_of(function: FunctionType, site: Site) -> Signature:
    """What an abstract method is called with. Raises Mistake; mistakes in parameters become
    problems."""
    found = inspect.signature(function)
    parameters = list(found.parameters.values())
    if not parameters or parameters[0].kind not in _POSITIONAL:
        raise Mistake("a method without self", "self as its first parameter")
    declared = []
    for parameter in parameters[1:]:
        with site.session.reporting(site.place.at_parameter(parameter.name)):
            _check(parameter)
            declared.append((parameter.name, parameter.annotation))
    if found.return_annotation is found.empty:
        raise Mistake("no return type", "`-> None` where nothing is returned")
    keywords = {each.name for each in parameters if each.kind is each.KEYWORD_ONLY}
    is_async = inspect.iscoroutinefunction(function)
    given = {each.name: each.default for each in parameters if each.default is not each.empty}
    return Signature(declared, found.return_annotation, keywords, is_async, given)


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _check(parameter: inspect.Parameter) -> None:
    if parameter.kind is parameter.VAR_POSITIONAL:
        raise Mistake(f"*{parameter.name}: a call has a fixed list of parameters", "list[T]")
    if parameter.kind is parameter.VAR_KEYWORD:
        raise Mistake(f"**{parameter.name}: a call has a fixed list of parameters", "dict[str, T]")
    if parameter.annotation is parameter.empty:
        raise Mistake("no type", f"{parameter.name}: T")


def derive_method(
    name: str,
    schema_name: str,
    ordinal: int,
    signature: Signature,
    site: Site,
    *,
    interface: str,
    options: declare.MethodOptions,
    former: str = "",
    doc: str = "",
    getter: bool = False,
) -> Method:
    """Describe a method; `interface` is the schema name of its interface, `former` the method's
    own in the committed schema where it had another. Raises Mistake; mistakes in its parameters
    and results become problems."""
    reporting = site.session.reporting
    inputs = [CONTEXT] if options.context else []
    inputs += packed(_passed(signature, site), options.packed, site)
    _check_exceptions(options.raises)
    raised = exception_members(options.raises, site)
    outputs: list[Member] = []
    returns: TypeName | Literal["none", "value"] = "none"
    at = replace(site.parameter("result"), streams=options.raises)
    with reporting(at.place):
        returns, outputs = _results(signature.returns, at)
    path = f"{interface}.{schema_name}"
    before = f"{interface}.{former or schema_name}"
    locked_inputs = site.session.locked(site.module, f"{before}$Params")
    if options.context and locked_inputs and not _leads_with_context(locked_inputs):
        locked_inputs = ()  # every parameter has to move
    locked_outputs = site.session.locked(site.module, f"{before}$Results")
    params, parameters, _ = record(f"{path}$Params", inputs, locked_inputs)
    results, result_fields, slots = record(f"{path}$Results", [*raised, *outputs], locked_outputs)
    return Method(
        name,
        schema_name,
        ordinal,
        params,
        results,
        tuple(parameters),
        tuple(result_fields),
        returns,
        exceptions(options.raises, slots),
        options.context,
        name_annotation=options.cxx_name,
        doc=doc,
        deprecated=options.deprecated,
        getter=getter,
        is_async=signature.is_async,
        supplied=tuple(
            supplied(signature.parameters, signature.keywords, signature.defaults, site)
        ),
    )


def _passed(signature: Signature, site: Site) -> Iterator[Member]:
    """The parameters that a caller passes; mistakes become problems."""
    for name, annotation in signature.parameters:
        at = replace(site.parameter(name), streams=())
        with site.session.reporting(at.place):
            if supplier_of(annotation, at) is None:
                keyword = name if name in signature.keywords else ""
                found = member(name, annotation, at, keyword=keyword)
                if signature.defaults.get(name, ...) is None:
                    found = replace(found, filled_in=filler_of(annotation, at))
                yield found
                if name in signature.defaults:
                    check_default(signature.defaults[name], found)
                _refuse_group(annotation, at)


def _leads_with_context(locked: Sequence[Reserved]) -> bool:
    first = locked[0].name
    return (former_name(first) or first) == CONTEXT.slot


def _results(
    annotation: object, site: Site
) -> tuple[TypeName | Literal["none", "value"], list[Member]]:
    returned = site.unwrap(annotation)
    cls = returned.base
    if (cls is None or cls is type(None)) and not returned.optional:
        return "none", []
    if isinstance(cls, type) and issubclass(cls, declare.Results) and not returned.optional:
        key = site.session.key_of(cls)
        at = replace(site, place=Place(key.module, key.name))
        return key, field_members(cls, at)
    _refuse_group(annotation, site)
    return "value", [member("result", annotation, site)]


def _refuse_group(annotation: object, site: Site) -> None:
    asked = site.unwrap(annotation).find(declare.Field)
    if asked is not None and asked.group:
        raise Mistake("a parameter or a result that is a group", "a struct that has a group")


def _check_exceptions(declared: Sequence[declare.Raises]) -> None:
    """Raises Mistake for what is no exception, and for exceptions of which the other side could
    only see one."""
    for each in declared:
        cls: object = each.exception
        if not isinstance(cls, type) or not issubclass(cls, Exception):
            raise Mistake(
                f"{shown(cls) if isinstance(cls, type) else repr(cls)} in `raises` is no exception",
                "raises=E, or raises=[E, F], of classes derived from Exception",
            )
    for index, later in enumerate(declared):
        for earlier in declared[:index]:
            one, other = earlier.exception.__name__, later.exception.__name__
            if earlier.name == later.name:
                raise Mistake(
                    f"the exceptions {one} and {other} are both called {later.name!r} in the"
                    " schema",
                    f'mpipc.Raises({other}, "{camel(other)}") in `raises`',
                )
            if issubclass(later.exception, earlier.exception):
                raise Mistake(
                    f"{other} would arrive as {one}, its base, which comes first in `raises`",
                    f"{other} before {one}",
                )


def exception_members(declared: Sequence[declare.Raises], site: Site) -> list[Member]:
    """The results in which the exceptions of a method travel."""
    return [
        Member(
            member_name(each.name),
            _exception_type(each.exception, site),
            each.ordinal,
            annotations=(("exception", each.cxx_name),),
        )
        for each in declared
    ]


def _exception_type(exception: type[Exception], site: Site) -> Type:
    if kind_of(exception) is None:
        return TextType()
    return StructType(site.session.use_struct(exception, site))


def exceptions(
    declared: Sequence[declare.Raises], slots: Sequence[Slot]
) -> tuple[DeclaredException, ...]:
    """The exceptions that a method declares, and the slots of its results that they have."""
    return tuple(
        DeclaredException(TypeName(each.exception.__module__, each.exception.__qualname__), slot)
        for each, slot in zip(declared, slots, strict=False)
    )


def destroy(interface: str, ordinal: int = 0) -> Method:
    """The method that deletes the remote object before it returns (WIRE.md, "Objects")."""
    params, _, _ = record(f"{interface}.destroy$Params", [CONTEXT], ())
    results = Record(f"{interface}.destroy$Results", ())
    return Method("destroy", "destroy", ordinal, params, results, kind="destroy")


def construct(interface: str, ordinal: int = 0) -> Method:
    """The method that a connection starts with (WIRE.md, "A connection")."""
    thread_map = Slot("threadMap", 0, ThreadMap())
    return Method(
        "construct",
        "construct",
        ordinal,
        Record(f"{interface}.construct$Params", (thread_map,)),
        Record(f"{interface}.construct$Results", (thread_map,)),
        context=False,
        kind="construct",
    )
