"""The surroundings of a type annotation that a type rule may need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mpipc import declare
from mpipc.derive.annotations import Annotation, Scope
from mpipc.derive.mistakes import Place
from mpipc.derive.names import capitalized
from mpipc.model import Type

if TYPE_CHECKING:
    from mpipc.derive.session import Session


@dataclass(frozen=True)
class Site:
    """Where an annotation stands.

    `module`  the module whose schema is written: structs of dicts and callbacks go there.
    `scope`   the names that the annotation may use.
    `place`   what problems are reported for.
    `owner`   the parts of names made up for what stands there: `("Chain", "on_tip", "callback")`.
    `bindings`  what the type parameters of a generic struct stand for, by their names.
    `streams`  the exceptions that an iterator may raise here, None where there can be none.
    """

    session: Session
    module: str
    scope: Scope
    place: Place
    owner: tuple[str, ...]
    bindings: Mapping[str, Type] = field(default_factory=dict)
    streams: tuple[declare.Raises, ...] | None = None

    def within(self, scope: Scope, bindings: Mapping[str, Type]) -> Site:
        """The same place in a class with other names and type parameters, a base perhaps."""
        return replace(self, scope=scope, bindings=bindings)

    def member(self, name: str) -> Site:
        """A method or a field of the class that this site is."""
        return replace(self, place=self.place.at_member(name), owner=(*self.owner, name))

    def parameter(self, name: str) -> Site:
        """A parameter of the method that this site is, or an argument of its callback."""
        return replace(self, place=self.place.at_parameter(name), owner=(*self.owner, name))

    def union_name(self) -> str:
        """The schema name of a union that has none of its own: `ChainDrawShape`."""
        return "".join(map(capitalized, self.owner))

    def callback_name(self) -> str:
        """The schema name of a callback that has none of its own: `ChainOnTipCallback`."""
        return "".join(map(capitalized, self.owner)).removesuffix("Callback") + "Callback"

    def unwrap(self, annotation: object) -> Annotation:
        """Resolve names and take wrappers off. Raises Mistake."""
        return self.scope.unwrap(annotation)
