"""The surroundings of a type annotation that a type rule may need."""

from __future__ import annotations

from dataclasses import dataclass
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
    `owner`   the parts of a name made up for a callback: `("Chain", "on_tip", "callback")`.
    """

    session: Session
    module: str
    scope: Scope
    place: Place
    owner: tuple[str, ...]

    def member(self, name: str) -> Site:
        """A method or a field of the class that this site is."""
        place = self.place.at_member(name)
        return Site(self.session, self.module, self.scope, place, (*self.owner, name))

    def parameter(self, name: str) -> Site:
        """A parameter of the method that this site is, or an argument of its callback."""
        place = self.place.at_parameter(name)
        return Site(self.session, self.module, self.scope, place, (*self.owner, name))

    def callback_name(self) -> str:
        """The schema name of a callback that has none of its own: `ChainOnTipCallback`."""
        return "".join(map(capitalized, self.owner)).removesuffix("Callback") + "Callback"

    def unwrap(self, annotation: object) -> Annotation:
        """Resolve names and take wrappers off. Raises Mistake."""
        return self.scope.unwrap(annotation)
