"""Iterator[T], Iterable[T], Generator[T, None, None] -> an interface with the method `next`; the
same for AsyncIterator[T] and its like.

Annotated[Iterator[T], mpipc.interface(name=..., wrap=...)] names it; else its name is made of the
type of its items, and of the exceptions that its method declares: `RowStream`,
`RowStreamOrLookupError`.
"""

from __future__ import annotations

import collections.abc

from mpipc import declare
from mpipc.derive.annotations import Annotation, shown
from mpipc.derive.mistakes import Mistake
from mpipc.derive.secrets import is_secret
from mpipc.derive.site import Site
from mpipc.derive.types.lists import list_of
from mpipc.derive.types.registry import element_of
from mpipc.derive.types.words import word
from mpipc.model import InterfaceType

_STREAMS = (collections.abc.Iterator, collections.abc.Iterable, collections.abc.Generator)
_ASYNC = (
    collections.abc.AsyncIterator,
    collections.abc.AsyncIterable,
    collections.abc.AsyncGenerator,
)


def rule(annotation: Annotation, site: Site) -> InterfaceType | None:
    origin = annotation.origin or annotation.base
    if origin not in (*_STREAMS, *_ASYNC):
        return None
    name = shown(origin)
    if not annotation.args:
        raise Mistake(f"{name} without the type of its items", f"{name}[T]")
    if any(each not in (None, type(None)) for each in annotation.args[1:]):
        raise Mistake(
            f"{shown(annotation.base)} is sent values or returns one: only items travel",
            "Iterator[T], or an interface with methods of its own",
        )
    if site.streams is None:
        raise Mistake(
            f"{shown(annotation.base)} is read once and from one place: only a parameter, a result"
            " or a field of Results can be one",
            "list[T], or an interface with a method that returns it",
        )
    item = element_of(annotation.args[0], site)
    items = list_of(item, "list", annotation)
    options = annotation.find(declare.InterfaceOptions) or declare.InterfaceOptions()
    raised = "".join(f"Or{each.exception.__name__}" for each in site.streams)
    called = options.name or f"{word(item)}Stream{raised}"
    secret = is_secret(annotation.args[0], site)
    key = site.session.use_stream(called, options, items, site, secret=secret)
    return InterfaceType(key, item, is_async=origin in _ASYNC)
