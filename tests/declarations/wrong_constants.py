"""Constants that cannot be in a schema."""

from __future__ import annotations

from typing import Annotated, Final

import mpipc
from mpipc import Int8

OF_LISTS: Final[Annotated[list[int], mpipc.Const()]] = [1]
MAYBE: Final[Annotated[int | None, mpipc.Const()]] = None
LARGE: Final[Annotated[Int8, mpipc.Const()]] = 128
ZERO: Final[Annotated[str, mpipc.Const()]] = "a\0"
CAPITAL: Final[Annotated[int, mpipc.Const("Capital")]] = 1
NO_VALUE: Annotated[bytes, mpipc.Const()]
