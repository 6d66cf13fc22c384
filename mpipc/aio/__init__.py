"""Calls between processes in asyncio programs: interfaces whose methods are `async def`."""

from __future__ import annotations

from mpipc.aio.calls import call, close
from mpipc.aio.client import Connecting, connect, wait_closed
from mpipc.aio.reconnect import reconnecting
from mpipc.aio.server import Server, Serving, serve

__all__ = [
    "Connecting",
    "Server",
    "Serving",
    "call",
    "close",
    "connect",
    "reconnecting",
    "serve",
    "wait_closed",
]
