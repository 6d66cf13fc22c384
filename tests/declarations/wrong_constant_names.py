"""Two constants of one name in the schema."""

from __future__ import annotations

from typing import Annotated, Final

import mpipc

MOST: Final[Annotated[int, mpipc.Const()]] = 1
LARGEST: Final[Annotated[int, mpipc.Const("most")]] = 2
