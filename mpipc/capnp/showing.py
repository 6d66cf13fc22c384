"""How values are shown, in logs and in errors: shortened, and without their secrets; and texts of
somebody else's."""

from __future__ import annotations

import reprlib
from typing import Any

from mpipc.capnp.descriptions import hidden, secretive

HIDDEN = "<secret>"
"""What stands for a secret."""

SECRET = " (secret)"
"""The end of the name of a place whose values must not be shown."""


class Shortener(reprlib.Repr):
    """As its base, but of an object that has secrets it shows the fields, and not these.

    An object of a class that no interface has is shown as its class says.
    """

    def repr1(self, x: Any, level: int) -> str:
        fields = secretive(type(x))
        if fields is None:
            return super().repr1(x, level)
        if level <= 0:
            return f"{type(x).__name__}(...)"
        shown = [
            f"{name}={HIDDEN if hidden(field) else self.repr1(getattr(x, name, None), level - 1)}"
            for name, field in fields.items()
        ]
        return f"{type(x).__name__}({', '.join(shown)})"

    def repr_Batch(self, x: Any, level: int) -> str:
        """What an iterator gives at once (`streams.py`), or something else of this name."""
        if not isinstance(getattr(x, "items", None), list) or level <= 0:
            return self.repr_instance(x, level)
        return f"Batch(items={self.repr1(x.items, level - 1)}, done={x.done})"


shown = Shortener().repr


def printable(text: str, *, kept: str = "") -> str:
    """A text that somebody else has said, for logs and terminals: it begins no line of its own, and
    moves no cursor. `kept`: what stays, though it cannot be printed."""
    return "".join(each if each.isprintable() or each in kept else "?" for each in text)
