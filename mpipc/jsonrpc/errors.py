"""The errors of JSON-RPC, by their codes."""

from __future__ import annotations

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
APPLICATION_ERROR = -32000
"""For a declared exception that has no code of its own."""

RESERVED = range(-32768, -31999)
"""The codes that an application does not choose."""


class Refused(Exception):
    """A request that is answered by an error."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


class Invalid(Refused):
    """A parameter of the wrong type. `path` says where it is: `options.timeout`."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(INVALID_PARAMS, f"{path}: {what}")
