"""An Iterator, async or not, -> `model.Interface`: whoever reads it asks for the `next` items, at
most `count`."""

from __future__ import annotations

from mpipc import declare
from mpipc.derive.lock import number
from mpipc.derive.methods import CONTEXT, destroy, exception_members, exceptions
from mpipc.derive.records import Member, record
from mpipc.derive.site import Site
from mpipc.model import Interface, ListType, Method, Primitive, TypeName

_DOC = """\
The next items, at most `count`; fewer where these come slowly or are large.

`done`: there are no more. An exception comes after all items before it, and is the end."""


def derive_stream(
    key: TypeName, options: declare.InterfaceOptions, items: ListType, site: Site, *, secret: bool
) -> Interface:
    """Describe the interface of an iterator over the elements of `items`, which may be secret.
    Raises Mistake."""
    assert site.streams is not None
    name, locked = key.name, site.session.locked
    added = [("destroy", None)] if options.destroy else []
    ordinals, reserved = number([*added, ("next", None)], locked(key.module, name))
    methods = [destroy(name, ordinals[0])] if options.destroy else []
    path = f"{name}.next"
    params, parameters, _ = record(
        f"{path}$Params",
        [CONTEXT, Member("count", Primitive("UInt32"), field="count")],
        locked(key.module, f"{path}$Params"),
    )
    raised = exception_members(site.streams, site)
    results, fields, slots = record(
        f"{path}$Results",
        [
            *raised,
            Member("items", items, field="items", secret=secret),
            Member("done", Primitive("Bool"), field="done"),
        ],
        locked(key.module, f"{path}$Results"),
    )
    methods.append(
        Method(
            "next", "next", ordinals[-1], params, results, tuple(parameters), tuple(fields),
            returns="batch", raises=exceptions(site.streams, slots), doc=_DOC,
        )
    )  # fmt: skip
    methods.sort(key=lambda method: method.ordinal)
    return Interface(
        key, name, tuple(methods), wrap=options.wrap, reserved=reserved, stream=items.element
    )
