"""A class decorated with @mpipc.interface -> a capability."""

from __future__ import annotations

from mpipc import declare
from mpipc.derive.annotations import Annotation
from mpipc.derive.mistakes import Mistake
from mpipc.derive.site import Site
from mpipc.derive.types.generics import arguments_of, type_parameters
from mpipc.model import InterfaceType


def rule(annotation: Annotation, site: Site) -> InterfaceType | None:
    cls = annotation.origin or annotation.base
    if not isinstance(cls, type):
        return None
    if declare.options_of(cls, declare.INTERFACE) is not None and type_parameters(cls):
        name = (annotation.find(declare.InterfaceOptions) or declare.InterfaceOptions()).name
        arguments = arguments_of(cls, annotation.args, site)
        return InterfaceType(site.session.use_generic_interface(cls, arguments, name, site))
    if declare.options_of(cls, declare.INTERFACE) is not None:
        return InterfaceType(site.session.use_interface(cls, site))
    for base in cls.__mro__[1:]:
        if declare.options_of(base, declare.INTERFACE) is not None:
            raise Mistake(
                f"{cls.__name__} is not decorated: only its base {base.__name__} is an interface",
                f"{base.__name__}, or @mpipc.interface above class {cls.__name__}",
            )
    return None
