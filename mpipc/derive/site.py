"""The surroundings of a type annotation that a type rule may need."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mpipc.derive.annotations import Annotation, Scope
from mpipc.derive.mistakes import Place
from mpipc.derive.names import capitalized

if TYPE_CHECKING:
    from mpipc.derive.session import Session


@dataclass(frozen=True)
class Site:
    """Where an annotation stands.

    `module`  the module whose schema is written: structs of dicts and callbacks go there.
    `scope`   the names that the annotation may use.
    `place`   what problems are reported for.
    `owner`   what names made up for callbacks begin with: `ChainOnTip`.
    """

    session: Session
    module: str
    scope: Scope
    place: Place
    owner: str

    def member(self, name: str) -> Site:
        """A method or a field of the class that this site is."""
        owner = self.owner + capitalized(name)
        return replace(self, place=self.place.at_member(name), owner=owner)

    def parameter(self, name: str) -> Site:
        """A parameter of the method that this site is, or an argument of its callback."""
        owner = self.owner + capitalized(name)
        return replace(self, place=self.place.at_parameter(name), owner=owner)

    def unwrap(self, annotation: object) -> Annotation:
        """Resolve names and take wrappers off. Raises Mistake."""
        return self.scope.unwrap(annotation)
