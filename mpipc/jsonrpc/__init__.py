"""JSON-RPC 2.0 over HTTP, from the same declarations.

    with mpipc.jsonrpc.serve(chain, port=8080, cookie="data/.cookie") as server:
        server.serve_forever()

Whoever can read the cookie file may call every method of `chain`, by its schema name or its Python
name. With `namespaces={"chain": chain}` they are called `chain.getHeight` instead, and with a
`ByName` each call says which of many objects it is for. `rpc.discover` describes all of them
(OpenRPC).
"""

from __future__ import annotations

from mpipc.jsonrpc.dispatch import Dispatcher, Limits
from mpipc.jsonrpc.http import Server, serve
from mpipc.jsonrpc.procedures import ByName

__all__ = ["ByName", "Dispatcher", "Limits", "Server", "serve"]
