"""Mistakes in the shape of structs, interfaces and methods, as in `wrong.py`."""

from __future__ import annotations

from abc import ABC, abstractmethod

import attrs
from typing_extensions import NotRequired, TypedDict

import mpipc


@mpipc.interface
class Methods(ABC):
    """One wrong method after the other."""

    def forgotten(self) -> None:  # noqa: B027
        """Its body is only this."""

    @mpipc.method(raises=[LookupError, mpipc.Raises(KeyError, "missing")])
    @abstractmethod
    def never_raised(self) -> None: ...


@mpipc.struct
class Options(TypedDict):
    a: NotRequired[int | None]


NoName = TypedDict("NoName", {"a-b": int})
mpipc.struct(NoName)


@mpipc.struct
@attrs.define
class Untyped:
    a = attrs.field()  # type: ignore[var-annotated]
