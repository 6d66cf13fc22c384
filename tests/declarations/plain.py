"""Annotations that are objects, not text."""

from abc import ABC, abstractmethod
from typing import Optional

import msgspec

import mpipc


class Leaf(msgspec.Struct):
    value: int
    next: Optional["Leaf"] = None


@mpipc.interface
class Plain(ABC):
    @abstractmethod
    def leaves(self, leaf: "Leaf", more: list["Leaf"]) -> Optional["Plain"]: ...
