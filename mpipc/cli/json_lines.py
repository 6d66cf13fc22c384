"""Printing JSON."""

from __future__ import annotations

import json
import re
import sys

import msgspec


def print_json(value: object, *, indent: bool = False) -> None:
    """Print a value as JSON, at once. Where the encoding of the output lacks a character, it is
    escaped as JSON has it."""
    encoded = msgspec.json.encode(value)
    text = (msgspec.json.format(encoded, indent=2) if indent else encoded).decode()
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = re.sub(r"[^\x00-\x7f]", lambda found: json.dumps(found[0])[1:-1], text)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
