"""Enum with texts as values -> Text."""

from __future__ import annotations

import enum


def build_text_enum(value: enum.Enum) -> str:
    """The text of a member; the Enum itself reads it."""
    text = value.value
    if not isinstance(text, str):
        raise TypeError("not a member whose value is a text")
    return text
