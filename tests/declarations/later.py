"""Imported by `every` for type checkers only: it imports `every` itself."""

from __future__ import annotations

import msgspec

from tests.declarations import every


class Later(msgspec.Struct):
    root: every.Root
