"""timedelta -> Float64 milliseconds."""

from __future__ import annotations

import datetime

from mpipc.declare import WireType
from mpipc.derive.annotations import Annotation
from mpipc.derive.mistakes import Mistake
from mpipc.derive.site import Site
from mpipc.model import TimedeltaType


def rule(annotation: Annotation, site: Site) -> TimedeltaType | None:
    if annotation.base is not datetime.timedelta:
        return None
    picked = annotation.find(WireType)
    if picked is not None and picked.name != "Float64":
        raise Mistake(
            f"a timedelta does not travel as {picked.name}, but as Float64 milliseconds",
            "timedelta without an alias, or the integer type for a number of ticks",
        )
    return TimedeltaType()
