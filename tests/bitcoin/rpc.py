"""A JSON-RPC client of a program of the example."""

from __future__ import annotations

import base64
import http.client
import json
import re
import urllib.request
from pathlib import Path
from typing import Any


class RpcError(Exception):
    """The program answers that something is wrong."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.code: int = error["code"]


class Unreachable(Exception):
    """There is no answer, or the program has not said yet where it listens."""


class Rpc:
    """Calls a program whose output is in a file, as `rpc.get_balances("savings")`."""

    def __init__(self, name: str, log: Path, datadir: Path) -> None:
        self._log = log
        self._cookie = datadir / f"{name}.cookie"

    def call(self, method: str, *params: object, **named: object) -> Any:
        """Call a method. Raises RpcError, Unreachable."""
        found = re.search(r"JSON-RPC at (\S+)", self._log.read_text())
        if found is None:
            raise Unreachable("it has not started yet")
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": named or params}
        request = urllib.request.Request(found[1], json.dumps(body).encode())
        try:
            token = base64.b64encode(self._cookie.read_bytes()).decode()
            request.add_header("Authorization", f"Basic {token}")
            with urllib.request.urlopen(request, timeout=60) as response:
                answer = json.load(response)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Unreachable(str(error)) from None
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def __getattr__(self, name: str) -> Any:
        return lambda *params, **named: self.call(name, *params, **named)
