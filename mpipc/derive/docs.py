"""Docstrings as somebody wrote them."""

from __future__ import annotations

import enum
import inspect


def docstring(declared: object) -> str:
    """The docstring of a class, a function or a module, without the indentation; "" for one that
    is inherited or that the class's maker wrote (dataclass, NamedTuple, Enum)."""
    doc = vars(declared).get("__doc__") if isinstance(declared, type) else declared.__doc__
    if not isinstance(doc, str) or not doc.strip():
        return ""
    if isinstance(declared, type) and doc.startswith(f"{declared.__name__}("):
        return ""
    if isinstance(declared, enum.EnumMeta) and doc == "An enumeration.":  # Python 3.10
        return ""
    return "\n".join(line.rstrip() for line in inspect.cleandoc(doc).splitlines())
