"""Wrong usage of the command."""

from __future__ import annotations

from mpipc.errors import IpcError


class Usage(IpcError):
    """What was typed makes no sense; the exit status is 2."""
