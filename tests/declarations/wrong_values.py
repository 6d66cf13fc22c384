"""Mistakes in types of values, for the golden file `data/errors.txt`."""

from __future__ import annotations

from abc import ABC, abstractmethod

import mpipc
from mpipc import hooks


class ByLambda:
    pass


class Never:
    pass


class First:
    pass


class Second:
    pass


class ToUnknown:
    pass


def build(value: object) -> str:
    return ""


def read(text: str) -> object:
    return text


hooks.register(ByLambda, wire=str, build=lambda value: "", read=read)
hooks.register(Never, wire=str | None, build=build, read=read)
hooks.register(First, wire=list[Second], build=build, read=read)
hooks.register(Second, wire=First, build=build, read=read)
hooks.register(ToUnknown, wire=object, build=build, read=read)


@mpipc.interface
class Hooks(ABC):
    """One wrong hook in each method."""

    @abstractmethod
    def by_lambda(self, a: ByLambda) -> None: ...
    @abstractmethod
    def never(self, a: Never) -> None: ...
    @abstractmethod
    def circle(self, a: First) -> None: ...
    @abstractmethod
    def to_unknown(self, a: ToUnknown) -> None: ...
