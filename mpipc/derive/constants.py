"""Constants of a module -> constants of its schema.

MAX_MONEY: Final[Annotated[Int64, mpipc.Const()]] = 21   ->   const maxMoney :Int64 = 21;
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mpipc import declare
from mpipc.derive.annotations import Annotation
from mpipc.derive.mistakes import Mistake, Place
from mpipc.derive.names import camel, integer_range, member_name
from mpipc.derive.site import Site
from mpipc.derive.types import type_of
from mpipc.model import Constant, DataType, Primitive, TextType, Type, carried

if TYPE_CHECKING:
    from mpipc.derive.session import Session


def constants(session: Session, module: str) -> Iterator[Constant]:
    """The constants of a module that are to be in its schema; mistakes become problems."""
    scope = session.scope(module)
    for name, annotation in inspect.get_annotations(sys.modules[module]).items():
        try:
            found = scope.unwrap(annotation)
        except Mistake:
            continue  # it need not mean anything to mpipc
        options = found.find(declare.Const)
        if options is not None:
            place = Place(module, name)
            with session.reporting(place):
                site = Site(session, module, scope, place, (name,))
                yield _constant(name, found, options, site)


def _constant(name: str, found: Annotation, options: declare.Const, site: Site) -> Constant:
    type = carried(type_of(found, site))
    value: Any = getattr(sys.modules[site.module], name, None)
    if found.optional or not isinstance(type, Primitive | TextType | DataType):
        raise Mistake("a constant of another type", "a bool, a number, a text or bytes")
    if not _fits(value, type):
        what = type.name if isinstance(type, Primitive) else type.__class__.__name__[:4]
        raise Mistake(f"the constant {value!r} is no {what}", f"a value of {what}")
    shown = camel(name.lower() if name.isupper() else name)
    return Constant(name, member_name(options.name or shown), type, value)


def _fits(value: object, type: Type) -> bool:
    match type:
        case Primitive("Bool"):
            return isinstance(value, bool)
        case Primitive("Float32" | "Float64"):
            return isinstance(value, int | float) and not isinstance(value, bool)
        case Primitive(name):
            low, high = integer_range(name)
            return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        case DataType():
            return isinstance(value, bytes)
    # The compiler takes neither a zero inside of a text nor what UTF-8 cannot say.
    return isinstance(value, str) and not re.search("[\0\ud800-\udfff]", value)
