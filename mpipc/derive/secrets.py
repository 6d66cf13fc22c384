"""What must not be shown."""

from __future__ import annotations

import collections.abc
from typing import Literal

from mpipc import declare
from mpipc.derive.site import Site


def is_secret(annotation: object, site: Site, within: tuple[object, ...] = ()) -> bool:
    """Whether an annotation says that values are secret, or what is in them. A union may contain
    itself: `within` is what it is in."""
    found = site.unwrap(annotation)
    if any(isinstance(each, declare.Field) and each.secret for each in found.metadata):
        return True
    if found.origin in (Literal, collections.abc.Callable) or found.base in within:
        return False  # the arguments of these two are no types of what is in a value
    return any(is_secret(each, site, (*within, found.base)) for each in found.args)
