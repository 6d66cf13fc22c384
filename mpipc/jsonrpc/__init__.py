"""JSON-RPC 2.0 over HTTP, from the same declarations.

    with mpipc.jsonrpc.serve(chain, port=8080, cookie="data/.cookie") as server:
        server.serve_forever()

Whoever can read the cookie file may call every method of `chain`, by its schema name or its Python
name. `rpc.discover` describes them (OpenRPC).
"""

from __future__ import annotations

from mpipc.jsonrpc.dispatch import Dispatcher, Limits
from mpipc.jsonrpc.http import Server, serve

__all__ = ["Dispatcher", "Limits", "Server", "serve"]
