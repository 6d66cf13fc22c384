"""Every exception that mpipc raises, in one tree.

IpcError
 ├─ SchemaError        a declaration that cannot be turned into a schema
 ├─ AddressError       an address that cannot be parsed, listened on or connected to
 │   └─ Unreachable    nobody listens there (also a ConnectionError)
 ├─ ConversionError    a value that does not fit its declared type (also a ValueError)
 ├─ ProtocolError      the other end sent bytes that break the protocol
 ├─ Disconnected       the connection is gone (also a ConnectionError)
 ├─ SandboxError       a sandbox that cannot be had on this system
 ├─ ComponentFailed    a supervised component that was given up
 ├─ Timeout            a deadline passed before the answer came (also a TimeoutError)
 └─ RemoteError        the remote method raised an exception that it does not declare
     └─ Unimplemented  the other end does not know the interface or the method
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class IpcError(Exception):
    """Base of all errors raised by mpipc."""


class Problem(msgspec.Struct, frozen=True):
    """One mistake in a declaration: where it is, what is wrong, what to write instead."""

    where: str
    what: str
    instead: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}\n    write instead: {self.instead}"


class SchemaError(IpcError):
    """Declarations that cannot be turned into a schema; `problems` lists every mistake found."""

    def __init__(self, problems: Sequence[Problem] | str) -> None:
        self.problems: tuple[Problem, ...] = () if isinstance(problems, str) else tuple(problems)
        text = problems if isinstance(problems, str) else "\n".join(map(str, problems))
        super().__init__(text)


class AddressError(IpcError):
    """An address that cannot be parsed, listened on or connected to."""


class Unreachable(AddressError, ConnectionError):
    """Nobody listens at the address."""


class ConversionError(IpcError, ValueError):
    """A value that does not fit its declared type; names the method and the parameter."""


class ProtocolError(IpcError):
    """The other end sent bytes that break the protocol."""


class Disconnected(IpcError, ConnectionError):
    """The connection is gone: closed on this side, dropped by the other, or broken."""


class SandboxError(IpcError):
    """A sandbox that cannot be had on this system."""


class ComponentFailed(IpcError):
    """A supervised component that could not be started, or was restarted too often."""


class Timeout(IpcError, TimeoutError):
    """A deadline passed before the answer came."""


class RemoteError(IpcError):
    """A remote method raised an exception that it does not declare.

    `type` is the name of the remote exception's class where the other end tells it, `text` its
    message and `traceback` the remote traceback when the server sends it (both else empty).
    """

    def __init__(self, text: str, type: str = "", traceback: str = "") -> None:
        super().__init__(f"{type}: {text}" if type else text)
        self.text = text
        self.type = type
        self.traceback = traceback

    def __str__(self) -> str:
        shown = super().__str__()
        return f"{shown}\n\nremote traceback:\n{self.traceback}" if self.traceback else shown


class Unimplemented(RemoteError):
    """The other end does not know the interface or the method that was called."""
