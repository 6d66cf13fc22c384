"""tuple[A, B] -> a struct that is made up for it, with the fields item0 and item1."""

from __future__ import annotations

from mpipc.derive.annotations import Annotation
from mpipc.derive.mistakes import Mistake
from mpipc.derive.site import Site
from mpipc.derive.types.registry import element_of
from mpipc.derive.types.words import word
from mpipc.model import TupleType, TypeName


def rule(annotation: Annotation, site: Site) -> TupleType | None:
    if annotation.origin is not tuple or annotation.args[1:] == (...,):
        return None
    if not annotation.args:
        raise Mistake("tuple[()] has no elements", "tuple[T, ...] for any number of elements")
    items = tuple(element_of(each, site) for each in annotation.args)
    name = f"{''.join(map(word, items))}Tuple"
    found = TupleType(items, TypeName(site.module, name))
    site.session.use_tuple(found)
    return found
