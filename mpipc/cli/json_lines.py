"""Printing JSON."""

from __future__ import annotations

import json
import re
import sys

import msgspec


def print_json(value: object, *, indent: bool = False) -> None:
    """Print a value as JSON, at once. Where the encoding of the output lacks a character, it is
    escaped as JSON has it; so is what a terminal would take for a command."""
    encoded = msgspec.json.encode(value)
    text = (msgspec.json.format(encoded, indent=2) if indent else encoded).decode()
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = re.sub(r"[^\x00-\x7f]", _escaped, text)
    if not text.replace("\n", "").isprintable():
        text = re.sub(r"[^\n\x20-\x7e]", _escaped_unless_printable, text)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _escaped_unless_printable(found: re.Match[str]) -> str:
    return found[0] if found[0].isprintable() else _escaped(found)


def _escaped(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]
