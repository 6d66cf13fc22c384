"""Callable[[A, B], R] -> an interface with the method `call`.

Annotated[Callable[...], mpipc.interface(name=..., wrap=...)] names it; else its name is made of
the interface, the method and the parameter: `Chain.on_tip(callback)` -> `ChainOnTipCallback`.
"""

from __future__ import annotations

import collections.abc
from dataclasses import replace

from mpipc import declare
from mpipc.derive.annotations import Annotation
from mpipc.derive.mistakes import Mistake
from mpipc.derive.site import Site
from mpipc.model import InterfaceType, ParameterType


def rule(annotation: Annotation, site: Site) -> InterfaceType | None:
    if (annotation.origin or annotation.base) is not collections.abc.Callable:
        return None
    if len(annotation.args) != 2 or not isinstance(annotation.args[0], list):
        raise Mistake("a Callable without the types of its arguments", "Callable[[A, B], R]")
    options = annotation.find(declare.InterfaceOptions) or declare.InterfaceOptions()
    arguments = tuple(annotation.args[0])
    result = annotation.args[1]
    # The interface has no type parameters, as a generic struct of the schema may have.
    bound = {
        name: each for name, each in site.bindings.items() if not isinstance(each, ParameterType)
    }
    at = replace(site, bindings=bound)
    return InterfaceType(site.session.use_callback(options, arguments, result, at))
