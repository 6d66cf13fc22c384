"""Exceptions that Bitcoin Core's RPC methods raise across processes."""

from __future__ import annotations

from typing import Any

import msgspec


class RPCError(Exception):
    """An RPC command failed. Its only argument is a JSON document, mostly an object with `code` and
    `message`."""

    @property
    def error(self) -> Any:
        """The document, decoded. Raises msgspec.DecodeError for what is no JSON."""
        return msgspec.json.decode(str(self))

    @property
    def code(self) -> int | None:
        """The code of the error; None where the document has none."""
        try:
            found = self.error["code"]
        except (msgspec.DecodeError, TypeError, KeyError):
            return None
        return found if isinstance(found, int) else None


class RPCTypeError(Exception):
    """An argument of an RPC command has the wrong JSON type. Its only argument is a JSON
    document."""
