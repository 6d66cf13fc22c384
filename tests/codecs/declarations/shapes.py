"""Methods that return what they are given, for structs of every shape."""

from __future__ import annotations

from abc import ABC, abstractmethod

import mpipc
from mpipc import Int8
from tests.codecs.declarations.kinds import (
    Chained,
    Defined,
    Derived,
    Empty,
    Folder,
    Frozen,
    Link,
    Mixed,
    MoreOptions,
    MoreRenamed,
    Named,
    Options,
    Pair,
    Plain,
    Renamed,
    Single,
)


class Several(mpipc.Results, kw_only=True):
    """Several results, by name."""

    text: str
    number: Int8 | None = None
    options: Options
    result: bool


@mpipc.interface
class Shapes(ABC):
    @abstractmethod
    def named(self, value: Named) -> Named: ...

    @abstractmethod
    def mixed(self, value: Mixed) -> Mixed: ...

    @abstractmethod
    def derived(self, value: Derived) -> Derived: ...

    @abstractmethod
    def renamed(self, value: Renamed) -> Renamed: ...

    @abstractmethod
    def more_renamed(self, value: MoreRenamed) -> MoreRenamed: ...

    @abstractmethod
    def defined(self, value: Defined) -> Defined: ...

    @abstractmethod
    def frozen(self, value: Frozen) -> Frozen: ...

    @abstractmethod
    def pair(self, value: Pair) -> Pair: ...

    @abstractmethod
    def options(self, value: Options) -> Options: ...

    @abstractmethod
    def more_options(self, value: MoreOptions) -> MoreOptions: ...

    @abstractmethod
    def link(self, value: Link) -> Link: ...

    @abstractmethod
    def chained(self, value: Chained) -> Chained: ...

    @abstractmethod
    def several(self, value: Options | None) -> Several: ...

    @abstractmethod
    def lists(
        self,
        named: list[Named],
        mixed: list[Mixed],
        renamed: list[MoreRenamed],
        defined: list[Defined],
        frozen: tuple[Frozen, ...],
        options: list[Options],
        more_options: list[MoreOptions],
        plain: list[Plain],
        single: list[Single],
        empty: list[Empty],
        folders: dict[str, Folder],
        links: list[Link],
    ) -> None: ...
