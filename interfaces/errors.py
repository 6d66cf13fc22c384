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


class RPCTypeError(Exception):
    """An argument of an RPC command has the wrong JSON type. Its only argument is a JSON
    document."""
