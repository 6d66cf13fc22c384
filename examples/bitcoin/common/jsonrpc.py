"""Serving a process's objects as JSON-RPC."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from examples.bitcoin.common.failures import Failure
from examples.bitcoin.common.options import Options
from mpipc import AddressError, jsonrpc


def cookie_path(datadir: Path, name: str) -> Path:
    """The file with the password, which only the user can read."""
    return datadir / f"{name}.cookie"


def serve(
    name: str, commands: list[object], namespaces: Mapping[str, object], options: Options
) -> jsonrpc.Server:
    """Serve commands, and other interfaces in namespaces, to whoever can read the cookie. Raises
    Failure."""
    try:
        return jsonrpc.serve(
            *commands,
            namespaces=namespaces,
            cookie=cookie_path(options.datadir, name),
            host=options.rpcbind,
            port=options.rpcport,
        )
    except (AddressError, OSError) as error:
        raise Failure(f"no JSON-RPC: {error}") from None
